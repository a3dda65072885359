"""Migration operations for PostgreSQL enum types, each with a way back.

`makemigrations` writes them where the choices of an `EnumField` change.

Source: https://www.postgresql.org/docs/current/sql-altertype.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import OperationCategory
from django.db.migrations.state import ProjectState
from django.db.models import Field

from dbops.core.describe import quote_text
from dbops.core.enum_change import (
    write_add,
    write_create,
    write_returns,
)
from dbops.core.generated_names import split_name
from dbops.enum_operation import EnumOperation, write_rebuild_here
from dbops.fields import find_enum_field


class CreateEnum(EnumOperation):
    """Make an enum type."""

    category = OperationCategory.ADDITION

    def __init__(self, name: str, values: Sequence[str]) -> None:
        self.name = name
        self.values = list(values)

    def write_forward(self, editor: BaseDatabaseSchemaEditor) -> Sequence[str]:
        """Return CREATE TYPE."""
        del editor
        return [write_create(self.name, self.values)]

    def write_backward(self, editor: BaseDatabaseSchemaEditor) -> Sequence[str]:
        """Return DROP TYPE: it fails where a column is of the type."""
        del editor
        return [f"DROP TYPE {self.name}"]

    def describe(self) -> str:
        """Return what it does."""
        return f"Create enum {self.name}"

    @property
    def migration_name_fragment(self) -> str:
        """A name for its migration."""
        return self._name_fragment("create", "enum")


class DropEnum(EnumOperation):
    """Drop an enum type that no column is of; `values` are for the way back."""

    category = OperationCategory.REMOVAL

    def __init__(self, name: str, values: Sequence[str]) -> None:
        self.name = name
        self.values = list(values)

    def write_forward(self, editor: BaseDatabaseSchemaEditor) -> Sequence[str]:
        """Return DROP TYPE."""
        del editor
        return [f"DROP TYPE {self.name}"]

    def write_backward(self, editor: BaseDatabaseSchemaEditor) -> Sequence[str]:
        """Return CREATE TYPE."""
        del editor
        return [write_create(self.name, self.values)]

    def describe(self) -> str:
        """Return what it does."""
        return f"Drop enum {self.name}"

    @property
    def migration_name_fragment(self) -> str:
        """A name for its migration."""
        return self._name_fragment("drop", "enum")


class RenameEnum(EnumOperation):
    """Give an enum type another name, in the same schema; nothing is rewritten."""

    category = OperationCategory.ALTERATION

    def __init__(self, name: str, new_name: str) -> None:
        self.name = name
        self.new_name = new_name

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Let the fields of the type follow, those of other apps as well."""
        del app_label
        for (app, model), each in list(state.models.items()):
            found = {name: self.follow(field) for name, field in each.fields.items()}
            changed = {name: field for name, field in found.items() if field}
            if changed:
                each.fields |= changed
                state.reload_model(app, model, delay=True)

    def follow(self, field: Field[Any, Any]) -> Field[Any, Any] | None:
        """Return the field with the type's new name; None where it is of another."""
        enum = find_enum_field(field)
        if enum is None or enum.enum_type != self.name:
            return None
        changed = field.clone()
        copy = find_enum_field(changed)
        if copy is not None:
            copy.enum_type = self.new_name
        return changed

    def write_forward(self, editor: BaseDatabaseSchemaEditor) -> Sequence[str]:
        """Return RENAME TO."""
        del editor
        return [f"ALTER TYPE {self.name} RENAME TO {split_name(self.new_name)[-1]}"]

    def write_backward(self, editor: BaseDatabaseSchemaEditor) -> Sequence[str]:
        """Return RENAME TO."""
        del editor
        return [f"ALTER TYPE {self.new_name} RENAME TO {split_name(self.name)[-1]}"]

    def describe(self) -> str:
        """Return what it does."""
        return f"Rename enum {self.name} to {self.new_name}"

    @property
    def migration_name_fragment(self) -> str:
        """A name for its migration."""
        return self._name_fragment("rename", "enum")


class AddEnumValue(EnumOperation):
    """Add a value, at the end unless `before` or `after` says where.

    PostgreSQL lets nobody use it before the migration is committed. The way back makes
    the type anew, and fails where rows hold the value.
    """

    category = OperationCategory.ADDITION

    def __init__(
        self,
        name: str,
        value: str,
        *,
        before: str | None = None,
        after: str | None = None,
    ) -> None:
        if before is not None and after is not None:
            raise ValueError("a value is added before another one or after one")
        self.name = name
        self.value = value
        self.before = before
        self.after = after

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        """Leave out what is not given."""
        places = {"before": self.before, "after": self.after}
        given = {key: each for key, each in places.items() if each is not None}
        return type(self).__qualname__, [self.name, self.value], given

    def write_forward(self, editor: BaseDatabaseSchemaEditor) -> Sequence[str]:
        """Return ADD VALUE: no table is locked, nothing is rewritten."""
        del editor
        return [write_add(self.name, self.value, before=self.before, after=self.after)]

    def write_backward(self, editor: BaseDatabaseSchemaEditor) -> Sequence[str]:
        """Return what makes the type anew without the value."""
        return write_rebuild_here(editor, self.name, [self.value])

    def describe(self) -> str:
        """Return what it does."""
        return f"Add value {quote_text(self.value)} to enum {self.name}"

    @property
    def migration_name_fragment(self) -> str:
        """A name for its migration."""
        return self._name_fragment("add", self.value)


class RenameEnumValue(EnumOperation):
    """Give a value another name; rows, defaults and indexes follow."""

    category = OperationCategory.ALTERATION

    def __init__(self, name: str, old: str, new: str) -> None:
        self.name = name
        self.old = old
        self.new = new

    def write_forward(self, editor: BaseDatabaseSchemaEditor) -> Sequence[str]:
        """Return RENAME VALUE."""
        del editor
        return [self._write(self.old, self.new)]

    def write_backward(self, editor: BaseDatabaseSchemaEditor) -> Sequence[str]:
        """Return RENAME VALUE."""
        del editor
        return [self._write(self.new, self.old)]

    def _write(self, old: str, new: str) -> str:
        return (
            f"ALTER TYPE {self.name} RENAME VALUE "
            f"{quote_text(old)} TO {quote_text(new)}"
        )

    def describe(self) -> str:
        """Return what it does."""
        names = f"{quote_text(self.old)} of enum {self.name} to {quote_text(self.new)}"
        return f"Rename value {names}"

    @property
    def migration_name_fragment(self) -> str:
        """A name for its migration."""
        return self._name_fragment("rename", self.old, "to", self.new)


class RemoveEnumValues(EnumOperation):
    """Make the type anew without some values; fails where rows hold them.

    `order` are all values as they were, for the way back. The tables with columns of
    the type are rewritten while nobody may read them.
    """

    category = OperationCategory.REMOVAL

    def __init__(
        self, name: str, values: Sequence[str], *, order: Sequence[str] = ()
    ) -> None:
        self.name = name
        self.values = [values] if isinstance(values, str) else list(values)
        self.order = list(order)

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        """Leave out what is not given."""
        given = {"order": self.order} if self.order else {}
        return type(self).__qualname__, [self.name, self.values], given

    def write_forward(self, editor: BaseDatabaseSchemaEditor) -> Sequence[str]:
        """Return what makes the type anew."""
        return write_rebuild_here(editor, self.name, self.values)

    def write_backward(self, editor: BaseDatabaseSchemaEditor) -> Sequence[str]:
        """Return ADD VALUE for each: nothing is rewritten."""
        del editor
        return write_returns(self.name, self.values, self.order)

    def describe(self) -> str:
        """Return what it does."""
        told = ", ".join(map(quote_text, self.values))
        return (
            f"Remove value{'s' if len(self.values) > 1 else ''} {told} "
            f"from enum {self.name}"
        )

    @property
    def migration_name_fragment(self) -> str:
        """A name for its migration."""
        return self._name_fragment("remove", *self.values)
