"""Rows out of a database and into another one, by COPY, in portions."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import IsolationLevel, sql
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.rows import class_row

from dbops.core.contents import Rows, join_rows
from dbops.core.target import Target
from dbops.postgres.session import Connection, open_session
from dbops.postgres.snapshot import Relation
from dbops.sql import load

PORTION_BYTES = 64 << 20
"""About as much of a table, TOAST included, as one session reads at a time."""
BATCH_BYTES = 64 << 10
"""Larger ones leave the processor's cache before they are hashed and compressed."""
LOOK_AGAIN_MS = 100
"""What an encrypted connection has decrypted already, no wait for its socket sees."""


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


def read_rows(connection: Connection, portion: Portion) -> Iterator[Rows]:
    """Yield the portion in COPY's text format, a batch of whole rows at a time.

    Below psycopg's own loop, which costs twice as much where rows are small. libpq
    gives a row at a time, which is summed as such: to find the rows again in a batch
    would cost as much as to receive them.

    Source: https://www.postgresql.org/docs/current/libpq-copy.html
    """
    pgconn = connection.pgconn
    receive, wait = pgconn.get_copy_data, _build_wait(pgconn)
    pgconn.send_query(_build_copy_out(portion).as_bytes(connection))
    _require(_fetch_result(pgconn, wait), ExecStatus.COPY_OUT)
    rows, size = list[bytes](), 0
    while True:
        length, row = receive(1)
        if length > 0:
            # A copy gives libpq's memory, and what guards it, back at once.
            rows.append(row.tobytes())
            size += length
            if size >= BATCH_BYTES:
                yield join_rows(rows)
                rows, size = [], 0
        elif length == 0:
            wait()
        else:
            break
    while (end := _fetch_result(pgconn, wait)) is not None:
        _require(end, ExecStatus.COMMAND_OK)
    if rows:
        yield join_rows(rows)


def _fetch_result(pgconn: PGconn, wait: Callable[[], None]) -> PGresult | None:
    while pgconn.is_busy():
        wait()
    return pgconn.get_result()


def _require(result: PGresult | None, status: ExecStatus) -> None:
    if result is None:
        raise psycopg.OperationalError("the server gave no answer")
    if result.status != status:
        raise error_from_result(result)


def _build_wait(pgconn: PGconn) -> Callable[[], None]:
    """Return what waits until there is more to read.

    psycopg would wait inside libpq, and keep all other threads waiting meanwhile.
    """
    poll = select.poll()
    poll.register(pgconn.socket, select.POLLIN)

    def wait() -> None:
        poll.poll(LOOK_AGAIN_MS)
        pgconn.consume_input()

    return wait


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
