"""The field of a model that fits a column."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from django.contrib.postgres import fields as postgres
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models.expressions import RawSQL

from dbops import fields
from dbops.core.generated_names import split_name, strip_quotes
from dbops.core.python_code import Call, Name
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
TYPED: dict[str, FieldClass] = {
    "bpchar": fields.TypedCharField,
    "json": fields.TypedJSONField,
    "name": fields.TypedCharField,
    "numeric": fields.TypedDecimalField,
    "real": fields.TypedFloatField,
    "time with time zone": fields.TypedTimeField,
    "timestamp without time zone": fields.TypedDateTimeField,
}
"""Types that a field of Django's can hold, and makes a column of another type for."""
TYPED_STARTS: dict[str, FieldClass] = {
    "character(": fields.TypedCharField,
    "interval": fields.TypedDurationField,
    "numeric(": fields.TypedDecimalField,
    "time(": fields.TypedTimeField,
    "timestamp(": fields.TypedDateTimeField,
}
TYPED_LIKE: tuple[tuple[type, FieldClass], ...] = (
    (models.CharField, fields.TypedCharField),
    (models.IntegerField, fields.TypedIntegerField),
    (models.FloatField, fields.TypedFloatField),
    (models.DecimalField, fields.TypedDecimalField),
    (models.DateTimeField, fields.TypedDateTimeField),
    (models.TimeField, fields.TypedTimeField),
    (models.DurationField, fields.TypedDurationField),
    (models.JSONField, fields.TypedJSONField),
)
NO_FIELD = "no field of Django's: values are what the driver makes of {}"
LITERAL = re.compile(r"'((?:[^'\\]|'')*)'::.+")
DECIMAL = re.compile(r"'?(-?\d+\.\d+)'?(?:::numeric)?")
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


def find_any_field(  # noqa: PLR0911  One case a kind.
    text: str,
    enums: Mapping[str, str] | None = None,
    domains: Mapping[str, str] | None = None,
) -> tuple[Call, str]:
    """Return the field whose columns are of this type, and a remark or nothing.

    `enums` are the classes of choices by the types' names, `domains` the types that
    domains are made of. There is always a field: a column without one could not be
    read.

    >>> find_any_field("numeric(8,2)")[0].kwargs
    {'max_digits': 8, 'decimal_places': 2}
    >>> find_any_field("point")[1]
    "no field of Django's: values are what the driver makes of point"
    """
    enums, domains = enums or {}, domains or {}
    if text.endswith("[]"):
        inner, remark = find_any_field(text.removesuffix("[]"), enums, domains)
        return Call(get_path(postgres.ArrayField), (inner,)), remark
    if text in enums:
        kwargs = {"enum_type": text, "choices": Name(f"{enums[text]}.choices")}
        return Call(get_path(fields.EnumField), (), kwargs), ""
    if text in domains:
        base, _ = find_any_field(domains[text], enums, {})
        return _type(_find_like(base), text, base), ""
    if text == "hstore":
        return Call(get_path(postgres.HStoreField)), ""
    found = _find_class(text)
    if found is not None and text not in TYPED:
        return Call(get_path(found[0]), (), found[1]), ""
    starts = (kind for start, kind in TYPED_STARTS.items() if text.startswith(start))
    kind = TYPED.get(text) or next(starts, None)
    if kind is not None:
        return _type(kind, text, None), ""
    remark = "" if text == "citext" else NO_FIELD.format(text)
    return _type(fields.TypedTextField, text, None), remark


def get_path(kind: FieldClass) -> str:
    """Return where a project imports the class from.

    >>> get_path(models.CharField), get_path(postgres.ArrayField)
    ('django.db.models.CharField', 'django.contrib.postgres.fields.ArrayField')
    """
    name = kind.__name__
    for module in ("django.db.models", "django.contrib.postgres.fields"):
        if getattr(models if module.endswith("models") else postgres, name, 0) is kind:
            return f"{module}.{name}"
    return f"{kind.__module__}.{name}"


def _find_like(base: Call) -> FieldClass:
    name = base.path.rpartition(".")[2]
    kind = getattr(models, name, None) or getattr(fields, name, None)
    if isinstance(kind, type):
        for parent, typed in TYPED_LIKE:
            if issubclass(kind, parent):
                return typed
    return fields.TypedTextField


def _type(kind: FieldClass, text: str, base: Call | None) -> Call:
    kept = {
        name: value
        for name, value in (base.kwargs if base else {}).items()
        if name in {"max_length", "max_digits", "decimal_places"}
    }
    return Call(get_path(kind), (), {"sql_type": text, **kept})


def write_default(column: Column, field: Call) -> object | None:
    """Return `db_default` as code; None where only SQL can say it.

    A `%` in it would be taken for a parameter by some of Django's statements.
    """
    text = column.clauses["default"]
    if field.path == get_path(fields.EnumField):
        hit = LITERAL.fullmatch(text)
        if hit:
            return hit[1].replace("''", "'")
    if hit := DECIMAL.fullmatch(text):
        return Call("decimal.Decimal", (str(Decimal(hit[1])),))
    value = find_default(column)
    if not isinstance(value, RawSQL):
        return value
    return None if "%" in value.sql else write_sql(value.sql)


def write_sql(text: str, **kwargs: object) -> Call:
    """Return an expression that is the text."""
    return Call("django.db.models.expressions.RawSQL", (text, []), kwargs)


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
