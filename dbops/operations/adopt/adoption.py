"""Prove that a database already has what some migrations would create."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.backends.utils import truncate_name
from django.db.migrations import Migration
from django.db.migrations.state import ModelState, ProjectState

from dbops.core.catalog import Catalog, Key, ObjectKind, SchemaObject, build_catalog
from dbops.core.compare import Comparison, compare_catalogs
from dbops.core.migration import MigrationId
from dbops.operations.context import Context
from dbops.operations.history import History, get_id
from dbops.operations.replay import Replay, open_replay
from dbops.postgres.normalise import drop_equal_expressions
from dbops.postgres.session import open_session

MAX_NAME_LENGTH = 63

Stage = Mapping[Key, SchemaObject]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """Which migrations the database has already, and what does not fit."""

    migrations: tuple[MigrationId, ...]
    comparison: Comparison
    """Of all that these and the applied migrations build with the live schema."""


def find_existing_tables(
    context: Context, history: History
) -> dict[MigrationId, tuple[str, ...]]:
    """Return the pending initial migrations whose tables exist, with those tables.

    Not those that applied migrations have made: an app may take over another's models.
    """
    initial = {get_id(each) for each in history.pending if is_initial(each)}
    context.connect()
    existing = set(context.connection.introspection.table_names())
    if not initial or not existing:
        return {}
    longest = context.connection.ops.max_name_length() or MAX_NAME_LENGTH
    found: dict[MigrationId, tuple[str, ...]] = {}
    made: set[str] = set()
    state = ProjectState(real_apps=history.loader.unmigrated_apps)
    for migration in history.plan:
        name, known = get_id(migration), set(state.models)
        state = migration.mutate_state(state, preserve=False)
        tables = {
            _get_table(model, longest)
            for key, model in state.models.items()
            if key not in known and _has_table(model)
        }
        if name in history.applied:
            made |= tables
        elif name in initial:
            found[name] = tuple(sorted(existing & tables - made))
    return {migration: tables for migration, tables in found.items() if tables}


def is_initial(migration: Migration) -> bool:
    """Say whether it is an app's first, as `migrate --fake-initial` decides it."""
    if migration.initial is not None:
        return bool(migration.initial)
    return all(app != migration.app_label for app, _ in migration.dependencies)


def _get_table(model: ModelState, longest: int) -> str:
    table = model.options.get("db_table") or truncate_name(
        f"{model.app_label}_{model.name_lower}", longest
    )
    # Some projects name a schema by writing '"schema"."table"'.
    return str(table).rpartition('"."')[2].strip('"')


def _has_table(model: ModelState) -> bool:
    options = model.options
    return bool(options.get("managed", True)) and not (
        options.get("proxy") or options.get("swappable")
    )


def prove_adoption(
    context: Context, history: History, live: Catalog, apps: frozenset[str]
) -> Adoption:
    """Find how much of each app's migrations the live schema has, and compare.

    Each app is taken up to the migration that fits best; of several that fit alike,
    as around a migration of data alone, up to the first. The comparison then covers
    the whole database: what no migration builds is told too.

    Raises:
        Refused: the role may not create scratch databases.
        ServerFailed: a migration fails even on an empty database.
    """
    context.progress(
        f"building the schema of {', '.join(sorted(apps))} in a scratch database"
    )
    mine = [each for each in history.pending if each.app_label in apps]
    with open_replay(context) as replay:
        base, stages = _build_stages(replay, history, mine)
        chosen: list[MigrationId] = []
        objects = dict(_index(base))
        for app in sorted(apps):
            ids = [get_id(each) for each in mine if each.app_label == app]
            best = _choose(context, [(each, stages[each]) for each in ids], live)
            chosen += ids[: ids.index(best) + 1]
            objects |= stages[best]
        expected = build_catalog(objects.values())
        with open_session(replay.target, purpose="normalise") as session:
            comparison = drop_equal_expressions(
                _compare(context, expected, live), expected, live, session
            )
    return Adoption(
        migrations=tuple(
            get_id(each) for each in history.plan if get_id(each) in chosen
        ),
        comparison=comparison,
    )


def _build_stages(
    replay: Replay, history: History, wanted: Sequence[Migration]
) -> tuple[Catalog, dict[MigrationId, Stage]]:
    """Return the applied schema, and what each app has after each wanted migration."""
    stages: dict[MigrationId, Stage] = {}
    remaining = set(map(get_id, wanted))
    replay.apply(history.applied_plan)
    base = replay.fetch_catalog()
    for migration in history.pending:
        if not remaining:
            break
        key = get_id(migration)
        before = _index(replay.fetch_catalog()) if key in remaining else {}
        replay.apply([migration])
        if key in remaining:
            previous = _find_previous(stages, key.app)
            after = _index(replay.fetch_catalog())
            stages[key] = _add_delta(previous, before, after)
            remaining.remove(key)
    return base, stages


def _find_previous(stages: Mapping[MigrationId, Stage], app: str) -> Stage:
    return next(
        (stages[each] for each in reversed(list(stages)) if each.app == app), {}
    )


def _index(catalog: Catalog) -> dict[Key, SchemaObject]:
    return {(each.kind, each.name): each for each in catalog.objects}


def _add_delta(previous: Stage, before: Stage, after: Stage) -> Stage:
    changed = {key: each for key, each in after.items() if before.get(key) != each}
    return {
        key: each
        for key, each in {**previous, **changed}.items()
        if key in after or key not in before
    }


def _choose(
    context: Context, stages: Sequence[tuple[MigrationId, Stage]], live: Catalog
) -> MigrationId:
    known = {key for _, stage in stages for key in stage}
    tables = {name for kind, name in known if kind is ObjectKind.TABLE}
    mine = build_catalog(
        each
        for each in live.objects
        if (each.kind, each.name) in known or each.parent in tables
    )
    return min(
        stages,
        key=lambda stage: len(
            _compare(context, build_catalog(stage[1].values()), mine).differences
        ),
    )[0]


def _compare(context: Context, expected: Catalog, actual: Catalog) -> Comparison:
    return compare_catalogs(
        expected,
        actual,
        ignore=context.settings.ignore,
        strict_names=True,
        lenient_function_bodies=True,
        live=True,
    )
