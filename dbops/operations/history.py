"""What is applied, what is pending, and whether the two fit together."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass

from django.apps import apps
from django.db.migrations import Migration
from django.db.migrations.exceptions import (
    BadMigrationError,
    CircularDependencyError,
    InconsistentMigrationHistory,
    NodeNotFoundError,
)
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from dbops.core.migration import MigrationId
from dbops.errors import Refused, UsageError
from dbops.operations.context import Context

LEDGER_APP = "dbops"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The project's migrations in the order of a fresh `migrate`."""

    plan: tuple[Migration, ...]
    """All on disk, dependencies first; squashes as Django would use them."""
    applied: frozenset[MigrationId]
    """Those of the plan that are recorded in the database."""
    unknown: tuple[MigrationId, ...]
    """Recorded for an installed app, but not on disk."""
    loader: MigrationLoader
    left: frozenset[MigrationId] = frozenset()
    """Pending ones that a run leaves alone, for another phase."""

    @property
    def pending(self) -> tuple[Migration, ...]:
        """On disk, not applied, in the order in which they will be.

        The ledger's own come first, since the others are recorded in it.
        """
        out = self.applied | self.left
        found = [each for each in self.plan if get_id(each) not in out]
        return tuple(sorted(found, key=lambda each: each.app_label != LEDGER_APP))

    @property
    def applied_plan(self) -> tuple[Migration, ...]:
        """The applied ones, in order."""
        return tuple(each for each in self.plan if get_id(each) in self.applied)

    def find(self, migration: MigrationId) -> Migration:
        """Return the migration of that name."""
        return next(each for each in self.plan if get_id(each) == migration)


def get_id(migration: Migration) -> MigrationId:
    """Return the migration's name."""
    return MigrationId(migration.app_label, migration.name)


def read_history(context: Context) -> History:
    """Read the project's migrations and what the database says of them.

    Raises:
        ServerFailed: the database cannot be reached.
        Refused: the files contradict each other, or the history them.
    """
    context.connect()
    try:
        executor = MigrationExecutor(context.connection)
        loader = executor.loader
        loader.check_consistent_history(context.connection)
    except InconsistentMigrationHistory as error:
        raise Refused(
            f"the history is not consistent: {str(error).rstrip('.')}",
            hint="manage.py showmigrations",
        ) from error
    except (BadMigrationError, CircularDependencyError, NodeNotFoundError) as error:
        raise Refused(
            f"the project's migrations do not fit together: {str(error).rstrip('.')}",
            hint="manage.py makemigrations --check",
        ) from error
    for app, names in sorted(loader.detect_conflicts().items()):
        raise Refused(
            f'app "{app}" has several last migrations: {", ".join(sorted(names))}',
            hint=f"manage.py makemigrations --merge {app}",
        )
    plan = tuple(
        migration
        for migration, _ in executor.migration_plan(
            loader.graph.leaf_nodes(), clean_start=True
        )
    )
    recorded = {MigrationId(*key) for key in loader.applied_migrations}
    return History(
        plan=plan,
        applied=frozenset(recorded & {get_id(each) for each in plan}),
        unknown=find_unknown(loader, recorded),
        loader=loader,
    )


def find_unknown(
    loader: MigrationLoader, recorded: set[MigrationId]
) -> tuple[MigrationId, ...]:
    """Return the recorded migrations of the installed apps that are not on disk."""
    known = {MigrationId(*key) for key in loader.disk_migrations}
    replaced = {
        MigrationId(*key)
        for migration in loader.disk_migrations.values()
        for key in migration.replaces
    }
    installed = {config.label for config in apps.get_app_configs()}
    return tuple(
        sorted(each for each in recorded - known - replaced if each.app in installed)
    )


def find_migration(history: History, app: str, name: str) -> MigrationId:
    """Return the one migration whose name starts so, as `migrate` would find it.

    Raises:
        UsageError: there is no such app or migration, or several.
    """
    names_by_app: defaultdict[str, list[str]] = defaultdict(list)
    for each in history.plan:
        names_by_app[each.app_label].append(each.name)
    if app not in names_by_app:
        raise UsageError(
            f'there is no app "{app}" with migrations',
            hint=f"use one of: {', '.join(sorted(names_by_app))}",
        )
    names = names_by_app[app]
    matches = [each for each in names if each == name] or [
        each for each in names if each.startswith(name)
    ]
    if not matches:
        raise UsageError(
            f'app "{app}" has no migration "{name}"',
            hint=f"use one of: {', '.join(itertools.islice(reversed(names), 10))}",
        )
    if len(matches) > 1:
        raise UsageError(
            f'"{name}" is the beginning of several migrations of "{app}": '
            f"{', '.join(matches)}",
            hint="give more of the name",
        )
    return MigrationId(app, matches[0])


def build_ignore(context: Context, loader: MigrationLoader) -> tuple[str, ...]:
    """Return patterns for what is no business of the migrations.

    What the settings name, and what `migrate --run-syncdb` makes for apps that have no
    migrations.
    """
    tables = [
        model._meta.db_table  # noqa: SLF001  Django's own name for the public.
        for label in sorted(loader.unmigrated_apps)
        for model in apps.get_app_config(label).get_models(include_auto_created=True)
    ]
    # Patterns are compared with names as the server quotes them.
    quoted = [each.format(name) for name in tables for each in ("{}", '"{}"')]
    return (*context.settings.ignore, *quoted)
