"""Make rows of models that are known only by their fields."""

from __future__ import annotations

import datetime
import itertools
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.fields import NOT_PROVIDED

DEEPEST = 6
"""Of foreign keys that lead from table to table."""
LONGEST_TEXT = 200
DAY = datetime.date(2026, 2, 28)
MOMENT = datetime.datetime(2026, 2, 28, 10, 30, tzinfo=datetime.UTC)
LABELS = """
SELECT e.enumlabel FROM pg_catalog.pg_enum AS e
 WHERE e.enumtypid = pg_catalog.to_regtype(%s) ORDER BY e.enumsortorder LIMIT 1
"""


class Variant(StrEnum):
    """Which values a row has; the words are those of reports."""

    FULL = "all values"
    """Each column has one, texts as long as they may be."""
    LEAST = "as few values as it may have"
    EXTREME = "extreme values"
    """The least numbers, empty texts, keys that lead nowhere where nobody checks."""


class NoValue(Exception):
    """Nobody knows a value for a field; the text says for which."""


@dataclass(slots=True)
class RowMaker:
    """Makes rows, each with values of its own where they have to be unique."""

    connection: BaseDatabaseWrapper
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def make(
        self, model: type[models.Model], variant: Variant, depth: int = 0
    ) -> models.Model:
        """Insert one row, and the rows that it refers to, and return it.

        Raises:
            NoValue: a field has no value that anybody knows of.
            django.db.Error: the database does not take it.
        """
        instance = model(**self.find_values(model, variant, depth))
        instance.save(force_insert=True, using=self.connection.alias)
        return instance

    def find_values(
        self, model: type[models.Model], variant: Variant, depth: int = 0
    ) -> dict[str, Any]:
        """Return values for the model's fields, by attribute."""
        values = {}
        for each in model._meta.concrete_fields:  # noqa: SLF001
            if _makes_itself(each):
                continue
            remote = each.remote_field
            if remote and getattr(remote, "parent_link", False):
                continue
            value = self._find_value(each, variant, depth)
            if value is not NOT_PROVIDED:
                values[each.attname] = value
        return values

    def _find_value(self, each: Any, variant: Variant, depth: int) -> Any:
        absent = None if each.null else NOT_PROVIDED
        can_be_absent = each.null or _has_default(each)
        if variant is Variant.LEAST and can_be_absent:
            return absent
        if each.remote_field is not None:
            return self._refer(each, variant, depth)
        if each.choices:
            return next(iter(each.flatchoices))[0]
        try:
            return self._invent(each, variant)
        except NoValue:
            if can_be_absent:
                return absent
            raise

    def _refer(self, each: Any, variant: Variant, depth: int) -> Any:
        target = each.remote_field.model
        column = each.target_field.attname
        if variant is Variant.EXTREME and not each.db_constraint:
            return self._invent(each.target_field, variant)
        if each.null and (depth > 0 or target is each.model):
            return None
        if depth >= DEEPEST:
            raise NoValue(f"{each.name} leads too far")
        if not each.unique:
            manager = target._base_manager.using(self.connection.alias)  # noqa: SLF001
            found = manager.values_list(column, flat=True).first()
            if found is not None:
                return found
        return getattr(self.make(target, Variant.LEAST, depth + 1), column)

    def _invent(self, each: Any, variant: Variant) -> Any:
        kind = each.get_internal_type()
        number = next(self._numbers)
        if kind == "ArrayField":
            base = each.base_field
            return [] if variant is Variant.EXTREME else [self._invent(base, variant)]
        if kind in INTEGERS:
            return self._invent_integer(each, kind, number, variant)
        if kind == "DecimalField":
            return _invent_decimal(each, number, variant)
        if kind in TEXTS:
            return _invent_text(each, kind, number, variant)
        if kind in MAKERS:
            return MAKERS[kind](number)
        return self._invent_label(each)

    def _invent_integer(
        self, each: Any, kind: str, number: int, variant: Variant
    ) -> int:
        least, most = self.connection.ops.integer_field_range(kind)
        if variant is Variant.EXTREME:
            step = number if each.unique else 0
            return int(least or 0) + step
        return min(1000 + number, int(most or 1000 + number))

    def _invent_label(self, each: Any) -> Any:
        with self.connection.cursor() as cursor:
            cursor.execute(LABELS, [each.db_type(self.connection) or ""])
            row = cursor.fetchone()
        if row is None:
            kind = type(each).__name__
            raise NoValue(f"nobody knows a value for field {each.name} ({kind})")
        return row[0]


def _makes_itself(each: Any) -> bool:
    return isinstance(each, models.AutoField) or bool(getattr(each, "generated", False))


def _has_default(each: Any) -> bool:
    return each.has_default() or (
        getattr(each, "db_default", NOT_PROVIDED) is not NOT_PROVIDED
    )


def _invent_decimal(each: Any, number: int, variant: Variant) -> Decimal:
    step = Decimal(1).scaleb(-(each.decimal_places or 0))
    whole = (each.max_digits or 10) - (each.decimal_places or 0)
    if variant is Variant.EXTREME:
        return -(Decimal(10) ** whole - step * (number if each.unique else 1))
    return Decimal(number % 9) + step if whole else step * (number % 9)


def _invent_text(each: Any, kind: str, number: int, variant: Variant) -> str:
    if variant is Variant.EXTREME and not each.unique:
        return ""
    before, after = TEXTS[kind]
    stem = f"{before}{number:x}"
    longest = min(each.max_length or LONGEST_TEXT, LONGEST_TEXT * 50)
    if variant is Variant.LEAST:
        return f"{stem}{after}"[:longest]
    return f"{stem:x<{max(longest - len(after), 1)}}{after}"[:longest]


INTEGERS = {
    "AutoField",
    "BigAutoField",
    "BigIntegerField",
    "IntegerField",
    "PositiveBigIntegerField",
    "PositiveIntegerField",
    "PositiveSmallIntegerField",
    "SmallAutoField",
    "SmallIntegerField",
}
TEXTS = {
    "CharField": ("a", ""),
    "EmailField": ("a", "@example.org"),
    "FileField": ("a", ".txt"),
    "FilePathField": ("/a", ""),
    "ImageField": ("a", ".png"),
    "SlugField": ("a", ""),
    "TextField": ("a", ""),
    "URLField": ("https://example.org/", ""),
}
"""How a text of each kind begins and ends."""
MAKERS: Mapping[str, Callable[[int], Any]] = {
    "BinaryField": lambda number: str(number).encode(),
    "BooleanField": lambda _number: True,
    "DateField": lambda number: DAY + datetime.timedelta(days=number % 300),
    "DateTimeField": lambda number: _localise(
        MOMENT + datetime.timedelta(seconds=number)
    ),
    "DurationField": lambda number: datetime.timedelta(seconds=number),
    "FloatField": lambda number: number + 0.5,
    "GenericIPAddressField": lambda number: (
        f"10.0.{number // 250 % 250}.{number % 250}"
    ),
    "HStoreField": lambda number: {"a": str(number)},
    "IPAddressField": lambda number: f"10.0.{number // 250 % 250}.{number % 250}",
    "JSONField": lambda number: {"a": number},
    "NullBooleanField": lambda _number: True,
    "TimeField": lambda number: datetime.time(10, number % 60),
    "UUIDField": lambda _number: uuid.uuid4(),
}


def _localise(moment: datetime.datetime) -> datetime.datetime:
    return moment if settings.USE_TZ else moment.replace(tzinfo=None)
