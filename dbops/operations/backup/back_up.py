"""Take a backup in its turn, and write it into the ledger."""

from __future__ import annotations

import psycopg

from dbops.conf import Settings
from dbops.core.exclusions import Exclusions
from dbops.core.manifest import LEVELS
from dbops.errors import UsageError
from dbops.operations.backup.backup import take_backup
from dbops.operations.backup.report import BackupReport, Verified
from dbops.operations.backup.sealing import build_seal
from dbops.operations.context import Context
from dbops.operations.replay import get_scratch_server
from dbops.postgres.deploy_lock import open_deploy_lock
from dbops.postgres.ledger import Ledger
from dbops.postgres.ledger_reading import ledger_exists
from dbops.postgres.session import open_session


def back_up(
    context: Context,
    *,
    storage: str | None = None,
    level: Verified | None = None,
    lock_wait_timeout_s: float = 30,
    jobs: int = 2,
    exclusions: Exclusions | None = None,
    moved: bool = False,
    dry_run: bool = False,
) -> BackupReport:
    """Take a backup while no deployment runs, and record it where there is a ledger.

    Backups go together with each other. A role that may read everything and write
    nothing can take one; its backups are not in the ledger. Neither are partial ones:
    the ledger says what a deployment can go back to.

    Raises:
        Busy: a deployment runs, or a table's lock could not be had.
        Everything that `take_backup` raises.
    """
    context.connect()
    with open_deploy_lock(
        context.target,
        command="backup",
        wait_s=lock_wait_timeout_s,
        shared=True,
        progress=context.progress,
    ):
        report = take_backup(
            context.target,
            storage=storage or context.settings.backup_directory,
            seal=build_seal(context.settings),
            level=level or read_level(context.settings),
            exclusions=exclusions,
            scratch_server=get_scratch_server(context),
            pg_bin=context.settings.pg_bin,
            progress=context.progress,
            lock_wait_timeout_s=lock_wait_timeout_s,
            jobs=jobs,
            moved=moved,
            dry_run=dry_run,
        )
    if not dry_run and not report.left_out:
        record_taken(context, report)
    return report


def read_level(settings: Settings) -> Verified:
    """Return how far the project wants its backups to be proven.

    Raises:
        UsageError: the setting is no level.
    """
    if settings.backup_level not in LEVELS:
        raise UsageError(
            f'DBOPS["BACKUP_LEVEL"] is "{settings.backup_level}", which is no level',
            hint=f"use one of: {', '.join(LEVELS)}",
        )
    return Verified(settings.backup_level)


def record_taken(context: Context, report: BackupReport) -> None:
    """Write a published backup into the ledger, where this role may."""
    with open_session(context.target, purpose="backup:ledger") as session:
        if not ledger_exists(session):
            return
        try:
            record_backup(Ledger(session), report)
        except (
            psycopg.errors.InsufficientPrivilege,
            psycopg.errors.ReadOnlySqlTransaction,
        ):
            context.progress("the backup is not in the ledger: this role may not write")


def record_backup(ledger: Ledger, report: BackupReport) -> None:
    """Write a published backup into the ledger."""
    ledger.record_backup(
        backup_id=report.backup_id,
        location=report.location,
        taken_at=report.taken_at,
        duration_s=report.duration_s,
        size_bytes=report.size_bytes,
        database_size_bytes=report.database_size_bytes,
        fingerprint=report.fingerprint,
        verified=str(report.verified),
    )
