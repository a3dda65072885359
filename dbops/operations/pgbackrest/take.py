"""Take a backup of the whole server by pgBackRest."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum

from dbops.core.manifest import Verification
from dbops.core.pgbackrest.command import build_annotations
from dbops.core.pgbackrest.info import PhysicalBackup, Stanza
from dbops.core.pgbackrest.notes import (
    FINGERPRINT,
    MIGRATIONS,
    TOKEN,
    SchemaNote,
    judge_backup,
    read_schema_note,
    write_look,
    write_schema_note,
)
from dbops.errors import DbopsError, ToolFailed
from dbops.operations.backup.back_up import record_taken
from dbops.operations.backup.backup import list_some
from dbops.operations.backup.report import BackupReport, Engine, Verified
from dbops.operations.context import Context
from dbops.operations.pgbackrest.engine import (
    fetch_stanza,
    locate,
    open_pgbackrest,
    read_physical_level,
    require_level,
    require_own_stanza,
)
from dbops.operations.pgbackrest.looking import find_problems
from dbops.postgres.catalog import fetch_catalog
from dbops.postgres.deploy_lock import open_deploy_lock
from dbops.postgres.pgbackrest import PgBackRest
from dbops.postgres.session import open_session
from dbops.postgres.snapshot import fetch_applied_migrations, fetch_facts

WORTH_TELLING = ("new backup label", "expire full", "expire diff", "remove expired")
"""How the lines of pgBackRest's log begin that a person wants to see."""


class Kind(StrEnum):
    """How much a backup has; each needs those before it."""

    FULL = "full"
    DIFF = "diff"
    """What has changed since the last full one."""
    INCR = "incr"
    """What has changed since the last one; full where there is none."""


def back_up_physically(
    context: Context,
    *,
    kind: Kind | None = None,
    level: Verified | None = None,
    lock_wait_timeout_s: float = 30,
    dry_run: bool = False,
) -> BackupReport:
    """Take a backup while no deployment runs, and record it where there is a ledger.

    Raises:
        Busy: a deployment or another pgBackRest runs.
        Everything that `take_physical_backup` raises.
    """
    context.connect()
    with open_deploy_lock(
        context.target,
        command="backup",
        wait_s=lock_wait_timeout_s,
        shared=True,
        progress=context.progress,
    ):
        report = take_physical_backup(context, kind=kind, level=level, dry_run=dry_run)
    if not dry_run:
        record_taken(context, report)
    return report


def take_physical_backup(
    context: Context,
    *,
    kind: Kind | None = None,
    level: Verified | None = None,
    dry_run: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> BackupReport:
    """Have pgBackRest take a backup, and look at it as far as the level says.

    It is of all databases of the server. Schema and migrations of this one are noted
    beside it. Readers and writers are not held up.

    Raises:
        Busy: another pgBackRest is at work.
        Refused: stanza, server or configuration are not fit for it.
        ToolFailed: pgBackRest failed, or the backup is damaged; it stays in the
            repository, and is marked.
    """
    started = clock()
    pgbackrest = open_pgbackrest(context.settings)
    wished = require_level(level) if level else read_physical_level(context.settings)
    stanza = require_own_stanza(context, pgbackrest)
    note = _fetch_note(context)
    if dry_run:
        return _build_plan(context, pgbackrest, stanza, note, clock() - started)
    backup = _take(context, pgbackrest, kind, note)
    if _fetch_note(context) != note:
        context.progress("the schema was changed meanwhile: it is not noted")
        pgbackrest.annotate(backup.label, {FINGERPRINT: "", MIGRATIONS: ""})
        backup = _fetch_backup(pgbackrest, backup.annotations[TOKEN])
    if wished is not Verified.NONE:
        _verify(context, pgbackrest, backup, wished)
        backup = _fetch_backup(pgbackrest, backup.annotations[TOKEN])
    return _build_report(stanza, backup, note, duration_s=clock() - started)


def _fetch_note(context: Context) -> SchemaNote:
    with open_session(context.target, purpose="backup") as session:
        return SchemaNote(
            database=fetch_facts(session).database,
            fingerprint=fetch_catalog(session).fingerprint,
            migrations=fetch_applied_migrations(session),
        )


def _take(
    context: Context, pgbackrest: PgBackRest, kind: Kind | None, note: SchemaNote
) -> PhysicalBackup:
    token = secrets.token_hex(8)
    annotations = {TOKEN: token, **write_schema_note(note)}
    what = f"{kind} backup" if kind else "backup"
    context.progress(f"pgBackRest takes a {what} of the whole server")
    pgbackrest.run(
        "backup",
        *([f"--type={kind}"] if kind else []),
        *build_annotations(annotations),
        on_line=lambda line: _tell(context, line),
    )
    return _fetch_backup(pgbackrest, token)


def _tell(context: Context, line: str) -> None:
    """Pass on what a person wants to know of pgBackRest's log."""
    said = line.partition("INFO: ")[2]
    if "WARN: " in line or said.startswith(WORTH_TELLING):
        context.progress(f"pgbackrest: {line.partition(': ')[2]}")


def _fetch_backup(pgbackrest: PgBackRest, token: str) -> PhysicalBackup:
    for each in fetch_stanza(pgbackrest).backups:
        if each.annotations.get(TOKEN) == token:
            return each
    raise ToolFailed(
        "pgBackRest has taken a backup, and does not list it",
        hint=pgbackrest.repository.write("info"),
    )


def _verify(
    context: Context, pgbackrest: PgBackRest, backup: PhysicalBackup, level: Verified
) -> None:
    problems = find_problems(context, pgbackrest, backup, level).problems
    look = Verification(level=level, at=datetime.now(UTC), problems=problems)
    record_look(context, pgbackrest, backup, look)
    if problems or backup.has_page_errors:
        told = list_some(list(problems)) or "pages of the database are damaged"
        raise ToolFailed(
            f'backup "{backup.label}" is damaged: {told}',
            hint="look at the repository and at the server's disk, then: "
            "manage.py dbops_backup --type full",
        )


def record_look(
    context: Context, pgbackrest: PgBackRest, backup: PhysicalBackup, look: Verification
) -> str | None:
    """Write a look into the repository; return why it could not be written."""
    try:
        pgbackrest.annotate(backup.label, write_look(look))
    except DbopsError as error:
        context.progress(f"the look is not noted in the repository: {error.message}")
        return error.message
    return None


def _build_report(
    stanza: Stanza,
    backup: PhysicalBackup,
    note: SchemaNote,
    *,
    duration_s: float,
) -> BackupReport:
    kept = read_schema_note(backup, note.database)
    return BackupReport(
        backup_id=backup.label,
        location=locate(stanza, backup),
        taken_at=backup.stopped_at,
        size_bytes=backup.size_bytes,
        database_size_bytes=backup.server_size_bytes,
        duration_s=round(duration_s, 3),
        verified=Verified(judge_backup(backup)),
        tables=(),
        fingerprint=kept.fingerprint if kept else "",
        migrations=note.migrations,
        tools=f"pgBackRest {backup.version}",
        compression="",
        encrypted=stanza.is_encrypted,
        dry_run=False,
        engine=Engine.PGBACKREST,
        kind=backup.kind,
    )


def _build_plan(
    context: Context,
    pgbackrest: PgBackRest,
    stanza: Stanza,
    note: SchemaNote,
    duration_s: float,
) -> BackupReport:
    with open_session(context.target, purpose="backup") as session:
        size_bytes = fetch_facts(session).database_size_bytes
    return BackupReport(
        backup_id="",
        location=stanza.name,
        taken_at=datetime.now(UTC),
        size_bytes=0,
        database_size_bytes=size_bytes,
        duration_s=round(duration_s, 3),
        verified=Verified.NONE,
        tables=(),
        fingerprint=note.fingerprint,
        migrations=note.migrations,
        tools=f"pgBackRest {pgbackrest.fetch_version()}",
        compression="",
        encrypted=stanza.is_encrypted,
        dry_run=True,
        engine=Engine.PGBACKREST,
    )
