"""Is it safe to deploy, and what would be done?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dbops.core.migration import MigrationId
from dbops.errors import Busy
from dbops.operations.adopt.adoption import find_existing_tables
from dbops.operations.context import Context
from dbops.operations.drift.expected import find_measured
from dbops.operations.history import History, get_id, read_history
from dbops.operations.schema import fetch_live_catalog
from dbops.postgres.catalog import LOCK_TIMEOUT_S
from dbops.postgres.deploy_lock import fetch_holder
from dbops.postgres.ledger_reading import (
    DeploymentRow,
    fetch_last_deployment,
    fetch_stuck_migrations,
)
from dbops.postgres.session import Connection


class State(StrEnum):
    """The one word for a database."""

    UP_TO_DATE = "up_to_date"
    PENDING = "pending"
    FAILED = "failed"
    DIVERGED = "diverged"
    NOT_ADOPTED = "not_adopted"


class Schema(StrEnum):
    """What is known of the live schema, without building another one."""

    MATCHES = "matches"
    DIFFERS = "differs"
    NOT_COMPARED = "not_compared"


NOT_COMPARED: tuple[Schema, int | None] = (Schema.NOT_COMPARED, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """The newest entry of the ledger."""

    kind: str
    state: str
    started_at: datetime
    actor: str
    host: str
    backup_id: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """Where the database stands."""

    state: State
    schema: Schema
    """Whether it is what the applied migrations build."""
    differences: int | None
    """How many objects differ; None where they were not compared."""
    applied: int
    pending: tuple[MigrationId, ...]
    unknown: tuple[MigrationId, ...]
    failed: tuple[MigrationId, ...]
    existing_tables: tuple[str, ...]
    """Tables that are there though no migration is recorded for them."""
    server: str
    place: str
    running: str | None
    """Who holds the deploy lock now."""
    last: LastRun | None

    @property
    def exit_code(self) -> int:
        """3 for anything but up to date."""
        return 0 if self.state is State.UP_TO_DATE else 3


def read_status(
    context: Context, *, lock_timeout_s: float = LOCK_TIMEOUT_S
) -> StatusReport:
    """Compare the project's migrations with the history and the ledger.

    Reads only; looks at no table's contents. The schema is compared as far as that
    needs no scratch database: with the ledger's, or with what is known of an earlier
    comparison.

    Raises:
        ServerFailed: the database cannot be reached.
        Refused: the migrations contradict each other or the history.
    """
    history = read_history(context)
    connection = context.connect()
    existing = find_existing_tables(context, history)
    holder = fetch_holder(connection)
    last = fetch_last_deployment(connection)
    failed = _find_failed(connection, history, last) if last and not holder else ()
    cut_off = last is not None and last.state == "running" and not holder
    schema, differences = NOT_COMPARED
    if not (existing or history.unknown or holder or cut_off or failed):
        schema, differences = _compare_schema(context, history, last, lock_timeout_s)
    state = _find_state(
        history,
        schema,
        failed=bool(failed or cut_off or (last and last.state == "needs_repair")),
        not_adopted=bool(existing),
    )
    return StatusReport(
        state=state,
        schema=schema,
        differences=differences,
        applied=len(history.applied),
        pending=tuple(map(get_id, history.pending)),
        unknown=history.unknown,
        failed=failed,
        existing_tables=tuple(
            table for tables in existing.values() for table in tables
        ),
        server=f"PostgreSQL {connection.info.parameter_status('server_version')}",
        place=context.target.place,
        running=str(holder) if holder else None,
        last=_build_last(last) if last else None,
    )


def _compare_schema(
    context: Context,
    history: History,
    last: DeploymentRow | None,
    lock_timeout_s: float,
) -> tuple[Schema, int | None]:
    """Say what the ledger or an earlier comparison already proves."""
    try:
        live = fetch_live_catalog(context, lock_timeout_s=lock_timeout_s)
    except Busy:  # Somebody holds a table; the rest of the status is wanted the more.
        return NOT_COMPARED
    comparison = find_measured(context, history, live)
    if comparison is not None:
        differences = len(comparison.differences)
        return Schema.DIFFERS if differences else Schema.MATCHES, differences
    proven = (
        last is not None
        and last.state == "done"
        and last.fingerprint_after == live.fingerprint
        and not history.pending
    )
    return (Schema.MATCHES, 0) if proven else NOT_COMPARED


def _find_failed(
    connection: Connection, history: History, last: DeploymentRow
) -> tuple[MigrationId, ...]:
    if last.state not in ("running", "needs_repair"):
        return ()
    stuck = fetch_stuck_migrations(connection, last.id)
    return tuple(
        sorted(
            each
            for each in stuck
            if (each in history.applied) == (last.kind == "rollback")
        )
    )


def _find_state(
    history: History, schema: Schema, *, failed: bool, not_adopted: bool
) -> State:
    if failed:
        return State.FAILED
    if not_adopted:
        return State.NOT_ADOPTED
    if history.unknown or schema is Schema.DIFFERS:
        return State.DIVERGED
    return State.PENDING if history.pending else State.UP_TO_DATE


def _build_last(row: DeploymentRow) -> LastRun:
    return LastRun(
        kind=row.kind,
        state=row.state,
        started_at=row.started_at,
        actor=row.actor,
        host=row.host,
        backup_id=row.backup_id,
        message=row.message,
    )
