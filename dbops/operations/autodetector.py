"""Django's search for changes, extended by those of enum types.

The values of a type are the choices of the fields of that type. A migration that makes
or extends a type comes before the operations that need it, and one that takes away from
it after those that still had it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from django.db.migrations import AlterField, Migration
from django.db.migrations.autodetector import (
    MigrationAutodetector,
    OperationDependency,
)
from django.db.migrations.graph import MigrationGraph
from django.db.migrations.operations.base import Operation
from django.db.migrations.questioner import InteractiveMigrationQuestioner
from django.db.migrations.state import ProjectState

from dbops.core.enum_diff import Choices, compare_values, merge_choices
from dbops.enum_operation import EnumOperation
from dbops.enums import (
    AddEnumValue,
    CreateEnum,
    DropEnum,
    RemoveEnumValues,
    RenameEnum,
    RenameEnumValue,
)
from dbops.fields import find_enum_field
from dbops.operations.check.digest import list_sql
from dbops.operations.enum_splitting import split_migrations

CREATE_OR_DROP = re.compile(
    r"""\b(?:(?P<create>create\s+type)|drop\s+type(?:\s+if\s+exists)?)\s+
        (?P<name>(?:[\w$]+|"[^"]+")(?:\.(?:[\w$]+|"[^"]+"))?)""",
    re.IGNORECASE | re.VERBOSE,
)
MAKE, OTHERS, AFTER = "enum is made", "all but enums", "this operation"
"""What an operation may wait for."""
MAKING = (CreateEnum, RenameEnum, RenameEnumValue, AddEnumValue)

ModelKey = tuple[str, str]


class _Types:
    """The enum types of a state's fields."""

    def __init__(self, state: ProjectState, keys: Collection[ModelKey]) -> None:
        self.users: dict[str, list[ModelKey]] = {}
        self.names: set[str] = set()
        parts: dict[str, list[Choices]] = {}
        for key, model in sorted(state.models.items()):
            for field in model.fields.values():
                if (enum := find_enum_field(field)) is None:
                    continue
                self.names.add(enum.enum_type)
                if key in keys:
                    self.users.setdefault(enum.enum_type, []).append(key)
                    parts.setdefault(enum.enum_type, []).append(enum.list_values())
        self.choices = {name: merge_choices(each) for name, each in parts.items()}

    def list_apps(self, name: str) -> list[str]:
        """Return the apps whose models have fields of the type."""
        return sorted({app for app, _ in self.users.get(name, ())})


class Autodetector(MigrationAutodetector):
    """Find changes of enum types, too."""

    old_model_keys: set[ModelKey]
    new_model_keys: set[ModelKey]
    generated_operations: dict[str, list[Any]]

    def _detect_changes(
        self, convert_apps: Any = None, graph: MigrationGraph | None = None
    ) -> dict[str, list[Migration]]:
        self._made = _list_made(graph) if graph else set()
        found = super()._detect_changes(convert_apps, graph)  # type: ignore[misc]
        return split_migrations(found, self._changes_choices_alone)

    def _sort_migrations(self) -> None:
        self._old = _Types(self.from_state, self.old_model_keys)
        self._new = _Types(self.to_state, self.new_model_keys)
        self._generate_enum_operations()
        super()._sort_migrations()  # type: ignore[misc]

    def check_dependency(self, operation: Any, dependency: Any) -> bool:
        """Tell whether the operation is what another one waits for."""
        match dependency.type:
            case str(kind) if kind == AFTER:
                return operation is dependency.field_name
            case str(kind) if kind == MAKE:
                names = (
                    (operation.name, getattr(operation, "new_name", None))
                    if (isinstance(operation, MAKING))
                    else ()
                )
                return dependency.model_name in names
            case str(kind) if kind == OTHERS:
                return not isinstance(operation, EnumOperation)
        return bool(super().check_dependency(operation, dependency))

    def _generate_enum_operations(self) -> None:
        old, new = self._old, self._new
        renamed = self._generate_renamed_types()
        for name, choices in sorted(new.choices.items()):
            before = old.choices.get(renamed.get(name, name))
            if before and choices:
                self._generate_changed_values(name, before, choices)
            elif choices and name not in old.names | self._made:
                self._add(name, CreateEnum(name, [*choices]))
            self._let_users_wait(name)
        gone = old.choices.keys() - new.names - set(renamed.values())
        for name in sorted(gone):
            if old.choices[name]:
                self._add(name, DropEnum(name, [*old.choices[name]]), last=True)

    def _generate_renamed_types(self) -> dict[str, str]:
        old, new = self._old, self._new
        renamed: dict[str, str] = {}
        come = new.choices.keys() - old.names - self._made
        gone = old.choices.keys() - new.names
        for name in sorted(come):
            for each in sorted(gone - set(renamed.values())):
                if old.choices[each].keys() & new.choices[name].keys() and self._ask(
                    f"Was the enum {each} renamed to {name}?", "ask_rename_enum"
                ):
                    renamed[name] = each
                    old.users[name] = old.users[each]
                    operation = RenameEnum(each, name)
                    self._forget_alterations(operation)
                    self._add(name, operation)
                    break
        return renamed

    def _forget_alterations(self, rename: RenameEnum) -> None:
        """Forget each AlterField that does no more than the rename itself."""
        for app, operations in self.generated_operations.items():
            self.generated_operations[app] = [
                each
                for each in operations
                if not self._is_same(
                    app, each, lambda field: rename.follow(field) or field
                )
            ]

    def _is_same(
        self, app: str, operation: Operation, change: Callable[[Any], Any]
    ) -> bool:
        """Tell whether an AlterField does nothing that `change` has not done."""
        if not isinstance(operation, AlterField):
            return False
        model = self.from_state.models.get((app, operation.model_name_lower))
        field = model.fields.get(operation.name) if model else None
        if field is None:
            return False
        one, other = (
            self.deep_deconstruct(each) for each in (change(field), operation.field)
        )
        return bool(one == other)

    def _changes_choices_alone(self, app: str, operation: Operation) -> bool:
        def take_choices(field: Any) -> Any:
            wanted, taken = find_enum_field(operation.field), field.clone()  # type: ignore[attr-defined]
            enum = find_enum_field(taken)
            if wanted is not None and enum is not None:
                enum.choices = wanted.choices
            return taken

        return self._is_same(app, operation, take_choices)

    def _generate_changed_values(
        self, name: str, before: Choices, choices: Choices
    ) -> None:
        def ask(one: str, other: str) -> bool:
            question = f"Was the value {one!r} of enum {name} renamed to {other!r}?"
            return self._ask(question, "ask_rename_enum_value")

        found = compare_values(before, choices, ask)
        for one, other in found.renamed:
            self._add(name, RenameEnumValue(name, one, other))
        for each in found.added:
            self._add(
                name,
                AddEnumValue(name, each.value, before=each.before, after=each.after),
            )
        if found.removed:
            operation = RemoveEnumValues(name, found.removed, order=found.order)
            self._add(name, operation, last=True)

    def _ask(self, question: str, default: str) -> bool:
        questioner = self.questioner
        if isinstance(questioner, InteractiveMigrationQuestioner):
            asked = f"{question} [y/N]"
            return bool(questioner._boolean_input(asked, default=False))  # type: ignore[attr-defined]  # noqa: SLF001
        return bool(questioner.defaults.get(default, False))

    def _find_owner(self, name: str) -> str:
        """Return the app whose migrations make and change the type."""
        old, new = self._old.list_apps(name), self._new.list_apps(name)
        both = [each for each in old if each in new]
        return (both or new or old)[0]

    def _add(self, name: str, operation: EnumOperation, *, last: bool = False) -> None:
        """Add an operation behind those of the type; the `last` behind all others."""
        owner = self._find_owner(name)
        waits: list[Any] = [
            OperationDependency(owner, "", each, AFTER)  # type: ignore[arg-type]
            for each in self.generated_operations.get(owner, ())
            if isinstance(each, EnumOperation)
            and name in (each.name, getattr(each, "new_name", None))
        ]
        if last:
            apps = {*self._old.list_apps(name), *self._new.list_apps(name)}
            waits += [
                OperationDependency(each, "", None, OTHERS)  # type: ignore[arg-type]
                for each in sorted(apps)
                if self.generated_operations.get(each)
            ]
        self.add_operation(owner, operation, dependencies=waits)

    def _let_users_wait(self, name: str) -> None:
        owner = self._find_owner(name)
        wait = OperationDependency(owner, name, None, MAKE)  # type: ignore[arg-type]
        is_made = any(
            self.check_dependency(each, wait)
            for each in self.generated_operations.get(owner, ())
        )
        for app, operations in self.generated_operations.items():
            is_new = app != owner and app not in self._old.list_apps(name)
            for each in operations:
                if (
                    not isinstance(each, EnumOperation)
                    and (app, _get_model(each)) in self._new.users[name]
                    and (is_made or is_new)
                ):
                    each._auto_deps.append(wait)  # noqa: SLF001


def _get_model(operation: Operation) -> str:
    model = getattr(operation, "model_name", None) or getattr(operation, "name", "")
    return str(model).lower()


def _list_made(graph: MigrationGraph) -> set[str]:
    """Return the types that the migrations leave, with fields or without."""
    made: set[str] = set()
    keys = dict.fromkeys(
        key for leaf in sorted(graph.leaf_nodes()) for key in graph.forwards_plan(leaf)
    )
    for key in keys:
        for operation in getattr(graph.nodes[key], "operations", ()):
            for text, _ in list_sql([operation]):
                for hit in CREATE_OR_DROP.finditer(text):
                    names = {hit["name"], hit["name"].removeprefix("public.")}
                    made = made | names if hit["create"] else made - names
            if isinstance(operation, (DropEnum, RenameEnum)):
                made.discard(operation.name)
            if isinstance(operation, RenameEnum):
                made.add(operation.new_name)
            elif isinstance(operation, CreateEnum):
                made.add(operation.name)
    return made
