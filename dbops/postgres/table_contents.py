"""What the tables hold, in sums that do not depend on the order of rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import sql
from psycopg.rows import class_row

from dbops.core.row_contents import TableSums
from dbops.core.target import Target
from dbops.postgres.session import Connection, open_session
from dbops.postgres.snapshot import explain_server_failures
from dbops.sql import load

ZONE = "Asia/Kathmandu"
"""A zone that is not UTC, by no whole hours, and has no summer time."""
HASH = sql.SQL(
    "coalesce(pg_catalog.sum(pg_catalog.hashtextextended(({})::text COLLATE "
    '"pg_catalog"."C", 0)), 0)'
)
BOOKKEEPING = "django_migrations"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    oid: int
    schema: str
    relation: str
    name: str
    columns: list[str]
    numbers: list[int]


def fetch_table_sums(
    target: Target,
    *,
    only: Collection[str] | None = None,
    columns: Mapping[str, TableSums] | None = None,
) -> dict[str, TableSums]:
    """Read all rows of the tables, or of those in `only`; sum them by name.

    The server hashes: a row as a whole, and each of its columns by itself. A row has
    the columns that it has in `columns`, too, where the table is there: what was summed
    before can be compared. The history of migrations is left out.

    Raises:
        ServerFailed: the server did not read them.
    """
    with _open_session(target) as connection:
        with connection.cursor(row_factory=class_row(_Table)) as cursor:
            tables = cursor.execute(load("contents_tables")).fetchall()
        return {
            each.name: _fetch(connection, each, (columns or {}).get(each.name))
            for each in tables
            if each.relation != BOOKKEEPING and (only is None or each.name in only)
        }


@contextmanager
def _open_session(target: Target) -> Iterator[Connection]:
    with (
        open_session(target, purpose="rehearse:contents") as connection,
        explain_server_failures(),
    ):
        connection.execute(load("lift_timeouts"))
        connection.execute(load("copy_settings"))
        connection.execute(
            "SELECT pg_catalog.set_config('TimeZone', %s, false)", [ZONE]
        )
        yield connection


def _fetch(
    connection: Connection, table: _Table, before: TableSums | None
) -> TableSums:
    names = [
        each
        for each in table.columns
        if before is None or each in before.columns or not before.columns
    ]
    parts: list[sql.Composable] = [sql.SQL("pg_catalog.count(*)")]
    if names:
        row = sql.SQL(", ").join(map(sql.Identifier, names))
        parts.append(HASH.format(sql.SQL("ROW({})").format(row)))
        parts += [HASH.format(sql.Identifier(each)) for each in names]
    found = connection.execute(
        sql.SQL("SELECT {} FROM ONLY {}").format(
            sql.SQL(", ").join(parts), sql.Identifier(table.schema, table.relation)
        )
    ).fetchone()
    assert found is not None  # noqa: S101  An aggregate has one row.
    rows, *sums = (int(each) for each in found)
    return TableSums(
        rows=rows,
        row_sum=sums[0] if sums else 0,
        columns=dict(zip(names, sums[1:], strict=True)) if sums else {},
        identities={
            name: (table.oid, number)
            for name, number in zip(table.columns, table.numbers, strict=True)
        },
    )
