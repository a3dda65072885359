"""Who wrote which object of a scratch database."""

from __future__ import annotations

from psycopg.rows import class_row

from dbops.core.origins import OriginRow
from dbops.postgres.session import Connection
from dbops.sql import load


def fetch_next_xid(connection: Connection) -> int:
    """Return the first transaction that has not begun yet; begins none itself."""
    row = connection.execute(load("next_xid")).fetchone()
    assert row is not None  # noqa: S101  It is one row.
    return int(row[0])


def fetch_origins(connection: Connection) -> list[OriginRow]:
    """Return the transaction that last wrote each object, one row or more each."""
    with (
        connection.transaction(),
        connection.cursor(row_factory=class_row(OriginRow)) as cursor,
    ):
        # Types are named as the catalog's reader names them.
        cursor.execute("SET LOCAL search_path = pg_catalog")
        return cursor.execute(load("catalog_origins")).fetchall()
