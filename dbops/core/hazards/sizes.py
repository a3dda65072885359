"""How large the tables are that a hazard is about, and whether that makes it one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dbops.core.hazards.judge import NOTES, Hazard
from dbops.core.table_name import TableName

BYTES_A_ROW = 100
"""A table of few rows may be large all the same: this many bytes count as a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSize:
    """An estimate, as of the last ANALYZE."""

    schema: str
    name: str
    rows: int | None
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The tables of the database that the migrations are for."""

    tables: Mapping[TableName, TableSize]
    known: bool
    """False: nothing is known of them, and each may be large."""

    def is_small(self, name: TableName, least_rows: int) -> bool:
        """Tell whether work on the table takes a moment; one that is not there, too."""
        if not self.known:
            return False
        size = self.tables.get(name)
        return size is None or (
            (size.rows or 0) < least_rows and size.size_bytes < least_rows * BYTES_A_ROW
        )


def is_note(hazard: Hazard, sizes: Sizes, least_rows: int) -> bool:
    """Tell whether nobody will wait for longer than a moment.

    A small table that stays locked while a large one is worked on is none.
    """
    worked_on = hazard.works_on or hazard.relations
    return hazard.id in NOTES or (
        bool(worked_on) and all(sizes.is_small(each, least_rows) for each in worked_on)
    )
