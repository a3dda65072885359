"""What may be chosen for a deployment, and what it returns."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from uuid import UUID

from django.db.migrations import Migration

from dbops.core.catalog import Catalog
from dbops.core.compare import Difference
from dbops.core.compatibility import Effect
from dbops.core.guards import Guard, GuardName
from dbops.core.locks.standing import Blocked
from dbops.core.migration import MigrationId
from dbops.core.progress import Progress, silent
from dbops.core.proof import Proofs
from dbops.core.rehearsal import RoundTrip
from dbops.core.smoke import SmokeResult
from dbops.core.watch import WatchReport
from dbops.operations.deploy.added import Added
from dbops.operations.deploy.waiting import Watcher
from dbops.operations.pgbackrest.way_back import WayBack


class DeployState(StrEnum):
    """How a deployment ended."""

    DEPLOYED = "deployed"
    UP_TO_DATE = "up_to_date"
    REVERTED = "reverted"
    FAILED = "failed"
    DRY_RUN = "dry_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployStep:
    """One thing that a deployment did."""

    name: str
    ok: bool
    duration_s: float
    detail: str = ""
    blocked_sessions: int = 0
    """The most that this step was seen to keep waiting at one moment."""
    blocked_s: float = 0.0
    """The longest that one of them was seen to wait for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMigration:
    """What would be done with one migration."""

    id: MigrationId
    atomic: bool
    phase: Effect | None
    """What it is to the release that runs; None where that is not known."""
    way_back: str
    """`down.sql`, `reverse` for Django's own, or why there is none."""
    round_trip: RoundTrip | None
    """What a rehearsal of today has shown of it; None without one."""
    sql: str
    """Its `migration.sql`; empty where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployReport:
    """What was done, in order."""

    state: DeployState
    applied: tuple[MigrationId, ...] = ()
    reverted: tuple[MigrationId, ...] = ()
    pending: tuple[MigrationId, ...] = ()
    """What is left to do: all of it in a dry run."""
    backup_id: str | None = None
    deployment_id: UUID | None = None
    steps: tuple[DeployStep, ...] = ()
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    guards: tuple[Guard, ...] = ()
    plan: tuple[PlannedMigration, ...] = ()
    """What would be done; of a dry run alone."""
    phase: Effect | None = None
    restore_point: WayBack | None = None
    """With pgBackRest: the moment before the first change, and how to go back to it."""
    ledger_head: str = ""
    """The hash of the ledger's newest entry, to be kept elsewhere."""
    led_by: str | None = None
    """Another run, which did it while this one waited; None where this one did."""
    smoke_checks: tuple[SmokeResult, ...] = ()
    """Of the last time they ran."""
    watch: WatchReport | None = None
    """What `--watch` has shown."""


class CutOff(StrEnum):
    """What to do about an operation on data that was cut off."""

    ASK = "ask"
    REDO = "redo"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployOptions:
    """What a person may choose for one deployment."""

    dry_run: bool = False
    backup: bool = True
    rehearse: bool = True
    revert: bool = True
    """Whether the way back runs by itself when verification fails."""
    allowed: frozenset[str] = frozenset()
    """Guards that a person lets pass, by their names."""
    phase: Effect | None = None
    cut_off: CutOff = CutOff.ASK
    lock_wait_s: float = 30.0
    resume: bool = False
    """Refuse where no migration is half done."""
    undo: bool = False
    """Take back what is done of the one that is, and nothing else."""
    watch_s: float | None = None
    """How long the server is watched afterwards; None: not at all."""

    @property
    def allow_drift(self) -> bool:
        """Whether a schema that differs is put up with, before and after."""
        return GuardName.DRIFT in self.allowed


@dataclass(slots=True)
class SoFar:
    """What has happened so far; becomes the report."""

    report: DeployReport = field(
        default_factory=lambda: DeployReport(state=DeployState.FAILED)
    )
    current: Migration | None = None
    """The migration that is being applied."""
    done: int = 0
    """Operations of it that have been done."""
    statements: int = 0
    """Statements of the next operation that have been done, too."""
    before: dict[MigrationId, Catalog] = field(default_factory=dict)
    """The schema before each migration of this run."""
    proofs: Proofs | None = None
    """What a rehearsal has shown."""
    after: dict[MigrationId, Catalog] = field(default_factory=dict)
    """The schema after each that was applied."""
    added: Added = field(default_factory=dict)
    """What receivers of pre_migrate want to run with each of them."""
    tell: Progress = silent
    """Who else is to know which step it is at."""

    @property
    def mine(self) -> list[MigrationId]:
        """What this run has applied and not taken back; dbops's own tables aside."""
        return [each for each in self.report.applied if each in self.before]

    def update(self, **fields: object) -> None:
        """Put these into the report."""
        self.report = replace(self.report, **fields)  # type: ignore[arg-type]

    @contextmanager
    def step(
        self, name: str, detail: str = "", *, watcher: Watcher | None = None
    ) -> Iterator[None]:
        """Time the block, and tell whether it came to its end, and whom it blocked."""
        self.tell(name)
        started = time.monotonic()
        ok = False
        try:
            yield
            ok = True
        finally:
            blocked = watcher.blocked if watcher is not None else Blocked()
            done = DeployStep(
                name=name,
                ok=ok,
                duration_s=time.monotonic() - started,
                detail=detail,
                blocked_sessions=blocked.sessions,
                blocked_s=blocked.longest_s,
            )
            self.update(steps=(*self.report.steps, done))
