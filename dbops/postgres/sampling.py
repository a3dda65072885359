"""Rows whose other end was not copied, taken out before the keys are made."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from dbops.core.sampling import ForeignKey
from dbops.core.target import Target
from dbops.postgres.session import Connection, open_session
from dbops.postgres.snapshot import explain_server_failures
from dbops.sql import load


def drop_orphans(target: Target, keys: Iterable[ForeignKey]) -> int:
    """Delete rows that refer to rows which are not there; return how many.

    Raises:
        ServerFailed: the server did not take it.
    """
    listed = list(keys)
    total = 0
    with (
        open_session(target, purpose="rehearse:sample") as connection,
        explain_server_failures(),
    ):
        connection.execute(load("lift_timeouts"))
        connection.execute("ANALYZE")
        # What is deleted for one key may leave an orphan of another one.
        while deleted := sum(_drop(connection, each) for each in listed):
            total += deleted
    return total


def _drop(connection: Connection, key: ForeignKey) -> int:
    pairs = zip(key.columns, key.target_columns, strict=True)
    statement = sql.SQL(
        "DELETE FROM {table} AS c WHERE {present}"
        " AND NOT EXISTS (SELECT FROM {target} AS r WHERE {same})"
    ).format(
        table=sql.Identifier(key.table.schema, key.table.name),
        target=sql.Identifier(key.target.schema, key.target.name),
        present=sql.SQL(" AND ").join(
            _name("c", each) + sql.SQL(" IS NOT NULL") for each in key.columns
        ),
        same=sql.SQL(" AND ").join(
            _name("r", other) + sql.SQL(" = ") + _name("c", one) for one, other in pairs
        ),
    )
    return connection.execute(statement).rowcount


def _name(alias: str, quoted: str) -> sql.Composed:
    plain = quoted[1:-1].replace('""', '"') if quoted.startswith('"') else quoted
    return sql.Composed([sql.Identifier(alias, plain)])
