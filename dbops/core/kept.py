"""What a migration dropped and dbops keeps: where it is, and how it goes back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import Any
from uuid import UUID

from dbops.core.catalog import ObjectKind, SchemaObject
from dbops.core.migration import MigrationId

SCHEMA = "dbops_kept"
"""Where it is kept; nobody else's."""
LONGEST_NAME = 48


class KeptKind(StrEnum):
    """What was dropped."""

    TABLE = "table"
    COLUMN = "column"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One table or column, as the comment of what keeps it says."""

    id: UUID
    kind: KeptKind
    name: str
    """As catalogs print it."""
    place: str
    """The table in `dbops_kept`, as stored."""
    migration: MigrationId
    schema: str
    relation: str
    column: str = ""
    key: tuple[str, ...] = ()
    """The columns of the primary key beside which a column's values are kept."""
    sequences: Mapping[str, int]
    """By column, the last number that its sequence has given."""
    rows: int
    """Rows of a table, values of a column."""
    is_estimate: bool
    dropped_at: datetime
    until: datetime
    size_bytes: int = 0
    """On disk, as it is now."""


def build_place(relation: str, column: str, identity: UUID) -> str:
    """Return a name for what keeps it, which nothing else has."""
    words = f"{relation}_{column}" if column else relation
    cut = words.encode()[:LONGEST_NAME].decode(errors="ignore")
    return f"{cut}_{identity.hex[:12]}"


def write_kept(kept: Kept) -> str:
    """Return the comment that says all of it."""
    return json.dumps(
        {
            "id": str(kept.id),
            "kind": kept.kind.value,
            "name": kept.name,
            "migration": [kept.migration.app, kept.migration.name],
            "schema": kept.schema,
            "relation": kept.relation,
            "column": kept.column,
            "key": list(kept.key),
            "sequences": dict(kept.sequences),
            "rows": kept.rows,
            "is_estimate": kept.is_estimate,
            "dropped_at": kept.dropped_at.isoformat(),
            "until": kept.until.isoformat(),
        },
        ensure_ascii=False,
    )


def read_kept(place: str, comment: str, size_bytes: int) -> Kept | None:
    """Return what a comment says; None where it is not one of ours."""
    try:
        told: dict[str, Any] = json.loads(comment)
        return Kept(
            id=UUID(told["id"]),
            kind=KeptKind(told["kind"]),
            name=told["name"],
            place=place,
            migration=MigrationId(*told["migration"]),
            schema=told["schema"],
            relation=told["relation"],
            column=told["column"],
            key=tuple(told["key"]),
            sequences=told["sequences"],
            rows=told["rows"],
            is_estimate=told["is_estimate"],
            dropped_at=datetime.fromisoformat(told["dropped_at"]),
            until=datetime.fromisoformat(told["until"]),
            size_bytes=size_bytes,
        )
    except (ValueError, KeyError, TypeError):
        return None


def is_kept(each: SchemaObject) -> bool:
    """Say whether it is of what is kept: no business of migrations, models or drift."""
    if each.kind is ObjectKind.SCHEMA:
        return each.name == SCHEMA
    return any(name.startswith(f"{SCHEMA}.") for name in (each.name, each.parent or ""))


def choose_newest(kept: Iterable[Kept]) -> list[Kept]:
    """Return of each thing what was kept last: an older one went before it."""
    newest: dict[tuple[KeptKind, str], Kept] = {}
    for each in sorted(kept, key=lambda each: each.dropped_at):
        newest[each.kind, each.name] = each
    return list(newest.values())


def order_for_return(
    tables: Mapping[str, Kept], references: Iterable[tuple[str, str]]
) -> list[Kept]:
    """Return the tables, those that others refer to first; `references` are such pairs.

    Where they refer to each other, in the order in which they were dropped.
    """
    sorter: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(tables, ()))
    for table, referred in references:
        if table != referred and table in tables and referred in tables:
            sorter.add(table, referred)
    try:
        return [tables[each] for each in sorter.static_order()]
    except CycleError:
        return list(tables.values())


def covers(kept: Iterable[Kept], kind: str, name: str) -> bool:
    """Say whether a table or column is kept, with its table or by itself."""
    return any(
        (each.kind.value == kind and each.name == name)
        or (each.kind is KeptKind.TABLE and name.startswith(f"{each.name}."))
        for each in kept
    )
