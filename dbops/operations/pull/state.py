"""Models and migrations from their texts, in registries of their own."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.db import models
from django.db.migrations import Migration
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.questioner import MigrationQuestioner
from django.db.migrations.state import ModelState, ProjectState

from dbops.errors import ServerFailed

POSTGRES = "django.contrib.postgres"
NEEDS_POSTGRES = "postgres.E005"


def find_needed_apps(models_text: str) -> tuple[str, ...]:
    """Return the apps to be installed for the models."""
    needed = f"from {POSTGRES}." in models_text and not apps.is_installed(POSTGRES)
    return (POSTGRES,) if needed else ()


def build_other_state(loader: MigrationLoader, app: str) -> ProjectState:
    """Return the models of the installed apps, but for those of `app`."""
    state: ProjectState = loader.project_state().clone()
    # Else an app that has no migrations yet would be there with its present models.
    state.real_apps = state.real_apps - {app}
    for label, name in list(state.models):
        if label == app:
            state.remove_model(label, name)
    return state


def load_models(text: str, app: str, others: ProjectState) -> list[type[models.Model]]:
    """Run the text of a models.py beside the models of `others`.

    The project's own registry stays as it is.
    """
    registry = others.clone().apps
    tree = ast.parse(text)
    for each in tree.body:
        if isinstance(each, ast.ClassDef):
            for inner in each.body:
                if isinstance(inner, ast.ClassDef) and inner.name == "Meta":
                    inner.body += ast.parse(f"apps = _apps\napp_label = {app!r}").body
    names: dict[str, Any] = {"__name__": f"{app}.models", "_apps": registry}
    ast.fix_missing_locations(tree)
    code = compile(tree, f"<{app}/models.py>", "exec")
    exec(code, names)  # noqa: S102  Written by this very command.
    return [each for each in registry.get_models() if each._meta.app_label == app]  # noqa: SLF001


def build_state(
    found: Iterable[type[models.Model]], others: ProjectState
) -> ProjectState:
    """Return the state in which these models are beside the others."""
    state: ProjectState = others.clone()
    for each in found:
        state.add_model(ModelState.from_model(each))
    return state


def detect_changes(
    before: ProjectState, after: ProjectState, app: str, loader: MigrationLoader
) -> list[Operation]:
    """Return what makemigrations would write for the app."""
    questioner = MigrationQuestioner(specified_apps={app})
    detector = MigrationAutodetector(before, after, questioner)
    found = detector.changes(loader.graph, trim_to_apps={app}).get(app, [])
    return [each for migration in found for each in migration.operations]


def build_migration(
    name: str,
    app: str,
    operations: Iterable[Operation],
    dependencies: Iterable[tuple[str, str]],
) -> Migration:
    """Return an initial migration."""
    parts = {
        "initial": True,
        "operations": list(operations),
        "dependencies": list(dependencies),
    }
    written: type[Migration] = type("Migration", (Migration,), parts)
    return written(name, app)


def load_migration(text: str, name: str, app: str) -> Migration:
    """Run the text of a migration."""
    names: dict[str, Any] = {"__name__": f"{app}.migrations.{name}"}
    exec(compile(text, f"<{app}/{name}.py>", "exec"), names)  # noqa: S102  As above.
    kind = names["Migration"]
    migration: Migration = kind(name, app)
    return migration


def check_models(found: Iterable[type[models.Model]], alias: str) -> list[str]:
    """Return the errors of Django's own checks, one line each.

    That an app has to be installed is left out: this is told with the models.
    """
    return [
        f"{each.id} {each.obj}: {each.msg}"
        for model in found
        for each in model.check(databases=[alias])
        if each.is_serious() and each.id != NEEDS_POSTGRES
    ]


def find_closure(
    loader: MigrationLoader, dependencies: Iterable[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Return the migrations that these need, themselves included.

    Raises:
        ServerFailed: one of them is not on disk.
    """
    needed: set[tuple[str, str]] = set()
    for key in dependencies:
        app, name = key
        nodes = [key]
        if name == "__first__":
            nodes = loader.graph.root_nodes(app)
        for node in nodes:
            if node not in loader.graph.nodes:
                raise ServerFailed(f'there is no migration "{app}.{name}"')
            needed |= set(loader.graph.forwards_plan(node))
    return needed
