"""Make the database what the models say, without migrations. For development alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psycopg
from django.apps import apps
from psycopg import sql

from dbops.core.catalog import Catalog
from dbops.core.generated_names import split_name, strip_quotes
from dbops.core.push_plan import LOSS, Fill, fill_in, split_new_values
from dbops.core.repair import build_repair
from dbops.core.repair.text import name_whole
from dbops.core.words import count_of
from dbops.errors import Refused
from dbops.operations.context import Context
from dbops.operations.develop.development import require_development
from dbops.operations.develop.models_goal import Goal, build_goal
from dbops.operations.drift.adopt_state import map_models
from dbops.operations.history import History, get_id, read_history
from dbops.operations.schema import fetch_live_catalog
from dbops.postgres.catalog import fetch_catalog
from dbops.postgres.deploy_lock import open_deploy_lock
from dbops.postgres.marks import Mark, set_mark
from dbops.postgres.normalise import find_candidates
from dbops.postgres.session import Connection, tell_error

Agree = Callable[["PushPlan"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PushPlan:
    """What would be done."""

    database: str
    statements: tuple[str, ...]
    loses: tuple[str, ...]
    """What running it destroys, one sentence each; nothing of empty tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushReport:
    """What was done."""

    place: str
    statements: tuple[str, ...]
    loses: tuple[str, ...]
    unwritten: tuple[str, ...]
    """What no migration says yet."""
    pending: tuple[str, ...]
    """Migrations that `migrate` will record without running them."""
    dry_run: bool


def push(
    context: Context, *, agree: Agree, dry_run: bool = False, lock_wait_s: float = 30.0
) -> PushReport:
    """Change the live schema into what the models say, in one transaction.

    `agree` is asked where something would be lost, and raises where it may not be.

    Raises:
        Refused: the database is not for development; rows stand in the way; a
            difference has to be removed by hand. Nothing was changed.
        Busy: another run holds the deploy lock.
    """
    require_development(context)
    with open_deploy_lock(
        context.target,
        command="push",
        wait_s=lock_wait_s,
        progress=context.progress,
    ):
        history = read_history(context)
        live = fetch_live_catalog(context)
        goal = build_goal(context, history, live)
        plan = plan_push(context, goal, live)
        if not dry_run:
            if plan.loses:
                agree(plan)
            run_push(context, history, goal, plan)
    return PushReport(
        place=context.target.place,
        statements=plan.statements,
        loses=plan.loses,
        unwritten=goal.unwritten,
        pending=tuple(str(get_id(each)) for each in history.pending),
        dry_run=dry_run,
    )


def plan_push(context: Context, goal: Goal, live: Catalog) -> PushPlan:
    """Return the SQL, with values for the rows that there are, and what it loses.

    Raises:
        Refused: a column needs a value that the model does not give, or a difference
            has to be removed by hand.
    """
    repair = build_repair(goal.catalog, live, goal.differences)
    if repair.by_hand:
        told = "; ".join(map(str, repair.by_hand))
        raise Refused(
            f"no SQL is known for: {told}", hint="begin again: manage.py dbops_reset"
        )
    connection = context.connect()
    return PushPlan(
        database=context.target.database,
        statements=tuple(
            fill_in(repair.statements, lambda fill: _find_value(context, fill))
        ),
        loses=tuple(_count_losses(connection, repair.loses)),
    )


def run_push(context: Context, history: History, goal: Goal, plan: PushPlan) -> None:
    """Run the plan, prove it, and note it on the database.

    Raises:
        Refused: a statement fails, or the schema comes out otherwise; put back.
    """
    connection = context.connect()
    first, rest = split_new_values(plan.statements)
    is_ahead = bool(goal.unwritten or history.pending)
    note = goal.catalog.fingerprint[:12] if is_ahead else None
    statement = ""
    try:
        for statement in first:
            connection.execute(statement.encode())
        with connection.transaction():
            for statement in rest:
                connection.execute(statement.encode())
            _prove(connection, goal)
            set_mark(connection, Mark.PUSHED, note)
    except psycopg.Error as error:
        raise Refused(
            f"the rows or the server stand in the way: {tell_error(error)}, at: "
            f"{statement}",
            hint="correct the rows or the model; nothing was changed",
        ) from error


def _prove(connection: Connection, goal: Goal) -> None:
    made = fetch_catalog(connection)
    found = goal.rules.compare(goal.catalog, made)
    # One text may print in two ways: that alone is no difference.
    same = find_candidates(found, goal.catalog, made)
    for each in found.differences:
        if each not in same:
            raise Refused(
                f"it comes out otherwise: {each}; nothing was changed",
                hint="begin again: manage.py dbops_reset",
            )


def _find_value(context: Context, fill: Fill) -> str | None:
    """Return the value for rows that are there, as SQL; None where there are none."""
    connection = context.connect()
    column = "" if fill.is_new else f" WHERE {fill.column} IS NULL"
    query = f"SELECT count(*) FROM {fill.table}{column}"  # noqa: S608  Quoted names.
    row = connection.execute(query.encode()).fetchone()
    rows = int(row[0]) if row else 0
    if not rows:
        return None
    value = _find_default(context, fill)
    if value is None:
        raise Refused(
            f"column {fill.table}.{fill.column} may not be NULL, the model has no "
            f"default for it, and {count_of(rows, 'row')} would need a value",
            hint="give the field a default, or null=True; then manage.py dbops_push",
        )
    return value


def _find_default(context: Context, fill: Fill) -> str | None:
    table, column = (
        strip_quotes(split_name(each)[-1]) for each in (fill.table, fill.column)
    )
    model = map_models(apps).get(table)
    if model is None:
        return None
    fields = model._meta.local_concrete_fields  # noqa: SLF001
    field = next((each for each in fields if each.column == column), None)
    editor = context.connection.schema_editor(collect_sql=True)
    value: object = editor.effective_default(field) if field else None
    if value is None:
        return None
    return sql.Literal(value).as_string(context.connect())


def _count_losses(connection: Connection, loses: Sequence[str]) -> Iterator[str]:
    """Yield the losses of tables that have rows, with how many."""
    for each in loses:
        hit = LOSS.fullmatch(each)
        if hit is None:
            yield each
            continue
        table, column = _split_loss(hit["table"], hit["column"] or hit["rounded"])
        where = f" WHERE {column} IS NOT NULL" if column else ""
        query = f"SELECT count(*) FROM {table}{where}"  # noqa: S608  Quoted names.
        number = None
        with suppress(psycopg.Error), connection.transaction():
            row = connection.execute(query.encode()).fetchone()
            number = int(row[0]) if row else None
        if number is None:
            yield each
        elif number:
            yield f"{each} ({count_of(number, 'row')})"


def _split_loss(table: str | None, column: str | None) -> tuple[str, str]:
    if table is not None:
        return name_whole(table), ""
    *parts, last = split_name(column or "")
    return name_whole(".".join(parts)), last
