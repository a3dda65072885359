"""What a rollback would take back, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor

from dbops.core.compare import Difference
from dbops.core.migration import MigrationId
from dbops.core.sql_script import Script
from dbops.core.statement import mask_secrets
from dbops.errors import Refused, UsageError
from dbops.operations.context import Context
from dbops.operations.deploy.half_applied import HalfApplied
from dbops.operations.deploy.unapply import Way, find_way_back
from dbops.operations.history import (
    LEDGER_APP,
    History,
    find_migration,
    get_id,
)
from dbops.operations.pgbackrest.way_back import WayBack
from dbops.postgres.ledger import ADOPTED, fetch_last_application, ledger_exists

ZERO = "zero"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackStep:
    """One migration to take back, and how."""

    migration: MigrationId
    way: str
    """`down.sql`, or `reverse` for Django's own."""
    statements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackReport:
    """What was taken back, newest first."""

    target: str
    unapplied: tuple[MigrationId, ...] = ()
    steps: tuple[RollbackStep, ...] = ()
    schema_matches: bool | None = None
    """None where nothing was done."""
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    dry_run: bool = False
    restore_point: WayBack | None = None
    """With pgBackRest: the moment before the first change, and how to go back to it."""
    ledger_head: str = ""
    """The hash of the ledger's newest entry, to be kept elsewhere."""


Plan = Sequence[tuple[Migration, Way]]


def build_plan(context: Context, history: History, app: str, name: str) -> Plan:
    """Return the applied migrations after `name`, newest first, across apps.

    Raises:
        UsageError: no such app or migration, or it is not applied.
        Refused: one of them has no way back, or must not be taken back.
    """
    if name == ZERO:
        if app not in {each.app_label for each in history.plan}:
            find_migration(history, app, name)
        key: tuple[str, str | None] = (app, None)
    else:
        target = find_migration(history, app, name)
        if target not in history.applied:
            raise UsageError(
                f'migration "{target}" is not applied, so there is nothing to go '
                "back to",
                hint="manage.py dbops_status",
            )
        key = target
    executor = MigrationExecutor(context.connection)
    backwards = [each for each, _ in executor.migration_plan([key])]
    for migration in backwards:
        _require_own_work(context, migration)
    return [(each, find_way_back(context, each)) for each in backwards]


def _require_own_work(context: Context, migration: Migration) -> None:
    name = get_id(migration)
    if name.app == LEDGER_APP:
        raise Refused(
            "the ledger cannot be rolled back by what writes it",
            hint=f"manage.py migrate {LEDGER_APP} zero",
        )
    connection = context.connect()
    if not ledger_exists(connection):
        return
    step = fetch_last_application(connection, name)
    if step is not None and step.description == ADOPTED:
        raise Refused(
            f'migration "{name}" was adopted: its tables were there before dbops, '
            "and taking it back would drop them",
            hint="name it, or a later one, as the migration to go back to",
        )


def build_report(
    app: str, name: str, plan: Plan, half: HalfApplied | None
) -> RollbackReport:
    """Return the report of a dry run."""
    steps = [
        RollbackStep(
            migration=get_id(migration),
            way="down.sql" if isinstance(way, Script) else "reverse",
            statements=(
                tuple(map(mask_secrets, way.statements))
                if isinstance(way, Script)
                else ()
            ),
        )
        for migration, way in plan
    ]
    if half is not None:
        first = RollbackStep(
            migration=get_id(half.migration),
            way=f"reverse of what is done: {', '.join(half.operations) or 'nothing'}",
        )
        steps.insert(0, first)
    return RollbackReport(target=f"{app}.{name}", steps=tuple(steps), dry_run=True)
