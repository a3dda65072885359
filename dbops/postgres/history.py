"""Read the ledger as people want to see it: runs, their steps, what was foretold."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from dbops.postgres.rehearsals import rehearsals_exist
from dbops.postgres.session import Connection
from dbops.sql import load


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run, as the ledger has it."""

    id: UUID
    kind: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    actor: str
    role: str
    host: str
    git_revision: str
    dbops_version: str
    backup_id: str
    fingerprint_before: str
    fingerprint_after: str
    message: str
    allowed: str
    """A list of names, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStepRow:
    """One step of a run, as the ledger has it."""

    id: UUID
    deployment_id: UUID
    position: int
    app: str
    migration: str
    operation: int | None
    description: str
    direction: str
    state: str
    started_at: datetime
    duration_s: float | None
    sql: str
    fingerprint_before: str
    fingerprint_after: str
    message: str
    digest: str
    down_digest: str
    blocked_sessions: int
    blocked_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ForetoldRow:
    """The rehearsal that a step had before it."""

    step: UUID
    rehearsed_at: datetime
    round_trip: str
    duration_s: float
    report: str
    """JSON: the fields of `MigrationRehearsal`."""


def fetch_runs(
    connection: Connection,
    *,
    kinds: Collection[str] = (),
    states: Collection[str] = (),
    since: datetime | None = None,
    app: str | None = None,
    prefix: str = "",
    most: int | None = None,
) -> list[RunRow]:
    """Return the runs that fit, newest first."""
    with connection.cursor(row_factory=class_row(RunRow)) as cursor:
        return cursor.execute(
            load("history_runs"),
            {
                "kinds": list(kinds) or None,
                "states": list(states) or None,
                "since": since,
                "app": app,
                "prefix": prefix,
                "most": most,
            },
        ).fetchall()


def fetch_run_steps(
    connection: Connection, runs: Iterable[UUID]
) -> dict[UUID, list[RunStepRow]]:
    """Return the steps of these runs, by run, in order."""
    wanted = list(runs)
    found: dict[UUID, list[RunStepRow]] = {each: [] for each in wanted}
    with connection.cursor(row_factory=class_row(RunStepRow)) as cursor:
        for row in cursor.execute(load("history_steps"), {"deployments": wanted}):
            found[row.deployment_id].append(row)
    return found


def fetch_foretold(
    connection: Connection, runs: Iterable[UUID]
) -> dict[UUID, ForetoldRow]:
    """Return the rehearsals that the steps of these runs had, by step."""
    if not rehearsals_exist(connection):
        return {}
    with connection.cursor(row_factory=class_row(ForetoldRow)) as cursor:
        rows = cursor.execute(load("history_rehearsals"), {"deployments": list(runs)})
        return {each.step: each for each in rows}
