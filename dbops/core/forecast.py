"""From what was measured on a copy to what the real server will feel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dbops.core.hold_times import LockHold, TableBlocked
from dbops.core.measurement import MeasuredStatement

NARROW, WIDE = 3.0, 4.0
"""How far off a time may be, for caches and disks differ; wide where it was scaled."""
SAME_SIZE = 1.5
"""Up to this ratio of sizes a copy counts as whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTable:
    """What is known of a table of the real server."""

    name: str
    size_bytes: int
    reads_per_s: float | None
    """Scans of table and indexes; None where nobody has looked twice."""
    writes_per_s: float | None
    """Rows inserted, updated and deleted."""
    oldest_transaction_s: float | None
    """Of those that have a lock on it now; None: nobody has."""
    oldest_transaction: str
    """Which one: process, application and state."""
    is_vacuumed: bool
    """Whether autovacuum is at work on it now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableForecast:
    """How long a table will be blocked on the real server."""

    table: str
    size_bytes: int
    scaled_by: float
    """The real table's size by the copy's, as far as it matters for the time."""
    reads_s: float
    writes_s: float
    low: float
    high: float
    """By what to multiply both for the least and the most that is likely."""
    requests: int | None
    """About how many will have to wait; None where the rate is not known."""
    waits_for: tuple[str, ...]
    """Who keeps the migration from its lock now."""


def build_forecasts(
    blocked: Sequence[TableBlocked],
    holds: Sequence[LockHold],
    statements: Sequence[MeasuredStatement],
    copied: Mapping[str, int],
    live: Mapping[str, LiveTable],
) -> tuple[TableForecast, ...]:
    """Return what each blocked table will feel; `copied` are the copy's sizes in bytes.

    A statement that reads, writes or rewrites tables takes as much longer as the
    largest of them is larger; one that only changes the catalog does not.
    """
    ratios = {
        name: table.size_bytes / copied[name]
        for name, table in live.items()
        if copied.get(name) and table.size_bytes
    }
    first = {each.relation: each.statement for each in holds}
    return tuple(
        _build(each, _scale(statements, first.get(each.table, 1), ratios), live)
        for each in blocked
    )


def _scale(
    statements: Sequence[MeasuredStatement], since: int, ratios: Mapping[str, float]
) -> float:
    """Return the mean factor of what runs while the lock is held, by time."""
    held = [each for each in statements if each.number >= since]
    total = sum(each.duration_s for each in held)
    if not total:
        return 1.0
    return sum(each.duration_s * _find_ratio(each, ratios) for each in held) / total


def _find_ratio(each: MeasuredStatement, ratios: Mapping[str, float]) -> float:
    moved = {
        *each.rewrites,
        *(one.relation for one in each.scans),
        *(one.relation for one in each.changes),
    }
    return max((ratios[name] for name in moved if name in ratios), default=1.0)


def _build(
    each: TableBlocked, scale: float, live: Mapping[str, LiveTable]
) -> TableForecast:
    table = live.get(each.table)
    reads_s, writes_s = each.reads_s * scale, each.writes_s * scale
    off = NARROW if 1 / SAME_SIZE <= scale <= SAME_SIZE else WIDE
    return TableForecast(
        table=each.table,
        size_bytes=table.size_bytes if table else 0,
        scaled_by=round(scale, 2),
        reads_s=round(reads_s, 6),
        writes_s=round(writes_s, 6),
        low=round(1 / off, 3),
        high=off,
        requests=_count_requests(table, reads_s, writes_s),
        waits_for=_list_obstacles(table),
    )


def _count_requests(
    table: LiveTable | None, reads_s: float, writes_s: float
) -> int | None:
    """Return how many come while they have to wait.

    Readers wait as long as reads are blocked, writers as long as writes are.
    """
    if table is None or table.reads_per_s is None or table.writes_per_s is None:
        return None
    return round(table.reads_per_s * reads_s + table.writes_per_s * writes_s)


def _list_obstacles(table: LiveTable | None) -> tuple[str, ...]:
    if table is None:
        return ()
    found = []
    if table.oldest_transaction_s is not None:
        found.append(
            f"a transaction of {table.oldest_transaction_s:.1f} s "
            f"({table.oldest_transaction})"
        )
    if table.is_vacuumed:
        found.append("autovacuum, which gives way after deadlock_timeout")
    return tuple(found)
