"""Model fields for columns that Django's own fields would make differently.

`dbops_pull` writes them where no field of Django's says what the database has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import FieldError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import BaseExpression
from django.db.models.lookups import (
    Exact,
    GreaterThan,
    GreaterThanOrEqual,
    LessThan,
    LessThanOrEqual,
)
from django.db.models.signals import class_prepared

from dbops.core.enum_change import parse_array

Deconstructed = tuple[str, str, Sequence[Any], dict[str, Any]]


NEEDS_DIGITS = frozenset({"fields.E130", "fields.E132"})


class EnumField(models.CharField):  # type: ignore[type-arg]
    """A string out of `choices`, in a column of an existing PostgreSQL enum type.

    The type itself is made and changed by migrations (`CREATE TYPE`, `ALTER TYPE`);
    `enum_type` is its name as written in SQL.

    Source: https://www.postgresql.org/docs/current/datatype-enum.html
    """

    description = "String (PostgreSQL enum %(enum_type)s)"

    def __init__(
        self,
        verbose_name: Any = None,
        *,
        enum_type: str,
        choices: Any = None,
        **kwargs: Any,
    ) -> None:
        self.enum_type = enum_type
        super().__init__(verbose_name, choices=choices, **kwargs)

    def deconstruct(self) -> Deconstructed:
        """Keep the type's name in migrations."""
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "enum_type": self.enum_type}

    def get_internal_type(self) -> str:
        """Return a name that is not "CharField".

        Django takes the column type of a known name from its own table: it would leave
        out the cast when an AlterField turns text into an enum.
        """
        return "EnumField"

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        """Return the enum's name."""
        del connection
        return self.enum_type

    def cast_db_type(self, connection: BaseDatabaseWrapper) -> str:
        """Return the enum's name: `bulk_update` casts its values to this."""
        return self.db_type(connection)

    def get_placeholder(self, value: Any, compiler: Any, connection: Any) -> str:
        """Return a cast to the enum: a CASE of strings is text. For Django 5.2."""
        del value, compiler
        return f"(%s)::{self.db_type(connection)}"

    def get_placeholder_sql(
        self, value: Any, compiler: Any, connection: Any
    ) -> tuple[str, Sequence[Any]]:
        """Return a cast of a value or an expression to the enum. For Django 6.1."""
        cast = self.db_type(connection)
        if hasattr(value, "as_sql"):
            text, parameters = compiler.compile(value)
            return f"({text})::{cast}", parameters
        return f"%s::{cast}", [value]

    def list_values(self) -> dict[str, str]:
        """Return the labels for people by value; NULL is none of them."""
        return {
            str(value): str(label)
            for value, label in self.flatchoices
            if value is not None
        }


def find_enum_field(field: object) -> EnumField | None:
    """Return the field itself, or that of an array's items; None for any other."""
    while not isinstance(field, EnumField):
        base = getattr(field, "base_field", None)
        if base is None:
            return None
        field = base
    return field


class _CastRight:
    """Casts what an enum is compared with, where it is an expression of text."""

    def process_rhs(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Return the right side."""
        text, parameters = super().process_rhs(compiler, connection)  # type: ignore[misc]
        field = self.lhs.output_field  # type: ignore[attr-defined]
        if isinstance(field, EnumField) and _is_text(self.rhs):  # type: ignore[attr-defined]
            text = f"({text})::{field.db_type(connection)}"
        return text, parameters


def _is_text(side: Any) -> bool:
    if not isinstance(side, BaseExpression):
        return False
    try:
        return find_enum_field(side.output_field) is None
    except FieldError:
        return True


for _plain in (Exact, GreaterThan, GreaterThanOrEqual, LessThan, LessThanOrEqual):
    EnumField.register_lookup(type(_plain.__name__, (_CastRight, _plain), {}))


def _read_arrays(sender: Any, **_: Any) -> None:
    """Let arrays of enums come as lists: the driver does not know these types."""
    for field in sender._meta.local_fields:  # noqa: SLF001
        base = getattr(field, "base_field", None)
        if base is not None and find_enum_field(base) is not None:
            field.from_db_value = _read_array


def _read_array(value: Any, _expression: Any, _connection: Any) -> Any:
    return parse_array(value) if isinstance(value, str) else value


class_prepared.connect(_read_arrays, dispatch_uid="dbops.fields.arrays")


class _Typed:
    """A field of Django's with a column of another type, `sql_type`."""

    def __init__(self, *args: Any, sql_type: str, **kwargs: Any) -> None:
        self.sql_type = sql_type
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Deconstructed:
        """Keep the type in migrations."""
        name, path, args, kwargs = super().deconstruct()  # type: ignore[misc]
        return name, path, args, {**kwargs, "sql_type": self.sql_type}

    def get_internal_type(self) -> str:
        """Return a name that Django does not look up: see `EnumField`."""
        return type(self).__name__

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        """Return the type as written in SQL."""
        del connection
        return self.sql_type

    def rel_db_type(self, connection: BaseDatabaseWrapper) -> str:
        """Return the type of a foreign key's column."""
        return self.db_type(connection)

    def cast_db_type(self, connection: BaseDatabaseWrapper) -> str:
        """Return what values are cast to."""
        return self.db_type(connection)


class TypedCharField(_Typed, models.CharField):  # type: ignore[type-arg]
    """A string in a column of `sql_type`: `character(4)`, or a key that is `character
    varying(20)` without the second index that Django gives a `varchar`."""


class TypedTextField(_Typed, models.TextField):  # type: ignore[type-arg]
    """A text, or what the driver makes of `sql_type`, which has no field of its own."""


class TypedIntegerField(_Typed, models.BigIntegerField):  # type: ignore[type-arg]
    """A whole number in a column of `sql_type`, as a domain over integer is."""

    def get_internal_type(self) -> str:
        """Return a name of Django's, which has the range of the type."""
        return "BigIntegerField"


class TypedFloatField(_Typed, models.FloatField):  # type: ignore[type-arg]
    """A float in a column of `sql_type`, as `real` is."""


class TypedDecimalField(_Typed, models.DecimalField):  # type: ignore[type-arg]
    """A decimal in a column of `sql_type`, as `numeric` without limits is."""

    def check(self, **kwargs: Any) -> list[Any]:
        """Allow what the type allows: any number of digits."""
        digits: int | None = self.max_digits
        needless = NEEDS_DIGITS if digits is None else frozenset()
        return [each for each in super().check(**kwargs) if each.id not in needless]


class TypedDateTimeField(_Typed, models.DateTimeField):  # type: ignore[type-arg]
    """A moment in a column of `sql_type`, as `timestamp without time zone` is.

    What such a column says has no time zone: it is read as it stands.
    """


class TypedTimeField(_Typed, models.TimeField):  # type: ignore[type-arg]
    """A time of day in a column of `sql_type`, as `time with time zone` is."""


class TypedDurationField(_Typed, models.DurationField):  # type: ignore[type-arg]
    """A duration in a column of `sql_type`, as `interval(3)` is."""


class TypedJSONField(_Typed, models.JSONField):
    """JSON in a column of `sql_type`, as `json` is."""


class _Serial:
    """A key that counts up by a sequence of its own, and is no identity.

    Source: https://www.postgresql.org/docs/current/datatype-numeric.html
    """

    serial_type = ""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        """Return what makes the column, its sequence and its default."""
        del connection
        return self.serial_type

    def db_type_suffix(self, connection: BaseDatabaseWrapper) -> None:
        """Return nothing: Django would make it an identity."""
        del connection


class SerialField(_Serial, models.AutoField):  # type: ignore[type-arg, misc]
    """An integer key made by `serial`."""

    serial_type = "serial"


class BigSerialField(_Serial, models.BigAutoField):  # type: ignore[type-arg, misc]
    """A bigint key made by `bigserial`."""

    serial_type = "bigserial"


class SmallSerialField(_Serial, models.SmallAutoField):  # type: ignore[type-arg, misc]
    """A smallint key made by `smallserial`."""

    serial_type = "smallserial"
