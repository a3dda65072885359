"""Model fields for columns that Django's own fields would make differently."""

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from dbops import fields


class EnumField(fields.EnumField):
    """The field of dbops with its choices, by the name that the migrations know."""

    def __init__(self, *, enum_type: str, choices: Any, **kwargs: Any) -> None:
        super().__init__(enum_type=enum_type, choices=choices, **kwargs)


class VarcharKeyField(models.CharField):  # type: ignore[type-arg]
    """A `varchar` key with no index but its own.

    A unique CharField gets a second index, `varchar_pattern_ops`, from Django, which
    goes by the spelling "varchar" alone.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str:  # noqa: ARG002
        return "character varying"
