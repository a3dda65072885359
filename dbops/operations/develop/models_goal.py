"""The schema that the models say, migrations or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import models
from django.db.migrations import Migration
from django.db.migrations.questioner import MigrationQuestioner
from django.db.migrations.state import ProjectState

from dbops.core.catalog import Catalog
from dbops.core.compare import Difference
from dbops.core.rules import Rules
from dbops.operations.autodetector import Autodetector
from dbops.operations.context import Context
from dbops.operations.history import History
from dbops.operations.replay import find_other_server, open_replay
from dbops.operations.schema import learn_rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a database has when it has what the models say."""

    catalog: Catalog
    differences: tuple[Difference, ...]
    """Of the live schema to it."""
    rules: Rules
    unwritten: tuple[str, ...]
    """What no migration says yet, one operation each."""


class _Questioner(MigrationQuestioner):
    """Answers that fit a database without rows."""

    def ask_not_null_addition(self, *_: Any) -> Any:
        return models.NOT_PROVIDED

    def ask_not_null_alteration(self, *_: Any) -> Any:
        return models.NOT_PROVIDED


def build_goal(context: Context, history: History, live: Catalog) -> Goal:
    """Make in a scratch database what migrations and models say, and compare.

    Raises:
        Refused: the role may not create databases.
        ServerFailed: a migration fails on an empty database, or the models cannot be
            made.
    """
    loader = history.loader
    detector = Autodetector(
        loader.project_state(),
        ProjectState.from_apps(apps),
        _Questioner(
            specified_apps={each.label for each in apps.get_app_configs()},
            defaults={"ask_initial": True},
        ),
    )
    changes = detector.changes(graph=loader.graph, migration_name="pushed")
    found = [each for migrations in changes.values() for each in migrations]
    context.progress("building the schema of the models in a scratch database")
    with open_replay(context, find_other_server(context)) as replay:
        replay.apply(history.plan)
        replay.apply(_sort(found))
        catalog = replay.fetch_catalog()
        rules = learn_rules(context, history, replay, catalog, live)
    return Goal(
        catalog=catalog,
        differences=rules.compare(catalog, live).differences,
        rules=rules,
        unwritten=tuple(
            f"{each.app_label}: {operation.describe()}"
            for each in found
            for operation in each.operations
        ),
    )


def _sort(migrations: Sequence[Migration]) -> list[Migration]:
    """Return the migrations, each after those that it needs."""
    waiting = {(each.app_label, each.name): each for each in migrations}
    done: list[Migration] = []
    while waiting:
        ready = [
            key
            for key, each in waiting.items()
            if not set(each.dependencies) & waiting.keys()
        ] or list(waiting)[:1]
        done += [waiting.pop(key) for key in ready]
    return done
