"""CreateModel operations in an order in which they can run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import (
    AddConstraint,
    AddField,
    AddIndex,
    CreateModel,
)
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState

PARTS = {"indexes": AddIndex, "constraints": AddConstraint}


def build_operations(state: ProjectState, app: str) -> list[Operation]:
    """Return what makes the app's models: a model after those that it refers to.

    Of models that refer to each other, one gets the field afterwards, and with it the
    indexes and constraints that have it.
    """
    waiting = {
        each.name_lower: each for key, each in state.models.items() if key[0] == app
    }
    operations: list[Operation] = []
    late: list[_Late] = []
    while waiting:
        name = _choose_next(waiting, app)
        made = _create(waiting.pop(name), app, set(waiting) - {name})
        operations.append(made.operation)
        late.append(made)
    return [*operations, *(each for made in late for each in made.rest)]


def find_dependencies(
    state: ProjectState, app: str, loader: MigrationLoader
) -> list[tuple[str, str]]:
    """Return the last migrations of the other apps that the app's models refer to."""
    apps = {
        target.partition(".")[0].lower()
        for key, each in state.models.items()
        if key[0] == app
        for target in _list_targets(each)
    }
    return sorted(
        node
        for label in loader.migrated_apps
        if label != app and label.lower() in apps
        for node in loader.graph.leaf_nodes(label)
    )


@dataclass(slots=True, kw_only=True)
class _Late:
    """A model's creation, and what has to wait until all models are there."""

    operation: Operation
    rest: list[Operation] = field(default_factory=list)


def _choose_next(waiting: dict[str, ModelState], app: str) -> str:
    def count(each: ModelState) -> tuple[int, bool]:
        needs = set(_list_own(each, app)) & waiting.keys() - {each.name_lower}
        composite = any(
            isinstance(found, models.CompositePrimaryKey)
            for found in each.fields.values()
        )
        return len(needs), composite

    return min(waiting, key=lambda name: count(waiting[name]))


def _create(each: ModelState, app: str, missing: set[str]) -> _Late:
    late_fields = [
        name
        for name, found in each.fields.items()
        if found.many_to_many or _get_own_target(found, app) in missing
    ]
    options = dict(each.options)
    rest: list[Operation] = [
        AddField(each.name, name, each.fields[name]) for name in late_fields
    ]
    for option, operation in PARTS.items():
        parts = list(options.pop(option, ()))
        waits = [part for part in parts if _mentions(part, late_fields)]
        kept = [part for part in parts if part not in waits]
        if kept:
            options[option] = kept
        rest += [operation(each.name, part) for part in waits]
    fields = [(n, found) for n, found in each.fields.items() if n not in late_fields]
    created = CreateModel(
        each.name, fields, options=options, bases=each.bases, managers=each.managers
    )
    return _Late(operation=created, rest=rest)


def _mentions(part: Any, names: Sequence[str]) -> bool:
    _, args, kwargs = part.deconstruct()
    text = repr((args, kwargs))
    return any(name in text for name in names)


def _list_own(each: ModelState, app: str) -> Iterator[str]:
    for found in each.fields.values():
        target = _get_own_target(found, app)
        if target and not found.many_to_many:
            yield target


def _get_own_target(found: Any, app: str) -> str | None:
    if not found.is_relation or not found.remote_field:
        return None
    label, _, name = str(found.remote_field.model).rpartition(".")
    return name.lower() if label in {app, ""} else None


def _list_targets(each: ModelState) -> Iterator[str]:
    for found in each.fields.values():
        if found.is_relation and found.remote_field:
            yield str(found.remote_field.model)
