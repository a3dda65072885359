"""The field of a model that fits a column."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.contrib.postgres import fields as postgres
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models.expressions import RawSQL

from dbops.core.generated_names import split_name, strip_quotes
from dbops.core.repair.columns import Column

FieldClass = Callable[..., "models.Field[Any, Any]"]

FIELDS: dict[str, FieldClass] = {
    "bigint": models.BigIntegerField,
    "boolean": models.BooleanField,
    "bytea": models.BinaryField,
    "character varying": models.CharField,
    "date": models.DateField,
    "double precision": models.FloatField,
    "inet": models.GenericIPAddressField,
    "integer": models.IntegerField,
    "interval": models.DurationField,
    "jsonb": models.JSONField,
    "numeric": models.DecimalField,
    "smallint": models.SmallIntegerField,
    "text": models.TextField,
    "time without time zone": models.TimeField,
    "timestamp with time zone": models.DateTimeField,
    "uuid": models.UUIDField,
    "daterange": postgres.DateRangeField,
    "int4range": postgres.IntegerRangeField,
    "int8range": postgres.BigIntegerRangeField,
    "numrange": postgres.DecimalRangeField,
    "tstzrange": postgres.DateTimeRangeField,
    "tsvector": SearchVectorField,
}
SIZED = re.compile(r"(?P<name>character varying|numeric)\((?P<sizes>[\d,]+)\)")
NUMBER = re.compile(r"'?(-?\d{1,18})'?(?:::\w+)?")
STRING = re.compile(r"'((?:[^'\\]|'')*)'::(?:character varying|text)")


def find_field(column: Column) -> tuple[FieldClass, dict[str, Any]] | None:
    """Return the class whose columns are of this type, and its own arguments.

    None where Django has none, or where it is not the type alone that matters.
    """
    if {"identity", "generated"} & column.clauses.keys():
        return None
    found = _find_class(column.type)
    if found and "collate" in column.clauses:
        collation = strip_quotes(split_name(column.clauses["collate"])[-1])
        if found[0] not in {models.CharField, models.TextField}:
            return None
        found[1]["db_collation"] = collation
    return found


def _find_class(text: str) -> tuple[FieldClass, dict[str, Any]] | None:
    if text.endswith("[]"):
        inner = _find_class(text.removesuffix("[]"))
        return inner and (postgres.ArrayField, {"base_field": inner[0](**inner[1])})
    if sized := SIZED.fullmatch(text):
        sizes = [int(each) for each in sized["sizes"].split(",")]
        names = ["max_length"]
        if sized["name"] == "numeric":
            names, sizes = ["max_digits", "decimal_places"], [*sizes, 0][:2]
        return FIELDS[sized["name"]], dict(zip(names, sizes, strict=True))
    return (FIELDS[text], {}) if text in FIELDS else None


def find_default(column: Column) -> object:
    """Return what `db_default` would say; the column has a default.

    >>> from dbops.core.repair.columns import Column
    >>> def default(text: str) -> Column:
    ...     return Column(
    ...         table="t",
    ...         name="c",
    ...         type="text",
    ...         clauses={"default": text},
    ...         how="",
    ...         comment=None,
    ...     )
    >>> find_default(default("'it''s'::text")), find_default(default("'-1'::integer"))
    ("it's", -1)
    >>> find_default(default("now()"))
    RawSQL(now(), [])
    """
    text = column.clauses["default"]
    if text in {"true", "false"}:
        return text == "true"
    if number := NUMBER.fullmatch(text):
        return int(number[1])
    if string := STRING.fullmatch(text):
        return string[1].replace("''", "'")
    return RawSQL(text, [])  # noqa: S611  The server's own text.
