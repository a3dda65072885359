"""The order in which statements run, and what those of one object ask about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum

from dbops.core.catalog import Key, ObjectKind, SchemaObject
from dbops.core.repair import tables
from dbops.core.repair.plan import Plan
from dbops.core.repair.text import name_last, name_whole, split_clauses

Kind = ObjectKind


class Phase(IntEnum):
    """When a statement's turn comes."""

    DETACH = 1
    DROP_DEPENDENT = 2
    DROP_FOREIGN_KEY = 3
    DROP_PART = 4
    DROP_TABLE = 5
    DROP_FUNCTION = 6
    SCHEMA = 7
    TYPE = 8
    SEQUENCE = 9
    FUNCTION = 10
    TABLE = 11
    DROP_COLUMN = 12
    COLUMN = 13
    OWNER = 14
    LATE_FUNCTION = 15
    CONSTRAINT = 16
    INDEX = 17
    ATTACH = 18
    ATTACH_INDEX = 19
    FOREIGN_KEY = 20
    TABLE_SETTING = 21
    VIEW = 22
    ON_VIEW = 23
    REST = 24
    DROP_REST = 25
    DROP_SCHEMA = 26


Step = tuple[Phase, str]


def at(phase: Phase, statements: Iterable[str]) -> Iterator[Step]:
    """Yield the statements with their turn."""
    for statement in statements:
        yield phase, statement


def is_in_view(plan: Plan, key: Key) -> bool:
    """Say whether the object is a column of a view."""
    side = plan.found.get(key) or plan.wanted[key]
    view = Kind.VIEW, side.parent or ""
    return view in plan.found or view in plan.wanted


def write_head(plan: Plan, each: SchemaObject) -> str:
    """Return the words that change what the object is a part of."""
    view = plan.wanted.get((Kind.VIEW, each.parent or ""))
    if view is None:
        return "ALTER TABLE"
    words = "VIEW" if view.definition.startswith("view") else "MATERIALIZED VIEW"
    return f"ALTER {words}"


def find_same_in_parents(plan: Plan, each: SchemaObject, keys: Iterable[Key]) -> bool:
    """Say whether a parent table has this part among the keys, and so gives it."""
    tables_found = (
        side.get((Kind.TABLE, each.parent or "")) for side in (plan.wanted, plan.found)
    )
    parents = {
        name for table in tables_found if table for name in tables.list_parents(table)
    }
    last = name_last(each.name)
    return any(
        kind == each.kind
        and name_last(name) == last
        and name_whole(name.removesuffix(f".{last}")) in parents
        for kind, name in keys
    )


def read_extension(text: str) -> tuple[str, str]:
    """Return the version and the schema of an extension."""
    clauses = split_clauses(text, {"version": "version", "schema": "in schema"})
    return clauses["version"], clauses["schema"]
