"""Look at the backups of pgBackRest's repository, without the database."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
from django.core.exceptions import ImproperlyConfigured

from dbops import __version__
from dbops.conf import Settings
from dbops.core.manifest import Verification
from dbops.core.pgbackrest.info import PhysicalBackup, Stanza
from dbops.core.pgbackrest.notes import (
    judge_backup,
    list_problems,
    read_looks,
    read_points,
    read_schema_note,
)
from dbops.errors import DbopsError, Refused
from dbops.operations.backup.backups import (
    BackupRow,
    ListReport,
    ShowReport,
    compute_age,
)
from dbops.operations.backup.check import BackupCheckReport, judge_backups
from dbops.operations.backup.report import Engine, Verified
from dbops.operations.backup.verify import VerifyReport
from dbops.operations.context import Context
from dbops.operations.pgbackrest.engine import (
    fetch_stanza,
    find_physical,
    locate,
    open_pgbackrest,
    require_level,
)
from dbops.operations.pgbackrest.looking import find_problems
from dbops.operations.pgbackrest.take import record_look
from dbops.operations.project_migrations import Project
from dbops.postgres.ledger import record_verification
from dbops.postgres.ledger_reading import ledger_exists
from dbops.postgres.session import open_session


def list_physical_backups(
    context: Context, *, now: datetime | None = None
) -> ListReport:
    """Return all backups of the stanza, newest first.

    Raises:
        Refused: the stanza was not created.
        ToolFailed: pgBackRest is missing or failed.
    """
    stanza = fetch_stanza(open_pgbackrest(context.settings))
    rows = _build_rows(context, stanza, now or datetime.now(UTC), Project())
    return ListReport(
        place=f"pgBackRest stanza {stanza.name}",
        backups=rows,
        drafts=(),
        size_bytes=sum(each.size_bytes or 0 for each in rows),
    )


def show_physical_backup(
    context: Context, reference: str, *, now: datetime | None = None
) -> ShowReport:
    """Return all that is known of one backup.

    Raises:
        UsageError: there is no such backup.
        Refused: the stanza was not created.
        ToolFailed: pgBackRest is missing or failed.
    """
    stanza = fetch_stanza(open_pgbackrest(context.settings))
    backup = find_physical(stanza, reference)
    note = read_schema_note(backup, _get_name(context))
    state = Project().compare(note.migrations) if note and note.migrations else None
    return ShowReport(
        backup_id=backup.label,
        location=locate(stanza, backup),
        database_name=_get_name(context),
        taken_at=backup.stopped_at,
        age_s=compute_age(backup.stopped_at, now or datetime.now(UTC)),
        duration_s=backup.duration_s,
        size_bytes=backup.size_bytes,
        database_size_bytes=backup.server_size_bytes,
        ratio=_compute_ratio(backup),
        verified=Verified(judge_backup(backup)),
        verifications=read_looks(backup.annotations),
        server_version=str(backup.server_major),
        dbops_version=__version__,
        pg_dump_version="",
        encrypted=stanza.is_encrypted,
        encoding="",
        collation="",
        fingerprint=note.fingerprint if note else "",
        files=0,
        left_out=(),
        tables=(),
        migrations=note.migrations if note else (),
        pending=state.pending if state else (),
        unknown=state.unknown if state else (),
        engine=Engine.PGBACKREST,
        kind=backup.kind,
        needs=backup.needs,
        restore_points=read_points(backup.annotations),
    )


def check_physical_backups(
    context: Context,
    *,
    max_age_s: float,
    min_level: Verified,
    now: datetime | None = None,
) -> BackupCheckReport:
    """Look whether there is a backup of that level which is not older than that.

    `contents` is asked for where nothing else is said, and counts as `checksum`.

    Raises:
        Refused: the stanza was not created.
        ToolFailed: pgBackRest is missing or failed.
    """
    pgbackrest = open_pgbackrest(context.settings)
    stanza = fetch_stanza(pgbackrest)
    now = now or datetime.now(UTC)
    level = Verified.CHECKSUM if min_level is Verified.CONTENTS else min_level
    report = judge_backups(
        _build_rows(context, stanza, now, None),
        place=f"pgBackRest stanza {stanza.name}",
        database=_get_name(context),
        max_age_s=max_age_s,
        min_level=level,
        drafts=int(stanza.is_writing),
        now=now,
    )
    return replace(report, engine=Engine.PGBACKREST)


def verify_physical_backup(
    context: Context,
    reference: str,
    *,
    level: Verified | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> VerifyReport:
    """Look at a backup as far as the level says, and write the outcome beside it.

    Raises:
        UsageError: there is no such backup, or it has no such level.
        Refused: it cannot be restored here, or the stanza was not created.
        ToolFailed: pgBackRest is missing or failed.
    """
    started = clock()
    wished = require_level(level or Verified.CHECKSUM)
    pgbackrest = open_pgbackrest(context.settings)
    stanza = fetch_stanza(pgbackrest)
    backup = find_physical(stanza, reference)
    looked = find_problems(context, pgbackrest, backup, wished)
    now = datetime.now(UTC)
    problems, notes = looked.problems, looked.notes
    if backup.has_page_errors:
        problems = ("pages had wrong checksums when it was taken", *problems)
    look = Verification(level=wished, at=now, problems=problems)
    if why := record_look(context, pgbackrest, backup, look):
        notes = (*notes, f"not written into the repository: {why}")
    again = find_physical(fetch_stanza(pgbackrest), backup.label)
    verified = Verified.DAMAGED if problems else Verified(judge_backup(again))
    _tell_ledger(context, backup.label, verified)
    return VerifyReport(
        backup_id=backup.label,
        location=locate(stanza, backup),
        level=wished,
        verified=verified,
        verified_at=now,
        duration_s=round(clock() - started, 3),
        files=0,
        size_bytes=backup.size_bytes,
        problems=problems,
        notes=notes,
        engine=Engine.PGBACKREST,
    )


def refuse_to_prune(settings: Settings) -> Refused:
    """Return the error for a prune: pgBackRest has rules of its own."""
    repository = open_pgbackrest(settings).repository
    return Refused(
        "pgBackRest keeps its own retention: repo1-retention-full in its configuration",
        hint=f"{repository.write('expire', '--dry-run')}, then without --dry-run",
    )


def _tell_ledger(context: Context, label: str, verified: Verified) -> None:
    with (
        suppress(DbopsError, psycopg.Error, ImproperlyConfigured),
        open_session(context.target, purpose="verify:ledger") as session,
    ):
        if ledger_exists(session):
            record_verification(session, label, str(verified))


def _get_name(context: Context) -> str:
    return str(context.connection.settings_dict["NAME"] or "postgres")


def _build_rows(
    context: Context, stanza: Stanza, now: datetime, project: Project | None
) -> tuple[BackupRow, ...]:
    name = _get_name(context)
    return tuple(
        _build_row(stanza, each, name, now, project) for each in stanza.backups
    )


def _build_row(
    stanza: Stanza,
    backup: PhysicalBackup,
    name: str,
    now: datetime,
    project: Project | None,
) -> BackupRow:
    note = read_schema_note(backup, name)
    looks = read_looks(backup.annotations)
    row = BackupRow(
        backup_id=backup.label,
        location=locate(stanza, backup),
        taken_at=backup.stopped_at,
        age_s=compute_age(backup.stopped_at, now),
        duration_s=backup.duration_s,
        size_bytes=backup.size_bytes,
        database_size_bytes=backup.server_size_bytes,
        ratio=_compute_ratio(backup),
        verified=Verified(judge_backup(backup)),
        verified_at=looks[-1].at if looks else None,
        server_version=str(backup.server_major),
        encrypted=stanza.is_encrypted,
        kind=backup.kind,
        problems=list_problems(backup),
    )
    if project is None or note is None or not note.migrations:
        return row
    return replace(row, migrations=project.compare(note.migrations))


def _compute_ratio(backup: PhysicalBackup) -> float | None:
    if not backup.server_size_bytes:
        return None
    return round(backup.size_bytes / backup.server_size_bytes, 4)
