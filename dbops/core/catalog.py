"""One canonical, frozen picture of a database's schema."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class ObjectKind(StrEnum):
    """What a schema object is; the values are the words of the JSON reports."""

    SCHEMA = "schema"
    EXTENSION = "extension"
    ENUM = "enum"
    DOMAIN = "domain"
    TYPE = "type"
    SEQUENCE = "sequence"
    TABLE = "table"
    COLUMN = "column"
    CONSTRAINT = "constraint"
    INDEX = "index"
    FUNCTION = "function"
    TRIGGER = "trigger"
    VIEW = "view"
    POLICY = "policy"
    RULE = "rule"
    STATISTICS = "statistics"


Key = tuple[ObjectKind, str]
"""What identifies an object within a catalog: kind and name."""

RELATIONS = frozenset({ObjectKind.TABLE, ObjectKind.VIEW})
"""Kinds that have parts."""


PUBLIC: Key = (ObjectKind.SCHEMA, "public")
"""The schema that every new database has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaObject:
    """One object of a schema, told in canonical text.

    `kind` and `name` identify it within a catalog. `name` is quoted where PostgreSQL
    would quote it and has its schema in front unless that is `public`; a part of a
    table has the table in front (`messages.is_complete`).
    """

    kind: ObjectKind
    name: str
    definition: str
    """One line that says all that matters, as in `boolean not null`."""
    parent: str | None = None
    """The `name` of the table or view this belongs to."""
    position: int | None = None
    """A column's rank among the columns that exist, from 1; else None."""
    body: str | None = None
    """Source text of a function or view, too long for the one line."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """All objects of a database's schemas, ordered by kind and name."""

    objects: tuple[SchemaObject, ...]

    @property
    def keys(self) -> frozenset[Key]:
        """Kind and name of each object."""
        return frozenset((each.kind, each.name) for each in self.objects)

    @property
    def fingerprint(self) -> str:
        """The same for two catalogs exactly when they are identical."""
        return hashlib.sha256(write_catalog(self).encode()).hexdigest()


def build_catalog(objects: Iterable[SchemaObject]) -> Catalog:
    """Put the objects into the one order that a catalog has."""
    return Catalog(tuple(sorted(objects, key=lambda each: (each.kind, each.name))))


def write_catalog(catalog: Catalog) -> str:
    """Return the catalog as JSON: one list, an object as a list of its six fields."""
    rows = [
        [each.kind, each.name, each.definition, each.parent, each.position, each.body]
        for each in catalog.objects
    ]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def read_catalog(text: str) -> Catalog:
    """Return the catalog that `write_catalog` wrote."""
    return build_catalog(
        SchemaObject(
            kind=ObjectKind(kind),
            name=name,
            definition=definition,
            parent=parent,
            position=position,
            body=body,
        )
        for kind, name, definition, parent, position, body in json.loads(text)
    )
