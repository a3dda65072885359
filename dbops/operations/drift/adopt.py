"""A migration that makes the project follow what was changed by hand."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.core.management.utils import run_formatters
from django.db.migrations import Migration
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.operations import RunSQL, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import MigrationWriter

from dbops.core.catalog import ObjectKind
from dbops.core.compare import Difference, DifferenceKind
from dbops.core.generated_names import split_name, strip_quotes
from dbops.core.migration import MigrationId
from dbops.core.repair import build_repair
from dbops.core.repair.text import mentions, name_whole
from dbops.errors import Refused, UsageError
from dbops.operations.context import Context
from dbops.operations.drift.adopt_state import (
    ModelEdit,
    build_state_changes,
    get_table,
    map_models,
)
from dbops.operations.drift.drift import DriftOptions, Look, look
from dbops.operations.drift.repair_proof import play_there_and_back
from dbops.operations.history import History, get_id
from dbops.operations.sql_files.files import (
    get_sql_directory,
    is_project_migration,
    remove_generated_files,
    write_sql_files,
)

LONGEST_NAME = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowReport:
    """The migration that was written, and what it leaves to do."""

    migration: MigrationId | None = None
    """None where nothing differs."""
    files: tuple[str, ...] = ()
    edits: tuple[ModelEdit, ...] = ()
    """What the models have to say now; Django only knows it from the migration."""
    unsaid: tuple[str, ...] = ()
    """What the migration does in the database, and no model can tell."""
    left: tuple[Difference, ...] = ()
    """What it does not take up: of other apps' models, or not to be written as SQL."""
    loses: tuple[str, ...] = ()
    """What it destroys in a database where it was not done by hand yet."""
    irreversible: str = ""
    """Why it has no way back; empty if it has one."""
    place: str = ""


def follow_drift(
    context: Context, options: DriftOptions, app: str | None = None
) -> FollowReport:
    """Write a migration of `app` that makes of the migrations' schema the live one.

    Without an app it is the one whose models differ. The migration is played on a
    scratch database before it is written, there and back. It takes up all that differs
    but what belongs to models of the project's other apps. The database, which has it
    all, is not touched: the migration has to be recorded there as applied.

    Raises:
        UsageError: there is no such app, or it is not the project's, or it has to be
            named.
        Refused: the database was not adopted; a run was cut off, applied migrations
            are not on disk, or the app has pending ones; nothing of the drift can be
            written; the SQL does not do what it shall.
        Busy: a deployment went on for all of the time to wait.
        ServerFailed: a migration fails on an empty database.
    """
    found = look(context, options)
    _refuse_unsettled(found)
    if not found.differences:
        return FollowReport(place=context.target.place)
    state = _build_state(found.history)
    labels = {
        table: model._meta.app_label  # noqa: SLF001
        for table, model in map_models(state.apps).items()
    }
    own = {
        each.app_label
        for each in found.history.plan
        if is_project_migration(each, context.settings)
    }
    owners = _find_owners(found, labels, own)
    app = _choose_app(found.history, owners, own, app)
    there, back, loses, taken = _write_both_ways(
        found,
        [
            each
            for each, owner in owners.items()
            if owner in {None, app} and not _is_lost_model(each)
        ],
    )
    if not taken:
        raise Refused(
            f'nothing of the drift can be written as a migration of "{app}"',
            hint="manage.py dbops_drift",
        )
    left = [each for each in found.differences if each not in taken]
    proof = play_there_and_back(
        context, found.history, found.live, there=there, back=back, left=left
    )
    if proof.there:
        raise Refused(
            f"the SQL does not lead to the schema that is there: {proof.there}",
            hint="write the migration by hand, then record it: "
            "manage.py dbops_resolve APP NAME --applied",
        )
    changes = build_state_changes(
        state, app, taken, expected=found.measured.expected, live=found.live
    )
    database = RunSQL([*there], None if proof.back else [*back])
    operation = _combine(database, changes.operations)
    dependencies = _find_dependencies(found, app, there, labels)
    migration = _build_migration(app, dependencies, taken, operation)
    return FollowReport(
        migration=get_id(migration),
        files=_write_files(context, migration, loses),
        edits=changes.edits,
        unsaid=changes.unsaid,
        left=tuple(left),
        loses=loses,
        irreversible=proof.back,
        place=context.target.place,
    )


def _refuse_unsettled(found: Look) -> None:
    if found.unfinished:
        raise Refused(
            f"{found.unfinished}: what it left behind is no drift",
            hint="manage.py dbops_status",
        )
    if found.history.unknown:
        names = ", ".join(map(str, found.history.unknown))
        raise Refused(
            f"applied, and not on disk: {names}; what they made is no drift",
            hint="run it from the release that has them",
        )


def _build_state(history: History) -> ProjectState:
    applied = {get_id(each) for each in history.applied_plan}
    nodes = [
        each for each in history.loader.graph.nodes if MigrationId(*each) in applied
    ]
    state: ProjectState = history.loader.project_state(nodes, at_end=True)
    return state.clone()


def _find_owners(
    found: Look, labels: Mapping[str, str], own: Collection[str]
) -> Mapping[Difference, str | None]:
    """Return which of the project's apps has a model that the difference is about."""
    objects = {
        (each.kind, each.name): each
        for side in (found.measured.expected, found.live)
        for each in side.objects
    }
    owners: dict[Difference, str | None] = {}
    for each in found.differences:
        side = objects[each.object, each.name]
        label = labels.get(get_table(side.parent or each.name))
        owners[each] = label if label in own else None
    return owners


def _choose_app(
    history: History,
    owners: Mapping[Difference, str | None],
    own: Collection[str],
    app: str | None,
) -> str:
    if app and app not in own:
        raise UsageError(
            f'the project has no app "{app}" with migrations of its own',
            hint=f"use one of: {', '.join(sorted(own))}",
        )
    candidates = {app} if app else {each for each in owners.values() if each} or own
    if len(candidates) != 1:
        raise UsageError(
            "which app is the migration for? It could be that of "
            f"{', '.join(sorted(candidates)) or 'no app of the project'}",
            hint="manage.py dbops_drift --adopt APP",
        )
    (chosen,) = candidates
    pending = [
        str(get_id(each)) for each in history.pending if each.app_label == chosen
    ]
    if pending:
        raise Refused(
            f"pending: {', '.join(pending)}; the migration would come after",
            hint="deploy first: manage.py dbops_deploy --allow-drift",
        )
    return chosen


def _is_lost_model(difference: Difference) -> bool:
    """Say whether it is a table that models still have."""
    return (
        difference.object == ObjectKind.TABLE
        and difference.kind == DifferenceKind.MISSING
    )


def _write_both_ways(
    found: Look, taken: Sequence[Difference]
) -> tuple[Sequence[str], Sequence[str], tuple[str, ...], Sequence[Difference]]:
    """Return the SQL there and back, what it loses there, and what it covers."""
    expected, live = found.measured.expected, found.live
    while taken:
        there = build_repair(live, expected, [each.swap() for each in taken])
        if not there.by_hand:
            back = build_repair(expected, live, taken)
            return there.statements, back.statements, there.loses, taken
        by_hand = {(each.object, each.name) for each in there.by_hand}
        kept = [each for each in taken if (each.object, each.name) not in by_hand]
        taken = kept if len(kept) < len(taken) else []
    return (), (), (), ()


def _find_dependencies(
    found: Look, app: str, statements: Sequence[str], labels: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Return the last migrations of the apps that the SQL is about, and of its own."""
    last = {each.app_label: each.name for each in found.history.applied_plan}
    text = "\n".join(statements)
    apps = {
        labels.get(get_table(each.name), app)
        for each in found.live.objects
        if each.kind == ObjectKind.TABLE and mentions(text, name_whole(each.name))
    }
    return [(each, last[each]) for each in sorted({app, *apps} & last.keys())]


def _build_migration(
    app: str,
    dependencies: Sequence[tuple[str, str]],
    taken: Sequence[Difference],
    operation: Operation,
) -> Migration:
    (before,) = [name for label, name in dependencies if label == app]
    number = (MigrationAutodetector.parse_number(before) or 0) + 1
    parts = {"dependencies": dependencies, "operations": [operation]}
    written: type[Migration] = type("Migration", (Migration,), parts)
    return written(f"{number:04}_{_name(taken)}", app)


def _name(taken: Sequence[Difference]) -> str:
    whole = split_name(taken[0].name.partition("(")[0])
    parts = [strip_quotes(each) for each in whole[-2:]]
    words = re.sub(r"\W+|__+", "_", "_".join(parts)).strip("_").lower()
    return f"adopt_{words[:LONGEST_NAME]}{'_and_more' if len(taken) > 1 else ''}"


def _combine(sql: RunSQL, state: Sequence[Operation]) -> Operation:
    if not state:
        return sql
    return SeparateDatabaseAndState(
        database_operations=[sql], state_operations=[*state]
    )


def _write_files(
    context: Context, migration: Migration, loses: Sequence[str]
) -> tuple[str, ...]:
    """Write the migration and its SQL files; nothing where one of them fails."""
    writer = MigrationWriter(migration)
    path = Path(writer.path)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.writelines(f"# Loses, where it is deployed: {x}\n" for x in loses)
            file.write(break_lists(writer.as_string()))
        try:
            run_formatters([str(path)])
            importlib.invalidate_caches()
            report = write_sql_files(context, [migration], context.progress)
        except BaseException:
            path.unlink()
            remove_generated_files(get_sql_directory(migration))
            raise
    except OSError as error:
        raise Refused(
            f'"{error.filename or path}" cannot be written: {error.strerror}',
            hint="make the directory writable, then run the command again",
        ) from error
    files = [path]
    for each in report.migrations:
        files += [each.forward.path, each.down.path]
    return tuple(map(_tell_path, files))


def break_lists(text: str) -> str:
    """Give each statement a line of its own, as a person would."""

    def write(hit: re.Match[str]) -> str:
        inner = f"\n{hit['indent']}    "
        items = "".join(f"{inner}{each!r}," for each in ast.literal_eval(hit["list"]))
        return f"{hit['indent']}{hit['name']}=[{items}\n{hit['indent']}],"

    return re.sub(
        r"^(?P<indent> +)(?P<name>sql|reverse_sql)=(?P<list>\[.*\]),$",
        write,
        text,
        flags=re.MULTILINE,
    )


def _tell_path(path: Path) -> str:
    return str(
        path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    )
