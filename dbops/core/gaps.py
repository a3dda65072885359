"""When to ask for a strong lock so that nobody queues behind whoever asks.

A reader queues behind a request for ACCESS EXCLUSIVE as long as that waits, and it
waits for whoever has the table. So it is asked for only when all who have the table
came a moment ago, and will be gone in a moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dbops.core.duration import format_age
from dbops.core.lock_modes import LockMode, conflicts_with
from dbops.core.locks.advice import LOOK_AGAIN, Case, advise
from dbops.core.locks.comments import find_caller
from dbops.core.locks.kinds import BlockerKind, classify
from dbops.core.locks.rows import PreparedRow, SessionRow
from dbops.core.table_name import TableName

WEAKEST = LockMode.SHARE
"""The weakest mode that writers queue behind."""
LOCKABLE = frozenset("rp")
"""The kinds of relation that LOCK TABLE takes alone: of a view it takes all below."""
MOST_NAMED = 5
LONGEST_BETWEEN_US = 1_000_000
"""Between two looks at the same thing."""
STEPS = 8
"""In so many steps of the budget, the moment that is waited for grows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedLock:
    """A strong lock that a migration will need on a relation that exists."""

    relation: TableName
    mode: LockMode
    below: bool = False
    """With all partitions and inheriting tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationRow:
    """A relation, and how the session that asks has locked it."""

    oid: int
    name: TableName | None
    """None: it was dropped in this transaction."""
    kind: str = "r"
    parents: tuple[int, ...] = ()
    mode: LockMode | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A lock that somebody else has, or waits for."""

    pid: int | None
    """None: a prepared transaction."""
    virtualtransaction: str
    mode: LockMode
    granted: bool
    who: SessionRow | PreparedRow | None
    """None: it has gone since."""

    @property
    def key(self) -> tuple[int | None, str]:
        """One transaction: a session's next one has another number."""
        return self.pid, self.virtualtransaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A relation that is there, the lock wanted on it, and who else is."""

    relation: TableName
    mode: LockMode
    may_lock: bool
    """LOCK TABLE takes it, and the role may."""
    holders: tuple[Holder, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A transaction that a request would wait for."""

    target: Target
    holder: Holder
    kind: BlockerKind
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look gives."""

    now_us: int
    targets: tuple[Target, ...]


@dataclass(slots=True)
class Sightings:
    """When each transaction was first seen: a role without rights sees no ages."""

    first_us: dict[tuple[int | None, str], int] = field(default_factory=dict)
    last_us: int = 0
    """When the last look was."""
    is_fresh: bool = True
    """There was none just before it: who is there may have come at any time."""

    def note(self, look: Look) -> None:
        """Remember who is there, and forget who has gone."""
        self.is_fresh = look.now_us - self.last_us > LONGEST_BETWEEN_US
        self.last_us = look.now_us
        self.first_us = {
            holder.key: self.first_us.get(holder.key, look.now_us)
            for target in look.targets
            for holder in target.holders
        }

    def is_unsure(self, holder: Holder) -> bool:
        """Tell whether its age cannot be told from one look."""
        return (
            self.is_fresh
            and isinstance(holder.who, SessionRow)
            and holder.who.xact_start_us is None
        )

    def measure_age_s(self, holder: Holder, now_us: int) -> float:
        """Return for how long its transaction has been open, as far as is known."""
        match holder.who:
            case PreparedRow(prepared_us=began_us):
                pass
            case SessionRow(xact_start_us=int(began_us)):
                pass
            case _:
                began_us = self.first_us.get(holder.key, now_us)
        return max(now_us - began_us, 0) / 1_000_000


def list_wanted(
    before: Mapping[int, RelationRow], after: Iterable[RelationRow]
) -> tuple[WantedLock, ...]:
    """Return the strong locks of a transaction on what was there before it.

    `below` where all that inherits was locked like it; or where there is nothing, for
    the partitions of the database need not be those of a scratch database.

    >>> old = {1: RelationRow(oid=1, name=TableName("public", "a"))}
    >>> dropped = RelationRow(oid=1, name=None, mode=LockMode.ACCESS_EXCLUSIVE)
    >>> [(each.relation.name, each.mode.name) for each in list_wanted(old, [dropped])]
    [('a', 'ACCESS_EXCLUSIVE')]
    """
    modes = {row.oid: row.mode for row in after if row.mode is not None}
    children: dict[int, list[int]] = {}
    for row in before.values():
        for parent in row.parents:
            children.setdefault(parent, []).append(row.oid)
    found = []
    for oid, mode in modes.items():
        known = before.get(oid)
        if known is None or known.name is None or mode < WEAKEST:
            continue
        below = children.get(oid, [])
        found.append(
            WantedLock(
                relation=known.name,
                mode=mode,
                below=all(modes.get(each, 0) >= mode for each in below)
                and (known.kind == "p" or bool(below)),
            )
        )
    return merge_wanted(found)


def merge_wanted(wanted: Iterable[WantedLock]) -> tuple[WantedLock, ...]:
    """Return each relation once, in its strongest mode, in one order for everybody."""
    found: dict[TableName, WantedLock] = {}
    for each in wanted:
        old = found.get(each.relation, each)
        found[each.relation] = WantedLock(
            relation=each.relation,
            mode=max(old.mode, each.mode),
            below=old.below or each.below,
        )
    return tuple(found[name] for name in sorted(found))


def find_conflicts(look: Look, seen: Sightings) -> list[Conflict]:
    """Return who would make a request wait, the oldest first."""
    found = [
        Conflict(
            target=target,
            holder=holder,
            kind=classify(holder.who),
            age_s=seen.measure_age_s(holder, look.now_us),
        )
        for target in look.targets
        for holder in target.holders
        if conflicts_with(target.mode, holder.mode)
    ]
    return sorted(found, key=lambda each: -each.age_s)


def is_vacuum(conflict: Conflict) -> bool:
    """Tell whether it may be an autovacuum that gives way to who waits for long enough.

    Where the role may not see what it is, what it holds tells: VACUUM's mode.
    """
    if conflict.kind is BlockerKind.HIDDEN:
        return conflict.holder.mode is LockMode.SHARE_UPDATE_EXCLUSIVE
    return conflict.kind is BlockerKind.AUTOVACUUM


def choose_gap_s(
    gap_s: float, longest_s: float, waited_s: float, budget_s: float
) -> float:
    """Return how old a transaction may be that is asked behind.

    It doubles as the budget is used up, to half of what a statement may wait for its
    lock: a table that is never without queries of some length is got, too, and readers
    wait no longer than they would without any of this.

    >>> [choose_gap_s(0.05, 2.0, waited_s, 120.0) for waited_s in (0, 20, 40, 110)]
    [0.05, 0.1, 0.2, 1.0]
    """
    steps = int(STEPS * min(waited_s / budget_s, 1)) if budget_s > 0 else 0
    return min(gap_s * float(2**steps), max(gap_s, longest_s / 2))


def describe_conflicts(conflicts: Sequence[Conflict]) -> str:
    """Name who is in the way, each once.

    A line of the report, as in `812 (role "web", idle in transaction, transaction open
    for 4 min) holds AccessShareLock on public.threads`.
    """
    told = dict.fromkeys(map(_describe, conflicts))
    more = len(told) - MOST_NAMED
    rest = f"; and {more:,} more" if more > 0 else ""
    return "; ".join(list(told)[:MOST_NAMED]) + rest


def _describe(conflict: Conflict) -> str:
    holder = conflict.holder
    verb = "holds" if holder.granted else "waits for"
    return (
        f"{_describe_holder(conflict)} {verb} {holder.mode.pg_name} on "
        f"{'.'.join(conflict.target.relation)}"
    )


def _describe_holder(conflict: Conflict) -> str:
    age = f"transaction open for {format_age(conflict.age_s)}"
    match conflict.holder.who:
        case PreparedRow(gid=gid, owner=owner):
            return f'prepared transaction "{gid}" (role "{owner}", {age})'
        case SessionRow() as row:
            caller = "" if row.hidden else find_caller(row.query)
            parts = [
                f'role "{row.role}"' if row.role else "",
                f'application "{row.application_name}"' if row.application_name else "",
                f"at {caller}" if caller else "",
                _describe_state(conflict, row),
                age,
            ]
            return f"{row.pid} ({', '.join(each for each in parts if each)})"
        case _:
            return f"{conflict.holder.pid or 'a prepared transaction'} ({age})"


def _describe_state(conflict: Conflict, row: SessionRow) -> str:
    match conflict.kind:
        case BlockerKind.AUTOVACUUM:
            return "autovacuum"
        case BlockerKind.WRAPAROUND_VACUUM:
            return "autovacuum to prevent wraparound"
        case _:
            return row.state


def find_cure(conflict: Conflict) -> str:
    """Say what could be done about it, or why to wait."""
    advice = advise(Case(kind=conflict.kind, blocker=conflict.holder.who))
    return advice.command or advice.text or LOOK_AGAIN
