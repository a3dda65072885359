"""How busy the tables of the real server are, and who uses them now."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from psycopg.rows import class_row

from dbops.core.forecast import LiveTable
from dbops.core.target import Target
from dbops.postgres.session import open_session
from dbops.postgres.snapshot import explain_server_failures
from dbops.sql import load

LEAST_S = 2.0
"""Counters of sessions reach the statistics once a second at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    name: str
    size_bytes: int
    scans: int
    changes: int
    oldest_transaction_s: float | None
    oldest_transaction: str
    is_vacuumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLook:
    """One look at all tables."""

    at_s: float
    rows: Mapping[str, _Row]

    def compare(self, earlier: LiveLook) -> dict[str, LiveTable]:
        """Return the tables as they are now, with the rates since an earlier look."""
        passed_s = self.at_s - earlier.at_s
        return {
            name: LiveTable(
                name=name,
                size_bytes=row.size_bytes,
                reads_per_s=_rate(row.scans, before.scans, passed_s),
                writes_per_s=_rate(row.changes, before.changes, passed_s),
                oldest_transaction_s=row.oldest_transaction_s,
                oldest_transaction=row.oldest_transaction,
                is_vacuumed=row.is_vacuumed,
            )
            for name, row in self.rows.items()
            for before in (earlier.rows.get(name, row),)
        }


def _rate(now: int, before: int, passed_s: float) -> float | None:
    # Counters that were reset in between say nothing.
    if passed_s < LEAST_S or now < before:
        return None
    return round((now - before) / passed_s, 3)


def look_at_live_tables(
    target: Target, *, clock: Callable[[], float] = time.monotonic
) -> LiveLook:
    """Look at all tables of the database once, without waiting for any lock.

    Raises:
        ServerFailed: the server did not answer.
    """
    with (
        open_session(target, purpose="rehearse:live") as connection,
        explain_server_failures(),
        connection.cursor(row_factory=class_row(_Row)) as cursor,
    ):
        rows = cursor.execute(load("live_tables")).fetchall()
    return LiveLook(at_s=clock(), rows={each.name: each for each in rows})
