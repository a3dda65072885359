"""What a storage of backups can do, wherever it is.

    <storage>/<database>/<backup_id>/{manifest.json, details..., schema/..., data/...}

A backup is there as soon as its manifest is, which comes last.
"""

from __future__ import annotations

import re
import secrets
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Protocol
from urllib.parse import quote

MANIFEST = "manifest.json"
BACKUP_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


class Draft(Protocol):
    """A backup that is being written, and that nobody sees yet; safe for threads."""

    def write(self, path: str, data: bytes) -> None:
        """Write one file of it, a new one."""

    def read(self, path: str) -> bytes:
        """Read back what was written."""

    def publish(self, manifest: str) -> str:
        """Make all of it durable, the manifest last; return where it is."""


class Vault(Protocol):
    """The backups of one database.

    All methods raise `ToolFailed`, or `Refused` where somebody has to let us in.
    """

    @property
    def place(self) -> str:
        """Where it is, for people; without secrets."""

    def check(self) -> None:
        """Find out whether it could be written to; change nothing."""

    def prepare(self) -> None:
        """Make it ready to be written to, without what killed runs left behind."""

    def list_ids(self) -> list[str]:
        """Return the ids of the published backups, newest first."""

    def list_drafts(self) -> list[str]:
        """Return the ids of those that are being written, or were cut off."""

    def locate(self, backup_id: str) -> str:
        """Return where a backup is, for people."""

    def open_draft(self, backup_id: str) -> AbstractContextManager[Draft]:
        """Begin a backup; what was not published is gone at the end of the block."""

    def read(self, backup_id: str, path: str) -> bytes:
        """Read one file of a backup; FileNotFoundError where there is none."""

    def replace_manifest(
        self, backup_id: str, manifest: str, *, known: bytes | None = None
    ) -> bool:
        """Write another manifest, whole or not at all.

        False, and nothing is written, when the one there is not `known` any more.
        """

    def remove(self, backup_id: str) -> None:
        """Remove a backup, its manifest first."""


def build_backup_id(taken_at: datetime, *, after: str | None = None) -> str:
    """Return a new id; ids sort by time, to the millisecond.

    It sorts after the id `after`, also where the clock went back since: what was taken
    last is the last.

    >>> build_backup_id(datetime(2026, 11, 23, tzinfo=UTC),
    ...     after="20261124T235959Z-3e7fff")[:20]
    '20261125T000000Z-000'
    >>> build_backup_id(datetime(2026, 11, 23, 6, 30, tzinfo=UTC))[:17]
    '20261123T063000Z-'
    """
    moment = taken_at.astimezone(UTC)
    if after is not None:
        moment = max(moment, read_id_moment(after) + timedelta(milliseconds=1))
    suffix = f"{moment.microsecond // 1000:03x}{secrets.randbelow(1 << 12):03x}"
    return f"{moment:%Y%m%dT%H%M%SZ}-{suffix}"


def read_id_moment(backup_id: str) -> datetime:
    """Return when a backup was begun, by its id.

    >>> read_id_moment("20261123T063000Z-00a2cd").isoformat()
    '2026-11-23T06:30:00.010000+00:00'
    """
    try:
        moment = datetime.strptime(backup_id[:16], "%Y%m%dT%H%M%SZ")  # noqa: DTZ007
        past = timedelta(milliseconds=int(backup_id[17:20], 16))
        return moment.replace(tzinfo=UTC) + past
    except (ValueError, OverflowError):
        # The 99th of a month: never made by dbops, and not to be kept.
        return datetime.fromtimestamp(0, UTC)


def quote_name(database: str) -> str:
    """Return a database's name as that of a directory; Azure takes no dot at its end.

    >>> quote_name("My app"), quote_name("../etc"), quote_name("..")
    ('My%20app', '%2E.%2Fetc', '%2E%2E')
    """
    quoted = quote(database, safe="")
    if quoted.startswith("."):
        quoted = f"%2E{quoted[1:]}"
    return f"{quoted[:-1]}%2E" if quoted.endswith(".") else quoted
