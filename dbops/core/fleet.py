"""Several databases that are deployed one after the other: in which order, how far, and
what became of them all."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dbops.core.words import count_of

CRASHED = 1
BUSY = 5
SEVERITY = (9, CRASHED, 8, 7, 6, 4, 2, BUSY)
"""Exit codes, the one that matters most first: what needs a person goes before what is
not known, that before what was put back, that before what was never touched; and
"try again" is right only where nothing else is the matter."""
SIGNALLED = 128

_COMMAND = re.compile(r"manage\.py dbops_\w+")


class FleetState(StrEnum):
    """How one database of a fleet stands; the values are the words of the JSON."""

    DEPLOYED = "deployed"
    UP_TO_DATE = "up_to_date"
    DRY_RUN = "dry_run"
    REVERTED = "reverted"
    FAILED = "failed"
    CRASHED = "crashed"
    """Its process ended without a report: the next run looks what is there."""


WORDS = {
    FleetState.DEPLOYED: "deployed",
    FleetState.UP_TO_DATE: "up to date",
    FleetState.DRY_RUN: "would be deployed",
    FleetState.REVERTED: "put back",
    FleetState.FAILED: "failed",
    FleetState.CRASHED: "crashed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetError:
    """Why one of them failed."""

    type: str
    """As in `Refused`; the exit codes tell what it promises."""
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetDatabase:
    """What became of one database."""

    database: str
    """Its alias in the settings."""
    exit_code: int
    """Of its own deployment; 128 and the signal where one has ended it."""
    state: FleetState
    applied: tuple[str, ...] = ()
    """What this run has applied and not taken back."""
    pending: tuple[str, ...] = ()
    """What is left to do: all of it in a dry run."""
    backup_id: str | None = None
    duration_s: float
    error: FleetError | None = None
    report: Mapping[str, object] | None = None
    """The whole document of its own deployment; None where it left none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """Who is deployed with whom, and when to stop."""

    waves: tuple[tuple[str, ...], ...]
    """The canary alone, then so many at a time."""
    max_failures: int = 1
    dry_run: bool = False
    """Nothing is changed, so all of them are looked at."""

    @property
    def aliases(self) -> tuple[str, ...]:
        """All of them, in their order."""
        return tuple(alias for wave in self.waves for alias in wave)

    def is_over(self, done: Sequence[FleetDatabase]) -> bool:
        """Say whether no further wave is begun.

        A canary that fails ends it, however many may fail.

        >>> plan = FleetPlan(waves=(("a",), ("b", "c")), max_failures=2)
        >>> failed = FleetDatabase(
        ...     database="a", exit_code=4, state=FleetState.FAILED, duration_s=1)
        >>> plan.is_over([]), plan.is_over([failed])
        (False, True)
        """
        if self.dry_run:
            return False
        failed = [each.database for each in done if each.exit_code]
        return len(failed) >= self.max_failures or self.waves[0][0] in failed


def order_waves(
    aliases: Iterable[str], *, canary: str | None = None, wave: int = 1
) -> tuple[tuple[str, ...], ...]:
    """Return the canary alone, and then the others, so many at a time.

    >>> order_waves(["a", "b", "c", "d"], wave=2)
    (('a',), ('b', 'c'), ('d',))
    >>> order_waves(["a", "b", "a", "c"], canary="c")
    (('c',), ('a',), ('b',))
    """
    named = list(dict.fromkeys(aliases))
    first = canary or named[0]
    rest = [each for each in named if each != first]
    starts = range(0, len(rest), wave)
    return ((first,), *(tuple(rest[at : at + wave]) for at in starts))


def find_worst(exit_codes: Iterable[int]) -> int:
    """Return the exit code that matters most; 0 where all is well.

    One that no report has (a signal, say) counts as a crash.

    >>> find_worst([0, 5, 4]), find_worst([8, 137, 9]), find_worst([8, 137])
    (4, 9, 1)
    """
    known = {each if each in SEVERITY else CRASHED for each in exit_codes if each}
    return min(known, key=SEVERITY.index, default=0)


def tell_verdict(
    databases: Sequence[FleetDatabase], left: Sequence[str], *, dry_run: bool = False
) -> str:
    """Return one line on all of them.

    >>> done = [
    ...     FleetDatabase(database="a", exit_code=0, state=FleetState.DEPLOYED,
    ...         duration_s=1),
    ...     FleetDatabase(database="b", exit_code=4, state=FleetState.FAILED,
    ...         duration_s=1)]
    >>> tell_verdict(done, ["c"])
    '3 databases: 1 deployed, 1 failed, 1 not reached'
    """
    told = [
        f"{number} {word}"
        for state, word in WORDS.items()
        if (number := sum(each.state is state for each in databases))
    ]
    told += [f"{len(left)} not reached"] if left else []
    dry = "; nothing was changed (dry run)" if dry_run else ""
    total = count_of(len(databases) + len(left), "database")
    return f"{total}: {', '.join(told)}{dry}"


def name_database(hint: str, alias: str) -> str:
    """Return the next command with the database that it is about.

    >>> name_database("manage.py dbops_drift --sql; or manage.py dbops_doctor", "eu")
    'manage.py dbops_drift --database eu --sql; or manage.py dbops_doctor --database eu'
    """
    named = f"--database {shlex.quote(alias)}"
    return _COMMAND.sub(lambda found: f"{found[0]} {named}", hint)
