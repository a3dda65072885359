"""Clear away what a cut-off CREATE INDEX CONCURRENTLY leaves."""

from __future__ import annotations

from collections.abc import Collection

from psycopg import sql

from dbops.postgres.session import Connection
from dbops.sql import load


def drop_invalid_indexes(connection: Connection, names: Collection[str]) -> None:
    """Drop those of the named indexes that are INVALID, without blocking anybody.

    `names` are a catalog's names. The connection is in autocommit mode.
    """
    for name, schema, index in connection.execute(load("invalid_indexes")).fetchall():
        if name in names:
            connection.execute(
                sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(
                    sql.Identifier(schema, index)
                )
            )


def fetch_validity(connection: Connection, name: str) -> bool | None:
    """Return whether an index, named as in SQL, is valid; None where there is none."""
    row = connection.execute(load("index_validity"), {"name": name}).fetchone()
    return bool(row[0]) if row else None


def drop_index(connection: Connection, name: str) -> None:
    """Drop an index, named as in SQL, without blocking anybody."""
    connection.execute(
        sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.SQL(name))
    )
