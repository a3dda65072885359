"""Rewrite migrations that are not applied yet, so that nobody has to wait for them."""

from __future__ import annotations

import ast
import difflib
import importlib
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.db.migrations import Migration

from dbops.core.hazards.judge import Step
from dbops.core.migration import MigrationId
from dbops.errors import Refused
from dbops.operations.check.fix_source import File, build_files, build_pieces, get_range
from dbops.operations.check.fix_steps import Piece, fix_operation
from dbops.operations.check.graph import Project, read_project
from dbops.operations.check.locks import fetch_sizes, needs_parser
from dbops.operations.check.migration_source import Source, read_source
from dbops.operations.check.replay import Played, play_plan
from dbops.operations.context import Context
from dbops.operations.history import get_id, read_history
from dbops.operations.sql_files.files import write_sql_files

FIXABLE = frozenset(
    f"dbops.W{number}" for number in (101, 102, 103, 104, 105, 106, 109)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One migration, and what becomes of it."""

    migration: MigrationId
    operations: tuple[str, ...]
    """Those that are changed, as Django describes them."""
    files: tuple[str, ...]
    """The first is the migration's own; the others are new."""
    diff: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FixReport:
    """What was, or would be, rewritten."""

    fixes: tuple[Fix, ...]
    refused: tuple[str, ...]
    """Why a migration with findings was left alone, one line each."""
    written: bool


def fix_migrations(
    context: Context, labels: Collection[str] = (), *, dry_run: bool = False
) -> FixReport:
    """Rewrite the migrations that are not applied and keep others waiting.

    Raises:
        Refused: the parser is not installed, or the history is inconsistent.
        ServerFailed: the server cannot be reached.
    """
    if needs_parser():
        raise Refused(
            "the parser is not installed",
            hint="pip install 'django-dbops[rules]'",
        )
    history = read_history(context)
    project = read_project(context.settings, labels)
    held = {get_id(each) for each in project.held}
    pending = {get_id(each) for each in history.pending}
    judged = [each for each in project.own if get_id(each) in pending]
    played = play_plan(
        context,
        project.plan,
        (),
        judged,
        fetch_sizes(context, known=bool(history.applied)),
    )
    fixes: list[Fix] = []
    refused: list[str] = []
    for migration in judged:
        numbers = _list_numbers(migration, played)
        if not numbers:
            continue
        fix = _fix(migration, numbers, played.steps[get_id(migration)], project)
        if isinstance(fix, str):
            refused.append(f'"{get_id(migration)}" is left alone: {fix}')
        elif fix:
            fixes.append(_write(migration, fix, dry_run=dry_run))
    if not dry_run:
        wanted = [each for each in fixes if each.migration in held]
        _write_sql(context, wanted, project)
    return FixReport(fixes=tuple(fixes), refused=tuple(refused), written=not dry_run)


def _write_sql(context: Context, fixes: Sequence[Fix], project: Project) -> None:
    """Write the SQL files of what was rewritten, and of what is new."""
    names = {
        MigrationId(each.migration.app, Path(path).stem)
        for each in fixes
        for path in each.files
    }
    if not names:
        return
    for app, name in names:
        # Python has the old ones in memory.
        package = project.loader.migrations_module(app)[0]
        sys.modules.pop(f"{package}.{name}", None)
    importlib.invalidate_caches()
    plan = read_history(context).plan
    write_sql_files(
        context, [each for each in plan if get_id(each) in names], context.progress
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    described: tuple[str, ...]
    files: tuple[File, ...]


def _list_numbers(migration: Migration, played: Played) -> list[int]:
    """Return the operations, from 1, that the findings are about."""
    source = read_source(migration)
    key = str(get_id(migration))
    lines = {
        each.line for each in played.locks if each.object == key and each.id in FIXABLE
    }
    return [
        number
        for number, node in enumerate(source.operations, start=1)
        if node.lineno in lines
    ]


def _fix(
    migration: Migration,
    numbers: Sequence[int],
    steps: Sequence[Step],
    project: Project,
) -> _Found | str | None:
    source = read_source(migration)
    fixes = {
        number: changed
        for number in numbers
        if (changed := _fix_one(migration, number, source, steps))
    }
    if not fixes:
        return "there is no safe way that can be written for it"
    if not migration.atomic and any(len(each) > 1 for each in fixes.values()):
        return "it is not atomic, and would have to be split"
    pieces = build_pieces(source.text, source.operations, fixes)
    files = build_files(migration.app_label, migration.name, source.text, pieces)
    if len(files) > 1 and (follower := _find_follower(migration, project)):
        return f'it would have to be split, and "{follower}" follows it'
    return _Found(
        described=tuple(
            migration.operations[number - 1].describe() for number in fixes
        ),
        files=files,
    )


def _fix_one(
    migration: Migration, number: int, source: Source, steps: Sequence[Step]
) -> tuple[Piece, ...]:
    node = source.operations[number - 1]
    if not isinstance(node, ast.Call):
        return ()
    start, end = get_range(source.text, node)
    text = source.text[start:end]
    # Parsed again: places are those in the text of the operation alone.
    [statement] = ast.parse(text).body
    assert isinstance(statement, ast.Expr)  # noqa: S101
    assert isinstance(statement.value, ast.Call)  # noqa: S101
    return fix_operation(
        migration.operations[number - 1],
        statement.value,
        text,
        [each for each in steps if each.operation == str(number)],
    )


def _find_follower(migration: Migration, project: Project) -> MigrationId | None:
    graph = project.loader.graph
    for child in graph.node_map[migration.app_label, migration.name].children:
        return MigrationId(*child.key)
    return None


def _write(migration: Migration, found: _Found, *, dry_run: bool) -> Fix:
    directory = Path(read_source(migration).path).parent
    diffs: list[str] = []
    paths: list[str] = []
    for file in found.files:
        path = directory / f"{file.name}.py"
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        diffs += difflib.unified_diff(
            old.splitlines(keepends=True),
            file.text.splitlines(keepends=True),
            fromfile=str(path) if old else "/dev/null",
            tofile=str(path),
        )
        paths.append(str(path))
        if not dry_run:
            path.write_text(file.text, encoding="utf-8", newline="\n")
    return Fix(
        migration=get_id(migration),
        operations=found.described,
        files=tuple(paths),
        diff="".join(diffs),
    )
