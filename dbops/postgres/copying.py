"""Rows out of a database and into another one, by COPY, in portions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import IsolationLevel, sql
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.rows import class_row

from dbops.core.target import Target
from dbops.postgres.session import Connection, open_session
from dbops.postgres.snapshot import Relation
from dbops.sql import load

PORTION_BYTES = 64 << 20
"""About as much of a table, TOAST included, as one session reads at a time."""
BATCH_BYTES = 256 << 10
NEWLINE = ord("\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Some pages of a table, or all of it."""

    relation: Relation
    columns: tuple[str, ...]
    size_bytes: int
    """About."""
    first_page: int = 0
    end_page: int | None = None
    """The first that does not belong to it; None for all the rest."""

    @property
    def is_whole(self) -> bool:
        """Tell whether it is the whole table."""
        return self.first_page == 0 and self.end_page is None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    oid: int
    columns: list[str]
    pages: int
    size_bytes: int
    is_heap: bool


def plan_portions(
    connection: Connection, relations: Sequence[Relation]
) -> list[Portion]:
    """Cut the tables into portions of about one size, the largest tables first."""
    with connection.cursor(row_factory=class_row(_Table)) as cursor:
        rows = cursor.execute(
            load("copy_tables"),
            {"oids": [each.oid for each in relations if not each.is_partitioned]},
        ).fetchall()
    found = {each.oid: each for each in rows}
    portions: list[Portion] = []
    for relation in relations:
        if relation.oid in found:
            portions += _cut(relation, found[relation.oid])
    return sorted(portions, key=lambda each: -each.size_bytes)


def _cut(relation: Relation, table: _Table) -> Iterator[Portion]:
    number = -(-table.size_bytes // PORTION_BYTES) if table.is_heap else 1
    number = max(1, min(number, table.pages))
    edges = [table.pages * each // number for each in range(number)]
    for first, end in zip(edges, [*edges[1:], None], strict=True):
        yield Portion(
            relation=relation,
            columns=tuple(table.columns),
            size_bytes=table.size_bytes // number,
            first_page=first,
            end_page=end,
        )


@contextmanager
def open_copy_session(
    target: Target, *, purpose: str, lock_timeout_s: float = 0
) -> Iterator[Connection]:
    """Open a session that writes and reads values as every other one of these does."""
    with open_session(target, purpose=purpose) as connection:
        connection.execute(load("lift_timeouts"))
        connection.execute(load("copy_settings"))
        connection.execute(
            "SELECT pg_catalog.set_config('lock_timeout', %s, false)",
            [f"{round(lock_timeout_s * 1000)}ms"],
        )
        yield connection


@contextmanager
def use_snapshot(connection: Connection, snapshot_id: str) -> Iterator[None]:
    """Let the session see what an exported snapshot sees, for the block."""
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    with connection.transaction():
        connection.execute(
            sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot_id))
        )
        yield


def read_rows(connection: Connection, portion: Portion) -> Iterator[bytes]:
    """Yield the portion in COPY's text format, a batch of whole rows at a time.

    Below psycopg's own loop, which costs twice as much where rows are small. Keeping
    the pieces, and joining them, would cost twice as much again.
    """
    pgconn = connection.pgconn
    result = pgconn.exec_(_build_copy_out(portion).as_bytes(connection))
    if result.status != ExecStatus.COPY_OUT:
        raise error_from_result(result)
    rows = bytearray()
    while True:
        length, piece = pgconn.get_copy_data(0)
        if length < 0:
            break
        rows += piece
        # The server sends a row at a time; nothing says that it must.
        if len(rows) >= BATCH_BYTES and rows[-1] == NEWLINE:
            yield bytes(rows)
            rows.clear()
    while (end := pgconn.get_result()) is not None:
        if end.status != ExecStatus.COMMAND_OK:
            raise error_from_result(end)
    if rows:
        yield bytes(rows)


def write_rows(
    connection: Connection,
    table: sql.Identifier,
    columns: Sequence[str],
    batches: Iterable[bytes],
) -> None:
    """Put rows in COPY's text format into a table."""
    statement = sql.SQL("COPY {}{} FROM STDIN").format(table, _list(columns))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for batch in batches:
            copy.write(batch)


def _build_copy_out(portion: Portion) -> sql.Composed:
    if portion.is_whole and portion.columns:
        return sql.SQL("COPY {}{} TO STDOUT").format(
            portion.relation.identifier, _list(portion.columns)
        )
    condition = sql.SQL("ctid >= {}::pg_catalog.tid").format(
        sql.Literal(f"({portion.first_page},0)")
    )
    if portion.end_page is not None:
        condition += sql.SQL(" AND ctid < {}::pg_catalog.tid").format(
            sql.Literal(f"({portion.end_page},0)")
        )
    if portion.is_whole:
        condition = sql.Composed([sql.SQL("true")])
    return sql.SQL("COPY (SELECT {} FROM ONLY {} WHERE {}) TO STDOUT").format(
        sql.SQL(", ").join(map(sql.Identifier, portion.columns)),
        portion.relation.identifier,
        condition,
    )


def _list(columns: Sequence[str]) -> sql.Composable:
    """Return the columns in parentheses; nothing for a table without any."""
    if not columns:
        return sql.SQL("")
    return sql.SQL(" ({})").format(sql.SQL(", ").join(map(sql.Identifier, columns)))
