"""Which backups may go: by count, age, and grandfather-father-son."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dbops.core.manifest import LEVELS
from dbops.core.words import count_of

UNREADABLE = "unreadable"
"""The level of a backup whose manifest cannot be read."""
PROVEN = LEVELS.index("contents")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How many backups to keep; a rule that is None keeps nothing."""

    last: int | None = None
    """The newest ones."""
    days: int | None = None
    """Those that are younger."""
    daily: int | None = None
    """The newest of each of so many days that have one; days and weeks are of UTC."""
    weekly: int | None = None
    monthly: int | None = None

    @property
    def are_empty(self) -> bool:
        """Tell whether nobody said what to keep."""
        return all(getattr(self, name) is None for name in Rules.__slots__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A backup that is judged."""

    backup_id: str
    taken_at: datetime
    level: str
    """One of `LEVELS`, `damaged` or `unreadable`."""
    is_partial: bool = False
    """Something was left out of it on purpose."""

    @property
    def is_sound(self) -> bool:
        """Tell whether nothing is known to be wrong with it."""
        return self.level in LEVELS

    @property
    def counts(self) -> bool:
        """Tell whether it can stand for all others."""
        return self.is_sound and not self.is_partial


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of a backup, and why."""

    backup_id: str
    taken_at: datetime
    level: str
    keep: bool
    reasons: tuple[str, ...]


def decide_retention(
    candidates: Iterable[Candidate],
    rules: Rules,
    *,
    now: datetime,
    needed: Mapping[str, str],
) -> tuple[Decision, ...]:
    """Return what becomes of each backup, newest first.

    `needed` has a reason for each backup that somebody still needs. Whatever the rules
    say, the newest sound one and the last verified one stay, and so do those that
    cannot be read: who knows what is in them. A damaged one stays as long as it would
    if it were sound, but takes nobody's place; and until a newer one is verified. So
    does a partial one, but for the latter.
    """
    # Ids are in the order of taking, also where a clock went back.
    ordered = sorted(candidates, key=lambda each: each.backup_id, reverse=True)
    sound = [each for each in ordered if each.counts]
    verified = find_last_verified(sound)
    reasons: dict[str, list[str]] = {each.backup_id: [] for each in ordered}
    for each in ordered:
        if each.backup_id in needed:
            reasons[each.backup_id].append(needed[each.backup_id])
        if each.level == UNREADABLE:
            reasons[each.backup_id].append("cannot be read: look at it yourself")
        elif not each.is_sound and not _is_older(each, verified):
            reasons[each.backup_id].append("damaged, and none newer is verified")
    for backup, reason in _apply(rules, sound, now):
        reasons[backup.backup_id].append(reason)
    readable = [each for each in ordered if each.level != UNREADABLE]
    for backup, reason in _apply(rules, readable, now):
        if not backup.counts:
            reasons[backup.backup_id].append(reason)
    if sound:
        reasons[sound[0].backup_id].append("the newest")
    if verified:
        reasons[verified.backup_id].append(f"the last verified one ({verified.level})")
    return tuple(_decide(each, reasons[each.backup_id]) for each in ordered)


def find_last_verified(sound: Sequence[Candidate]) -> Candidate | None:
    """Return the newest whose rows were looked at; else the newest with good files.

    `sound` is newest first.
    """
    for least in (PROVEN, 1):
        for each in sound:
            if LEVELS.index(each.level) >= least:
                return each
    return None


def _is_older(one: Candidate, other: Candidate | None) -> bool:
    return other is not None and one.backup_id < other.backup_id


def _decide(candidate: Candidate, reasons: Sequence[str]) -> Decision:
    return Decision(
        backup_id=candidate.backup_id,
        taken_at=candidate.taken_at,
        level=candidate.level,
        keep=bool(reasons),
        reasons=tuple(reasons) or ("no rule keeps it",),
    )


def _apply(
    rules: Rules, sound: Sequence[Candidate], now: datetime
) -> Iterator[tuple[Candidate, str]]:
    """Yield the backups that a rule keeps, with the rule."""
    for each in sound[: rules.last or 0]:
        yield each, f"one of the last {rules.last}"
    if rules.days is not None:
        for each in sound:
            if each.taken_at > now - timedelta(days=rules.days):
                yield each, f"younger than {count_of(rules.days, 'day')}"
    for limit, name, describe in (
        (rules.daily, "day", "%Y-%m-%d"),
        (rules.weekly, "week", "%G-W%V"),
        (rules.monthly, "month", "%Y-%m"),
    ):
        yield from _keep_periods(sound, limit or 0, name, _name_by(describe))


def _name_by(pattern: str) -> Callable[[datetime], str]:
    return lambda moment: moment.astimezone(UTC).strftime(pattern)


def _keep_periods(
    sound: Sequence[Candidate],
    limit: int,
    name: str,
    name_period: Callable[[datetime], str],
) -> Iterator[tuple[Candidate, str]]:
    """Yield the newest of each of the last periods that have one."""
    seen: set[str] = set()
    for each in sound:
        period = name_period(each.taken_at)
        if period not in seen and len(seen) < limit:
            seen.add(period)
            yield each, f"the newest of {name} {period}"
