"""What was seen of a migration's statements while they ran."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationRows:
    """So many rows of a table."""

    relation: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLock:
    """A lock that a statement took and its transaction did not have before."""

    relation: str
    mode: str
    """As in `pg_locks`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredStatement:
    """One statement, or the same one several times in a row."""

    number: int
    """Within the migration, from 1."""
    sql: str
    """Without its values and without passwords."""
    times: int
    duration_s: float
    """Of all times together."""
    operation: int | None
    """The number of the operation it came from, from 1; None where nobody knows."""
    file: str
    line: int | None
    locks: tuple[StatementLock, ...]
    rewrites: tuple[str, ...]
    """Tables and indexes whose file is another one."""
    scans: tuple[RelationRows, ...]
    changes: tuple[RelationRows, ...]
    """Rows that were inserted, updated or deleted; writers of them wait, too."""
    wal_bytes: int
    """Of the whole server, while it ran."""
    words: tuple[str, ...]
    """What PostgreSQL said at the level DEBUG1."""
    in_transaction: bool
    """False: it committed by itself, and its locks were sampled from outside."""
    deletes: tuple[RelationRows, ...] = ()
    """Of the changes, the rows that were deleted."""
