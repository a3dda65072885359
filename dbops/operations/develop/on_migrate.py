"""Let `migrate` go on from a schema that was pushed."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.migrations import Migration
from django.db.migrations.operations import RunPython, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation

from dbops.errors import Refused
from dbops.operations.context import Context
from dbops.operations.develop.development import require_development
from dbops.operations.develop.models_goal import build_goal
from dbops.operations.develop.push import plan_push, run_push
from dbops.operations.history import get_id, read_history
from dbops.operations.schema import fetch_live_catalog
from dbops.postgres.marks import Mark, fetch_marks, set_mark


def is_pushed(context: Context) -> bool:
    """Say whether the schema is ahead of the migrations because it was pushed."""
    return Mark.PUSHED in fetch_marks(context.connect())


def continue_from_push(context: Context, migrations: Iterable[Migration]) -> None:
    """Let these migrations be recorded without running: what they make is there.

    Where the models have changed since the push, the schema follows them first, if
    nothing is lost by it. Operations on data run as they are.

    Raises:
        Refused: rows would be lost, or the database is not for development.
    """
    require_development(context)
    history = read_history(context)
    live = fetch_live_catalog(context)
    goal = build_goal(context, history, live)
    plan = plan_push(context, goal, live)
    if plan.loses:
        raise Refused(
            "the schema was pushed, and what it has to become loses something: "
            + "; ".join(plan.loses),
            hint="manage.py dbops_push, which asks; then migrate again",
        )
    taken = list(migrations)
    run_push(context, history, goal, plan)
    for each in taken:
        each.operations = [_keep_state(found) for found in each.operations]  # type: ignore[misc]
    left = {get_id(each) for each in history.pending} - {get_id(each) for each in taken}
    if not (left or goal.unwritten):
        set_mark(context.connect(), Mark.PUSHED, None)


def _keep_state(operation: Operation) -> Operation:
    if isinstance(operation, RunPython):
        return operation
    return SeparateDatabaseAndState(state_operations=[operation])
