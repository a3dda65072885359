"""What a rehearsal shows of one migration: does it run, and does it lead back?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from dbops.core.catalog import ObjectKind
from dbops.core.compare import Comparison, Difference, DifferenceKind, Verdict
from dbops.core.kept import Kept
from dbops.core.migration import MigrationId
from dbops.core.origins import Origins
from dbops.core.row_contents import RowsDiffer, TableSums, compare_sums, find_made_again

ROWS, VALUES, LABELS = "rows", "values", "labels"
"""Kinds of losses besides the kinds of a schema's objects."""


class RoundTrip(StrEnum):
    """What becomes of the database there and back; the words of the JSON reports."""

    IDENTICAL = "identical"
    EQUIVALENT = "equivalent"
    """All but the order of columns and generated names."""
    LOSSY = "lossy"
    IRREVERSIBLE = "irreversible"
    FAILED = "failed"


class Stage(StrEnum):
    """The steps of a rehearsal; the values are the words of the JSON reports."""

    FORWARD = "forward"
    VERIFY = "verify"
    BACK = "back"
    FORWARD_AGAIN = "forward_again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """One thing that is not as it was before, after the way back."""

    kind: str
    """A kind of object, as in `dbops_drift`; `rows`, `values` or `labels`."""
    name: str
    text: str
    migration: MigrationId | None = None
    """Which one had made it, where it is not this one's own business."""
    is_latent: bool = False
    """Whether the copy had nothing to lose: a database that has would lose it."""

    def __str__(self) -> str:
        """Return one line for a person."""
        made = f" (made by {self.migration})" if self.migration else ""
        return f"{self.text}{made}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Where a rehearsal stopped, and why."""

    stage: Stage
    message: str
    """PostgreSQL's words, where it was PostgreSQL."""
    operation: str = ""
    """The operation's own words; empty where it is none's fault."""
    number: int | None = None
    """Of the operation, from 1."""
    file: str = ""
    line: int | None = None

    def __str__(self) -> str:
        """Return one line for a person.

        >>> print(
        ...     Failure(
        ...         stage=Stage.BACK,
        ...         message='column "a" does not exist',
        ...         operation="Add field a to thing",
        ...         number=2,
        ...     )
        ... )
        back: operation 2 (Add field a to thing): column "a" does not exist
        """
        which = f"operation {self.number} ({self.operation}): " if self.number else ""
        return f"{self.stage.value.replace('_', ' ')}: {which}{self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a way there and back has left."""

    round_trip: RoundTrip
    losses: tuple[Loss, ...] = ()
    notes: tuple[str, ...] = ()


def judge_round_trip(
    schema: Comparison,
    before: Mapping[str, TableSums],
    after: Mapping[str, TableSums],
    *,
    origins: Origins,
    migration: MigrationId,
) -> Judgement:
    """Hold the database after the way back against the one before the way there.

    `schema` has compared the two catalogs; `before` and `after` are the sums of the
    tables that were touched.
    """
    losses = [
        *(_build_loss(each, origins, migration) for each in schema.differences),
        *_find_row_losses(compare_sums(before, after)),
        *_find_row_losses(find_made_again(before, after)),
    ]
    if losses:
        round_trip = RoundTrip.LOSSY
    elif schema.verdict is Verdict.EQUIVALENT:
        round_trip = RoundTrip.EQUIVALENT
    else:
        round_trip = RoundTrip.IDENTICAL
    return Judgement(
        round_trip=round_trip,
        losses=tuple(losses),
        notes=tuple(map(str, schema.notes)),
    )


def drop_kept_losses(judgement: Judgement, returned: Collection[Kept]) -> Judgement:
    """Leave out what rows of later would lose: those are kept and come back, too."""
    kept = {each.name for each in returned}
    losses = tuple(
        each
        for each in judgement.losses
        if not (each.is_latent and {*each.name.split(", ")} <= kept)
    )
    if len(losses) == len(judgement.losses):
        return judgement
    round_trip = judgement.round_trip
    if not losses:
        round_trip = RoundTrip.EQUIVALENT if judgement.notes else RoundTrip.IDENTICAL
    return replace(judgement, losses=losses, round_trip=round_trip)


def _build_loss(each: Difference, origins: Origins, migration: MigrationId) -> Loss:
    maker = origins.get((each.object, each.name))
    is_labels = each.object is ObjectKind.ENUM and each.kind is DifferenceKind.CHANGED
    return Loss(
        kind=LABELS if is_labels else each.object.value,
        name=each.name,
        text=_tell(each),
        migration=maker if maker != migration else None,
    )


def _tell(each: Difference) -> str:
    match each.kind:
        case DifferenceKind.MISSING:
            return f"{each.object} {each.name} is gone"
        case DifferenceKind.EXTRA:
            return f"{each.object} {each.name} is left behind"
        case DifferenceKind.CHANGED:
            told = str(each).removeprefix(f"{each.object} {each.name}: ")
            return f"{each.object} {each.name} is another: {told}"


def _find_row_losses(rows: Iterable[RowsDiffer]) -> Iterable[Loss]:
    for each in rows:
        yield Loss(
            kind=VALUES if each.columns else ROWS,
            name=", ".join(f"{each.table}.{one}" for one in each.columns) or each.table,
            text=each.text,
            is_latent=each.is_latent,
        )
