"""Look at the backups of a database, without the database.

A manifest is the only truth: all this works on a machine that cannot reach the server,
and opens no connection.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from dbops.core.access import write_roles_script
from dbops.core.exclusions import LeftOut
from dbops.core.manifest import DamagedManifest, Manifest, Verification
from dbops.core.migration import MigrationId
from dbops.core.pgbackrest.notes import RestorePoint
from dbops.core.retention import UNREADABLE, Candidate
from dbops.errors import Refused
from dbops.operations.backup.reading import build_stored_backup
from dbops.operations.backup.report import Engine, Verified
from dbops.operations.backup.sealing import build_seal
from dbops.operations.context import Context
from dbops.operations.project_migrations import MigrationState, Project
from dbops.operations.storage import (
    Vault,
    find_backup,
    open_vault,
    read_id_moment,
    read_stored_manifest,
)

READERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRow:
    """A backup in the list; what stands in its manifest is None where that is bad."""

    backup_id: str
    location: str
    taken_at: datetime
    age_s: float
    duration_s: float | None = None
    size_bytes: int | None = None
    database_size_bytes: int | None = None
    ratio: float | None = None
    """Of its size to the database's."""
    verified: Verified = Verified.DAMAGED
    verified_at: datetime | None = None
    migrations: MigrationState | None = None
    server_version: str | None = None
    encrypted: bool | None = None
    left_out: tuple[LeftOut, ...] = ()
    """What it is without; nothing in a full one."""
    kind: str = "full"
    """Of pgBackRest's also `diff` and `incr`."""
    problems: tuple[str, ...] = ()
    """What is wrong with the manifest, or was when it was last verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftState:
    """A backup that is being written, or was cut off."""

    backup_id: str
    started_at: datetime
    age_s: float


class Action(StrEnum):
    """What is done with the backups."""

    LIST = "list"
    SHOW = "show"
    VERIFY = "verify"
    PRUNE = "prune"
    CHECK = "check"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListReport:
    """All backups of a database, newest first."""

    action: Action = Action.LIST
    place: str
    backups: tuple[BackupRow, ...]
    drafts: tuple[DraftState, ...]
    size_bytes: int
    """Of all that can be read, together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """A table of a backup."""

    name: str
    rows: int
    size_bytes: int
    """Of its files in the backup, compressed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowReport:
    """All that is known of one backup."""

    action: Action = Action.SHOW
    backup_id: str
    location: str
    database_name: str
    taken_at: datetime
    age_s: float
    duration_s: float
    size_bytes: int
    database_size_bytes: int
    ratio: float | None
    verified: Verified
    verifications: tuple[Verification, ...]
    server_version: str
    dbops_version: str
    pg_dump_version: str
    encrypted: bool
    encoding: str
    collation: str
    fingerprint: str
    files: int
    left_out: tuple[LeftOut, ...]
    tables: tuple[TableRow, ...]
    migrations: tuple[MigrationId, ...]
    pending: tuple[MigrationId, ...]
    unknown: tuple[MigrationId, ...]
    system_identifier: str = ""
    """Of the server; empty where it is not known."""
    engine: Engine = Engine.DUMP
    kind: str = "full"
    needs: tuple[str, ...] = ()
    """The backups without which this one cannot be restored."""
    restore_points: tuple[RestorePoint, ...] = ()
    """Moments after it that have a name, the oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolesReport:
    """What another server needs before a backup is restored there."""

    action: Action = Action.SHOW
    backup_id: str
    roles: tuple[str, ...]
    """Those that own something or have a grant, and their members."""
    sql: str
    """Makes those that are missing; may run twice."""


class TableOrder(StrEnum):
    """How the tables of a backup are listed."""

    SIZE = "size"
    NAME = "name"


def open_storage(context: Context, storage: str | None) -> tuple[Vault, str]:
    """Return where the backups are, and the name of their database."""
    # The connection's own parameters would start an embedded server.
    database = str(context.connection.settings_dict["NAME"] or "postgres")
    place = storage or context.settings.backup_directory
    return open_vault(place, database), database


def list_backups(
    context: Context, *, storage: str | None = None, now: datetime | None = None
) -> ListReport:
    """Return all backups, newest first; a bad manifest is told in its row.

    Raises:
        ToolFailed: the storage cannot be reached.
        Refused: the storage may not be read.
    """
    vault, _ = open_storage(context, storage)
    now = now or datetime.now(UTC)
    rows = read_backups(vault, now=now, project=Project())
    return ListReport(
        place=vault.place,
        backups=rows,
        drafts=list_drafts(vault, now),
        size_bytes=sum(each.size_bytes or 0 for each in rows),
    )


def show_backup(
    context: Context,
    reference: str,
    *,
    storage: str | None = None,
    order: TableOrder = TableOrder.SIZE,
    now: datetime | None = None,
) -> ShowReport:
    """Return all that is known of one backup.

    Raises:
        UsageError: there is no such backup.
        DamagedManifest: its manifest cannot be read.
    """
    vault, database = open_storage(context, storage)
    manifest = read_stored_manifest(vault, find_backup(vault, database, reference))
    state = Project().compare(manifest.migrations)
    return ShowReport(
        backup_id=manifest.backup_id,
        location=vault.locate(manifest.backup_id),
        database_name=manifest.database,
        taken_at=manifest.taken_at,
        age_s=compute_age(manifest.taken_at, now or datetime.now(UTC)),
        duration_s=manifest.duration_s,
        size_bytes=manifest.size_bytes,
        database_size_bytes=manifest.database_size_bytes,
        ratio=_compute_ratio(manifest),
        verified=Verified(manifest.verified),
        verifications=manifest.verifications,
        server_version=manifest.server_version,
        system_identifier=manifest.system_identifier,
        dbops_version=manifest.dbops_version,
        pg_dump_version=manifest.pg_dump_version,
        encrypted=manifest.encrypted,
        encoding=manifest.encoding,
        collation=manifest.collation,
        fingerprint=manifest.fingerprint,
        files=len(manifest.files),
        left_out=manifest.left_out,
        tables=_list_tables(manifest, order),
        migrations=manifest.migrations,
        pending=state.pending,
        unknown=state.unknown,
    )


def show_roles(
    context: Context, reference: str, *, storage: str | None = None
) -> RolesReport:
    """Return the roles of a backup, and SQL that makes them.

    Raises:
        UsageError: there is no such backup.
        DamagedManifest: its manifest cannot be read.
        Refused: it has no roles, they are damaged, or cannot be decrypted.
    """
    vault, database = open_storage(context, storage)
    manifest = read_stored_manifest(vault, find_backup(vault, database, reference))
    backup = build_stored_backup(vault, manifest, build_seal(context.settings))
    access = backup.read_access()
    if access is None:
        raise Refused(
            f"backup {manifest.backup_id} is from a time when roles were not kept",
            hint="pg_dumpall --roles-only --no-role-passwords, on the server itself",
        )
    title = f'Roles of backup {manifest.backup_id} of database "{manifest.database}".'
    return RolesReport(
        backup_id=manifest.backup_id,
        roles=tuple(each.name for each in access.roles),
        sql=write_roles_script(access, title),
    )


def read_backups(
    vault: Vault, *, now: datetime, project: Project | None = None
) -> tuple[BackupRow, ...]:
    """Return a row for each published backup, newest first.

    Raises:
        ToolFailed: the storage failed; then nothing is known of any of them.
    """

    def read(backup_id: str) -> BackupRow:
        try:
            manifest = read_stored_manifest(vault, backup_id)
        except DamagedManifest as error:
            taken_at = read_id_moment(backup_id)
            return BackupRow(
                backup_id=backup_id,
                location=vault.locate(backup_id),
                taken_at=taken_at,
                age_s=compute_age(taken_at, now),
                problems=(error.message,),
            )
        return _build_row(manifest, vault.locate(backup_id), now, project)

    with ThreadPoolExecutor(max_workers=READERS) as executor:
        return tuple(executor.map(read, vault.list_ids()))


def list_drafts(vault: Vault, now: datetime) -> tuple[DraftState, ...]:
    """Return what is being written, or was cut off, oldest first."""
    found = []
    for backup_id in vault.list_drafts():
        started_at = read_id_moment(backup_id)
        age_s = compute_age(started_at, now)
        found.append(
            DraftState(backup_id=backup_id, started_at=started_at, age_s=age_s)
        )
    return tuple(found)


def build_candidate(row: BackupRow) -> Candidate:
    """Return what retention has to know of a backup."""
    is_readable = row.size_bytes is not None
    return Candidate(
        backup_id=row.backup_id,
        taken_at=row.taken_at,
        level=str(row.verified) if is_readable else UNREADABLE,
        is_partial=bool(row.left_out),
    )


def _build_row(
    manifest: Manifest, location: str, now: datetime, project: Project | None
) -> BackupRow:
    verified = Verified(manifest.verified)
    looks = manifest.verifications
    return BackupRow(
        backup_id=manifest.backup_id,
        location=location,
        taken_at=manifest.taken_at,
        age_s=compute_age(manifest.taken_at, now),
        duration_s=manifest.duration_s,
        size_bytes=manifest.size_bytes,
        database_size_bytes=manifest.database_size_bytes,
        ratio=_compute_ratio(manifest),
        verified=verified,
        verified_at=looks[-1].at if looks else None,
        migrations=project.compare(manifest.migrations) if project else None,
        server_version=manifest.server_version,
        encrypted=manifest.encrypted,
        left_out=manifest.left_out,
        problems=_list_problems(looks) if verified is Verified.DAMAGED else (),
    )


def _list_problems(looks: tuple[Verification, ...]) -> tuple[str, ...]:
    """Return what the last look found that found something."""
    return next((each.problems for each in reversed(looks) if each.problems), ())


def _list_tables(manifest: Manifest, order: TableOrder) -> tuple[TableRow, ...]:
    sizes: Counter[str] = Counter()
    for each in manifest.files:
        if each.table is not None:
            sizes[each.table] += each.size_bytes
    rows = [
        TableRow(name=each.name, rows=each.rows, size_bytes=sizes[each.name])
        for each in manifest.tables
    ]
    if order is TableOrder.SIZE:
        return tuple(sorted(rows, key=lambda row: (-row.size_bytes, row.name)))
    return tuple(sorted(rows, key=lambda row: row.name))


def compute_age(moment: datetime, now: datetime) -> float:
    """Return the seconds since then."""
    return round((now - moment).total_seconds(), 3)


def _compute_ratio(manifest: Manifest) -> float | None:
    if not manifest.database_size_bytes:
        return None
    return round(manifest.size_bytes / manifest.database_size_bytes, 4)
