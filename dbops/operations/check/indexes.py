"""An index of a unique constraint that goes when `db_index` does.

When a field is no longer indexed, Django cannot tell the index that it made for it:
it drops every b-tree index on exactly that column but those of Meta.indexes.
Source: `BaseDatabaseSchemaEditor._alter_field`, "Removed an index?"
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.postgres.indexes import OpClass
from django.db.migrations import AlterField, Migration
from django.db.migrations.operations import SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import F, UniqueConstraint
from django.db.models.expressions import OrderBy

from dbops.core.finding import Finding, Level
from dbops.operations.check.digest import get_path
from dbops.operations.history import get_id


def find_lost_indexes(
    plan: Iterable[Migration], judged: Iterable[Migration]
) -> Iterator[Finding]:
    """Yield which `judged` migrations would drop a unique constraint's index."""
    wanted = {get_id(each) for each in judged}
    state = ProjectState()
    for migration in plan:
        if get_id(migration) in wanted:
            yield from _follow(migration, migration.operations, state)
        else:
            migration.mutate_state(state, preserve=False)


def _follow(
    migration: Migration, operations: Iterable[Operation], state: ProjectState
) -> Iterator[Finding]:
    app = migration.app_label
    for operation in operations:
        if isinstance(operation, SeparateDatabaseAndState):
            yield from _follow(migration, operation.database_operations, state.clone())
        if not isinstance(operation, AlterField):
            operation.state_forwards(app, state)
            continue
        model = state.models[app, operation.model_name_lower]
        old = model.fields[operation.name]
        # Only the field changes, so the constraints are the same in both directions.
        for older, newer, what in (
            (old, operation.field, "applying"),
            (operation.field, old, "taking back"),
        ):
            if _drops_indexes(older, newer):
                for name in _list_in_danger(model, operation.name):
                    yield _build(migration, operation, what, name)
        operation.state_forwards(app, state)


def _drops_indexes(old: Any, new: Any) -> bool:
    return bool(
        old.db_index
        and not old.unique
        and (not new.db_index or new.unique)
        and not (old.many_to_many or new.many_to_many)
    )


def _list_in_danger(model: ModelState, field: str) -> Iterator[str]:
    kept = {index.name for index in model.options.get("indexes", ())}
    for constraint in model.options.get("constraints", ()):
        if (
            isinstance(constraint, UniqueConstraint)
            and constraint.name not in kept
            and _is_index_on(constraint, field)
        ):
            yield constraint.name


def _is_index_on(constraint: Any, field: str) -> bool:
    """Tell whether it is an index, rather than a constraint, on exactly this column.

    The columns of INCLUDE count as columns where Django compares them.
    """
    if constraint.include:
        return False
    if constraint.expressions:
        return [_find_field(each) for each in constraint.expressions] == [field]
    is_index = constraint.condition is not None or bool(constraint.opclasses)
    return is_index and list(constraint.fields) == [field]


def _find_field(expression: Any) -> str | None:
    """Return the field of an expression that the server takes for a plain column."""
    while isinstance(expression, (OrderBy, OpClass)):
        [expression] = expression.get_source_expressions()
    name: str | None = getattr(expression, "name", None)
    return name if isinstance(expression, F) else None


def _build(
    migration: Migration, operation: AlterField, what: str, name: str
) -> Finding:
    return Finding(
        id="dbops.W011",
        level=Level.WARNING,
        message=f'{what} "{get_id(migration)}" drops the unique index "{name}" too: '
        f'Django drops every b-tree index on exactly "{operation.name}" of '
        f'"{operation.model_name}"',
        object=str(get_id(migration)),
        hint="leave db_index as it is, and add or remove an Index in Meta.indexes",
        path=str(get_path(migration)),
    )
