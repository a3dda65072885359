"""The report of a rehearsal, and what may be chosen for one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dbops.core.compatibility import Break, Effect
from dbops.core.forecast import TableForecast
from dbops.core.hold_times import LockHold, TableBlocked
from dbops.core.lock_budget import OverBudget
from dbops.core.measurement import MeasuredStatement
from dbops.core.migration import MigrationId
from dbops.core.rehearsal import Failure, Loss, RoundTrip
from dbops.operations.rehearse.by_rule import RuledMigration

FINDINGS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearseOptions:
    """What one rehearsal does."""

    backup: str = "latest"
    """`latest`, `new`, or the beginning of an id."""
    schema_only: bool = False
    static: bool = False
    """Nothing is run: the rules of locks answer."""
    sample_percent: float | None = None
    """How much of the large tables is copied; None for all."""
    only: tuple[tuple[str, str], ...] = ()
    """App and name of the migrations that are rehearsed; empty for all pending ones."""
    storage: str | None = None
    jobs: int = 2
    allowed_over_budget: frozenset[str] = frozenset()
    """Migrations that a person lets block for longer."""
    allowed_lossy: frozenset[str] = frozenset()
    """Migrations whose way back a person lets lose something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """How going back went."""

    way: str
    """`down.sql`, or `reverse` for Django's own."""
    duration_s: float
    locks: tuple[LockHold, ...]
    """Held until COMMIT for `duration_s` at most: when each was taken is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationRehearsal:
    """What was seen of one migration."""

    id: MigrationId
    duration_s: float
    """Of the way forward, COMMIT included."""
    round_trip: RoundTrip
    locks: tuple[LockHold, ...]
    blocked: tuple[TableBlocked, ...]
    """Until COMMIT, by table."""
    rewrites: tuple[str, ...]
    scans: tuple[str, ...]
    wal_bytes: int
    """Of the whole server, while it ran."""
    atomic: bool
    losses: tuple[Loss, ...] = ()
    failure: Failure | None = None
    reason: str = ""
    """Why it is irreversible."""
    back: WayBack | None = None
    notes: tuple[str, ...] = ()
    statements: tuple[MeasuredStatement, ...] = ()
    effect: Effect | None = None
    """What it is to the release before it; None where that was not tried."""
    breaks: tuple[Break, ...] = ()
    """What that release does and cannot do any more."""
    forecasts: tuple[TableForecast, ...] = ()
    """For the real server; none where no rows were copied."""
    over_budget: tuple[OverBudget, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearseReport:
    """What a rehearsal of the pending migrations showed."""

    source: str
    """`backup`; `schema` where no rows were copied; `rules` where nothing was run."""
    backup_id: str | None
    taken_at: datetime | None
    """The moment whose rows the copy has."""
    server_version: str
    sample_percent: float | None = None
    """How much of the large tables was copied; times are scaled then."""
    migrations: tuple[MigrationRehearsal, ...] = ()
    left: tuple[MigrationId, ...] = ()
    """Not rehearsed: one before them left the copy in no known state, or there is no
    `migration.sql` for the rules."""
    notes: tuple[str, ...] = ()
    duration_s: float = 0.0
    breaks: tuple[Break, ...] = ()
    """What the release that runs now cannot do any more after all of them."""
    allowed_lossy: tuple[str, ...] = ()
    allowed_over_budget: tuple[str, ...] = ()
    by_rule: tuple[RuledMigration, ...] = ()
    """What the rules say, where nothing was run."""
    recorded: bool = False
    """Whether it is in the ledger."""

    @property
    def is_measured(self) -> bool:
        """Whether the times mean anything: there were rows."""
        return self.source == "backup"

    @property
    def bad(self) -> tuple[MigrationRehearsal, ...]:
        """Those that fail, and those that lose or block more than anybody allowed."""
        return tuple(
            each
            for each in self.migrations
            if each.round_trip is RoundTrip.FAILED
            or (
                each.round_trip is RoundTrip.LOSSY
                and str(each.id) not in self.allowed_lossy
            )
            or (each.over_budget and str(each.id) not in self.allowed_over_budget)
        )

    @property
    def exit_code(self) -> int:
        """3 where a migration is bad, or was not rehearsed."""
        is_bad = self.bad or self.left or any(each.is_bad for each in self.by_rule)
        return FINDINGS if is_bad else 0
