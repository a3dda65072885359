"""What a rollback would take back, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.migrations import Migration

from dbops.core.compare import Difference
from dbops.core.loss import Loss
from dbops.core.migration import MigrationId
from dbops.core.sql_script import Script
from dbops.core.statement import mask_secrets
from dbops.errors import Refused
from dbops.operations.context import Context
from dbops.operations.deploy.goal import Goal, list_backwards
from dbops.operations.deploy.half_applied import HalfApplied
from dbops.operations.deploy.unapply import NoWayBack, Way, find_way_back
from dbops.operations.deploy.way_out import lead_to_restore
from dbops.operations.history import (
    LEDGER_APP,
    History,
    get_id,
)
from dbops.operations.pgbackrest.way_back import WayBack
from dbops.postgres.applications import fetch_application
from dbops.postgres.ledger import ADOPTED
from dbops.postgres.ledger_reading import ledger_exists


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackStep:
    """One migration to take back, and how."""

    migration: MigrationId
    way: str
    """`down.sql`, or `reverse` for Django's own."""
    statements: tuple[str, ...] = ()
    proof: str = ""
    """What a rehearsal has shown of it as it is on disk: `identical`, `lossy`, ...; or
    `not rehearsed`."""
    rehearsed_at: datetime | None = None
    notes: tuple[str, ...] = ()
    commit: str = ""
    """The one in git that brought the migration; empty where git does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackRehearsal:
    """The way back as it went on a copy."""

    backup_id: str
    taken_at: datetime | None
    """The moment whose rows the copy had."""
    duration_s: float
    unapplied: tuple[MigrationId, ...]
    notes: tuple[str, ...] = ()


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
    rehearsal: RollbackRehearsal | None = None
    """None where nobody asked for one now."""
    release: str = ""
    """The git revision that was deployed last with this schema, if one was."""
    losses: tuple[Loss, ...] = ()
    """What it destroys, as counted before it began."""


Plan = Sequence[tuple[Migration, Way]]


def build_plan(context: Context, history: History, goal: Goal) -> Plan:
    """Return the applied migrations to take back, newest first, across apps.

    Raises:
        UsageError: there is no such goal.
        Refused: one of them has no way back, or must not be taken back.
    """
    backwards = list_backwards(context, history, goal)
    for migration in backwards:
        _require_own_work(context, migration)
    return [(each, _find_way(context, each)) for each in backwards]


def _find_way(context: Context, migration: Migration) -> Way:
    try:
        return find_way_back(context, migration)
    except NoWayBack as error:
        raise lead_to_restore(context, get_id(migration), error) from error


def _require_own_work(context: Context, migration: Migration) -> None:
    name = get_id(migration)
    if name.app == LEDGER_APP:
        raise Refused(
            f'"{name}" made tables of the ledger, which cannot be rolled back by what '
            "writes it: who deployed what would be forgotten, and this run with it",
            hint="keep it first: manage.py dbops_history export ledger.jsonl; then "
            f"manage.py migrate {LEDGER_APP} zero",
        )
    connection = context.connect()
    if not ledger_exists(connection):
        return
    step = fetch_application(connection, name)
    if step is not None and step.description == ADOPTED:
        raise Refused(
            f'migration "{name}" was adopted: its tables were there before dbops, '
            "and taking it back would drop them",
            hint="name it, or a later one, as the migration to go back to",
        )


def build_report(goal: Goal, plan: Plan, half: HalfApplied | None) -> RollbackReport:
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
    return RollbackReport(target=str(goal), steps=tuple(steps), dry_run=True)
