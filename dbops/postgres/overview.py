"""What the overview shows of ledger and tables; no query waits for anybody's lock."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from psycopg.rows import class_row

from dbops.postgres.rehearsals import rehearsals_exist
from dbops.postgres.session import Connection
from dbops.sql import load

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run of a command that changes the database."""

    id: UUID
    kind: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    actor: str
    host: str
    backup_id: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStepRow:
    """One migration, or one operation of it, within a run."""

    deployment_id: UUID
    app: str
    migration: str
    operation: int | None
    description: str
    direction: str
    state: str
    started_at: datetime
    duration_s: float | None
    message: str
    digest: str
    blocked_sessions: int | None
    blocked_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRehearsalRow:
    """What is kept of a rehearsal; `report` is JSON."""

    app: str
    migration: str
    digest: str
    rehearsed_at: datetime
    round_trip: str
    duration_s: float
    with_rows: bool
    report: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedBackup:
    """A backup as the ledger knows it."""

    backup_id: str
    taken_at: datetime
    duration_s: float
    size_bytes: int
    database_size_bytes: int
    verified: str
    location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """A table with its indexes, as large as the server last saw it."""

    name: str
    rows: int | None
    dead_rows: int
    table_bytes: int
    index_bytes: int
    size_bytes: int
    analyzed_at: datetime | None


def fetch_runs(connection: Connection, number: int) -> list[RunRow]:
    """Return the newest runs of the ledger, the newest first."""
    return _fetch(connection, "overview_runs", RunRow, number=number)


def fetch_run_steps(connection: Connection, runs: Collection[UUID]) -> list[RunStepRow]:
    """Return the steps of these runs, run by run, each in order."""
    return _fetch(connection, "overview_steps", RunStepRow, runs=list(runs))


def fetch_known_rehearsals(
    connection: Connection, digests: Collection[str]
) -> list[KnownRehearsalRow]:
    """Return the last rehearsal of each of these; none from an old ledger."""
    if not digests or not rehearsals_exist(connection):
        return []
    return _fetch(
        connection, "overview_rehearsals", KnownRehearsalRow, digests=list(digests)
    )


def fetch_recorded_backups(connection: Connection, number: int) -> list[RecordedBackup]:
    """Return the newest backups of the ledger, the newest first."""
    return _fetch(connection, "overview_backups", RecordedBackup, number=number)


def fetch_tables(connection: Connection, number: int) -> list[TableState]:
    """Return the largest tables, the largest first."""
    return _fetch(connection, "overview_tables", TableState, number=number)


def _fetch(
    connection: Connection, name: str, kind: type[Row], **parameters: Any
) -> list[Row]:
    with connection.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(load(name), parameters, prepare=False).fetchall()
