"""What has to hold before a deployment, one line each, and who let it pass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class GuardName(StrEnum):
    """The guards in their order; the values are what `--allow` takes."""

    HISTORY = "history"
    """Adopted, and no migration is recorded that is not on disk."""
    DRIFT = "drift"
    """The schema is what the applied migrations build."""
    DOCTOR = "doctor"
    """Server, role, tools and disks can do the job."""
    CHECKS = "checks"
    """`dbops_check` finds no error in what is pending."""
    BACKUP = "backup"
    """There is something to restore when all else fails."""
    REHEARSAL = "rehearsal"
    """Each pending migration has run on a copy."""
    WAY_BACK = "way-back"
    """Each leads back without a loss, or says that it does not."""
    LOCK_BUDGET = "lock-budget"
    """None blocks for longer than `LOCK_BUDGET`."""
    OLD_RELEASE = "old-release"
    """What the running release does still works afterwards."""


NEVER_ALLOWED = frozenset({GuardName.HISTORY})
"""Nobody can say what a deployment would do then."""


class GuardState(StrEnum):
    """How one guard stands; the values are the words of the JSON reports."""

    OK = "ok"
    ALLOWED = "allowed"
    """It does not hold, and a person has let it pass by its name."""
    SKIPPED = "skipped"
    """Nothing was looked at."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """How one guard stands, and why."""

    name: GuardName
    state: GuardState
    detail: str = ""
    """What was found; never empty where it does not hold."""
    hint: str = ""
    """The command that shows or cures it."""

    def __str__(self) -> str:
        """Return one line for a person.

        >>> print(Guard(name=GuardName.DRIFT, state=GuardState.OK, detail="none"))
        drift: ok, none
        """
        return ", ".join(filter(None, (f"{self.name}: {self.state}", self.detail)))


def judge(
    name: GuardName, problem: str, allowed: Iterable[str], *, hint: str = ""
) -> Guard:
    """Return the guard with what does not hold, as far as nobody lets it pass.

    >>> judge(GuardName.CHECKS, "1 error", ["checks"]).state
    <GuardState.ALLOWED: 'allowed'>
    >>> judge(GuardName.HISTORY, "1 unknown", ["history"]).state
    <GuardState.FAILED: 'failed'>
    """
    passed = name in set(allowed) and name not in NEVER_ALLOWED
    return Guard(
        name=name,
        state=GuardState.ALLOWED if passed else GuardState.FAILED,
        detail=problem,
        hint=hint,
    )


def list_failed(guards: Iterable[Guard]) -> tuple[Guard, ...]:
    """Return those that keep a deployment from going on."""
    return tuple(each for each in guards if each.state is GuardState.FAILED)


def list_allowed(guards: Iterable[Guard]) -> tuple[str, ...]:
    """Return the names of those that a person has let pass."""
    return tuple(each.name.value for each in guards if each.state is GuardState.ALLOWED)
