"""What `dbops_history` returns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from dbops.core.chain import Flaw
from dbops.core.migration import MigrationId

FINDINGS = 3


class HistoryAction(StrEnum):
    """What is done with the ledger."""

    LIST = "list"
    SHOW = "show"
    VERIFY = "verify"
    EXPORT = "export"
    ACCEPT = "accept"
    KEPT = "kept"
    PURGE = "purge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """What a rehearsal of the same migration said before it was applied."""

    rehearsed_at: datetime
    round_trip: str
    duration_s: float
    blocked_s: float | None
    """The longest that readers or writers of a table would wait; None: no forecast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """One migration of a run, or one operation of it."""

    position: int
    migration: MigrationId
    operation: int | None
    """From 1; None for the migration as a whole."""
    description: str
    direction: str
    state: str
    started_at: datetime
    duration_s: float | None
    foretold: Foretold | None
    blocked_sessions: int
    """The most that it was seen to keep waiting at one moment."""
    blocked_s: float
    """The longest that one of them was seen to wait."""
    sql: str
    """As executed, without values."""
    fingerprint_before: str
    fingerprint_after: str
    digest: str
    """Of the migration as it was applied."""
    down_digest: str
    """Of its `down.sql` then."""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run of a command that changed the database, or tried to."""

    id: UUID
    kind: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    duration_s: float | None
    actor: str
    role: str
    """On the server."""
    host: str
    git_revision: str
    dbops_version: str
    backup_id: str
    allowed: tuple[str, ...]
    """Guards that a person let pass, by name."""
    migrations: tuple[MigrationId, ...]
    foretold_blocked_s: float | None
    """The longest of its steps' forecasts; None where none was rehearsed."""
    blocked_sessions: int
    blocked_s: float
    fingerprint_before: str
    fingerprint_after: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryReport:
    """Runs, newest first."""

    action: HistoryAction = HistoryAction.LIST
    runs: tuple[RunRecord, ...] = ()
    more: bool = False
    """Whether there are older ones that fit."""
    ledger_head: str = ""
    """The hash of the newest entry of the chain; empty where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One run with its steps."""

    action: HistoryAction = HistoryAction.SHOW
    run: RunRecord
    steps: tuple[StepRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerVerifyReport:
    """Whether the ledger is as it was written."""

    action: HistoryAction = HistoryAction.VERIFY
    source: str
    """`database`, or the file."""
    entries: int
    rows: int
    begun_at: datetime | None
    """When the first entry was written."""
    ledger_head: str
    flaws: tuple[Flaw, ...]

    @property
    def exit_code(self) -> int:
        """3 where something was edited, deleted or inserted."""
        return FINDINGS if self.flaws else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was written to a file."""

    action: HistoryAction = HistoryAction.EXPORT
    file: str
    entries: int
    rows: int
    ledger_head: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptReport:
    """What is attested now as it was found."""

    action: HistoryAction = HistoryAction.ACCEPT
    accepted: tuple[Flaw, ...]
    ledger_head: str
