"""What a deployment would do with each migration."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.migrations import Migration

from dbops.core.sql_script import Script
from dbops.errors import DbopsError
from dbops.operations.context import Context
from dbops.operations.deploy.aftercare import read_aftercare
from dbops.operations.deploy.checklist import Checklist, tell_guards
from dbops.operations.deploy.guard import finish_up_to_date
from dbops.operations.deploy.guarding import Guarded, judge_guards
from dbops.operations.deploy.phase import find_phase
from dbops.operations.deploy.report import (
    DeployOptions,
    DeployReport,
    DeployState,
    PlannedMigration,
)
from dbops.operations.deploy.resume import describe_resumption, require_sense
from dbops.operations.deploy.unapply import find_way_back
from dbops.operations.history import get_id, read_history
from dbops.operations.sql_files.files import read_forward


def plan_deployment(context: Context, options: DeployOptions) -> DeployReport:
    """Judge the guards, and tell what would be done; changes nothing.

    Raises:
        Refused: a guard does not hold.
    """
    history = read_history(context)
    if not history.pending:
        require_sense(options, history, None)
        return finish_up_to_date(context, history, options)
    checklist = Checklist(options.allowed, context.progress)
    with tell_guards(checklist):
        read_aftercare(context, history.pending, watch_s=options.watch_s)
        guarded = judge_guards(context, history, options, checklist)
        require_sense(options, guarded.history, guarded.position)
        checklist.require()
    return DeployReport(
        state=DeployState.DRY_RUN,
        pending=tuple(map(get_id, guarded.history.pending)),
        notes=describe_resumption(guarded.history, guarded.position),
        guards=checklist.guards,
        plan=tuple(build_plan(context, guarded)),
        phase=options.phase,
    )


def build_plan(context: Context, guarded: Guarded) -> Iterator[PlannedMigration]:
    """Yield what is pending with its SQL, its way back, and what is known of both."""
    for migration in guarded.history.pending:
        name = get_id(migration)
        proof = guarded.proofs.get(name) if guarded.proofs else None
        yield PlannedMigration(
            id=name,
            atomic=migration.atomic,
            phase=find_phase(migration, guarded.proofs),
            way_back=_tell_way_back(context, migration),
            round_trip=proof.round_trip if proof else None,
            sql=read_forward(migration),
        )


def _tell_way_back(context: Context, migration: Migration) -> str:
    try:
        way = find_way_back(context, migration)
    except DbopsError as error:
        return error.message
    return "down.sql" if isinstance(way, Script) else "reverse"
