"""PostgreSQL's eight lock modes, and which of them wait for each other."""

from __future__ import annotations

from enum import IntEnum


class LockMode(IntEnum):
    """A mode of a table lock, from the weakest to the strongest.

    >>> LockMode.ACCESS_SHARE < LockMode.ACCESS_EXCLUSIVE
    True

    Source: https://www.postgresql.org/docs/current/explicit-locking.html
    """

    ACCESS_SHARE = 1
    ROW_SHARE = 2
    ROW_EXCLUSIVE = 3
    SHARE_UPDATE_EXCLUSIVE = 4
    SHARE = 5
    SHARE_ROW_EXCLUSIVE = 6
    EXCLUSIVE = 7
    ACCESS_EXCLUSIVE = 8

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
    def blocks(self) -> str:
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
