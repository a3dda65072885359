"""The eight lock modes of tables, in order of their strength, and which conflict.

Source: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

Blocks = Literal["none", "writes", "reads"]


class LockMode(IntEnum):
    """A mode by the name that the SQL command LOCK has for it."""

    ACCESS_SHARE = 1
    """SELECT."""
    ROW_SHARE = 2
    """SELECT FOR UPDATE, and what a foreign key looks at."""
    ROW_EXCLUSIVE = 3
    """INSERT, UPDATE, DELETE."""
    SHARE_UPDATE_EXCLUSIVE = 4
    """VACUUM, ANALYZE, CREATE INDEX CONCURRENTLY, VALIDATE CONSTRAINT."""
    SHARE = 5
    """CREATE INDEX."""
    SHARE_ROW_EXCLUSIVE = 6
    """ADD FOREIGN KEY, CREATE TRIGGER."""
    EXCLUSIVE = 7
    """REFRESH MATERIALIZED VIEW CONCURRENTLY."""
    ACCESS_EXCLUSIVE = 8
    """Most of ALTER TABLE, DROP, TRUNCATE."""

    @property
    def pg_name(self) -> str:
        """The name in `pg_locks.mode`.

        >>> LockMode.SHARE_UPDATE_EXCLUSIVE.pg_name
        'ShareUpdateExclusiveLock'
        """
        return "".join(word.title() for word in self.name.split("_")) + "Lock"

    @property
    def sql_name(self) -> str:
        """The name in SQL and in the manual.

        >>> LockMode.SHARE_UPDATE_EXCLUSIVE.sql_name
        'SHARE UPDATE EXCLUSIVE'
        """
        return self.name.replace("_", " ")

    @property
    def blocks(self) -> Blocks:
        """What it keeps an application from doing: `reads` (and writes), `writes`.

        >>> LockMode.SHARE.blocks, LockMode.ROW_EXCLUSIVE.blocks
        ('writes', 'none')
        """
        if conflicts_with(self, LockMode.ACCESS_SHARE):
            return "reads"
        return "writes" if conflicts_with(self, LockMode.ROW_EXCLUSIVE) else "none"

    @classmethod
    def parse(cls, name: str) -> LockMode:
        """Return the mode of a name of either kind.

        Raises:
            ValueError: there is no such mode.

        >>> LockMode.parse("AccessExclusiveLock") is LockMode.parse("access exclusive")
        True
        """
        try:
            return _BY_NAME[name.replace(" ", "").lower().removesuffix("lock")]
        except KeyError:
            raise ValueError(f'"{name}" is not a lock mode') from None


_BY_NAME = {each.name.replace("_", "").lower(): each for each in LockMode}

CONFLICTS: dict[LockMode, frozenset[LockMode]] = {
    LockMode(mode): frozenset(map(LockMode, others))
    for mode, others in {
        1: (8,),
        2: (7, 8),
        3: (5, 6, 7, 8),
        4: (4, 5, 6, 7, 8),
        5: (3, 4, 6, 7, 8),
        6: (3, 4, 5, 6, 7, 8),
        7: (2, 3, 4, 5, 6, 7, 8),
        8: (1, 2, 3, 4, 5, 6, 7, 8),
    }.items()
}
"""For each mode those that another session cannot have at the same time."""


def conflicts_with(a: LockMode, b: LockMode) -> bool:
    """Tell whether two sessions cannot hold these on one table at the same time.

    >>> conflicts_with(LockMode.SHARE, LockMode.SHARE)
    False
    """
    return b in CONFLICTS[a]
