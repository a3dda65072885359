"""Where a rollback goes back to, and which migrations that takes back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor

from dbops.core.migration import MigrationId
from dbops.errors import Refused, UsageError
from dbops.operations.context import Context
from dbops.operations.history import History, find_migration, get_id
from dbops.operations.ledger.history import find_run
from dbops.postgres.applications import fetch_applied_since
from dbops.postgres.history import RunRow

ZERO = "zero"
OTHER_KINDS = {
    "rollback": "a rollback is undone by going forward: manage.py dbops_deploy",
    "restore": "restore another backup: manage.py dbops_backups",
    "locks": "name a deployment: manage.py dbops_history --kind deploy",
}
"""Runs that applied nothing, and what to do instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToMigration:
    """Take back what came after a migration; all of its app, for `zero`."""

    app: str
    name: str

    def __str__(self) -> str:
        """Return it as people name it."""
        return f"{self.app}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToDeployment:
    """Take back what was applied in a deployment and after it."""

    run: str
    """The beginning of its id."""

    def __str__(self) -> str:
        """Return it as people name it."""
        return f"before {self.run}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exactly:
    """Take back these, newest first, whatever the ledger says."""

    told: str
    migrations: tuple[MigrationId, ...]

    def __str__(self) -> str:
        """Return it as people name it."""
        return self.told


Goal = ToMigration | ToDeployment | Exactly


def list_backwards(context: Context, history: History, goal: Goal) -> list[Migration]:
    """Return the applied migrations to take back, newest first, across apps.

    Raises:
        UsageError: no such app, migration or run, or the migration is not applied.
        Refused: the run is none that has applied migrations.
    """
    match goal:
        case ToMigration():
            return _list_after(context, history, goal)
        case ToDeployment():
            return _list_since(context, history, goal)
        case Exactly():
            return [history.find(each) for each in goal.migrations]


def find_half_app(history: History, goal: Goal) -> str:
    """Return the app whose half applied migration is to be taken back as well."""
    match goal:
        case ToMigration():
            return goal.app
        case ToDeployment() if history.pending:
            return history.pending[0].app_label
        case _:
            return ""


def _list_after(
    context: Context, history: History, goal: ToMigration
) -> list[Migration]:
    if goal.name == ZERO:
        if goal.app not in {each.app_label for each in history.plan}:
            find_migration(history, goal.app, goal.name)
        key: tuple[str, str | None] = (goal.app, None)
    else:
        target = find_migration(history, goal.app, goal.name)
        if target not in history.applied:
            raise UsageError(
                f'migration "{target}" is not applied, so there is nothing to go '
                "back to",
                hint="manage.py dbops_status",
            )
        key = target
    executor = MigrationExecutor(context.connection)
    return [each for each, _ in executor.migration_plan([key])]


def _list_since(
    context: Context, history: History, goal: ToDeployment
) -> list[Migration]:
    """Return what was applied in the run and after it, by whatever tool.

    The order is that of Django's history backwards: so each step begins where the
    ledger has seen it end.
    """
    connection = context.connect()
    run = find_run(connection, goal.run)
    _require_applied(run)
    numbers = _number(history)
    since = fetch_applied_since(connection, run.started_at)
    known = [numbers[each] for each in since if each in numbers] + [
        number
        for migration in history.applied_plan
        if get_id(migration) in since
        for number in _find_numbers(migration, numbers)
    ]
    if not known:
        return []
    first = min(known)
    order = _find_later(history, numbers, first)
    chosen = set(order) | _find_dependents(history, order)
    ordered = sorted(chosen, key=lambda each: order.get(each, 0), reverse=True)
    if not _is_possible(history, ordered):
        ordered = [
            get_id(each)
            for each in reversed(history.applied_plan)
            if get_id(each) in chosen
        ]
    return [history.find(each) for each in ordered]


def _number(history: History) -> dict[MigrationId, int]:
    """Return the numbers that Django's history has for what was applied, in order."""
    # Beside the rows of the history there are migrations: squashes that stand for them.
    recorded: dict[tuple[str, str], Any] = dict(history.loader.applied_migrations)
    return {
        MigrationId(*key): int(row.pk)
        for key, row in recorded.items()
        if hasattr(row, "pk")
    }


def _find_numbers(
    migration: Migration, numbers: Mapping[MigrationId, int]
) -> list[int]:
    """Return the numbers of its rows: Django records a squash as what it replaces."""
    replaced = (MigrationId(*each) for each in migration.replaces)
    return [numbers[each] for each in (get_id(migration), *replaced) if each in numbers]


def _find_later(
    history: History, numbers: dict[MigrationId, int], first: int
) -> dict[MigrationId, int]:
    """Return the applied migrations from this number on, with theirs.

    Raises:
        Refused: one is a squash of earlier ones, too.
    """
    found = {}
    for migration in history.applied_plan:
        known = _find_numbers(migration, numbers)
        if not known or max(known) < first:
            continue
        if min(known) < first:
            raise Refused(
                f'"{get_id(migration)}" stands for migrations from before that, too, '
                "and is taken back as one",
                hint="manage.py dbops_rollback APP NAME, if all of it is to go",
            )
        found[get_id(migration)] = max(known)
    return found


def _require_applied(run: RunRow) -> None:
    if run.kind in OTHER_KINDS:
        raise Refused(
            f"{run.kind} {str(run.id)[:8]} of {run.started_at:%Y-%m-%d %H:%M:%S} UTC "
            "has applied no migration that could be taken back",
            hint=OTHER_KINDS[run.kind],
        )


def _find_dependents(
    history: History, chosen: Iterable[MigrationId]
) -> set[MigrationId]:
    graph = history.loader.graph
    return {
        MigrationId(*key)
        for each in chosen
        for key in graph.backwards_plan(each)
        if MigrationId(*key) in history.applied
    }


def _is_possible(history: History, ordered: Sequence[MigrationId]) -> bool:
    """Say whether nothing is taken back before what depends on it."""
    graph = history.loader.graph
    gone: set[MigrationId] = set()
    for each in ordered:
        needed_by = {MigrationId(*key) for key in graph.backwards_plan(each)} - {each}
        if needed_by & set(ordered) - gone:
            return False
        gone.add(each)
    return True
