"""What a backup is, and how far it is proven."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dbops.core.exclusions import LeftOut
from dbops.core.manifest import TableRows
from dbops.core.migration import MigrationId


class Engine(StrEnum):
    """What takes the backups."""

    DUMP = "dump"
    """dbops itself: one database, row by row."""
    PGBACKREST = "pgbackrest"
    """pgBackRest: the files of the whole server, and its WAL."""


class Verified(StrEnum):
    """How far a backup has been proven; each includes those before it."""

    NONE = "none"
    CHECKSUM = "checksum"
    """Every file read back, and as it was written."""
    CONTENTS = "contents"
    """Decoded to the end, and the rows of each table counted and summed."""
    RESTORED = "restored"
    """Restored into a scratch database, and rows and schema compared."""
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupReport:
    """A published backup; with `dry_run` what would go into one."""

    backup_id: str
    location: str
    taken_at: datetime
    size_bytes: int
    database_size_bytes: int
    duration_s: float
    verified: Verified
    tables: tuple[TableRows, ...]
    fingerprint: str
    migrations: tuple[MigrationId, ...]
    tools: str
    compression: str
    encrypted: bool
    left_out: tuple[LeftOut, ...] = ()
    """What the backup is without; nothing in a full one."""
    dry_run: bool
    engine: Engine = Engine.DUMP
    kind: str = "full"
    """Of pgBackRest's also `diff` and `incr`."""
