"""What the doctor wants to know of the engine that takes the backups."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from dbops.core import doctor as judge
from dbops.core import doctor_engine as engine
from dbops.core.doctor_facts import VerifiedBackup
from dbops.core.finding import Finding
from dbops.core.pgbackrest.command import Repository
from dbops.core.pgbackrest.notes import judge_backup
from dbops.errors import DbopsError
from dbops.operations.context import Context
from dbops.operations.pgbackrest.engine import (
    fetch_stanza,
    open_pgbackrest,
    require_own_stanza,
    uses_pgbackrest,
)
from dbops.postgres.archiving import fetch_archiving
from dbops.postgres.session import Connection

VERIFIED = ("checksum", "restored")


def look_at_engine(context: Context, *, with_server: bool) -> Iterator[Finding]:
    """Look whether pgBackRest is there, with a stanza for this server.

    `with_server`: the server can be asked whose stanza it is.
    """
    try:
        if not uses_pgbackrest(context.settings):
            return
        pgbackrest = open_pgbackrest(context.settings)
        if with_server:
            require_own_stanza(context, pgbackrest)
        else:
            fetch_stanza(pgbackrest)
    except DbopsError as error:
        yield engine.judge_unfit(error.message, error.hint or "")


def look_at_archiving(
    context: Context, session: Connection, *, is_needed: bool
) -> Iterator[Finding]:
    """Look whether WAL is archived, and the role may make restore points.

    `is_needed`: the backups are pgBackRest's.
    """
    archiving = fetch_archiving(session)
    settings = context.settings
    needed = is_needed and not archiving.in_recovery
    if needed:
        repository = Repository(
            command=settings.pgbackrest_command,
            stanza=settings.pgbackrest_stanza,
            config=settings.pgbackrest_config,
        )
        yield from engine.judge_archive_mode(
            archiving.archive_mode, repository.archive_command
        )
        yield from engine.judge_points(
            role=archiving.role, may_make_points=archiving.may_make_points
        )
    if archiving.is_failing and archiving.failed_at:
        at = archiving.archived_at
        yield engine.judge_archiving(
            archiving.failed_wal or "",
            failed=_tell(archiving.failed_at),
            archived=_tell(at) if at else None,
            needed=needed,
        )


def _tell(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def look_at_physical_backups(context: Context) -> Iterator[Finding]:
    """Look whether the newest sound backup of the repository is young enough."""
    try:
        stanza = fetch_stanza(open_pgbackrest(context.settings))
    except DbopsError:
        return  # It is the engine's finding.
    now = datetime.now(UTC)
    sound = (
        VerifiedBackup(
            backup_id=each.label, age_s=(now - each.stopped_at).total_seconds()
        )
        for each in stanza.backups
        if judge_backup(each) in VERIFIED
    )
    yield from judge.judge_backup(next(sound, None))
