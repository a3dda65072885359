"""What goes on in the database, as its server counts it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from dbops.core.watch import Counters, Look, StatementCount
from dbops.postgres.old_statements import PREPARABLE, SOURCE
from dbops.postgres.session import Connection
from dbops.sql import load


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    reset: str
    since_reset_s: float | None
    commits: int
    rollbacks: int
    deadlocks: int
    fatal_sessions: int
    waiting_sessions: int


def look_at_activity(
    connection: Connection,
    *,
    statements: bool,
    clock: Callable[[], float] = time.monotonic,
) -> Look:
    """Look once, without waiting for any lock; at the statements where asked to."""
    with connection.cursor(row_factory=class_row(_Row)) as cursor:
        [row] = cursor.execute(load("activity_counters")).fetchall()
    return Look(
        at_s=clock(),
        counters=Counters(
            reset=row.reset,
            since_reset_s=row.since_reset_s,
            commits=row.commits,
            rollbacks=row.rollbacks,
            deadlocks=row.deadlocks,
            fatal_sessions=row.fatal_sessions,
        ),
        waiting_sessions=row.waiting_sessions,
        statements=_fetch_statements(connection) if statements else None,
    )


def _fetch_statements(connection: Connection) -> tuple[StatementCount, ...] | None:
    """Return what pg_stat_statements has; None where this role cannot read it."""
    row = connection.execute(load("statements_extension")).fetchone()
    if row is None:
        return None
    query = sql.SQL(load("activity_statements")).format(
        view=sql.Identifier(row[0], SOURCE)
    )
    try:
        with (
            connection.transaction(),
            connection.cursor(row_factory=class_row(StatementCount)) as cursor,
        ):
            rows = cursor.execute(query).fetchall()
    except psycopg.Error:  # Not in shared_preload_libraries, or not for this role.
        return None
    return tuple(each for each in rows if PREPARABLE.match(each.query))
