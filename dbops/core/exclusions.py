"""What a backup leaves out on purpose: schemas, tables, rows of tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from fnmatch import fnmatchcase

from dbops.core.catalog import Catalog, ObjectKind, SchemaObject, build_catalog
from dbops.core.table_name import TableName, parse_identifier, parse_table_name

TABLES = frozenset("rp")
"""Kinds of relations that have rows of their own, or partitions that have them."""


class Extent(StrEnum):
    """How much of something is left out."""

    SCHEMA = "schema"
    """A schema and all that is in it."""
    TABLE = "table"
    """A table, view or sequence, with all that belongs to it."""
    ROWS = "rows"
    """The rows of a table; the table itself is there, empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Something that is not in a backup."""

    extent: Extent
    name: str
    """Quoted where PostgreSQL would, with its schema unless that is `public`."""

    def __str__(self) -> str:
        """Return it as a person says it."""
        if self.extent is Extent.ROWS:
            return f"the rows of {self.name}"
        return f"{self.extent} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusions:
    """What somebody wants to be left out: names, and patterns with `*`."""

    schemas: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Say whether there is anything."""
        return bool(self.schemas or self.tables or self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRelation:
    """A table, view or sequence of the database."""

    oid: int
    schema: str
    relation: str
    name: str
    """Quoted where PostgreSQL would, with its schema unless that is `public`."""
    kind: str
    """PostgreSQL's letter: r, p, v, m, f, S."""
    whole: int | None
    """The oid of the partitioned table that it is a partition of."""


class UnknownNameError(Exception):
    """Nothing has this name; `near` are names like it."""

    def __init__(self, option: str, name: str, near: Sequence[str]) -> None:
        super().__init__(name)
        self.option, self.name, self.near = option, name, near


def find_schemas(patterns: Iterable[str], known: Collection[str]) -> list[str]:
    """Return the schemas that are named; the names as PostgreSQL quotes them.

    Raises:
        UnknownNameError: a pattern names none.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        hits = _match_schemas(pattern, known)
        if not hits:
            near = get_close_matches(pattern, known, cutoff=0.5)
            raise UnknownNameError("--exclude-schema", pattern, near)
        found |= dict.fromkeys(hits)
    return sorted(found)


def _match_schemas(pattern: str, known: Collection[str]) -> list[str]:
    bare = {parse_identifier(each): each for each in known}
    for asked in (pattern, parse_identifier(pattern), pattern.lower()):
        if asked in bare:
            return [bare[asked]]
    return [each for each in known if fnmatchcase(each, pattern)]


def find_relations(
    option: str, patterns: Iterable[str], known: Collection[KnownRelation]
) -> list[KnownRelation]:
    """Return the relations that are named.

    Raises:
        UnknownNameError: a pattern names none.
    """
    found: dict[int, KnownRelation] = {}
    for pattern in patterns:
        hits = _match_relations(pattern, known)
        if not hits:
            names = [each.name for each in known]
            near = get_close_matches(pattern, names, cutoff=0.5)
            raise UnknownNameError(option, pattern, near)
        found |= {each.oid: each for each in hits}
    return sorted(found.values(), key=lambda each: each.name)


def _match_relations(
    pattern: str, known: Collection[KnownRelation]
) -> list[KnownRelation]:
    keys = {TableName(each.schema, each.relation): each for each in known}
    try:
        asked = parse_table_name(pattern)
    except ValueError:
        return []
    # As it is written, or as the server would understand it without quotes.
    for name in (asked, TableName(asked.schema.lower(), asked.name.lower())):
        if name in keys:
            return [keys[name]]
    return [each for each in known if fnmatchcase(each.name, pattern)]


def add_partitions(
    chosen: Iterable[KnownRelation], known: Collection[KnownRelation]
) -> list[KnownRelation]:
    """Return the relations with all partitions below them."""
    found = {each.oid: each for each in chosen}
    more = True
    while more:
        new = {
            each.oid: each
            for each in known
            if each.whole in found and each.oid not in found
        }
        found |= new
        more = bool(new)
    return sorted(found.values(), key=lambda each: each.name)


def reduce_catalog(catalog: Catalog, left_out: Collection[LeftOut]) -> Catalog:
    """Return the catalog without what is left out, as a restore will have it."""
    schemas = {
        parse_identifier(each.name) for each in left_out if each.extent is Extent.SCHEMA
    }
    relations = {each.name for each in left_out if each.extent is Extent.TABLE}
    if not schemas and not relations:
        return catalog
    return build_catalog(
        each for each in catalog.objects if _is_kept(each, schemas, relations)
    )


def _is_kept(each: SchemaObject, schemas: set[str], relations: set[str]) -> bool:
    if each.kind is ObjectKind.EXTENSION:
        return True
    if each.kind is ObjectKind.SCHEMA:
        return parse_identifier(each.name) not in schemas
    owner = each.parent or each.name
    is_relation = each.parent is not None or each.kind in RELATION_KINDS
    if is_relation and owner in relations:
        return False
    return parse_table_name(owner).schema not in schemas


RELATION_KINDS = (ObjectKind.TABLE, ObjectKind.VIEW, ObjectKind.SEQUENCE)


def list_left_out(
    schemas: Iterable[str],
    relations: Iterable[KnownRelation],
    rows: Iterable[KnownRelation],
) -> Iterator[LeftOut]:
    """Yield all that is left out; what is in a schema that is, is not named again."""
    gone = set()
    for schema in schemas:
        gone.add(parse_identifier(schema))
        yield LeftOut(extent=Extent.SCHEMA, name=schema)
    without = set()
    for each in relations:
        without.add(each.oid)
        if each.schema not in gone:
            yield LeftOut(extent=Extent.TABLE, name=each.name)
    for each in rows:
        if each.oid not in without and each.schema not in gone:
            yield LeftOut(extent=Extent.ROWS, name=each.name)
