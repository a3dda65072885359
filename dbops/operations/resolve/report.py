"""What the database has of one migration, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dbops.core.evidence import Evidence, ObjectEvidence, ObjectState
from dbops.core.migration import MigrationId


class Action(StrEnum):
    """What to do about the migration."""

    LOOK = "look"
    APPLIED = "applied"
    ROLLED_BACK = "rolled_back"
    FINISH = "finish"
    UNDO = "undo"


class ResolveState(StrEnum):
    """The one word for a migration; only the first two need nothing done."""

    APPLIED = "applied"
    """All of it is there, and it is recorded."""
    ABSENT = "absent"
    """Nothing of it is there, and it is not recorded."""
    UNRECORDED = "unrecorded"
    """All of it is there, and it is not recorded."""
    RECORDED_ONLY = "recorded_only"
    """Nothing of it is there, and it is recorded."""
    HALF = "half"
    """A part of it is there."""
    DIFFERENT = "different"
    """Something is there that is neither as before an operation nor as after it."""


class Word(StrEnum):
    """What the ledger says of an operation that leaves no trace in the schema."""

    DONE = "done"
    NOT_DONE = "not_done"
    CUT_OFF = "cut_off"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationReport:
    """One operation, numbered from 1."""

    number: int
    description: str
    state: Evidence
    journal: Word | None = None
    """For one without a trace in the schema: what the ledger says of it."""
    objects: tuple[ObjectEvidence, ...] = ()

    def __str__(self) -> str:
        """Return it as messages name it."""
        return f"operation {self.number} ({self.description})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveReport:
    """What the database has of one migration, after what was done about it."""

    migration: MigrationId
    state: ResolveState
    recorded: bool
    operations: tuple[OperationReport, ...]
    action: Action = Action.LOOK
    dry_run: bool = False
    changed: bool = False
    next: tuple[str, ...] = ()
    """The commands that settle it."""
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """3 when only looking, and there is something to settle."""
        settled = self.state in (ResolveState.APPLIED, ResolveState.ABSENT)
        return 0 if settled or self.action is not Action.LOOK else 3


def find_state(
    operations: Sequence[OperationReport], *, recorded: bool
) -> ResolveState:
    """Return the one word for what was found."""
    states = {each.state for each in operations}
    if Evidence.DIFFERENT in states:
        return ResolveState.DIFFERENT
    signs = set(_find_signs(operations, recorded=recorded))
    if len(signs) > 1 or Evidence.HALF_DONE in signs:
        return ResolveState.HALF
    done = Evidence.DONE in signs if signs else recorded
    if done:
        return ResolveState.APPLIED if recorded else ResolveState.UNRECORDED
    return ResolveState.RECORDED_ONLY if recorded else ResolveState.ABSENT


def _find_signs(
    operations: Sequence[OperationReport], *, recorded: bool
) -> Iterator[Evidence]:
    """Yield what is known of each operation; a history row outlives the journal."""
    words = {
        Word.DONE: Evidence.DONE,
        Word.NOT_DONE: Evidence.NOT_DONE,
        Word.CUT_OFF: Evidence.HALF_DONE,
    }
    for each in operations:
        if each.state not in (Evidence.NO_TRACE, Evidence.STATE_ONLY):
            yield each.state
        elif each.journal in words and not recorded:
            yield words[each.journal]


def find_invalid_indexes(report: ResolveReport) -> tuple[str, ...]:
    """Return the INVALID indexes that the migration's builds have left."""
    return tuple(
        one.name
        for each in report.operations
        for one in each.objects
        if one.state is ObjectState.INVALID
    )


def describe_objects(objects: Sequence[ObjectEvidence]) -> str:
    """Return the first few of them on one line."""
    return "; ".join(map(str, objects[:5]))
