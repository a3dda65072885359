"""Pages of a long list, each found by where the one before ended.

`OFFSET n` reads n rows to throw them away; a page that begins after a known row is one
step down an index, however deep it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Field, Model, Q, QuerySet

M = TypeVar("M", bound=Model)

AFTER, BEFORE, LAST = "after", "before", "last"
SEPARATOR = "~"
NUL = "\0"


class BadPageError(Exception):
    """What stands in the address is no page of the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[M]):
    """Rows in the list's order, and the addresses of the pages around them."""

    rows: tuple[M, ...]
    previous: str | None
    next: str | None


@dataclass(frozen=True, slots=True)
class Order:
    """One or two fields, with "-" where the largest comes first; the last is unique."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.names) not in (1, 2):
            raise ValueError(f"an order has one or two fields, not {self.names}")

    @property
    def fields(self) -> tuple[str, ...]:
        """The names alone."""
        return tuple(name.removeprefix("-") for name in self.names)

    def reverse(self) -> "Order":
        """Return the same order, read from its end.

        >>> Order(("-update_date", "pk")).reverse().names
        ('update_date', '-pk')
        """
        return Order(
            tuple(
                name.removeprefix("-") if name.startswith("-") else f"-{name}"
                for name in self.names
            )
        )

    def build_condition(self, values: Sequence[object]) -> Q:
        """Return the condition of all rows that come after the values.

        The first field is bounded by itself, too: that is what an index can begin at.

        >>> Order(("-created", "-pk")).build_condition((7, 1))
        <Q: (AND: ('created__lte', 7), (OR: ('created__lt', 7), ('pk__lt', 1)))>
        """
        compare = ["lt" if name.startswith("-") else "gt" for name in self.names]
        after = [
            Q((f"{field}__{operator}", value))
            for field, operator, value in zip(self.fields, compare, values, strict=True)
        ]
        if len(after) == 1:
            return after[0]
        bound = Q((f"{self.fields[0]}__{compare[0]}e", values[0]))
        return bound & (after[0] | after[1])

    def write_token(self, direction: str, row: Model) -> str:
        """Return the address of the page on that side of the row."""
        values = [getattr(row, field) for field in self.fields]
        return SEPARATOR.join([direction, *map(write_value, values)])

    def read_values(self, model: type[Model], text: str) -> list[object]:
        """Return the values in an address.

        Raises: BadPageError.
        """
        texts = text.split(SEPARATOR, len(self.fields) - 1)
        if len(texts) != len(self.fields) or NUL in text:
            raise BadPageError
        fields = [find_field(model, name) for name in self.fields]
        return [read_value(*each) for each in zip(fields, texts, strict=True)]


def find_field(model: type[Model], name: str) -> "Field[Any, Any]":
    """Return a field, of the key if the name is "pk"."""
    meta = model._meta  # noqa: SLF001
    field: Field[Any, Any] = meta.pk if name == "pk" else meta.get_field(name)  # type: ignore[assignment]
    return field


def write_value(value: object) -> str:
    """Return a value as it stands in an address."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def read_value(field: "Field[Any, Any]", text: str) -> object:
    """Return the value that stands in an address.

    Raises: BadPageError.
    """
    try:
        value: object = field.to_python(text)
    except ValidationError as error:
        raise BadPageError from error
    if isinstance(value, datetime) and value.tzinfo is None:
        raise BadPageError
    return value


def fetch_page(
    queryset: QuerySet[M], order: Order, token: str, *, size: int
) -> Page[M]:
    """Return the page at an address; the first one, if it is empty.

    Raises: BadPageError.
    """
    direction, _, text = token.partition(SEPARATOR)
    backward = direction in (BEFORE, LAST)
    reading = order.reverse() if backward else order
    rows = queryset.order_by(*reading.names)
    if direction in (AFTER, BEFORE):
        rows = rows.filter(
            reading.build_condition(reading.read_values(queryset.model, text))
        )
    elif token not in ("", LAST):
        raise BadPageError
    found = list(rows[: size + 1])
    more, found = len(found) > size, found[:size]
    if backward:
        found.reverse()
    # One comes from somewhere: there is a page on the other side.
    has_previous = more if backward else direction == AFTER
    has_next = direction == BEFORE if backward else more
    return Page(
        rows=tuple(found),
        previous=order.write_token(BEFORE, found[0])
        if has_previous and found
        else None,
        next=order.write_token(AFTER, found[-1]) if has_next and found else None,
    )
