"""The server's log: whether it is archived, and named points in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from dbops.errors import ServerFailed
from dbops.postgres.session import Connection
from dbops.sql import load


@dataclass(frozen=True, slots=True, kw_only=True)
class Archiving:
    """How a server archives its WAL, as this role sees it."""

    system_id: int
    database: str
    role: str
    """Quoted."""
    in_recovery: bool
    archive_mode: str
    may_make_points: bool
    failed_wal: str | None
    failed_at: datetime | None
    archived_at: datetime | None

    @property
    def is_failing(self) -> bool:
        """The last attempt to archive a segment was in vain."""
        if self.archive_mode == "off" or self.failed_at is None:
            return False
        return self.archived_at is None or self.failed_at > self.archived_at


@dataclass(frozen=True, slots=True, kw_only=True)
class MadePoint:
    """A restore point as the server has made it."""

    lsn: str
    segment: str
    made_at: datetime


def fetch_archiving(connection: Connection) -> Archiving:
    """Return how the server archives its WAL."""
    with connection.cursor(row_factory=class_row(Archiving)) as cursor:
        row = cursor.execute(load("archiving"), prepare=False).fetchone()
    if row is None:
        raise ServerFailed('query "archiving" has no answer')
    return row


def make_restore_point(connection: Connection, name: str) -> MadePoint:
    """Write a named point into the server's WAL.

    Raises:
        psycopg.errors.InsufficientPrivilege: it was not granted.
    """
    with connection.cursor(row_factory=class_row(MadePoint)) as cursor:
        row = cursor.execute(load("restore_point"), {"name": name}).fetchone()
    if row is None:
        raise ServerFailed('query "restore_point" has no answer')
    return row
