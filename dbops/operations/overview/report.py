"""What one look at a database and all around it returns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from dbops.core.finding import Finding
from dbops.core.known_rehearsal import KnownRehearsal
from dbops.core.migration import MigrationId
from dbops.core.verdict import Verdict
from dbops.operations.backup.check import BackupCheckReport
from dbops.operations.locks.locks import LocksReport
from dbops.operations.status import StatusReport
from dbops.postgres.overview import TableState

FINDINGS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingMigration:
    """A migration that would be deployed."""

    id: MigrationId
    findings: tuple[Finding, ...]
    """Of `dbops_check`, as far as no scratch database is needed."""
    rehearsal: KnownRehearsal | None
    """The last one of what is on disk now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedMigration:
    """A migration of the history, with the moment of its row."""

    id: MigrationId
    applied_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownBackup:
    """A backup in the list."""

    backup_id: str
    taken_at: datetime
    age_s: float
    duration_s: float | None
    size_bytes: int | None
    verified: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupsState:
    """The last backups, the newest first."""

    source: str
    """`storage`; `ledger` where the storage cannot be asked from here."""
    place: str
    """Empty for the ledger."""
    check: BackupCheckReport | None
    """The judgement of `dbops_backups check`; None for the ledger."""
    backups: tuple[ShownBackup, ...]
    problem: str
    """Why the storage was not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep:
    """One migration of a run, or one operation of it."""

    migration: MigrationId
    operation: int | None
    description: str
    direction: str
    state: str
    duration_s: float | None
    """Its locks were held for so long at most."""
    blocked_sessions: int | None
    """The most that were seen to wait for it at one moment; None: nobody looked."""
    blocked_s: float | None
    """The longest that one of them waited."""
    forecast: KnownRehearsal | None
    """What its rehearsal had said."""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One entry of the ledger."""

    id: UUID
    kind: str
    state: str
    started_at: datetime
    duration_s: float | None
    actor: str
    host: str
    backup_id: str
    message: str
    steps: tuple[RunStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTransaction:
    """A transaction of another session."""

    pid: int
    role: str
    application: str
    idle: bool
    open_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A part that could not be looked at."""

    part: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewReport:
    """The state of a database, the answer first."""

    verdict: Verdict
    taken_at: datetime
    place: str
    status: StatusReport | None
    """None where it could not be asked."""
    applied: tuple[AppliedMigration, ...]
    """The newest first."""
    pending: tuple[PendingMigration, ...]
    drift: int | None
    """Objects that differ; None: not compared since the schema last changed."""
    backups: BackupsState | None
    runs: tuple[Run, ...]
    findings: tuple[Finding, ...]
    """Of the doctor's: transactions, prepared ones, indexes, constraints."""
    transactions: tuple[OpenTransaction, ...]
    """The oldest first."""
    invalid_indexes: int | None
    """None where nobody could look."""
    tables: tuple[TableState, ...]
    locks: LocksReport | None
    has_ledger: bool
    problems: tuple[Problem, ...]

    @property
    def exit_code(self) -> int:
        """3 where something speaks against a deployment."""
        return 0 if self.verdict.safe else FINDINGS
