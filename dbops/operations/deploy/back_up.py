"""Have something to restore before a deployment changes anything."""

from __future__ import annotations

from dbops.operations.backup.back_up import read_level, record_backup
from dbops.operations.backup.backup import take_backup
from dbops.operations.backup.sealing import build_seal
from dbops.operations.context import Context
from dbops.operations.deploy.report import DeployOptions, SoFar
from dbops.operations.pgbackrest.engine import uses_pgbackrest
from dbops.operations.pgbackrest.way_back import ensure_backup, make_way_back
from dbops.operations.replay import get_scratch_server
from dbops.postgres.ledger import Ledger


def back_up_first(
    context: Context, options: DeployOptions, so_far: SoFar, ledger: Ledger
) -> None:
    """Take the backup of this run, or make its restore point, and write it down.

    Raises:
        Busy, Refused, ToolFailed, ServerFailed: it could not be had.
    """
    if not options.backup:
        return
    if uses_pgbackrest(context.settings):
        _make_way_back(context, so_far, ledger)
        return
    with so_far.step("backup"):
        report = take_backup(
            context.target,
            storage=context.settings.backup_directory,
            seal=build_seal(context.settings),
            level=read_level(context.settings),
            scratch_server=get_scratch_server(context),
            pg_bin=context.settings.pg_bin,
            progress=context.progress,
        )
    so_far.update(backup_id=report.backup_id)
    record_backup(ledger, report)
    ledger.name_backup(report.backup_id)


def _make_way_back(context: Context, so_far: SoFar, ledger: Ledger) -> None:
    with so_far.step("backup"):
        label, taken = ensure_backup(context)
    so_far.update(backup_id=label)
    if taken:
        record_backup(ledger, taken)
    ledger.name_backup(label)
    with so_far.step("restore point"):
        way_back = make_way_back(context, ledger, label)
    so_far.update(restore_point=way_back)
