"""models.py and a first migration for a database that is there."""

from __future__ import annotations

import keyword
from dataclasses import dataclass
from pathlib import Path

from django.db.migrations.writer import MigrationWriter

from dbops.core.compare import Difference, Note
from dbops.core.rules import Rules
from dbops.errors import DbopsError, Refused, UsageError
from dbops.operations.context import Context
from dbops.operations.drift.adopt import break_lists
from dbops.operations.pull.build import NAME, Built, build_first_migration
from dbops.operations.pull.models import plan_models
from dbops.operations.pull.order import build_operations, find_dependencies
from dbops.operations.pull.source import (
    PullOptions,
    Source,
    list_tables,
    prepare,
    read_source,
)
from dbops.operations.pull.state import (
    build_other_state,
    build_state,
    check_models,
    detect_changes,
    find_needed_apps,
    load_migration,
    load_models,
)
from dbops.operations.pull.text import write_models
from dbops.operations.replay import find_other_server, open_replay
from dbops.postgres.normalise import drop_equal_expressions
from dbops.postgres.session import open_session


@dataclass(frozen=True, slots=True, kw_only=True)
class PullReport:
    """Models, the migration that makes their tables, and what was proven."""

    app: str
    place: str
    models: str
    """Text of models.py."""
    migration: str
    """Text of the first migration; empty where it was not asked for."""
    tables: int
    views: int
    files: tuple[str, ...]
    needs: tuple[str, ...]
    """Apps to be installed besides."""
    proven: bool | None
    """None where it was not tried."""
    problems: tuple[str, ...]
    """What Django's checks or makemigrations say against the models."""
    differences: tuple[Difference, ...]
    """Between what the migration makes and what is there."""
    notes: tuple[Note, ...]
    """Column order and generated names."""

    @property
    def exit_code(self) -> int:
        """3 where the proof has failed."""
        return 3 if self.proven is False else 0


def pull(context: Context, options: PullOptions) -> PullReport:
    """Write models for the live database; change nothing in it.

    The models are loaded, and their tables made in a scratch database; what comes out
    otherwise than in the live one is put right by SQL in the migration.

    Raises:
        UsageError: no table has the name; the app's label is none.
        Refused: the directory has models or migrations already; the role may not create
            databases; a statement fails on an empty database.
    """
    if not options.app.isidentifier() or keyword.iskeyword(options.app):
        raise UsageError(f'"{options.app}" cannot be the label of an app')
    output = Path(options.output) if options.output else None
    if output is not None:
        _require_free(output)
    source = read_source(context, options)
    plan = plan_models(source.live, source.views, source.others)
    if not plan.models:
        raise Refused(
            "there is no table to pull that no installed app has",
            hint="see which there are: manage.py dbops_inspect",
        )
    database = context.target.database
    first = write_models(plan, database, {})
    built = _build(source, first)
    models = write_models(plan, database, built.unsaid)
    migration = break_lists(MigrationWriter(built.migration).as_string())
    proof = _Proof((), (), ())
    if output is not None or options.check:
        proof = _prove(source, models, migration)
    files = _write_files(output, models, migration) if output else ()
    tables = sum(each.table in list_tables(source.live) for each in plan.models)
    return PullReport(
        app=options.app,
        place=context.target.place,
        models=models,
        migration=migration if output or options.check else "",
        tables=tables,
        views=len(plan.models) - tables,
        files=files,
        needs=find_needed_apps(models),
        proven=proof.holds if output or options.check else None,
        problems=proof.problems,
        differences=proof.differences,
        notes=proof.notes,
    )


def _require_free(output: Path) -> None:
    taken = [output / "models.py", output / "migrations" / f"{NAME}.py"]
    migrations = output / "migrations"
    if migrations.is_dir():
        taken += sorted(migrations.glob("[0-9]*.py"))
    for path in taken:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        lines = [each for each in text.splitlines() if each[:1] not in {"", "#"}]
        if [each for each in lines if not each.startswith(("from ", "import "))]:
            raise Refused(
                f'"{path}" has something in it already, and is not overwritten',
                hint="name another directory, or look: manage.py dbops_pull --check",
            )


def _build(source: Source, models: str) -> Built:
    others = build_other_state(source.history.loader, source.app)
    state = build_state(load_models(models, source.app, others), others)
    operations = build_operations(state, source.app)
    dependencies = find_dependencies(state, source.app, source.history.loader)
    source.context.progress("building the tables of the models in a scratch database")
    with open_replay(source.context, find_other_server(source.context)) as replay:
        prepare(replay, source, dependencies)
        return build_first_migration(
            replay,
            source.app,
            operations,
            dependencies,
            source.live,
            select=source.select,
        )


@dataclass(frozen=True, slots=True)
class _Proof:
    problems: tuple[str, ...]
    differences: tuple[Difference, ...]
    notes: tuple[Note, ...]

    @property
    def holds(self) -> bool:
        return not (self.problems or self.differences)


def _prove(source: Source, models: str, migration: str) -> _Proof:
    """Load the texts as a project would, migrate an empty database, and compare."""
    loader = source.history.loader
    others = build_other_state(loader, source.app)
    found = load_models(models, source.app, others)
    problems = check_models(found, source.context.alias)
    written = load_migration(migration, NAME, source.app)
    after = written.mutate_state(others, preserve=True)
    changes = detect_changes(after, build_state(found, others), source.app, loader)
    problems += [f"makemigrations would: {each.describe()}" for each in changes]
    source.context.progress("migrating an empty scratch database, to compare")
    with open_replay(source.context, find_other_server(source.context)) as replay:
        prepare(replay, source, written.dependencies)
        try:
            replay.apply([written])
        except DbopsError as error:
            return _Proof((*problems, error.message), (), ())
        made = source.select(replay.fetch_catalog())
        rules = Rules(ignore=source.context.settings.ignore)
        with open_session(replay.target, purpose="normalise") as session:
            result = drop_equal_expressions(
                rules.compare(made, source.live), made, source.live, session
            )
    return _Proof(tuple(problems), result.differences, result.notes)


def _write_files(output: Path, models: str, migration: str) -> tuple[str, ...]:
    files = {
        output / "models.py": models,
        output / "migrations" / f"{NAME}.py": migration,
    }
    packages = [output / "__init__.py", output / "migrations" / "__init__.py"]
    try:
        (output / "migrations").mkdir(parents=True, exist_ok=True)
        for path in packages:
            path.touch()
        for path, text in files.items():
            path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise Refused(
            f'"{error.filename}" cannot be written: {error.strerror}'
        ) from error
    return tuple(map(str, files))
