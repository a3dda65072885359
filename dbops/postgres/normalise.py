"""Expressions that the server prints in two ways and means as one.

`CHECK (kind IN ('a', 'b'))` on a varchar prints differently after one dump and restore,
and the same ever after; so do defaults, views and the conditions of indexes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import psycopg

from dbops.core.catalog import Catalog, ObjectKind, SchemaObject
from dbops.core.compare import Comparison, Difference, DifferenceKind
from dbops.core.describe import PARTS_OF_TABLES
from dbops.core.generated_names import split_name
from dbops.postgres.catalog import fetch_catalog

ROUNDS = 3
"""One was enough in all cases seen."""

# What the catalog's reader appends to the SQL; no part of the expression.
TAIL = re.compile(
    r" (?:with \(|clustered|INVALID|not ready|inherited|partition of |index comment '"
    r"|comment '|storage |compression |statistics |options \(|target |disabled"
    r"|enabled )"
)

EXPRESSION = re.compile(r" (?=default |generated always as \()")

STATEMENTS = {
    ObjectKind.CONSTRAINT: "ALTER TABLE {table} ADD CONSTRAINT {name} {text}",
    ObjectKind.COLUMN: "ALTER TABLE {table} ADD COLUMN {name} {text}",
    ObjectKind.INDEX: "CREATE {first} INDEX {name} {text}",
    ObjectKind.TRIGGER: "CREATE {first} TRIGGER {name} {text}",
    ObjectKind.POLICY: "CREATE POLICY {name} ON {table} AS {text}",
    ObjectKind.RULE: "CREATE RULE {name} {text}",
    ObjectKind.VIEW: "CREATE VIEW public.{name} AS {text}",
    ObjectKind.DOMAIN: "CREATE DOMAIN public.{name} AS {text}",
    ObjectKind.STATISTICS: "CREATE STATISTICS public.{name} {text}",
}
"""How an object is made again from its text, in the words of the catalog's reader."""

FIRST_WORDS = {ObjectKind.INDEX: ("UNIQUE",), ObjectKind.TRIGGER: ("CONSTRAINT",)}
"""Words of the text that stand before the object's kind in the statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One object's text, as every round of parsing printed it."""

    kind: ObjectKind
    parent: str | None
    name: str
    """Of the object that is made from the text."""
    texts: tuple[str, ...]

    @property
    def key(self) -> tuple[ObjectKind, str]:
        """What the catalog's reader will call it."""
        if self.kind in PARTS_OF_TABLES:
            return self.kind, f"{self.parent}.{self.name}"
        if self.kind is ObjectKind.INDEX:  # It is where its table is.
            *schema, _table = split_name(self.parent or "")
            return self.kind, ".".join((*schema, self.name))
        return self.kind, self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """A difference that may be one of text alone."""

    difference: Difference
    expected: _Side
    actual: _Side

    @property
    def agrees(self) -> bool:
        """Whether one text was printed for both."""
        return not set(self.expected.texts).isdisjoint(self.actual.texts)


def drop_equal_expressions(
    comparison: Comparison,
    expected: Catalog,
    actual: Catalog,
    scratch_connection: psycopg.Connection,
) -> Comparison:
    """Return the comparison without the differences that are the printer's alone.

    Both texts of a changed object are parsed and printed again, on tables of that name
    in the scratch database, until they meet or stay apart. All is rolled back; tables
    are locked ACCESS EXCLUSIVE and scanned meanwhile, so never pass the live database.
    A text that the scratch database cannot parse leaves its difference in place.

    Raises:
        Busy, ServerFailed: as `fetch_catalog`.
    """
    pairs = list(_find_pairs(comparison, expected, actual))
    for _ in range(ROUNDS):
        open_pairs = [pair for pair in pairs if not pair.agrees]
        if not open_pairs:
            break
        sides = [side for pair in open_pairs for side in (pair.expected, pair.actual)]
        printed = _print_again(scratch_connection, sides)
        pairs = [_add_texts(pair, printed) for pair in pairs]
    equal = [pair.difference for pair in pairs if pair.agrees]
    return replace(
        comparison,
        differences=tuple(each for each in comparison.differences if each not in equal),
    )


def find_candidates(
    comparison: Comparison, expected: Catalog, actual: Catalog
) -> list[Difference]:
    """Return the differences that may be of text alone; a server has to tell."""
    return [pair.difference for pair in _find_pairs(comparison, expected, actual)]


def _find_pairs(
    comparison: Comparison, expected: Catalog, actual: Catalog
) -> Iterator[_Pair]:
    wanted, found = (
        {(each.kind, each.name): each for each in catalog.objects}
        for catalog in (expected, actual)
    )
    for number, difference in enumerate(comparison.differences):
        key = difference.object, difference.name
        left, right = wanted.get(key), found.get(key)
        if (
            difference.kind != DifferenceKind.CHANGED
            or difference.object not in STATEMENTS
            or left is None
            or right is None
        ):
            continue
        (one, one_rest), (other, other_rest) = split_text(left), split_text(right)
        if (
            one_rest == other_rest
            and left.parent == right.parent
            and _get_frame(left.kind, one) == _get_frame(right.kind, other)
        ):
            yield _Pair(
                difference=difference,
                expected=_build_side(left, f"dbops_expected_{number}", one),
                actual=_build_side(right, f"dbops_actual_{number}", other),
            )


def _get_frame(kind: ObjectKind, text: str) -> str:
    """Return what has only one way to be printed: no expression of a person's.

    >>> _get_frame(ObjectKind.COLUMN, "text not null default 'a'")
    'text not null'
    >>> _get_frame(ObjectKind.CONSTRAINT, "UNIQUE (a)")
    'UNIQUE (a)'
    >>> _get_frame(ObjectKind.CONSTRAINT, "CHECK ((a > 0))")
    'CHECK'
    """
    match kind:
        case ObjectKind.COLUMN:
            return EXPRESSION.split(text, maxsplit=1)[0]
        case ObjectKind.CONSTRAINT:
            first = text.partition(" ")[0]
            return first if first in ("CHECK", "EXCLUDE") else text
        case _:
            return ""


def split_text(each: SchemaObject) -> tuple[str, str]:
    """Return the SQL that may print in two ways, and all else that is told.

    >>> split_text(
    ...     SchemaObject(
    ...         kind=ObjectKind.CONSTRAINT,
    ...         name="t.c",
    ...         definition="CHECK ((x > 0)) comment 'why'",
    ...     )
    ... )
    ('CHECK ((x > 0))', " comment 'why'")
    """
    if each.body is not None:
        return each.body.rstrip(";"), each.definition
    tail = TAIL.search(each.definition)
    end = tail.start() if tail else len(each.definition)
    return each.definition[:end], each.definition[end:]


def _build_side(each: SchemaObject, name: str, text: str) -> _Side:
    return _Side(kind=each.kind, parent=each.parent, name=name, texts=(text,))


def _add_texts(pair: _Pair, printed: dict[tuple[ObjectKind, str], str]) -> _Pair:
    def add(side: _Side) -> _Side:
        text = printed.get(side.key, side.texts[-1])
        return replace(side, texts=(*side.texts, text))

    return replace(pair, expected=add(pair.expected), actual=add(pair.actual))


def _print_again(
    connection: psycopg.Connection, sides: list[_Side]
) -> dict[tuple[ObjectKind, str], str]:
    """Make the objects from their last texts, and return the texts they have then."""
    keys = {side.key for side in sides}
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL search_path = pg_catalog, public, pg_temp")
        for side in sides:
            _make(connection, side)
        return {
            (each.kind, each.name): split_text(each)[0]
            for each in fetch_catalog(connection).objects
            if (each.kind, each.name) in keys
        }


def _make(connection: psycopg.Connection, side: _Side) -> None:
    try:
        with connection.transaction():
            # With parameters the server takes one statement at a time.
            connection.execute(_build_statement(side).replace("%", "%%").encode(), ())
    except psycopg.DatabaseError:
        # It needs what the scratch database lacks, and the difference stays. A lost
        # connection is told by the catalog's reader, which comes next.
        return


def _build_statement(side: _Side) -> str:
    """Return the statement that makes the object.

    >>> print(
    ...     _build_statement(
    ...         _Side(
    ...             kind=ObjectKind.INDEX,
    ...             parent="t",
    ...             name="i",
    ...             texts=("UNIQUE ON public.t USING btree (x)",),
    ...         )
    ...     )
    ... )
    CREATE UNIQUE INDEX i ON public.t USING btree (x)
    """
    first, _, rest = side.texts[-1].partition(" ")
    if first not in FIRST_WORDS.get(side.kind, ()):
        first, rest = "", side.texts[-1]
    return STATEMENTS[side.kind].format(
        table=side.parent, name=side.name, first=first, text=rest
    )
