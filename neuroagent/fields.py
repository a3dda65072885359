"""Model fields for columns that Django's own fields would make differently."""

from collections.abc import Sequence
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class EnumField(models.CharField):  # type: ignore[type-arg]
    """A string out of `choices`, in a column of an existing PostgreSQL enum type.

    The type itself is made and changed by migrations (`CREATE TYPE`, `ALTER TYPE`);
    `enum_type` is its name as written in SQL.

    Source: https://www.postgresql.org/docs/current/datatype-enum.html
    """

    description = "String (PostgreSQL enum %(enum_type)s)"

    def __init__(self, *, enum_type: str, choices: Any, **kwargs: Any) -> None:
        self.enum_type = enum_type
        super().__init__(choices=choices, **kwargs)

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "enum_type": self.enum_type}

    def get_internal_type(self) -> str:
        """Return a name that is not "CharField".

        Django takes the column type of a known name from its own table: it would leave
        out the cast when an AlterField turns text into an enum.
        """
        return "EnumField"

    def db_type(self, connection: BaseDatabaseWrapper) -> str:  # noqa: ARG002
        return self.enum_type

    def cast_db_type(self, connection: BaseDatabaseWrapper) -> str:
        """Return the enum's name: `bulk_update` casts its values to this."""
        return self.db_type(connection)


class VarcharKeyField(models.CharField):  # type: ignore[type-arg]
    """A `varchar` key with no index but its own.

    A unique CharField gets a second index, `varchar_pattern_ops`, from Django, which
    goes by the spelling "varchar" alone.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str:  # noqa: ARG002
        return "character varying"
