"""Rows of the queries that list relations, columns and grants; names are quoted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationRow:
    """A table or view, as the server's list has it; names are quoted."""

    schema: str
    name: str
    kind: str
    owner: str
    rows: int | None
    size_bytes: int | None
    index_bytes: int | None
    partitions: int
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnListRow:
    """A column of a table or view, without what a lock may hide."""

    schema: str
    parent: str
    name: str
    position: int
    type: str
    not_null: bool
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRow:
    """What a role was granted on one object."""

    kind: str
    schema: str
    name: str
    role: str
    privileges: str
