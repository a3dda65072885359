"""What deploy and rollback share: a run in the ledger, and its steps."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from django.core.management.sql import (
    emit_post_migrate_signal,
    emit_pre_migrate_signal,
)
from django.db import transaction
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from dbops.core.catalog import Catalog
from dbops.core.migration import MigrationId
from dbops.core.statement import join_statements
from dbops.errors import Refused, find_run_state
from dbops.operations.check.digest import digest_down, digest_migration
from dbops.operations.context import Context
from dbops.operations.deploy.added import Added, copy_migration, find_added
from dbops.operations.deploy.apply import OneMigration, StatementLog, hold_turn
from dbops.operations.deploy.observing import describe_operation
from dbops.operations.history import LEDGER_APP, History, get_id
from dbops.operations.schema import fetch_live_catalog
from dbops.postgres.ledger import NOBODY, Ledger
from dbops.postgres.ledger_reading import (
    DeploymentRow,
    fetch_last_deployment,
    fetch_steps,
    ledger_exists,
)
from dbops.postgres.session import open_session
from dbops.postgres.workers import WORKER_PREFIX, end_orphans


def install_ledger(context: Context, history: History) -> tuple[MigrationId, ...]:
    """Apply dbops's own pending migrations, each in one transaction with its row.

    Raises:
        Refused: a router keeps dbops's tables out of this database.
    """
    applied = []
    for migration in history.pending:
        if migration.app_label != LEDGER_APP:
            continue
        executor = OneMigration(
            context.connection,
            within=lambda: transaction.atomic(using=context.alias),
        )
        executor.migrate([get_id(migration)], plan=[(migration, False)])
        applied.append(get_id(migration))
    if not ledger_exists(context.connect()):
        raise Refused(
            f'the ledger\'s tables are not in database "{context.alias}"',
            hint=f'let the routers allow app "{LEDGER_APP}" there, '
            "or add its schema to the search_path",
        )
    return tuple(applied)


@contextmanager
def open_run(
    context: Context, kind: str, before: Catalog, *, allowed: Iterable[str] = ()
) -> Iterator[Ledger]:
    """Record a run in the ledger: how it begins, and how the block ends.

    `allowed` are the names of the guards that a person let pass.
    """
    with open_session(context.target, purpose=f"{kind}:ledger") as session:
        ledger = Ledger(session)
        ledger.start(kind, before=before, allowed=allowed)
        try:
            yield ledger
        except BaseException as error:
            # The first error counts, also when the server is gone.
            with suppress(psycopg.Error):
                ledger.finish(find_run_state(error), message=str(error))
            raise


@dataclass(slots=True)
class Recorded:
    """What is known of a step once it is over."""

    after: Catalog
    """The schema after it; until then the one before. Who has read it says so here."""


@contextmanager
def record_step(
    context: Context,
    ledger: Ledger,
    migration: Migration,
    *,
    direction: str,
    log: StatementLog,
    before: Catalog,
) -> Iterator[Recorded]:
    """Record one migration of a run, its SQL, and the schema before and after."""
    step = ledger.start_step(
        get_id(migration),
        direction=direction,
        description=", ".join(map(describe_operation, migration.operations)),
        before=before,
        digest=digest_migration(migration) if direction == "forward" else "",
        down_digest=digest_down(migration) if direction == "forward" else "",
    )
    started = time.monotonic()

    def finish(state: str, **fields: Any) -> None:
        ledger.finish_step(
            step,
            state=state,
            sql=join_statements(log.statements),
            duration_s=time.monotonic() - started,
            blocked=context.watcher.blocked if context.watcher else NOBODY,
            **fields,
        )

    recorded = Recorded(after=before)
    try:
        with _watched(context):
            yield recorded
    except BaseException as error:
        with suppress(psycopg.Error):
            finish("failed", message=str(error))
        raise
    if recorded.after is before:
        recorded.after = fetch_live_catalog(context)
    finish("done", after=recorded.after)


@contextmanager
def _watched(context: Context) -> Iterator[None]:
    """Have an eye on the session that works, if anybody has."""
    if context.watcher is None:
        yield
        return
    context.watcher.begin(context.connect().info.backend_pid)
    try:
        yield
    finally:
        context.watcher.end()


@contextmanager
def record_operation(
    ledger: Ledger, migration: Migration, number: int
) -> Iterator[None]:
    """Record one operation of a non-atomic migration, so that it can be resumed."""
    step = ledger.start_step(
        get_id(migration),
        direction="forward",
        description=describe_operation(migration.operations[number - 1]),
        before=None,
        operation=number,
    )
    state = "failed"
    try:
        yield
        state = "done"
    finally:
        with suppress(psycopg.Error):
            ledger.finish_step(step, state=state, sql="", duration_s=None)


@contextmanager
def tell_operation(
    context: Context, ledger: Ledger, migration: Migration, number: int
) -> Iterator[None]:
    """Tell which operation of a non-atomic migration runs, and record it."""
    words = (
        f"operation {number} of {len(migration.operations)}: "
        f"{describe_operation(migration.operations[number - 1])}"
    )
    context.progress(f"  {words}")
    if context.turn is not None:
        context.turn.check()
        context.turn.tell(f"{get_id(migration)}, {words}")
    if context.connection.in_atomic_block:
        # What is done and what is written down of it are one.
        hold_turn(context)
        ledger = ledger.within(context.connect())
    with record_operation(ledger, migration, number):
        yield


@contextmanager
def emit_signals(
    context: Context, migrations: Sequence[Migration], *, backwards: bool
) -> Iterator[Added]:
    """Send pre_migrate and post_migrate as `migrate` does: contenttypes, permissions
    and sites are made by their receivers.

    The block gets what the receivers want to run with each of the migrations.
    """
    plan = [(copy_migration(migration), backwards) for migration in migrations]
    apps = _build_apps(context)
    emit_pre_migrate_signal(0, False, context.alias, apps=apps, plan=plan)  # noqa: FBT003
    yield {
        get_id(migration): find_added(migration, planned)
        for migration, (planned, _) in zip(migrations, plan, strict=True)
    }
    apps = _build_apps(context)
    emit_post_migrate_signal(0, False, context.alias, apps=apps, plan=plan)  # noqa: FBT003


def _build_apps(context: Context) -> Any:
    """Return the historical models of what is applied now."""
    loader = MigrationLoader(context.connection)
    applied = [key for key in loader.graph.nodes if key in loader.applied_migrations]
    return loader.project_state(applied, at_end=True).apps


def claim_session(context: Context, command: str) -> None:
    """Make Django's session the only one of dbops that works on the database.

    To be called under the deploy lock. A session that a killed run left behind goes
    on with its statement until it notices; it is terminated, and so is one whose lock
    was lost. Its name tells the next run which one it is.
    """
    connection = context.connect()
    for pid, application_name in end_orphans(connection):
        context.progress(
            f'terminated session {pid} ("{application_name}"), left by a run that '
            "was killed"
        )
    connection.execute(
        "SELECT pg_catalog.set_config('application_name', %s, false)",
        (f"{WORKER_PREFIX}{command}",),
    )


def release_session(context: Context) -> None:
    """Let the next run see that Django's session is no longer at work."""
    connection = context.connection.connection
    if connection is not None and not connection.closed:
        with suppress(psycopg.Error):
            connection.execute("RESET application_name")


def close_cut_off_run(context: Context, history: History) -> tuple[str, ...]:
    """Settle the record of a run that was killed, and tell how far it came.

    To be called under the deploy lock: whoever wrote "running" is gone then. What an
    atomic migration did is known from its history row, which shares its transaction.
    """
    connection = context.connect()
    if not ledger_exists(connection):
        return ()
    last = fetch_last_deployment(connection)
    if last is None or last.state != "running":
        return ()
    notes = _explain(context, history, last)
    for note in notes:
        context.progress(note)
    ledger = Ledger(connection)
    ledger.resume(last.id)
    ledger.finish("failed", message="; ".join(filter(None, (*notes, last.message))))
    return notes


def _explain(
    context: Context, history: History, last: DeploymentRow
) -> tuple[str, ...]:
    connection = context.connect()
    who = f"the {last.kind} of {last.started_at:%Y-%m-%d %H:%M:%S} UTC"
    stopped = [
        step
        for step in fetch_steps(connection, last.id)
        if step.state == "running" and step.operation is None
    ]
    if not stopped:
        return (f"{who} by {last.actor} was cut off, in no migration",)
    ledger = Ledger(connection)
    notes = []
    for step in stopped:
        applied = step.migration_id in history.applied
        done = applied == (step.direction == "forward")
        notes.append(
            f'{who} by {last.actor} was cut off in "{step.migration_id}", '
            f"which is {'applied' if applied else 'not applied'} now"
        )
        ledger.finish_step(
            step.id,
            state="done" if done else "failed",
            sql="",
            duration_s=None,
            message="cut off",
        )
    return tuple(notes)


def forget_migration(context: Context, migration: Migration) -> None:
    """Remove the history rows of a migration, as Django's executor would."""
    recorder = MigrationRecorder(context.connection)
    for app, name in migration.replaces:
        recorder.record_unapplied(app, name)
    recorder.record_unapplied(migration.app_label, migration.name)


def remember_migration(context: Context, migration: Migration) -> None:
    """Write the history rows of a migration, as Django's executor would.

    Not by its own method, whose arguments differ between versions.
    """
    recorder = MigrationRecorder(context.connection)
    for app, name in migration.replaces or [(migration.app_label, migration.name)]:
        recorder.record_applied(app, name)
