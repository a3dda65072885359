"""Restore a backup into a new database, and prove that it is the original."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from dbops.core.compare import Comparison, Difference
from dbops.core.contents import Contents
from dbops.core.details import Details
from dbops.core.exclusions import LeftOut
from dbops.core.manifest import Manifest, TableRows
from dbops.core.migration import MigrationId
from dbops.core.progress import Progress, silent
from dbops.core.table_name import parse_table_name
from dbops.core.target import Target
from dbops.errors import Reverted, ToolFailed
from dbops.operations.backup.backup import (
    compare_rows,
    list_some,
    require_jobs,
)
from dbops.operations.backup.choosing import Chosen, choose_backup, require_intact
from dbops.operations.backup.proving import (
    compare_contents,
    compare_schema,
    fetch_contents,
)
from dbops.operations.backup.sealing import Seal
from dbops.operations.project_migrations import Project
from dbops.operations.restore.access import (
    finish_database,
    own_database,
    require_roles,
    tell_way_out,
)
from dbops.operations.restore.filling import fill_database
from dbops.operations.restore.new_database import (
    Means,
    find_means,
    new_database,
    require_absent,
    require_name,
)
from dbops.postgres.scratch import open_maintenance_session
from dbops.postgres.session import open_session
from dbops.postgres.snapshot import explain_server_failures

OTHER_BACKUPS = "restore another backup: manage.py dbops_backups"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """A restored backup; with `dry_run` what would be restored."""

    backup_id: str
    taken_at: datetime
    """The moment whose contents are restored."""
    database: str
    """The name on the server of the database that has them now."""
    previous_database: str | None = None
    """What it replaced, under the name that this has now."""
    previous_dropped: bool = False
    as_schema: str | None = None
    """The new schema that has single tables."""
    sessions_terminated: int | None = None
    downtime_s: float | None = None
    """How long nobody could connect while the names were exchanged."""
    ledger_entries: int | None = None
    """Entries that the ledger had besides those of the backup, and that it keeps."""
    duration_s: float
    tables: tuple[TableRows, ...]
    left_out: tuple[LeftOut, ...] = ()
    """What the backup is without."""
    schema_matches: bool | None
    """None when it was not looked at: a dry run, or single tables."""
    differences: tuple[Difference, ...]
    pending: tuple[MigrationId, ...]
    """On disk, and not in the backup."""
    unknown: tuple[MigrationId, ...]
    """In the backup, and not on disk."""
    notes: tuple[str, ...]
    tools: str
    dry_run: bool

    @property
    def exit_code(self) -> int:
        """3 when the schema is not the one that was backed up."""
        return 3 if self.schema_matches is False else 0


def restore_backup(
    target: Target,
    *,
    storage: str,
    backup_id: str | datetime,
    into: str,
    seal: Seal | None = None,
    pg_bin: str = "",
    progress: Progress = silent,
    jobs: int = 2,
    with_access: bool = True,
    dry_run: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> RestoreReport:
    """Restore a backup of the target's database into a new one beside it.

    `backup_id` may be `latest`, the beginning of an id, or a moment: the newest from
    before it. `with_access` gives everything its owner and grants, and the database
    what it had besides its contents. The new database is dropped again when anything
    fails; it stays when only its schema differs, which the report says.

    Raises:
        UsageError: there is no such backup, or `into` is no name.
        Refused: a file of the backup is damaged, the database exists already, or the
            server has not the roles that own things in it.
        ToolFailed: pg_restore is missing or failed.
        Reverted: the rows are not those of the backup.
    """
    started = clock()
    require_name(into)
    require_jobs(jobs)
    chosen = choose_intact(
        target,
        storage=storage,
        reference=backup_id,
        seal=seal,
        progress=progress,
        jobs=jobs,
    )
    manifest = chosen.manifest
    with open_maintenance_session(target) as connection:
        means = find_means(target, connection, manifest, into, pg_bin)
        require_absent(connection, into)
        access = require_roles(connection, chosen) if with_access else None
    plan = build_plan(manifest, into, str(means.tools))
    if dry_run:
        return replace(plan, duration_s=round(clock() - started, 3))
    progress(f'creating database "{into}"')
    with new_database(means, manifest) as notes:
        if access is not None:
            own_database(means, access.properties.owner)
        comparison = fill_and_verify(
            means, chosen, jobs=jobs, progress=progress, with_access=with_access
        )
        told = finish_database(means, access)
    return replace(
        build_report(plan, comparison, (*notes, *told)),
        duration_s=round(clock() - started, 3),
    )


def choose_intact(
    target: Target,
    *,
    storage: str,
    reference: str | datetime,
    seal: Seal | None,
    progress: Progress,
    jobs: int,
) -> Chosen:
    """Find a backup, and read every file of it once.

    Raises:
        UsageError: there is no such backup.
        Refused: a file is damaged.
    """
    chosen = choose_backup(
        target, storage=storage, reference=reference, seal=seal, progress=progress
    )
    found = chosen.manifest.backup_id
    progress(f"verifying the checksums of backup {found}")
    require_intact(chosen.backup, found, jobs)
    return chosen


def fill_and_verify(
    means: Means,
    chosen: Chosen,
    *,
    jobs: int,
    progress: Progress,
    with_access: bool = False,
) -> Comparison:
    """Restore into the new database, and compare it with what was backed up.

    `with_access` restores owners and grants, too.

    Raises:
        ToolFailed: pg_restore failed.
        ServerFailed: the server did not take the rows.
        Reverted: the rows are not those of the backup.
    """
    try:
        fill_database(
            means.target,
            means.tools,
            chosen.backup,
            chosen.details,
            jobs=jobs,
            progress=progress,
            with_access=with_access,
        )
    except ToolFailed as error:
        raise tell_way_out(error, with_access=with_access) from error
    progress("verifying rows and schema")

    def analyze() -> None:
        progress("gathering statistics for the planner")
        _analyze(means.target)

    found = fetch_contents(means.target, jobs, beside=analyze)
    _require_contents(found, chosen.manifest, chosen.details)
    return compare_schema(means.target, chosen.details.catalog)


def _analyze(created: Target) -> None:
    with (
        open_session(created, purpose="restore") as connection,
        explain_server_failures(),
    ):
        connection.execute("SET statement_timeout = 0")
        connection.execute("ANALYZE")


def _require_contents(
    found: Mapping[str, Contents], manifest: Manifest, details: Details
) -> None:
    rows = {parse_table_name(name): each.rows for name, each in found.items()}
    wrong = compare_rows(manifest.tables, rows) or [*compare_contents(details, found)]
    if wrong:
        raise Reverted(
            f"backup {manifest.backup_id} was not restored whole: {list_some(wrong)}",
            hint=OTHER_BACKUPS,
        )


def build_plan(manifest: Manifest, database: str, tools: str) -> RestoreReport:
    """Return what is known before anything is done."""
    state = Project().compare(manifest.migrations)
    # A backup without any is none of Django's: no release fits it, or each does.
    is_djangos = bool(manifest.migrations)
    return RestoreReport(
        backup_id=manifest.backup_id,
        taken_at=manifest.taken_at,
        database=database,
        duration_s=0,
        tables=manifest.tables,
        left_out=manifest.left_out,
        schema_matches=None,
        differences=(),
        pending=state.pending if is_djangos else (),
        unknown=state.unknown,
        notes=(),
        tools=tools,
        dry_run=True,
    )


def build_report(
    plan: RestoreReport, comparison: Comparison, notes: tuple[str, ...]
) -> RestoreReport:
    """Return the plan as a thing done."""
    return replace(
        plan,
        schema_matches=not comparison.differences,
        differences=comparison.differences,
        notes=(*notes, *map(str, comparison.notes)),
        dry_run=False,
    )
