"""The last backups, from their storage or, where that cannot be asked, the ledger."""

from __future__ import annotations

from datetime import datetime

from dbops.errors import DbopsError
from dbops.operations.backup.backups import (
    BackupRow,
    list_drafts,
    open_storage,
    read_backups,
)
from dbops.operations.backup.check import judge_backups
from dbops.operations.backup.report import Verified
from dbops.operations.context import Context
from dbops.operations.overview.report import BackupsState, ShownBackup
from dbops.operations.pgbackrest.engine import uses_pgbackrest
from dbops.postgres.ledger_reading import ledger_exists
from dbops.postgres.overview import RecordedBackup, fetch_recorded_backups
from dbops.postgres.session import Connection

MOST_SHOWN = 10
MAX_AGE_S = 26 * 3600.0
"""A nightly backup that is late."""
ENGINE = "pgBackRest takes the backups, and is not asked here"


def look_at_storage(context: Context, now: datetime) -> BackupsState:
    """Return what stands in the manifests; no server is asked.

    Raises:
        ToolFailed: the storage cannot be reached.
        Refused: the storage may not be read.
    """
    vault, database = open_storage(context, None)
    rows = read_backups(vault, now=now)
    check = judge_backups(
        rows,
        place=vault.place,
        database=database,
        max_age_s=MAX_AGE_S,
        min_level=Verified.CONTENTS,
        drafts=len(list_drafts(vault, now)),
        now=now,
    )
    return BackupsState(
        source="storage",
        place=vault.place,
        check=check,
        backups=tuple(_show(each) for each in rows[:MOST_SHOWN]),
        problem="",
    )


def look_at_backups(
    context: Context, session: Connection | None, now: datetime
) -> BackupsState | None:
    """Return the last backups; None where neither storage nor ledger knows any.

    A web server need not have the right to read the backups.
    """
    problem = ENGINE
    if not uses_pgbackrest(context.settings, None):
        try:
            return look_at_storage(context, now)
        except DbopsError as error:
            problem = error.message
    if session is None or not ledger_exists(session):
        return None
    rows = fetch_recorded_backups(session, MOST_SHOWN)
    return BackupsState(
        source="ledger",
        place="",
        check=None,
        backups=tuple(_show_recorded(each, now) for each in rows),
        problem=problem,
    )


def _show(row: BackupRow) -> ShownBackup:
    return ShownBackup(
        backup_id=row.backup_id,
        taken_at=row.taken_at,
        age_s=row.age_s,
        duration_s=row.duration_s,
        size_bytes=row.size_bytes,
        verified=str(row.verified),
    )


def _show_recorded(row: RecordedBackup, now: datetime) -> ShownBackup:
    return ShownBackup(
        backup_id=row.backup_id,
        taken_at=row.taken_at,
        age_s=(now - row.taken_at).total_seconds(),
        duration_s=row.duration_s,
        size_bytes=row.size_bytes,
        verified=row.verified,
    )
