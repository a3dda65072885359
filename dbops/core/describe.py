"""Facts from the server's catalog, put into the canonical text of a schema object.

The names in a row are quoted as PostgreSQL quotes them, without a schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dbops.core.catalog import ObjectKind, SchemaObject

HIGHEST_VALUE = {
    "smallint": 2**15 - 1,
    "integer": 2**31 - 1,
    "bigint": 2**63 - 1,
}
PARTS_OF_TABLES = frozenset(
    {
        ObjectKind.COLUMN,
        ObjectKind.CONSTRAINT,
        ObjectKind.TRIGGER,
        ObjectKind.POLICY,
        ObjectKind.RULE,
    }
)
"""Kinds whose names are unique within a table alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRow:
    """An object that the query itself has described."""

    name: str
    definition: str
    comment: str | None
    schema: str = "public"
    """Of the object; a part of a table has its table's."""
    parent: str | None = None
    parent_schema: str | None = None
    """Given where it may be another than the object's."""
    body: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceRow:
    """A sequence that is not an identity column's."""

    schema: str
    name: str
    type: str
    start: int
    increment: int
    minimum: int
    maximum: int
    cache: int
    cycle: bool
    unlogged: bool
    parent: str | None
    owner: str | None
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRow:
    """A column, and the sequence behind it where it is an identity."""

    schema: str
    parent: str
    name: str
    position: int
    type: str
    collation: str | None
    not_null: str | None
    default_value: str | None
    generated: str
    identity: str
    sequence: str | None
    """Its name, where it is not `<table>_<column>_seq`."""
    sequence_type: str | None
    start: int | None
    increment: int | None
    minimum: int | None
    maximum: int | None
    cache: int | None
    cycle: bool | None
    sequence_logged_otherwise: bool
    storage: str | None
    compression: str | None
    statistics_target: int | None
    options: str | None
    inherited: bool
    comment: str | None


def qualify(schema: str, name: str) -> str:
    """Put the schema in front of the name unless it is `public`.

    >>> qualify("public", "messages"), qualify("audit", '"Log"')
    ('messages', 'audit."Log"')
    """
    return name if schema == "public" else f"{schema}.{name}"


def quote_text(text: str) -> str:
    """Return the text as an SQL string.

    >>> quote_text("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def describe_object(kind: ObjectKind, row: ObjectRow) -> SchemaObject:
    """Build an object from a row that tells its definition whole.

    >>> describe_object(
    ...     ObjectKind.CONSTRAINT,
    ...     ObjectRow(name="a_ck", parent="a", definition="CHECK (x)", comment="why"),
    ... )  # doctest: +ELLIPSIS
    SchemaObject(..., name='a.a_ck', definition="CHECK (x) comment 'why'", ...)
    """
    parent = (
        None
        if row.parent is None
        else qualify(row.parent_schema or row.schema, row.parent)
    )
    if kind in PARTS_OF_TABLES:
        name = f"{parent}.{row.name}"
    else:
        name = qualify(row.schema, row.name)
    return SchemaObject(
        kind=kind,
        name=name,
        definition=_join(row.definition, _tell_comment(row.comment)),
        parent=parent,
        body=row.body,
    )


def describe_sequence(row: SequenceRow) -> SchemaObject:
    """Build a sequence; its settings are told where they are not the default."""
    parent = row.parent and qualify(row.schema, row.parent)
    settings = tell_sequence_settings(
        row.type,
        start=row.start,
        increment=row.increment,
        minimum=row.minimum,
        maximum=row.maximum,
        cache=row.cache,
        cycle=row.cycle,
    )
    return SchemaObject(
        kind=ObjectKind.SEQUENCE,
        name=qualify(row.schema, row.name),
        definition=_join(
            "unlogged" if row.unlogged else None,
            row.type,
            *settings,
            f"owned by {parent}.{row.owner}" if parent else None,
            _tell_comment(row.comment),
        ),
        parent=parent,
    )


def describe_column(row: ColumnRow) -> SchemaObject:
    """Build a column from its type and all that is set on it."""
    parent = qualify(row.schema, row.parent)
    return SchemaObject(
        kind=ObjectKind.COLUMN,
        name=f"{parent}.{row.name}",
        definition=_join(
            row.type,
            row.not_null,
            _tell_value(row),
            _tell_identity(row),
            f"collate {row.collation}" if row.collation else None,
            f"storage {row.storage}" if row.storage else None,
            f"compression {row.compression}" if row.compression else None,
            None
            if row.statistics_target is None
            else f"statistics {row.statistics_target}",
            f"options ({row.options})" if row.options else None,
            "inherited" if row.inherited else None,
            _tell_comment(row.comment),
        ),
        parent=parent,
        position=row.position,
    )


def tell_sequence_settings(
    type_name: str,
    *,
    start: int,
    increment: int,
    minimum: int,
    maximum: int,
    cache: int,
    cycle: bool,
) -> Iterator[str]:
    """Yield the settings that are not what CREATE SEQUENCE would choose.

    >>> highest = HIGHEST_VALUE["bigint"]
    >>> list(
    ...     tell_sequence_settings(
    ...         "bigint",
    ...         start=1,
    ...         increment=2,
    ...         minimum=1,
    ...         maximum=highest,
    ...         cache=1,
    ...         cycle=True,
    ...     )
    ... )
    ['increment 2', 'cycle']
    """
    highest = HIGHEST_VALUE[type_name]
    lowest, top = (1, highest) if increment > 0 else (-highest - 1, -1)
    if start != (minimum if increment > 0 else maximum):
        yield f"start {start}"
    if increment != 1:
        yield f"increment {increment}"
    if minimum != lowest:
        yield f"minimum {minimum}"
    if maximum != top:
        yield f"maximum {maximum}"
    if cache != 1:
        yield f"cache {cache}"
    if cycle:
        yield "cycle"


def _tell_value(row: ColumnRow) -> str | None:
    if row.default_value is None:
        return None
    match row.generated:
        case "s":
            return f"generated always as ({row.default_value}) stored"
        case "v":
            return f"generated always as ({row.default_value}) virtual"
        case _:
            return f"default {row.default_value}"


def _tell_identity(row: ColumnRow) -> str | None:
    # A partition's is its parent's since PostgreSQL 17, and was none before: it has no
    # sequence and nothing of its own to tell.
    if not row.identity or row.sequence_type is None:
        return None
    how = "always" if row.identity == "a" else "by default"
    settings = " ".join(_tell_identity_settings(row))
    return f"generated {how} as identity" + (f" ({settings})" if settings else "")


def _tell_identity_settings(row: ColumnRow) -> Iterator[str]:
    match row:
        case ColumnRow(
            sequence_type=str(type_name),
            start=int(start),
            increment=int(increment),
            minimum=int(minimum),
            maximum=int(maximum),
            cache=int(cache),
            cycle=bool(cycle),
        ):
            if row.sequence:
                yield f"sequence {row.sequence}"
            if type_name != row.type:
                yield type_name
            if row.sequence_logged_otherwise:
                yield "sequence logged otherwise than its table"
            yield from tell_sequence_settings(
                type_name,
                start=start,
                increment=increment,
                minimum=minimum,
                maximum=maximum,
                cache=cache,
                cycle=cycle,
            )


def _tell_comment(comment: str | None) -> str | None:
    return None if comment is None else f"comment {quote_text(comment)}"


def _join(*words: str | None) -> str:
    return " ".join(word for word in words if word)
