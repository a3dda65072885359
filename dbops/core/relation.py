"""A database's relations, as a person looks at them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from dbops.core.catalog import Catalog, ObjectKind, SchemaObject
from dbops.core.describe import qualify
from dbops.core.generated_names import split_name, strip_quotes
from dbops.core.relation_rows import ColumnListRow, RelationRow
from dbops.core.repair.columns import read_column
from dbops.core.repair.text import split_comment, split_list

T = TypeVar("T")

FOREIGN_KEY = re.compile(
    r"FOREIGN KEY \((?P<columns>.*?)\) REFERENCES "
    r"(?P<table>(?:\"(?:[^\"]|\"\")*\"|[^\"(])+)\((?P<target>.*?)\)(?P<rest>.*)"
)
KEY = re.compile(r"(?P<kind>PRIMARY KEY|UNIQUE)[^(]*\((?P<columns>.*?)\).*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Who may do what."""

    object: str
    kind: str
    role: str
    privileges: str
    """Those with `*` may be passed on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnView:
    """A column; names are quoted where PostgreSQL quotes them."""

    name: str
    type: str
    not_null: bool
    value: str
    """Default, identity or generation, as SQL; empty where there is none."""
    key: str
    """`PK`, `FK`, `PK FK`, `UK` or empty."""
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An index, a constraint, a trigger, a policy or a rule."""

    name: str
    definition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """A foreign key, from the side that has it."""

    name: str
    table: str
    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]
    actions: str
    """What comes after REFERENCES: actions, deferrability."""
    is_unique: bool
    """At most one row refers to each."""
    is_optional: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table or view with all its parts."""

    name: str
    kind: str
    owner: str
    rows: int | None
    """An estimate; None where it was never analysed."""
    size_bytes: int | None
    """With TOAST; None where it could not be asked, and for views."""
    index_bytes: int | None
    partitions: int
    comment: str | None
    definition: str
    columns: tuple[ColumnView, ...] = ()
    constraints: tuple[Part, ...] = ()
    """Without foreign keys."""
    foreign_keys: tuple[ForeignKey, ...] = ()
    referenced_by: tuple[ForeignKey, ...] = ()
    indexes: tuple[Part, ...] = ()
    triggers: tuple[Part, ...] = ()
    policies: tuple[Part, ...] = ()
    rules: tuple[Part, ...] = ()
    query: str | None = None
    """Of a view."""
    grants: tuple[Grant, ...] = ()


def build_relations(
    rows: Iterable[RelationRow],
    columns: Iterable[ColumnListRow],
    grants: Iterable[Grant],
    catalog: Catalog,
) -> tuple[Relation, ...]:
    """Put the lists together, in the order of `rows`."""
    parts = _group(catalog.objects, lambda each: each.parent)
    listed = _group(columns, lambda each: qualify(each.schema, each.parent))
    granted = _group(grants, _get_relation)
    whole = {
        each.name: each
        for each in catalog.objects
        if each.kind in {ObjectKind.TABLE, ObjectKind.VIEW}
    }
    built = [
        _build(
            row,
            listed.get(qualify(row.schema, row.name), ()),
            parts.get(qualify(row.schema, row.name), ()),
            granted.get(qualify(row.schema, row.name), ()),
            whole.get(qualify(row.schema, row.name)),
        )
        for row in rows
    ]
    incoming: dict[str, list[ForeignKey]] = {}
    for relation in built:
        for key in relation.foreign_keys:
            incoming.setdefault(key.target, []).append(key)
    return tuple(
        replace(each, referenced_by=tuple(incoming.get(each.name, ())))
        for each in built
    )


def _group(
    items: Iterable[T], find_name: Callable[[T], str | None]
) -> dict[str | None, list[T]]:
    groups: dict[str | None, list[T]] = {}
    for each in items:
        groups.setdefault(find_name(each), []).append(each)
    return groups


def _get_relation(grant: Grant) -> str:
    if grant.kind == "column":
        return ".".join(split_name(grant.object)[:-1])
    return grant.object


def _build(
    row: RelationRow,
    columns: Iterable[ColumnListRow],
    parts: Iterable[SchemaObject],
    grants: Iterable[Grant],
    whole: SchemaObject | None,
) -> Relation:
    listed, parts = list(columns), list(parts)
    required = {each.name for each in listed if each.not_null}
    keys = list(_read_keys(parts))
    foreign = tuple(_read_foreign_keys(parts, keys, required))
    marks = _mark(keys, foreign)
    defined = {each.name: each for each in parts if each.kind == ObjectKind.COLUMN}
    name = qualify(row.schema, row.name)
    return Relation(
        name=name,
        kind=row.kind,
        owner=row.owner,
        rows=row.rows,
        size_bytes=row.size_bytes,
        index_bytes=row.index_bytes,
        partitions=row.partitions,
        comment=row.comment,
        definition=split_comment(whole.definition)[0] if whole else "",
        columns=tuple(
            _view(each, defined.get(f"{name}.{each.name}"), marks) for each in listed
        ),
        constraints=tuple(
            each
            for each in _list(parts, ObjectKind.CONSTRAINT)
            if not each.definition.startswith("FOREIGN KEY")
        ),
        foreign_keys=foreign,
        indexes=_list(parts, ObjectKind.INDEX),
        triggers=_list(parts, ObjectKind.TRIGGER),
        policies=_list(parts, ObjectKind.POLICY),
        rules=_list(parts, ObjectKind.RULE),
        query=whole.body if whole else None,
        grants=tuple(grants),
    )


def _view(
    row: ColumnListRow, defined: SchemaObject | None, marks: Mapping[str, str]
) -> ColumnView:
    return ColumnView(
        name=row.name,
        type=row.type,
        not_null=row.not_null,
        value=_tell_value(defined),
        key=marks.get(row.name, ""),
        comment=row.comment,
    )


def _list(parts: Iterable[SchemaObject], kind: ObjectKind) -> tuple[Part, ...]:
    return tuple(
        Part(name=split_name(each.name)[-1], definition=each.definition)
        for each in parts
        if each.kind == kind
    )


def _tell_value(column: SchemaObject | None) -> str:
    if column is None:
        return ""
    clauses = read_column(column).clauses
    for name, words in (
        ("default", "default {}"),
        ("generated", "generated always as {}"),
    ):
        if name in clauses:
            return words.format(clauses[name])
    if "identity" in clauses:
        how = read_column(column).how
        return f"generated {how} as identity {clauses['identity']}".strip()
    return ""


def _read_keys(parts: Iterable[SchemaObject]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for each in parts:
        if each.kind == ObjectKind.CONSTRAINT:
            hit = KEY.match(each.definition)
            if hit:
                yield hit["kind"], tuple(split_list(hit["columns"]))


def _read_foreign_keys(
    parts: Iterable[SchemaObject],
    keys: Iterable[tuple[str, tuple[str, ...]]],
    required: set[str],
) -> Iterator[ForeignKey]:
    unique = {frozenset(columns) for _, columns in keys}
    for each in parts:
        if each.kind != ObjectKind.CONSTRAINT:
            continue
        hit = FOREIGN_KEY.fullmatch(split_comment(each.definition)[0])
        if hit is None:
            continue
        columns = tuple(split_list(hit["columns"]))
        yield ForeignKey(
            name=split_name(each.name)[-1],
            table=each.parent or "",
            columns=columns,
            target=hit["table"].removeprefix("public."),
            target_columns=tuple(split_list(hit["target"])),
            actions=hit["rest"].strip(),
            is_unique=any(key <= set(columns) for key in unique),
            is_optional=not set(columns) <= required,
        )


def _mark(
    keys: Iterable[tuple[str, tuple[str, ...]]], foreign: Iterable[ForeignKey]
) -> Mapping[str, str]:
    marks: dict[str, list[str]] = {}
    for kind, columns in keys:
        word = "PK" if kind == "PRIMARY KEY" else "UK" if len(columns) == 1 else ""
        for column in columns:
            if word:
                marks.setdefault(column, []).append(word)
    for key in foreign:
        for column in key.columns:
            marks.setdefault(column, []).append("FK")
    order = ("PK", "FK", "UK")
    return {
        column: " ".join(word for word in order if word in words)
        for column, words in marks.items()
    }


def bare_name(name: str) -> str:
    """Return a name as the server stores it, its schema in front where it has one.

    >>> bare_name('audit."Log"')
    'audit.Log'
    """
    return ".".join(map(strip_quotes, split_name(name)))
