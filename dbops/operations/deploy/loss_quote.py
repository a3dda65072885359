"""What going back would destroy, counted before anybody is asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import psycopg
from django.db.migrations import Migration
from django.db.migrations.operations import (
    AlterField,
    AlterModelTable,
    RenameField,
    RenameModel,
    RunSQL,
)

from dbops.core.catalog import Catalog
from dbops.core.loss import LossQuote, Return, find_lost, says_rename
from dbops.core.migration import MigrationId
from dbops.core.sql_script import Script
from dbops.errors import DbopsError
from dbops.operations.context import Context
from dbops.operations.deploy.goal import Goal, list_backwards
from dbops.operations.deploy.rollback_plan import (
    Plan,
    RollbackReport,
    build_plan,
)
from dbops.operations.deploy.unapply import Way
from dbops.operations.history import History, get_id, read_history
from dbops.operations.replay import open_replay
from dbops.operations.schema import fetch_live_catalog
from dbops.postgres.applications import fetch_application
from dbops.postgres.ledger_reading import fetch_known_catalog, ledger_exists
from dbops.postgres.loss import (
    count_losses,
    fetch_applied_at,
    open_read_only,
)
from dbops.postgres.session import tell_error


def quote_goal(context: Context, goal: Goal) -> LossQuote:
    """Return what going back to the goal would destroy.

    Raises:
        Everything that `build_plan` raises.
    """
    history = read_history(context)
    if not list_backwards(context, history, goal):
        return LossQuote()
    return quote_loss(context, history, build_plan(context, history, goal))


def add_losses(
    context: Context, history: History, plan: Plan, report: RollbackReport
) -> RollbackReport:
    """Return the report with what taking back the plan would destroy."""
    quote = quote_loss(context, history, plan)
    notes = (*report.notes, *quote.notes)
    return replace(report, losses=quote.losses, notes=notes)


def quote_loss(context: Context, history: History, plan: Plan) -> LossQuote:
    """Return what taking back the plan would destroy, counted now, read-only.

    What goes is known from the schemas before and after each migration: those of the
    ledger, or else as the migrations build them. What a `down.sql` itself deletes or
    overwrites is not told by any schema.
    """
    if not plan:
        return LossQuote()
    try:
        lost = find_lost(
            _build_returns(context, history, plan), fetch_live_catalog(context)
        )
        if not lost:
            return LossQuote()
        names = [get_id(migration) for migration, _ in plan]
        with open_read_only(context.target) as session:
            applied_at = fetch_applied_at(session, names)
            return LossQuote(losses=count_losses(session, lost, applied_at))
    except (DbopsError, psycopg.Error) as error:
        told = error.message if isinstance(error, DbopsError) else tell_error(error)
        return LossQuote(notes=(f"what it would destroy is not known: {told}",))


def _build_returns(
    context: Context, history: History, plan: Plan
) -> tuple[Return, ...]:
    pairs = {get_id(each): _find_known(context, get_id(each)) for each, _ in plan}
    if not all(pairs.values()):
        pairs |= _replay(context, history, [each for each, _ in plan])
    returns = []
    for migration, way in plan:
        pair = pairs[get_id(migration)]
        assert pair is not None  # noqa: S101  Just built.
        returns.append(
            Return(
                migration=get_id(migration),
                before=pair[0],
                after=pair[1],
                renames=_renames(migration, way),
            )
        )
    return tuple(returns)


def _find_known(
    context: Context, migration: MigrationId
) -> tuple[Catalog, Catalog] | None:
    """Return the schemas before and after it, as the ledger has them."""
    connection = context.connect()
    if not ledger_exists(connection):
        return None
    step = fetch_application(connection, migration)
    if step is None:
        return None
    before = fetch_known_catalog(connection, step.fingerprint_before)
    after = fetch_known_catalog(connection, step.fingerprint_after)
    return (before, after) if before and after else None


def _replay(
    context: Context, history: History, backwards: Sequence[Migration]
) -> dict[MigrationId, tuple[Catalog, Catalog] | None]:
    """Build the schemas before and after each migration in a scratch database."""
    context.progress("building the schemas before each migration, to see what goes")
    names = {get_id(each) for each in backwards}
    pairs: dict[MigrationId, tuple[Catalog, Catalog] | None] = {}
    with open_replay(context) as replay:
        replay.apply(each for each in history.applied_plan if get_id(each) not in names)
        before = replay.fetch_catalog()
        for migration in reversed(backwards):
            replay.apply([migration])
            after = replay.fetch_catalog()
            pairs[get_id(migration)] = before, after
            before = after
    return pairs


def _renames(migration: Migration, way: Way) -> bool:
    """Say whether its way back may give names and keep what is in them."""
    if isinstance(way, Script):
        return says_rename(way.statements)
    return any(map(_gives_name, _walk(migration.operations)))


def _gives_name(operation: object) -> bool:
    match operation:
        case RunSQL(reverse_sql=str(text)):
            return says_rename([text])
        case AlterField(field=field):
            return bool(field.db_column)
        case _:
            return isinstance(operation, (RenameField, RenameModel, AlterModelTable))


def _walk(operations: Iterable[object]) -> Iterable[object]:
    for each in operations:
        yield each
        yield from _walk(getattr(each, "database_operations", ()))
