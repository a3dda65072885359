"""Apply new migrations to a development database, and try their way back there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.core.management import call_command
from django.db import Error, transaction
from django.db.migrations import Migration
from django.db.migrations.recorder import MigrationRecorder

from dbops.core.catalog import Catalog
from dbops.core.compare import compare_catalogs
from dbops.core.hazards.judge import Step
from dbops.core.hazards.parsing import NotUnderstood
from dbops.core.hazards.predict import PredictedLock, predict_statements
from dbops.core.sql_script import Script
from dbops.core.table_name import TableName
from dbops.errors import Refused
from dbops.operations.check.lock_recording import LockRecorder
from dbops.operations.check.locks import needs_parser
from dbops.operations.context import Context
from dbops.operations.history import get_id, read_history
from dbops.operations.replay import open_replay
from dbops.operations.schema import fetch_live_catalog
from dbops.operations.sql_files.files import SqlReport, read_down
from dbops.operations.sql_files.recording import record_forward
from dbops.postgres.catalog import fetch_catalog
from dbops.postgres.marks import Mark, fetch_marks
from dbops.postgres.session import tell_error


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownStatement:
    """A statement that a migration will run."""

    sql: str
    locks: tuple[PredictedLock, ...]
    """Of tables that were there before; only what keeps somebody waiting."""
    understood: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownMigration:
    """What a migration will run."""

    id: str
    statements: tuple[ShownStatement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyReport:
    """What was applied, and what came of the way back."""

    applied: tuple[str, ...]
    tried_here: bool
    """The way back was run on this database, with its rows, and rolled back."""
    problem: str
    """Why it does not lead back; empty where it does."""


def show_migrations(
    context: Context, migrations: Sequence[Migration]
) -> tuple[ShownMigration, ...]:
    """Return what the migrations run and lock, seen on a scratch database.

    Raises:
        Refused: the role may not create databases.
        ServerFailed: a migration fails on an empty database.
    """
    wanted = {get_id(each) for each in migrations}
    plan = read_history(context).plan
    shown = []
    with open_replay(context) as replay:
        MigrationRecorder(replay.connection).ensure_schema()
        recorder = LockRecorder(replay)
        for migration in plan:
            if get_id(migration) not in wanted:
                replay.apply([migration])
                continue
            record_forward(replay, migration, recorder)
            shown.append(
                ShownMigration(
                    id=str(get_id(migration)),
                    statements=_show(recorder.take_steps()),
                )
            )
            if len(shown) == len(wanted):
                break
    return tuple(shown)


def _show(steps: Sequence[Step]) -> tuple[ShownStatement, ...]:
    created: set[TableName] = set()
    shown = []
    for step in steps:
        try:
            if step.is_python or needs_parser():
                raise NotUnderstood
            predictions = predict_statements(step.sql, step.facts)
        except NotUnderstood:
            shown.append(ShownStatement(sql=step.sql, locks=(), understood=False))
            continue
        created |= {each.creates for each in predictions if each.creates}
        locks = tuple(
            lock
            for each in predictions
            for lock in each.locks
            if lock.mode.blocks != "none" and lock.relation not in created
        )
        shown.append(ShownStatement(sql=step.sql, locks=locks, understood=True))
    return tuple(shown)


def apply_migrations(context: Context, migrations: Sequence[Migration]) -> ApplyReport:
    """Apply all that is pending, and try the way back of these migrations.

    Where they alone were pending it is tried on the database itself, in a transaction
    that is rolled back.

    Raises:
        Refused: the rows stand in the way.
        CommandError: as `migrate` does.
    """
    new = {get_id(each) for each in migrations}
    pending = {get_id(each) for each in read_history(context).pending}
    is_pushed = bool(fetch_marks(context.connect()).get(Mark.PUSHED))
    before = fetch_live_catalog(context)
    try:
        call_command("migrate", database=context.alias, interactive=False, verbosity=0)
    except Error as error:
        raise Refused(
            f"written, and not applied: {tell_error(error)}",
            hint="correct the rows, then: manage.py migrate; or delete the migration",
        ) from error
    tried, problem = False, ""
    if pending == new and not is_pushed:
        tried, problem = _try_way_back(context, migrations, before)
    return ApplyReport(
        applied=tuple(map(str, sorted(pending))), tried_here=tried, problem=problem
    )


def _try_way_back(
    context: Context, migrations: Sequence[Migration], before: Catalog
) -> tuple[bool, str]:
    scripts = []
    done = {get_id(each): each for each in migrations}
    ordered = [each for each in read_history(context).plan if get_id(each) in done]
    for migration in reversed(ordered):
        down = read_down(migration)
        if not isinstance(down, Script) or not down.transactional:
            return False, ""
        scripts.append(down)
    alias = context.alias
    try:
        with transaction.atomic(using=alias):
            with context.connection.cursor() as cursor:
                for script in scripts:
                    for statement in script.statements:
                        cursor.execute(statement)
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            found = fetch_catalog(context.connect())
            transaction.set_rollback(True, using=alias)
    except Error as error:
        return True, f"it fails on the rows that are here: {tell_error(error)}"
    differences = compare_catalogs(before, found).differences
    told = "; ".join(" ".join(str(each).split()) for each in differences[:3])
    return True, f"it does not give back the schema: {told}" if told else ""


def require_way_back(written: SqlReport) -> None:
    """Refuse to apply what nobody can take back.

    Raises:
        Refused: a `down.sql` is not written, or does not lead back.
    """
    for each in written.migrations:
        if each.problem:
            raise Refused(
                f'"{each.migration}" is written, and not applied: {each.problem}',
                hint=f"write {each.down.path.name}, then: manage.py migrate",
            )
