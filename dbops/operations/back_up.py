"""Take a backup in its turn, and write it into the ledger."""

from __future__ import annotations

import psycopg

from dbops.operations.backup import BackupReport, take_backup
from dbops.operations.context import Context
from dbops.postgres.deploy_lock import open_deploy_lock
from dbops.postgres.ledger import Ledger, ledger_exists
from dbops.postgres.session import open_session


def back_up(
    context: Context,
    *,
    storage: str | None = None,
    lock_wait_timeout_s: float = 30,
    jobs: int = 2,
    dry_run: bool = False,
) -> BackupReport:
    """Take a backup while no deployment runs, and record it where there is a ledger.

    Backups go together with each other. A role that may read everything and write
    nothing can take one; its backups are not in the ledger.

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
            pg_bin=context.settings.pg_bin,
            progress=context.progress,
            lock_wait_timeout_s=lock_wait_timeout_s,
            jobs=jobs,
            dry_run=dry_run,
        )
    if not dry_run:
        _record(context, report)
    return report


def _record(context: Context, report: BackupReport) -> None:
    with open_session(context.target, purpose="backup:ledger") as session:
        if not ledger_exists(session):
            return
        try:
            record_backup(Ledger(session), report)
        except psycopg.errors.InsufficientPrivilege:
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
