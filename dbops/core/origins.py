"""Which migration last touched an object: whose transaction wrote its catalog row."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dbops.core.catalog import Key, ObjectKind
from dbops.core.describe import PARTS_OF_TABLES, qualify
from dbops.core.migration import MigrationId

Origins = Mapping[Key, MigrationId]

XIDS = 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginRow:
    """An object, and the low 32 bits of the transaction that last wrote it."""

    kind: str
    schema: str
    parent: str | None
    name: str
    xid: int

    @property
    def key(self) -> Key:
        """What the catalog calls it."""
        kind = ObjectKind(self.kind)
        if self.parent is not None and kind in PARTS_OF_TABLES:
            return kind, f"{qualify(self.schema, self.parent)}.{self.name}"
        return kind, qualify(self.schema, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The first transaction (64 bits) that had not begun when a migration was done."""

    migration: MigrationId
    next_xid: int


def find_origins(
    first_xid: int, marks: Sequence[Mark], rows: Iterable[OriginRow]
) -> dict[Key, MigrationId]:
    """Return the last migration that wrote each object; objects of none are left out.

    `first_xid` is the first transaction that had not begun before the migrations.

    >>> rows = [
    ...     OriginRow(kind="table", schema="public", parent=None, name="a", xid=7),
    ...     OriginRow(kind="table", schema="public", parent=None, name="b", xid=3),
    ... ]
    >>> origins = find_origins(
    ...     5, [Mark(migration=MigrationId("app", "0001_a"), next_xid=9)], rows
    ... )
    >>> [f"{kind} {name}: {each}" for (kind, name), each in origins.items()]
    ['table a: app.0001_a']
    """
    ends = [each.next_xid for each in marks]
    found: dict[Key, int] = {}
    for row in rows:
        behind = (row.xid - first_xid) % XIDS
        place = bisect_right(ends, first_xid + behind)
        # Half the circle lies in the past: written before the migrations began.
        if behind < XIDS // 2 and place < len(marks):
            found[row.key] = max(place, found.get(row.key, 0))
    return {key: marks[place].migration for key, place in found.items()}
