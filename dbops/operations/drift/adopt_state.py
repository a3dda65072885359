"""What Django has to be told of a schema that was changed by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.apps import apps as real_apps
from django.apps.registry import Apps
from django.core.management.commands.inspectdb import Command as InspectDb
from django.db import models
from django.db.migrations.operations import (
    AddField,
    AlterField,
    AlterUniqueTogether,
    RemoveConstraint,
    RemoveField,
    RemoveIndex,
)
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import MigrationWriter

from dbops.core.catalog import Catalog, Key, ObjectKind, SchemaObject
from dbops.core.compare import Difference, DifferenceKind
from dbops.core.generated_names import split_name, strip_quotes
from dbops.core.repair.columns import Column, read_column
from dbops.core.repair.text import split_comment, split_list
from dbops.operations.model_fields import find_default, find_field

Model = type[models.Model]
Field: TypeAlias = "models.Field[Any, Any]"

KEPT = frozenset(
    """
    auto_created blank choices db_column db_comment db_default db_index default editable
    error_messages help_text null primary_key serialize unique unique_for_date
    unique_for_month unique_for_year validators verbose_name
    """.split()  # noqa: SIM905  A list of words reads best as one.
)
"""Arguments that any field has, and that do not go with its type."""

COLUMNS = r"\((?P<columns>[^()]*)\)"
UNIQUE = re.compile(rf"UNIQUE(?: NULLS DISTINCT)? {COLUMNS}.*")
FOREIGN_KEY = re.compile(
    rf"FOREIGN KEY {COLUMNS} REFERENCES (?P<table>\S+?)\((?P<target>[^()]*)\)"
    r"(?:.*ON DELETE (?P<action>CASCADE|SET NULL|SET DEFAULT|RESTRICT))?.*"
)
PLAIN_INDEX = re.compile(rf"ON \S+ USING btree {COLUMNS}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEdit:
    """What has to be written into a model by hand, since nobody writes Python."""

    model: str
    """Where it is, as `module.Class`."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanges:
    """What the models of one app look like afterwards, as far as Django can say it."""

    operations: tuple[Operation, ...]
    edits: tuple[ModelEdit, ...]
    unsaid: tuple[str, ...]
    """What no operation says; the database has it all the same."""


def get_table(name: str) -> str:
    """Return a table as `db_table` has it.

    >>> get_table('public."Order"'), get_table("audit.log")
    ('Order', 'log')
    """
    return strip_quotes(split_name(name)[-1])


def map_models(apps: Apps) -> dict[str, Model]:
    """Return the model of each table, those between two models included."""
    return {
        # Some projects name a schema by writing '"schema"."table"'.
        model._meta.db_table.rpartition('"."')[2].strip('"'): model  # noqa: SLF001
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy  # noqa: SLF001
    }


def build_state_changes(
    state: ProjectState,
    app: str,
    differences: Sequence[Difference],
    *,
    expected: Catalog,
    live: Catalog,
) -> StateChanges:
    """Say in operations what the differences mean for the app's models.

    Told is what would be wrong otherwise: columns that came, went or changed, and what
    a model declares and the database no longer has. An index more is none of it.
    """
    builder = _Builder(state, app, expected, live)
    for each in differences:
        builder.add(each)
    return builder.build()


class _Builder:
    def __init__(
        self, state: ProjectState, app: str, expected: Catalog, live: Catalog
    ) -> None:
        self.state, self.app = state, app
        self.models = map_models(state.apps)
        self.expected, self.live = (
            {(each.kind, each.name): each for each in side.objects}
            for side in (expected, live)
        )
        self.removals: list[Operation] = []
        self.operations: list[Operation] = []
        self.altered: dict[tuple[str, str], dict[str, Any]] = {}
        self.edits: list[ModelEdit] = []
        self.unsaid: list[str] = []

    def add(self, difference: Difference) -> None:
        key = difference.object, difference.name
        side = self.expected.get(key) or self.live[key]
        model = self.models.get(get_table(side.parent)) if side.parent else None
        if model is None or model._meta.app_label != self.app:  # noqa: SLF001
            return
        if model._meta.auto_created:  # noqa: SLF001
            self.unsaid.append(f"{difference}: Django makes this table by itself")
            return
        handle = HANDLERS.get((difference.object, difference.kind))
        if handle is not None:
            handle(self, model, side, key)

    def build(self) -> StateChanges:
        for (model, name), changes in self.altered.items():
            field = self._alter(model, name, changes)
            self.operations.append(AlterField(model, name, field))
            self._edit(model, f"{name} = {_write(field)}")
        good = []
        for each in (*self.removals, *self.operations):
            after = self.state.clone()
            try:
                each.state_forwards(self.app, after)
                after.clear_delayed_apps_cache()
                _ = after.apps
            except Exception as error:  # noqa: BLE001  Whatever the models make of it.
                self.unsaid.append(f"{each.describe()}: {error}")
                continue
            self.state = after
            good.append(each)
        return StateChanges(
            operations=tuple(good),
            edits=tuple(self.edits),
            unsaid=tuple(self.unsaid),
        )

    def add_column(self, model: Model, side: SchemaObject, _: Key) -> None:
        """A column came: add a field, where Django has one for it."""
        column = read_column(side)
        name = strip_quotes(column.name)
        target = self._find_target(side, name)
        field_name, params, _notes = InspectDb().normalize_col_name(
            name, [each.name for each in _list_fields(model)], target is not None
        )
        options: dict[str, Any] = {**params}
        if "null" not in column.clauses:
            options |= {"null": True, "blank": True}
        if "default" in column.clauses and target is None:
            options["db_default"] = find_default(column)
        found = find_field(column)
        if target is not None:
            options["db_index"] = self._has_index(side, name)
            field: Field = models.ForeignKey(**target, **options)
        elif found is not None:
            kind, own = found
            field = kind(**own, **options)
        else:
            self.unsaid.append(
                f"column {side.name}: Django has no field for {column.type}"
                + (", and its inserts will fail" if _needs_value(column) else "")
            )
            return
        model_name = model._meta.model_name or ""  # noqa: SLF001
        self.operations.append(AddField(model_name, field_name, field))
        self._edit(model_name, f"{field_name} = {_write(field)}")

    def remove_column(self, model: Model, side: SchemaObject, _: Key) -> None:
        """A column went: remove its field."""
        field = _find_field_of(model, side.name)
        if field is None:
            return
        model_name = model._meta.model_name or ""  # noqa: SLF001
        self.operations.append(RemoveField(model_name, field.name))
        self._edit(model_name, f"{field.name}: remove it")

    def change_column(self, model: Model, side: SchemaObject, key: Key) -> None:
        """A column changed: so does its field, in what it says of it."""
        field = _find_field_of(model, side.name)
        if field is None:
            return
        before, after = read_column(side), read_column(self.live[key])
        changes: dict[str, Any] = {}
        if ("null" in before.clauses) != ("null" in after.clauses):
            changes["null"] = "null" not in after.clauses
        if before.clauses.get("default") != after.clauses.get("default"):
            if "default" in after.clauses:
                changes["db_default"] = find_default(after)
            elif _declares(field, "db_default"):
                changes["db_default"] = models.NOT_PROVIDED
        if before.comment != after.comment and _declares(field, "db_comment"):
            comment = (after.comment or "''")[1:-1].replace("''", "'")
            changes["db_comment"] = comment or None
        one, other = (
            (each.type, each.clauses.get("collate")) for each in (before, after)
        )
        if one != other:
            found = None if field.is_relation else find_field(after)
            if found is None:
                self.unsaid.append(
                    f"column {side.name}: {field.name} cannot say {after.type}"
                )
            else:
                changes["type"] = found
        self._note(model, field, changes)

    def remove_part(self, model: Model, side: SchemaObject, _: Key) -> None:
        """An index or a constraint went: no model shall declare it."""
        options = model._meta  # noqa: SLF001
        name = strip_quotes(split_name(side.name)[-1])
        for declared, remove in (
            (options.indexes, RemoveIndex),
            (options.constraints, RemoveConstraint),
        ):
            if name in {each.name for each in declared}:
                self.removals.append(remove(options.model_name or "", name))
                self._edit(options.model_name or "", f"{name}: remove it from Meta")
                return
        text, _comment = split_comment(side.definition)
        for pattern, change in (
            (PLAIN_INDEX, {"db_index": False}),
            (UNIQUE, {"unique": False}),
            (FOREIGN_KEY, {"db_constraint": False}),
        ):
            hit = pattern.fullmatch(text)
            if hit:
                self._undeclare(model, split_list(hit["columns"]), change)
                return

    def change_part(self, model: Model, side: SchemaObject, _: Key) -> None:
        """An index or a constraint became another one under the same name."""
        options = model._meta  # noqa: SLF001
        name = strip_quotes(split_name(side.name)[-1])
        if name in {each.name for each in (*options.indexes, *options.constraints)}:
            self.unsaid.append(
                f"{side.kind} {name}: {_locate(model)} declares it otherwise in Meta"
            )

    def _undeclare(
        self, model: Model, columns: Sequence[str], change: dict[str, Any]
    ) -> None:
        fields = [_find_field_of(model, f"x.{column}") for column in columns]
        names = tuple(each.name for each in fields if each)
        if len(names) != len(columns):
            return
        if len(names) == 1 and fields[0] is not None:
            (option,) = change
            if getattr(fields[0], option, False) and not fields[0].primary_key:
                self._note(model, fields[0], change)
            return
        options = model._meta  # noqa: SLF001
        together = {tuple(each) for each in options.unique_together}
        left = {each for each in together if set(each) != set(names)}
        if left != together:
            self.removals.append(AlterUniqueTogether(options.model_name or "", left))
            text = f"unique_together: remove {names}"
            self._edit(options.model_name or "", text)

    def _note(self, model: Model, field: Field, changes: dict[str, Any]) -> None:
        if changes:
            key = model._meta.model_name or "", field.name  # noqa: SLF001
            self.altered.setdefault(key, {}).update(changes)

    def _alter(self, model_name: str, name: str, changes: dict[str, Any]) -> Field:
        model = self.state.apps.get_model(self.app, model_name)
        field = model._meta.get_field(name)  # noqa: SLF001
        _, _, arguments, options = field.deconstruct()
        kind: Callable[..., Field] = type(field)
        if "type" in changes:
            kind, own = changes["type"]
            arguments = []
            options = {key: each for key, each in options.items() if key in KEPT} | own
        others = {key: each for key, each in changes.items() if key != "type"}
        return kind(*arguments, **{**options, **others})

    def _find_target(self, side: SchemaObject, column: str) -> dict[str, Any] | None:
        """Return what a foreign key on this column alone says; None without one."""
        for each in self.live.values():
            if each.kind != ObjectKind.CONSTRAINT or each.parent != side.parent:
                continue
            hit = FOREIGN_KEY.fullmatch(split_comment(each.definition)[0])
            if hit is None or strip_quotes(hit["columns"]) != column:
                continue
            model = self.models.get(get_table(hit["table"]))
            if model is None:
                continue
            key = model._meta.pk  # noqa: SLF001
            if key is None or strip_quotes(hit["target"]) != key.column:
                continue
            action = (hit["action"] or "DO NOTHING").replace(" ", "_")
            return {
                "to": model._meta.label,  # noqa: SLF001
                "on_delete": getattr(models, action, models.DO_NOTHING),
                "related_name": "+",
            }
        return None

    def _has_index(self, side: SchemaObject, column: str) -> bool:
        return any(
            each.kind == ObjectKind.INDEX
            and each.parent == side.parent
            and (hit := PLAIN_INDEX.fullmatch(split_comment(each.definition)[0]))
            and strip_quotes(hit["columns"]) == column
            for each in self.live.values()
        )

    def _edit(self, model_name: str, text: str) -> None:
        model = self.state.apps.get_model(self.app, model_name)
        self.edits.append(ModelEdit(model=_locate(model), text=text))


HANDLERS: Mapping[
    tuple[ObjectKind, DifferenceKind],
    Callable[[_Builder, Model, SchemaObject, Key], None],
] = {
    (ObjectKind.COLUMN, DifferenceKind.EXTRA): _Builder.add_column,
    (ObjectKind.COLUMN, DifferenceKind.MISSING): _Builder.remove_column,
    (ObjectKind.COLUMN, DifferenceKind.CHANGED): _Builder.change_column,
    (ObjectKind.INDEX, DifferenceKind.MISSING): _Builder.remove_part,
    (ObjectKind.INDEX, DifferenceKind.CHANGED): _Builder.change_part,
    (ObjectKind.CONSTRAINT, DifferenceKind.MISSING): _Builder.remove_part,
    (ObjectKind.CONSTRAINT, DifferenceKind.CHANGED): _Builder.change_part,
}


def _list_fields(model: Model) -> Iterator[Field]:
    yield from model._meta.local_concrete_fields  # noqa: SLF001


def _find_field_of(model: Model, column: str) -> Field | None:
    name = strip_quotes(split_name(column)[-1])
    return next((each for each in _list_fields(model) if each.column == name), None)


def _declares(field: Field, option: str) -> bool:
    return option in field.deconstruct()[3]


def _needs_value(column: Column) -> bool:
    has_value = {"default", "identity", "generated"} & column.clauses.keys()
    return "null" in column.clauses and not has_value


def _locate(model: Model) -> str:
    label = model._meta.label  # noqa: SLF001
    try:
        return f"{real_apps.get_model(label).__module__}.{model.__name__}"
    except LookupError:
        return label


def _write(value: object) -> str:
    return MigrationWriter.serialize(value)[0]
