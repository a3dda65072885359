"""What is left where a migration has no way back: a backup, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence

from dbops.core.migration import MigrationId
from dbops.core.words import count_of
from dbops.errors import Refused
from dbops.operations.context import Context
from dbops.operations.pgbackrest.engine import uses_pgbackrest
from dbops.postgres.applications import (
    ApplicationRow,
    EarlierBackup,
    fetch_application,
    fetch_earlier_backup,
)
from dbops.postgres.history import RunRow, fetch_run_steps, fetch_runs
from dbops.postgres.session import Connection

MOST_TOLD = 4
NO_TRACE = ("locks",)
"""Runs that change no schema."""


def lead_to_restore(
    context: Context, migration: MigrationId, refused: Refused
) -> Refused:
    """Return the refusal with the backup from before, and what restoring it loses."""
    connection = context.connect()
    applied = fetch_application(connection, migration)
    if applied is None or uses_pgbackrest(context.settings):
        return refused
    backup = fetch_earlier_backup(connection, applied.started_at)
    if backup is None:
        return Refused(
            f"{refused.message}; the ledger has no backup from before it",
            hint="see which there are: manage.py dbops_backups",
        )
    return Refused(
        f"{refused.message}; restoring backup {backup.backup_id} instead loses "
        f"{_tell_loss(connection, applied, backup)}",
        hint=f"look first: manage.py dbops_restore {backup.backup_id} --dry-run; then "
        f"manage.py dbops_restore {backup.backup_id}",
    )


def _tell_loss(
    connection: Connection, applied: ApplicationRow, backup: EarlierBackup
) -> str:
    # The deployment begins before its own backup is taken.
    of_it = fetch_runs(connection, prefix=str(applied.deployment_id))
    later = [
        each
        for each in fetch_runs(connection, since=backup.taken_at)
        if each.kind not in NO_TRACE and each.id != applied.deployment_id
    ]
    runs = [*later, *of_it]
    return (
        f"all that was written since {backup.taken_at:%Y-%m-%d %H:%M:%S} UTC, and "
        f"undoes {count_of(len(runs), 'run')}: {_tell_runs(connection, runs)}"
    )


def _tell_runs(connection: Connection, runs: Sequence[RunRow]) -> str:
    told = runs[:MOST_TOLD]
    steps = fetch_run_steps(connection, [each.id for each in told])
    texts = []
    for run in told:
        names = dict.fromkeys(f"{each.app}.{each.migration}" for each in steps[run.id])
        what = f" ({', '.join(names)})" if names else ""
        texts.append(f"{run.kind} {str(run.id)[:8]}{what}")
    if len(runs) > MOST_TOLD:
        texts.append(f"{len(runs) - MOST_TOLD} more")
    return ", ".join(texts)
