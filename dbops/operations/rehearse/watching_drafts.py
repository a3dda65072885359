"""What is noted of statements and transactions while they may still go on."""

from __future__ import annotations

from dataclasses import dataclass, field

from dbops.core.hold_times import LockTaken
from dbops.core.lock_modes import LockMode
from dbops.core.measurement import MeasuredStatement, RelationRows, StatementLock
from dbops.core.statement import mask_secrets
from dbops.core.words import shorten
from dbops.operations.rehearse.tracing import Place
from dbops.postgres.measuring import MeasuredRelation, Reading

LONGEST_SQL = 400


@dataclass(slots=True)
class Draft:
    """A statement that may still come again."""

    number: int
    sql: str
    place: Place
    in_transaction: bool
    times: int = 0
    duration_s: float = 0.0
    locks: dict[StatementLock, None] = field(default_factory=dict)
    rewrites: dict[str, None] = field(default_factory=dict)
    scans: dict[str, int] = field(default_factory=dict)
    changes: dict[str, int] = field(default_factory=dict)
    deletes: dict[str, int] = field(default_factory=dict)
    wal_bytes: int = 0
    words: dict[str, None] = field(default_factory=dict)

    def finish(self) -> MeasuredStatement:
        """Return what was seen."""
        return MeasuredStatement(
            number=self.number,
            sql=shorten(mask_secrets(self.sql), LONGEST_SQL),
            times=self.times,
            duration_s=round(self.duration_s, 6),
            operation=self.place.number,
            file=self.place.file,
            line=self.place.line,
            locks=tuple(self.locks),
            rewrites=tuple(self.rewrites),
            scans=_build_rows(self.scans),
            changes=_build_rows(self.changes),
            wal_bytes=max(self.wal_bytes, 0),
            words=tuple(self.words),
            in_transaction=self.in_transaction,
            deletes=_build_rows(self.deletes),
        )


def _build_rows(rows: dict[str, int]) -> tuple[RelationRows, ...]:
    return tuple(RelationRows(relation=key, rows=rows[key]) for key in sorted(rows))


@dataclass(slots=True)
class OpenTransaction:
    """One that is open, or was."""

    outer: object
    """Django's outermost block: another one is another transaction."""
    last: Reading
    drafts: dict[tuple[int | None, str], Draft] = field(default_factory=dict)
    """By operation and text."""
    held: dict[tuple[int, LockMode], tuple[float, int]] = field(default_factory=dict)
    locks: list[LockTaken] = field(default_factory=list)
    stale: Draft | None = None
    """A repeated statement that was not looked at since."""
    stale_since_s: float = 0.0


def add_rows(rows: dict[str, int], relation: MeasuredRelation, number: int) -> None:
    """Count rows of a table; of indexes and sequences none."""
    if number > 0 and relation.kind in "rpm":
        rows[relation.name] = rows.get(relation.name, 0) + number
