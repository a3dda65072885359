"""What the server shows before a deployment and after it, and what is an alarm.

All alarms compare shares and means, so that neither needs to be as long as the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum

from dbops.core.statement import mask_secrets
from dbops.core.words import shorten
from dbops.errors import Refused

SETTING = 'DBOPS["WATCH"]'
LONGEST_QUERY = 160
LEAST_SAMPLES = 3
"""Fewer moments show a coincidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """From where on it is an alarm; the setting may change each."""

    every_s: float = 5.0
    """Between two looks."""
    least_baseline_s: float = 30.0
    """A shorter time before the first change says nothing; what the server has counted
    since its statistics were reset stands in for it."""
    rollback_share: float = 0.05
    """So much larger a part of the transactions is rolled back than before."""
    least_rollbacks: int = 10
    deadlocks: int = 0
    """More than these, and by transaction more than twice as many as before."""
    fatal_sessions: int = 5
    """More sessions than these ended by a fatal error, compared as deadlocks."""
    waiting_sessions: int = 5
    """More sessions than these wait for locks at half of the moments, and more than
    ever before."""
    slower_times: float = 5.0
    """A statement takes so many times as long as before, in the mean."""
    slower_ms: float = 100.0
    """Faster ones are no alarm."""
    slower_calls: int = 20
    """Fewer calls, before or after, say nothing."""


def parse_thresholds(given: object) -> Thresholds:
    """Return the thresholds with what the setting changes.

    Raises:
        Refused: it cannot be read.
    """
    if given is None:
        return Thresholds()
    known = {each.name for each in fields(Thresholds)}
    if not isinstance(given, Mapping):
        raise _refuse(f"{SETTING} is no mapping")
    for key, value in given.items():
        if key not in known:
            raise _refuse(
                f'{SETTING} has "{key}"; known are {", ".join(sorted(known))}'
            )
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not 0 <= value < float("inf"):
            raise _refuse(f'{SETTING}["{key}"] is {value!r}')
    if given.get("every_s") == 0:
        raise _refuse(f'{SETTING}["every_s"] is 0')
    return Thresholds(**given)


def _refuse(problem: str) -> Refused:
    return Refused(
        problem, hint=f"correct {SETTING}: docs/how-to/verify-a-deployment.md"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What the server has counted in this database since its statistics were reset."""

    reset: str
    """When that was; another moment means that all began anew."""
    since_reset_s: float | None
    """None where the server does not know."""
    commits: int
    rollbacks: int
    deadlocks: int
    fatal_sessions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementCount:
    """How often a statement ran, and for how long altogether."""

    key: str
    query: str
    calls: int
    total_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the server shows at one moment."""

    at_s: float
    """By a clock that only goes forward."""
    counters: Counters
    waiting_sessions: int
    """That wait for locks; dbops's own are left out."""
    statements: tuple[StatementCount, ...] | None = None
    """None where pg_stat_statements cannot be read, or was not asked."""


class Source(StrEnum):
    """Where the numbers of a time come from."""

    RUN = "run"
    """Counted in this run."""
    SINCE_RESET = "since_reset"
    """All that the server has counted: the run was too short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What went on in the database for some time."""

    source: Source
    duration_s: float | None
    """None where the server does not know since when it counts."""
    transactions: int
    """Committed and rolled back, dbops's own included."""
    rollbacks: int
    deadlocks: int
    fatal_sessions: int
    """Sessions that a fatal error has ended."""
    samples: int
    """At how many moments sessions were counted."""
    most_waiting_sessions: int
    """That waited for locks at one moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementPace:
    """One statement, before and after."""

    query: str
    calls_before: int
    mean_before_ms: float | None
    """None where it did not run before."""
    calls: int
    mean_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchReport:
    """What the watch has shown."""

    planned_s: float
    before: Activity
    after: Activity
    statements: tuple[StatementPace, ...]
    """Those that took most of the time after, the first the most."""
    statements_readable: bool
    """Whether pg_stat_statements could be read."""
    alarms: tuple[str, ...]
    interrupted: bool = False
    """A person has ended it before its time."""


def compare_looks(first: Look, last: Look, samples: Sequence[Look]) -> Activity:
    """Return what went on between two looks; counters reset in between begin at 0."""
    then, now = first.counters, last.counters
    if then.reset != now.reset:
        then = _build_zero(now)
    commits = max(now.commits - then.commits, 0)
    rollbacks = max(now.rollbacks - then.rollbacks, 0)
    return Activity(
        source=Source.RUN,
        duration_s=round(last.at_s - first.at_s, 3),
        transactions=commits + rollbacks,
        rollbacks=rollbacks,
        deadlocks=max(now.deadlocks - then.deadlocks, 0),
        fatal_sessions=max(now.fatal_sessions - then.fatal_sessions, 0),
        samples=len(samples),
        most_waiting_sessions=max((one.waiting_sessions for one in samples), default=0),
    )


def _build_zero(now: Counters) -> Counters:
    return Counters(
        reset=now.reset,
        since_reset_s=now.since_reset_s,
        commits=0,
        rollbacks=0,
        deadlocks=0,
        fatal_sessions=0,
    )


def build_baseline(looks: Sequence[Look], thresholds: Thresholds) -> Activity:
    """Return what went on before the first change.

    That is between the first look and the last; or, where that was too short, since the
    statistics were reset.
    """
    first, last = looks[0], looks[-1]
    if is_long_enough(looks, thresholds):
        return compare_looks(first, last, looks)
    now = last.counters
    return Activity(
        source=Source.SINCE_RESET,
        duration_s=now.since_reset_s,
        transactions=now.commits + now.rollbacks,
        rollbacks=now.rollbacks,
        deadlocks=now.deadlocks,
        fatal_sessions=now.fatal_sessions,
        samples=len(looks),
        most_waiting_sessions=max(one.waiting_sessions for one in looks),
    )


def is_long_enough(looks: Sequence[Look], thresholds: Thresholds) -> bool:
    """Say whether the looks before the change have some time between them."""
    return looks[-1].at_s - looks[0].at_s >= thresholds.least_baseline_s


def compare_statements(
    before: Sequence[Look], after: Sequence[Look], thresholds: Thresholds
) -> tuple[StatementPace, ...]:
    """Return the statements that ran in the window, those that took longest first."""
    whole = not is_long_enough(before, thresholds)
    earlier = _count(None if whole else before[0], before[-1])
    found = []
    for key, (query, calls, total_ms) in _count(after[0], after[-1]).items():
        _, calls_before, total_before_ms = earlier.get(key, ("", 0, 0.0))
        pace = StatementPace(
            query=shorten(mask_secrets(query), LONGEST_QUERY),
            calls_before=calls_before,
            mean_before_ms=round(total_before_ms / calls_before, 3)
            if calls_before
            else None,
            calls=calls,
            mean_ms=round(total_ms / calls, 3),
        )
        found.append((total_ms, pace))
    return tuple(pace for _, pace in sorted(found, key=lambda each: -each[0]))


def _count(first: Look | None, last: Look) -> dict[str, tuple[str, int, float]]:
    then = {each.key: each for each in (first.statements or () if first else ())}
    counted = {}
    for now in last.statements or ():
        old = then.get(now.key)
        # One that has fewer calls was forgotten in between.
        known = old is not None and old.calls <= now.calls
        calls = now.calls - (old.calls if old and known else 0)
        total_ms = now.total_ms - (old.total_ms if old and known else 0.0)
        if calls > 0:
            counted[now.key] = (now.query, calls, max(total_ms, 0.0))
    return counted


def find_alarms(
    before: Activity,
    after: Activity,
    statements: Iterable[StatementPace],
    waiting: Sequence[int],
    thresholds: Thresholds,
) -> tuple[str, ...]:
    """Return a line for each thing that has become worse than it may.

    `waiting` has the sessions that waited for locks at each look after the change.
    """
    return (
        *_judge_rollbacks(before, after, thresholds),
        *_judge_count("deadlock", before, after, thresholds.deadlocks),
        *_judge_count("fatal_session", before, after, thresholds.fatal_sessions),
        *_judge_waiting(before, waiting, thresholds),
        *_judge_statements(statements, thresholds),
    )


def _judge_rollbacks(
    before: Activity, after: Activity, thresholds: Thresholds
) -> Iterable[str]:
    share = _share(after.rollbacks, after)
    usual = _share(before.rollbacks, before)
    if (
        after.rollbacks >= max(thresholds.least_rollbacks, 1)
        and share > usual + thresholds.rollback_share
    ):
        yield (
            f"{share:.1%} of the transactions were rolled back ({after.rollbacks}), "
            f"and {usual:.1%} before"
        )


def _share(number: int, activity: Activity) -> float:
    return number / activity.transactions if activity.transactions else 0.0


def _judge_count(
    what: str, before: Activity, after: Activity, allowed: int
) -> Iterable[str]:
    name = f"{what}s"
    number, usual = getattr(after, name), getattr(before, name)
    if number > allowed and _share(number, after) > 2 * _share(usual, before):
        noun = what.replace("_", " ")
        yield (
            f"{number} {noun}{'' if number == 1 else 's'} in {after.transactions} "
            f"transactions, and {usual} in {before.transactions} before"
        )


def _judge_waiting(
    before: Activity, waiting: Sequence[int], thresholds: Thresholds
) -> Iterable[str]:
    many = [each for each in waiting if each > thresholds.waiting_sessions]
    if (
        len(waiting) >= LEAST_SAMPLES
        and 2 * len(many) >= len(waiting)
        and max(many) > before.most_waiting_sessions
    ):
        yield (
            f"up to {max(many)} sessions wait for locks, at {len(many)} of "
            f"{len(waiting)} moments, and {before.most_waiting_sessions} at most before"
        )


def _judge_statements(
    statements: Iterable[StatementPace], thresholds: Thresholds
) -> Iterable[str]:
    least = thresholds.slower_calls
    for each in statements:
        if (
            each.mean_before_ms is not None
            and each.calls >= least
            and each.calls_before >= least
            and each.mean_ms >= thresholds.slower_ms
            and each.mean_ms >= thresholds.slower_times * each.mean_before_ms
        ):
            yield (
                f"a statement takes {each.mean_ms:.0f} ms, and "
                f"{each.mean_before_ms:.1f} ms before: {each.query}"
            )
