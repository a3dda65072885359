"""The lock modes of tables, from the weakest to the strongest, and what each blocks.

Source: https://www.postgresql.org/docs/current/explicit-locking.html
"""

from __future__ import annotations

from enum import IntEnum


class LockMode(IntEnum):
    """A mode in which a relation is locked; a greater one is stronger."""

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
        """The name in `pg_locks`.

        >>> LockMode.SHARE_ROW_EXCLUSIVE.pg_name
        'ShareRowExclusiveLock'
        """
        return f"{self.name.title().replace('_', '')}Lock"

    @property
    def blocks(self) -> str:
        """`reads` (and writes), `writes`, or `none` of a table's ordinary use.

        >>> [each.blocks for each in LockMode]
        ['none', 'none', 'none', 'none', 'writes', 'writes', 'writes', 'reads']
        """
        if conflicts_with(self, LockMode.ACCESS_SHARE):
            return "reads"
        return "writes" if conflicts_with(self, LockMode.ROW_EXCLUSIVE) else "none"

    @classmethod
    def parse(cls, name: str) -> LockMode:
        """Return the mode that `pg_locks` calls so.

        Raises:
            ValueError: there is none of that name.

        >>> LockMode.parse("AccessShareLock").name
        'ACCESS_SHARE'
        """
        for mode in cls:
            if mode.pg_name == name:
                return mode
        raise ValueError(f"{name!r} is no lock mode of a relation")


_CONFLICTS = {
    LockMode.ACCESS_SHARE: "8",
    LockMode.ROW_SHARE: "78",
    LockMode.ROW_EXCLUSIVE: "5678",
    LockMode.SHARE_UPDATE_EXCLUSIVE: "45678",
    LockMode.SHARE: "34678",
    LockMode.SHARE_ROW_EXCLUSIVE: "345678",
    LockMode.EXCLUSIVE: "2345678",
    LockMode.ACCESS_EXCLUSIVE: "12345678",
}


def conflicts_with(held: LockMode, wanted: LockMode) -> bool:
    """Say whether two sessions cannot have these at once.

    >>> conflicts_with(LockMode.SHARE, LockMode.SHARE)
    False
    >>> conflicts_with(LockMode.SHARE, LockMode.ROW_EXCLUSIVE)
    True
    """
    return str(int(wanted)) in _CONFLICTS[held]
