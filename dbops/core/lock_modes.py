"""PostgreSQL's eight lock modes, and which of them wait for each other."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

Blocks = Literal["none", "writes", "reads"]


class LockMode(IntEnum):
    """A mode of a table lock, from the weakest to the strongest.

    >>> LockMode.ACCESS_SHARE < LockMode.ACCESS_EXCLUSIVE
    True

    Source: https://www.postgresql.org/docs/current/explicit-locking.html
    """

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
        """The name that `pg_locks.mode` has for it.

        >>> LockMode.SHARE_ROW_EXCLUSIVE.pg_name
        'ShareRowExclusiveLock'
        """
        return "".join(map(str.capitalize, self.name.split("_"))) + "Lock"

    @property
    def sql_name(self) -> str:
        """The name that LOCK TABLE has for it.

        >>> LockMode.SHARE_ROW_EXCLUSIVE.sql_name
        'SHARE ROW EXCLUSIVE'
        """
        return self.name.replace("_", " ")

    @property
    def blocks(self) -> Blocks:
        """What a statement of others waits for it: `reads` (writes, too), `writes`.

        >>> [LockMode(each).blocks for each in (4, 6, 7, 8)]
        ['none', 'writes', 'writes', 'reads']
        """
        if self.conflicts_with(LockMode.ACCESS_SHARE):
            return "reads"
        return "writes" if self.conflicts_with(LockMode.ROW_EXCLUSIVE) else "none"

    def conflicts_with(self, other: LockMode) -> bool:
        """Say whether two transactions cannot hold both on one object.

        >>> LockMode.SHARE.conflicts_with(LockMode.SHARE)
        False
        >>> LockMode.conflicts_with(LockMode.ACCESS_SHARE, LockMode.ACCESS_EXCLUSIVE)
        True
        """
        return other in CONFLICTS[self]

    @classmethod
    def parse(cls, pg_name: str) -> LockMode:
        """Return the mode of that name in `pg_locks`.

        Raises:
            KeyError: it has no such mode; SIReadLock blocks nobody and is none.

        >>> LockMode.parse("RowExclusiveLock").name
        'ROW_EXCLUSIVE'
        """
        return _BY_PG_NAME[pg_name]


_BY_PG_NAME = {each.pg_name: each for each in LockMode}


def _from(lowest: LockMode, *others: LockMode) -> frozenset[LockMode]:
    return frozenset(each for each in LockMode if each >= lowest) | {*others}


CONFLICTS = {
    LockMode.ACCESS_SHARE: _from(LockMode.ACCESS_EXCLUSIVE),
    LockMode.ROW_SHARE: _from(LockMode.EXCLUSIVE),
    LockMode.ROW_EXCLUSIVE: _from(LockMode.SHARE),
    LockMode.SHARE_UPDATE_EXCLUSIVE: _from(LockMode.SHARE_UPDATE_EXCLUSIVE),
    LockMode.SHARE: _from(
        LockMode.SHARE_ROW_EXCLUSIVE,
        LockMode.ROW_EXCLUSIVE,
        LockMode.SHARE_UPDATE_EXCLUSIVE,
    ),
    LockMode.SHARE_ROW_EXCLUSIVE: _from(LockMode.ROW_EXCLUSIVE),
    LockMode.EXCLUSIVE: _from(LockMode.ROW_SHARE),
    LockMode.ACCESS_EXCLUSIVE: _from(LockMode.ACCESS_SHARE),
}
"""The table of the manual: for each mode those that it conflicts with."""
