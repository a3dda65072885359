"""What the ledger says of the last runs, next to what their rehearsals had said."""

from __future__ import annotations

from dbops.core.migration import MigrationId
from dbops.operations.overview.pending import Rehearsals, fetch_rehearsals
from dbops.operations.overview.report import Run, RunStep
from dbops.postgres.ledger_reading import ledger_exists
from dbops.postgres.overview import RunRow, RunStepRow, fetch_run_steps, fetch_runs
from dbops.postgres.session import Connection

MOST_RUNS = 10


def list_runs(session: Connection, number: int = MOST_RUNS) -> tuple[Run, ...]:
    """Return the last runs with their steps, newest first; none without a ledger."""
    if not ledger_exists(session):
        return ()
    rows = fetch_runs(session, number)
    steps = fetch_run_steps(session, [each.id for each in rows])
    rehearsals = fetch_rehearsals(session, [each.digest for each in steps])
    return tuple(
        _build_run(
            row, [each for each in steps if each.deployment_id == row.id], rehearsals
        )
        for row in rows
    )


def _build_run(row: RunRow, steps: list[RunStepRow], rehearsals: Rehearsals) -> Run:
    return Run(
        id=row.id,
        kind=row.kind,
        state=row.state,
        started_at=row.started_at,
        duration_s=(row.finished_at - row.started_at).total_seconds()
        if row.finished_at
        else None,
        actor=row.actor,
        host=row.host,
        backup_id=row.backup_id,
        message=row.message,
        steps=tuple(_build_step(each, rehearsals) for each in steps),
    )


def _build_step(row: RunStepRow, rehearsals: Rehearsals) -> RunStep:
    found = rehearsals.get((row.app, row.migration, row.digest))
    before = found is not None and found.rehearsed_at < row.started_at
    return RunStep(
        migration=MigrationId(row.app, row.migration),
        operation=row.operation,
        description=row.description,
        direction=row.direction,
        state=row.state,
        duration_s=row.duration_s,
        blocked_sessions=row.blocked_sessions,
        blocked_s=row.blocked_s,
        forecast=found if before and row.operation is None else None,
        message=row.message,
    )
