"""Is it safe to deploy now? Facts in, an answer with its reasons out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dbops.core.duration import format_age
from dbops.core.finding import Finding, Level
from dbops.core.words import count_of

LONG_WAIT_S = 1.0
"""Shorter waits are everyday life."""
NO_WAY_BACK = frozenset({"lossy", "irreversible"})
STATES = {
    "failed": ("the last run did not finish", "manage.py dbops_status"),
    "not_adopted": (
        "the tables are there, and no migration is recorded for them",
        "manage.py dbops_baseline --dry-run",
    ),
    "diverged": (
        "the schema or the history is not what the migrations say",
        "manage.py dbops_drift",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Something that speaks against a deployment, or that one should know before."""

    stops: bool
    """False: worth a look, and no reason to wait."""
    text: str
    command: str = ""
    """What to type; empty: wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer, and why."""

    safe: bool
    text: str
    reasons: tuple[Reason, ...]
    """What stops it first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingFacts:
    """What is known of a migration that would be deployed."""

    name: str
    findings: tuple[Finding, ...]
    rehearsed: str
    """How its last rehearsal ended; empty where there was none."""
    rehearsal_is_bad: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that the answer depends on."""

    unreachable: str = ""
    """Why the server could not be asked."""
    state: str = ""
    """As `dbops_status` calls it."""
    schema: str = ""
    """`matches`, `differs` or `not_compared`."""
    running: str = ""
    """Who holds the deploy lock."""
    is_standby: bool = False
    pending: tuple[PendingFacts, ...] = ()
    findings: tuple[Finding, ...] = ()
    """Of server and schema: transactions, indexes, constraints."""
    waiting: int = 0
    longest_wait_s: float = 0.0
    backup_failures: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    """What could not be looked at, and why."""
    is_known: bool = True
    """Whether history and schema could be looked at."""


def judge_situation(situation: Situation) -> Verdict:
    """Return whether a deployment may begin now.

    >>> judge_situation(Situation(state="up_to_date", schema="matches")).text
    'Nothing is pending, and nothing stands in the way'
    >>> found = judge_situation(Situation(state="failed"))
    >>> found.safe, found.reasons[0].text
    (False, 'the last run did not finish')
    """
    reasons = sorted(_list_reasons(situation), key=lambda each: not each.stops)
    safe = not any(each.stops for each in reasons)
    return Verdict(
        safe=safe, text=_tell(situation, reasons, safe=safe), reasons=tuple(reasons)
    )


def _tell(situation: Situation, reasons: Sequence[Reason], *, safe: bool) -> str:
    if not safe:
        return reasons[0].text.capitalize() if situation.unreachable else "Not now"
    number = len(situation.pending)
    first = (
        f"{count_of(number, 'migration')} pending" if number else "Nothing is pending"
    )
    rest = (
        f"{count_of(len(reasons), 'thing')} to know"
        if reasons
        else "nothing stands in the way"
    )
    return f"{first}, and {rest}"


def _list_reasons(situation: Situation) -> Iterator[Reason]:
    if situation.unreachable:
        yield Reason(
            stops=True, text=situation.unreachable, command="manage.py dbops_doctor"
        )
        return
    if situation.state in STATES:
        text, command = STATES[situation.state]
        yield Reason(stops=True, text=text, command=command)
    if situation.is_standby:
        yield Reason(
            stops=True, text="this server is a standby: nothing can be deployed to it"
        )
    if situation.running:
        yield Reason(stops=True, text=f"another run is at work: {situation.running}")
    yield from _judge_waiting(situation)
    yield from _judge_findings(situation.findings)
    for each in situation.pending:
        yield from _judge_pending(each)
    if situation.schema == "not_compared" and situation.state in (
        "up_to_date",
        "pending",
    ):
        yield Reason(
            stops=False,
            text="the schema was not compared since it last changed",
            command="manage.py dbops_drift",
        )
    for text in situation.backup_failures:
        yield Reason(stops=False, text=text, command="manage.py dbops_backup")
    for text in situation.unknown:
        yield Reason(
            stops=not situation.is_known, text=text, command="manage.py dbops_doctor"
        )


def _judge_waiting(situation: Situation) -> Iterator[Reason]:
    if situation.waiting and situation.longest_wait_s >= LONG_WAIT_S:
        yield Reason(
            stops=True,
            text=f"{count_of(situation.waiting, 'session')} waiting for locks, the "
            f"longest for {format_age(situation.longest_wait_s)}",
            command="manage.py dbops_locks",
        )


def _judge_findings(findings: Sequence[Finding]) -> Iterator[Reason]:
    """A transaction that is open for long would hold a deployment up; others wait."""
    for each in findings:
        if each.level is Level.INFO:
            continue
        stops = each.id in TRANSACTIONS or each.level is Level.ERROR
        yield Reason(stops=stops, text=each.message, command=each.hint)


TRANSACTIONS = frozenset({"dbops.D011", "dbops.D012", "dbops.D013"})


def _judge_pending(pending: PendingFacts) -> Iterator[Reason]:
    if pending.rehearsal_is_bad:
        yield Reason(
            stops=True,
            text=f'the rehearsal of "{pending.name}" ended badly: {pending.rehearsed}',
            command="manage.py dbops_rehearse",
        )
    elif pending.rehearsed in NO_WAY_BACK:
        yield Reason(
            stops=False,
            text=f'the way back of "{pending.name}" is {pending.rehearsed}',
            command="manage.py dbops_rehearse",
        )
    elif not pending.rehearsed:
        yield Reason(
            stops=False,
            text=f'"{pending.name}" was not rehearsed as it is now',
            command="manage.py dbops_rehearse",
        )
    for each in pending.findings:
        if each.level is not Level.INFO:
            yield Reason(
                stops=each.level is Level.ERROR,
                text=f"{each.message} ({each.id})",
                command=each.hint,
            )
