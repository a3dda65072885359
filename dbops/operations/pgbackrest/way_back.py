"""Before the schema is changed: a backup, and a point in the WAL to go back to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from dbops.core.duration import format_age
from dbops.core.manifest import LEVELS
from dbops.core.pgbackrest.command import Moment, build_restore
from dbops.core.pgbackrest.info import PhysicalBackup
from dbops.core.pgbackrest.notes import (
    RestorePoint,
    build_point_name,
    judge_backup,
    write_point,
)
from dbops.core.pgbackrest.verify import find_gap
from dbops.errors import DbopsError, Refused
from dbops.operations.backup.report import BackupReport, Verified
from dbops.operations.context import Context
from dbops.operations.pgbackrest.engine import (
    fetch_stanza,
    look_at_archiving,
    open_pgbackrest,
    read_physical_level,
    require_own_stanza,
)
from dbops.operations.pgbackrest.looking import list_archive
from dbops.operations.pgbackrest.take import take_physical_backup
from dbops.postgres.archiving import make_restore_point
from dbops.postgres.ledger import Ledger
from dbops.postgres.pgbackrest import PgBackRest
from dbops.postgres.session import open_session

RECENT_S = 24 * 3600.0
"""How old the backup before a deployment may be: the WAL has what came after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """A moment that the whole server can be taken back to, and the command for it."""

    name: str
    lsn: str
    made_at: datetime
    backup_id: str
    """The backup that it is reached from."""
    command: str
    """To be run as it is while the server is stopped."""


def require_way_back(context: Context) -> None:
    """Find out early what would keep the way back from being made.

    Raises:
        Refused: stanza, server or role are not fit for it.
        ToolFailed: pgBackRest is missing or failed.
    """
    require_own_stanza(context, open_pgbackrest(context.settings))
    archiving = look_at_archiving(context)
    if archiving.archive_mode == "off":
        raise Refused(
            "the server does not archive its WAL: archive_mode is off",
            hint="manage.py dbops_doctor says what to set",
        )
    if not archiving.may_make_points:
        raise _build_forbidden(archiving.role, archiving.database)


def ensure_backup(context: Context) -> tuple[str, BackupReport | None]:
    """Return the label of a backup that is young, proven, and leads up to now.

    Where there is none, one is taken: its report is there then.

    Raises:
        Everything that `take_physical_backup` raises.
    """
    pgbackrest = open_pgbackrest(context.settings)
    now = datetime.now(UTC)
    found = find_recent(
        fetch_stanza(pgbackrest).backups,
        level=read_physical_level(context.settings),
        now=now,
    )
    if found and not find_gap(list_archive(pgbackrest, found), found):
        age = format_age((now - found.stopped_at).total_seconds())
        context.progress(f"backup {found.label} will do: {age} old")
        return found.label, None
    report = take_physical_backup(context)
    return report.backup_id, report


def find_recent(
    backups: Sequence[PhysicalBackup], *, level: Verified, now: datetime
) -> PhysicalBackup | None:
    """Return the newest backup that is young and proven enough; they are newest first.

    One that is damaged does not count, and neither does one that needs it.
    """
    damaged = {each.label for each in backups if judge_backup(each) not in LEVELS}
    for each in backups:
        verified = judge_backup(each)
        if (
            damaged.isdisjoint((each.label, *each.needs))
            and (now - each.stopped_at).total_seconds() <= RECENT_S
            and LEVELS.index(verified) >= LEVELS.index(level)
        ):
            return each
    return None


def make_way_back(context: Context, ledger: Ledger, label: str) -> WayBack:
    """Make a restore point named for the deployment, and see it into the archive.

    `pgbackrest check` switches to a new segment of the WAL and waits until that one,
    and so all before it, is in the repository.

    Raises:
        Refused: the role may not make one.
        ToolFailed: the WAL does not reach the archive; nothing was changed.
    """
    pgbackrest = open_pgbackrest(context.settings)
    point = _make_point(context, build_point_name(ledger.deployment_id))
    context.progress(f"restore point {point.name}: waiting until it is archived")
    pgbackrest.run("check")
    command = build_restore(
        pgbackrest.repository,
        label,
        Moment(point=point.name, timeline=point.timeline),
    )
    _note(context, pgbackrest, label, point)
    ledger.remark(f"restore point {point.name} at {point.lsn}, from backup {label}")
    return WayBack(
        name=point.name,
        lsn=point.lsn,
        made_at=point.made_at,
        backup_id=label,
        command=command,
    )


def _make_point(context: Context, name: str) -> RestorePoint:
    with open_session(context.target, purpose="restore-point") as session:
        try:
            made = make_restore_point(session, name)
        except psycopg.errors.InsufficientPrivilege as error:
            archiving = look_at_archiving(context)
            raise _build_forbidden(archiving.role, archiving.database) from error
    return RestorePoint(
        name=name,
        lsn=made.lsn,
        timeline=int(made.segment[:8], 16),
        made_at=made.made_at.astimezone(UTC),
    )


def _note(
    context: Context, pgbackrest: PgBackRest, label: str, point: RestorePoint
) -> None:
    """Write it beside the backup, too: the ledger is not there when it is needed."""
    try:
        pgbackrest.annotate(label, write_point(point))
    except DbopsError as error:
        context.progress(f"it is not noted in the repository: {error.message}")


def _build_forbidden(role: str, database: str) -> Refused:
    return Refused(
        f'role "{role.strip(chr(34))}" may not make restore points in database '
        f'"{database}"',
        hint="as a superuser in that database: GRANT EXECUTE ON FUNCTION "
        f"pg_catalog.pg_create_restore_point(text) TO {role}",
    )
