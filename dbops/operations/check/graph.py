"""Do the migrations fit together, and the models to them?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from django.apps import apps
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.questioner import MigrationQuestioner
from django.db.migrations.state import ProjectState

from dbops.conf import Settings
from dbops.core.finding import Finding, Level
from dbops.core.migration import MigrationId
from dbops.operations.autodetector import Autodetector
from dbops.operations.history import get_id
from dbops.operations.sql_files.files import get_sql_directory, is_project_migration


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The migrations on disk, as they are without a database."""

    loader: MigrationLoader
    plan: tuple[Migration, ...]
    """In the order of a fresh `migrate`; squashes instead of what they replace."""
    own: tuple[Migration, ...]
    """Those of the plan that are the project's, of the apps asked for."""
    held: tuple[Migration, ...]
    """Those of `own` from the first one with SQL files on, app by app."""
    conflicts: tuple[str, ...]
    """Apps with several last migrations."""


def read_project(settings: Settings, labels: Collection[str]) -> Project:
    """Read the migrations from disk; `labels` limits what is judged, if not empty.

    Raises:
        Exception: whatever importing a broken migration raises.
    """
    loader = MigrationLoader(None, ignore_no_migrations=True)
    plan = list_plan(loader)
    replaced = {
        key for each in loader.disk_migrations.values() for key in each.replaces
    }
    own = tuple(
        each
        for each in plan
        if (not labels or each.app_label in labels)
        and (each.app_label, each.name) not in replaced
        and is_project_migration(each, settings)
    )
    return Project(
        loader=loader,
        plan=plan,
        own=own,
        held=tuple(_list_held(own, loader)),
        conflicts=tuple(sorted(loader.detect_conflicts())),
    )


def list_plan(loader: MigrationLoader) -> tuple[Migration, ...]:
    """Return the migrations in the order of a fresh `migrate`."""
    keys = dict.fromkeys(
        key
        for leaf in sorted(loader.graph.leaf_nodes())
        for key in loader.graph.forwards_plan(leaf)
    )
    return tuple(loader.graph.nodes[key] for key in keys)


def _list_held(
    own: Iterable[Migration], loader: MigrationLoader
) -> Iterator[Migration]:
    begun = set()
    for migration in own:
        parts = [loader.disk_migrations.get(key) for key in migration.replaces]
        if any(
            each is not None and get_sql_directory(each).is_dir()
            for each in (migration, *parts)
        ):
            begun.add(migration.app_label)
        if migration.app_label in begun:
            yield migration


def find_conflicts(
    project: Project, settings: Settings, labels: Collection[str]
) -> Iterator[Finding]:
    """Yield the project's apps that have several last migrations."""
    for app, names in sorted(project.loader.detect_conflicts().items()):
        if (labels and app not in labels) or not _is_own(app, settings):
            continue
        yield Finding(
            id="dbops.E007",
            level=Level.ERROR,
            message=f'app "{app}" has several last migrations: '
            f"{', '.join(sorted(names))}",
            object=app,
            hint=f"manage.py makemigrations --merge {app}",
        )


def find_drift(
    project: Project, settings: Settings, labels: Collection[str]
) -> Iterator[Finding]:
    """Yield the project's apps whose models have no migration yet."""
    if project.conflicts:
        return
    # Django's questioner for scripts ends the process where it has no answer.
    detector = Autodetector(
        project.loader.project_state(),
        ProjectState.from_apps(apps),
        MigrationQuestioner(dry_run=True),
    )
    changes = detector.changes(graph=project.loader.graph)
    for app, migrations in sorted(changes.items()):
        if (labels and app not in labels) or not _is_own(app, settings):
            continue
        operations = [each for one in migrations for each in one.operations]
        yield Finding(
            id="dbops.E010",
            level=Level.ERROR,
            message=f'the models of app "{app}" are not what its migrations build: '
            f"{'; '.join(each.describe() for each in operations)}",
            object=app,
            hint=f"manage.py makemigrations {app}",
            path=_find_models(app),
        )


def _is_own(app: str, settings: Settings) -> bool:
    return is_project_migration(Migration("", app), settings)


def _find_models(app: str) -> str:
    module = apps.get_app_config(app).models_module
    path = getattr(module, "__file__", None)
    return str(Path(path)) if path else ""


def hold_pending(
    project: Project, pending: Collection[MigrationId]
) -> tuple[Migration, ...]:
    """Return the held migrations and the pending ones, in their order."""
    held = {get_id(each) for each in project.held} | set(pending)
    return tuple(each for each in project.own if get_id(each) in held)
