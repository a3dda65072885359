"""How long a migration keeps others out of a table: from the lock to the COMMIT."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dbops.core.lock_modes import LockMode


@dataclass(frozen=True, slots=True, kw_only=True)
class LockTaken:
    """One lock of one transaction. Times are seconds on one clock."""

    relation: str
    """As reports name it; an index by its own name."""
    table: str
    """The table itself, or the one that the index belongs to."""
    mode: LockMode
    taken_s: float
    """When the statement that took it began."""
    released_s: float
    """When the transaction had ended, or the savepoint was rolled back."""
    statement: int
    """The number of the statement that took it, from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHold:
    """The strongest lock on one relation, and for how long it was held."""

    relation: str
    mode: str
    """As in `pg_locks`."""
    held_s: float
    """Without a break; the longest time, where there were several."""
    blocks: str
    """`reads` (and writes), `writes` or `none`."""
    statement: int
    """The number of the statement that took it, from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableBlocked:
    """How long nobody could read, and nobody could write, one table."""

    table: str
    reads_s: float
    writes_s: float


def find_holds(locks: Iterable[LockTaken]) -> tuple[LockHold, ...]:
    """Return the strongest lock on each relation, the strongest first.

    What readers take is left out, and an index where its table is locked as strongly.

    >>> (hold,) = find_holds(
    ...     [
    ...         LockTaken(
    ...             relation="t",
    ...             table="t",
    ...             mode=LockMode.ACCESS_EXCLUSIVE,
    ...             taken_s=1.0,
    ...             released_s=3.5,
    ...             statement=1,
    ...         )
    ...     ]
    ... )
    >>> hold.mode, hold.held_s, hold.blocks
    ('AccessExclusiveLock', 2.5, 'reads')
    """
    by_relation: dict[str, list[LockTaken]] = {}
    for each in locks:
        if each.mode > LockMode.ROW_SHARE:
            by_relation.setdefault(each.relation, []).append(each)
    modes = {
        relation: max(each.mode for each in found)
        for relation, found in by_relation.items()
    }
    holds = []
    for relation, found in by_relation.items():
        mode, table = modes[relation], found[0].table
        if table != relation and modes.get(table, LockMode.ACCESS_SHARE) >= mode:
            continue
        strongest = [each for each in found if each.mode is mode]
        holds.append(
            LockHold(
                relation=relation,
                mode=mode.pg_name,
                held_s=round(measure_longest(strongest), 6),
                blocks=mode.blocks,
                statement=min(each.statement for each in strongest),
            )
        )
    order = {mode.pg_name: -mode for mode in LockMode}
    return tuple(
        sorted(holds, key=lambda each: (order[each.mode], -each.held_s, each.relation))
    )


def find_blocked(locks: Iterable[LockTaken]) -> tuple[TableBlocked, ...]:
    """Return the tables that others are kept out of, the longest blocked first.

    An index that is locked keeps readers of its table waiting, who open it too.
    """
    by_table: dict[str, list[LockTaken]] = {}
    for each in locks:
        if each.mode.blocks != "none":
            by_table.setdefault(each.table, []).append(each)
    blocked = [
        TableBlocked(
            table=table,
            reads_s=round(
                measure_longest([one for one in found if one.mode.blocks == "reads"]), 6
            ),
            writes_s=round(measure_longest(found), 6),
        )
        for table, found in by_table.items()
    ]
    return tuple(
        sorted(blocked, key=lambda each: (-each.reads_s, -each.writes_s, each.table))
    )


def measure_longest(locks: Iterable[LockTaken]) -> float:
    """Return the longest time without a break in which one of these was held."""
    longest = start = end = 0.0
    for number, each in enumerate(sorted(locks, key=lambda each: each.taken_s)):
        if number == 0 or each.taken_s > end:
            start, end = each.taken_s, each.released_s
        end = max(end, each.released_s)
        longest = max(longest, end - start)
    return longest
