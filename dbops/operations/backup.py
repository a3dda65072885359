"""Take a backup: archive and manifest, published whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from dbops import __version__
from dbops.core.archive import TableName, parse_table_name
from dbops.core.catalog import Catalog, write_catalog
from dbops.core.manifest import Manifest, StoredFile, TableRows
from dbops.core.migration import MigrationId
from dbops.core.progress import Progress, silent
from dbops.core.target import Target
from dbops.errors import ToolFailed, UsageError
from dbops.operations import storage as store
from dbops.operations.pace import Pace
from dbops.postgres.archive import (
    FORMAT,
    count_archive_rows,
    dump_archive,
    find_compression,
)
from dbops.postgres.catalog import fetch_catalog
from dbops.postgres.scratch import DatabaseProperties, fetch_properties
from dbops.postgres.session import open_session
from dbops.postgres.snapshot import (
    DatabaseFacts,
    Snapshot,
    fetch_applied_migrations,
    fetch_facts,
    fetch_row_counts,
    open_snapshot,
)
from dbops.postgres.tools import ClientTools, find_tools, pin_target

MOST_SHOWN = 5
MOST_JOBS = 64
DUMP_LOCK_WAIT_S = 5.0
"""All locks are held already: what pg_dump still waits for stands in line behind a
migration that waits for the dump, with the application's readers behind it."""


class Verified(StrEnum):
    """How far a backup has been proven; each includes those before it."""

    NONE = "none"
    CHECKSUM = "checksum"
    CONTENTS = "contents"
    """Decoded to the end, and the rows of each table counted."""
    RESTORED = "restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupReport:
    """A published backup; with `dry_run` what would go into one."""

    backup_id: str
    location: str
    taken_at: datetime
    size_bytes: int
    database_size_bytes: int
    duration_s: float
    verified: Verified
    tables: tuple[TableRows, ...]
    fingerprint: str
    migrations: tuple[MigrationId, ...]
    tools: str
    compression: str
    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Picture:
    """What a snapshot sees besides the rows themselves."""

    catalog: Catalog
    facts: DatabaseFacts
    properties: DatabaseProperties
    tables: tuple[TableRows, ...]
    migrations: tuple[MigrationId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Means:
    """What a backup is taken with."""

    target: Target
    server_version_num: int
    tools: ClientTools
    compression: str


def take_backup(
    target: Target,
    *,
    storage: str,
    pg_bin: str = "",
    progress: Progress = silent,
    lock_wait_timeout_s: float = 30,
    jobs: int = 2,
    dry_run: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> BackupReport:
    """Take a backup of one snapshot, verify it, and publish it.

    All tables are locked in ACCESS SHARE mode until the dump ends: a migration that
    rewrites one would leave it empty in the dump. So never migrate meanwhile; readers
    and writers are not held up.

    Raises:
        UsageError: an option does not fit.
        Busy: a table's lock could not be had.
        Refused: the storage cannot be written to, or a table not read.
        ToolFailed: pg_dump is missing or failed, the disk is full, or the archive does
            not hold what the snapshot held. Nothing is left in the storage.
    """
    started = clock()
    require_jobs(jobs)
    if dry_run:
        directory = store.check_directory(storage, target.database)
        means = _find_means(target, pg_bin, progress)
        with open_snapshot(
            means.target, lock_wait_timeout_s=lock_wait_timeout_s, progress=progress
        ) as snapshot:
            picture = _fetch_picture(snapshot, progress)
        return _build_plan(means, picture, directory, clock() - started)
    directory = store.prepare_directory(storage, target.database)
    means = _find_means(target, pg_bin, progress)
    backup_id = store.build_backup_id(datetime.now(UTC))
    with store.open_partial(directory, backup_id) as partial:
        with open_snapshot(
            means.target, lock_wait_timeout_s=lock_wait_timeout_s, progress=progress
        ) as snapshot:
            picture = _fetch_picture(snapshot, progress)
            _write_archive(
                means, snapshot, picture, partial, jobs=jobs, progress=progress
            )
        files = _verify_archive(means.tools, partial, picture.tables, jobs, progress)
        manifest = _build_manifest(means, picture, backup_id, files, clock() - started)
        progress("making it durable")
        location = store.publish(partial, manifest)
    return _build_report(means, manifest, location)


def require_means(
    target: Target, *, storage: str, pg_bin: str = "", dry_run: bool = False
) -> None:
    """Find out early what would keep a backup from being taken.

    Raises:
        Refused: the storage cannot be written to.
        ToolFailed: pg_dump is missing or too old.
    """
    check = store.check_directory if dry_run else store.prepare_directory
    check(storage, target.database)
    _find_tools(target, pg_bin)


def require_jobs(jobs: int) -> None:
    """Refuse a number of parallel jobs that the client tools do not take."""
    if not 1 <= jobs <= MOST_JOBS:
        raise UsageError(
            f"{jobs} is no number of jobs; use 1 to {MOST_JOBS}", hint="--jobs 2"
        )


def compare_rows(
    expected: tuple[TableRows, ...], actual: Mapping[TableName, int]
) -> list[str]:
    """Return a line for each table that has not the expected number of rows."""
    lines = []
    for table in expected:
        rows = actual.get(parse_table_name(table.name))
        if rows != table.rows:
            found = "is missing" if rows is None else f"has {rows:,} rows"
            lines.append(f'"{table.name}" {found} instead of {table.rows:,} rows')
    return lines


def list_some(lines: list[str]) -> str:
    """Return the first lines and how many more there are.

    >>> list_some([str(each) for each in range(9)])
    '0; 1; 2; 3; 4; and 4 more'
    """
    rest = len(lines) - MOST_SHOWN
    return "; ".join(lines[:MOST_SHOWN] + ([f"and {rest} more"] if rest > 0 else []))


def _find_means(target: Target, pg_bin: str, progress: Progress) -> _Means:
    pinned, number, tools = _find_tools(target, pg_bin)
    compression = find_compression(tools)
    progress(f"using {tools}, {compression}")
    return _Means(
        target=pinned,
        server_version_num=number,
        tools=tools,
        compression=compression,
    )


def _find_tools(target: Target, pg_bin: str) -> tuple[Target, int, ClientTools]:
    with open_session(target, purpose="backup") as connection:
        pinned = pin_target(target, connection)
        number = connection.info.server_version
    tools = find_tools(pinned, least_major=number // 10000, pg_bin=pg_bin)
    return pinned, number, tools


def _fetch_picture(snapshot: Snapshot, progress: Progress) -> _Picture:
    connection = snapshot.connection
    progress("reading the catalog and counting rows")
    return _Picture(
        catalog=fetch_catalog(connection),
        facts=fetch_facts(connection),
        properties=fetch_properties(connection),
        tables=fetch_row_counts(connection, snapshot.relations),
        migrations=fetch_applied_migrations(connection),
    )


def _write_archive(
    means: _Means,
    snapshot: Snapshot,
    picture: _Picture,
    partial: Path,
    *,
    jobs: int,
    progress: Progress,
) -> None:
    catalog = write_catalog(picture.catalog)
    (partial / store.CATALOG).write_text(catalog, encoding="utf-8")
    dump_archive(
        means.tools,
        means.target,
        partial / store.ARCHIVE,
        snapshot_id=snapshot.snapshot_id,
        encoding=picture.properties.encoding,
        compression=means.compression,
        jobs=jobs,
        lock_wait_timeout_s=DUMP_LOCK_WAIT_S,
        progress=Pace(progress),
    )


def _verify_archive(
    tools: ClientTools,
    partial: Path,
    expected: tuple[TableRows, ...],
    jobs: int,
    progress: Progress,
) -> tuple[StoredFile, ...]:
    """Hash all files and, in the same time, decode the archive and count its rows."""
    progress("verifying: checksums, and the archive's rows read to its end")
    with ThreadPoolExecutor(max_workers=jobs) as executor:
        hashed = [
            executor.submit(store.read_file_facts, partial, path)
            for path in store.list_files(partial)
        ]
        try:
            counted = count_archive_rows(tools, partial / store.ARCHIVE)
        except BaseException:
            executor.shutdown(cancel_futures=True)
            raise
        files = tuple(each.result() for each in hashed)
    wrong = compare_rows(expected, counted)
    if wrong:
        raise ToolFailed(
            f"the archive does not hold what the snapshot held: {list_some(wrong)}",
            hint="take the backup again when no migration is running",
        )
    return files


def _build_manifest(
    means: _Means,
    picture: _Picture,
    backup_id: str,
    files: tuple[StoredFile, ...],
    duration_s: float,
) -> Manifest:
    return Manifest(
        backup_id=backup_id,
        database=picture.facts.database,
        taken_at=picture.facts.taken_at,
        duration_s=round(duration_s, 3),
        server_version=picture.facts.server_version,
        server_version_num=means.server_version_num,
        dbops_version=__version__,
        pg_dump_version=means.tools.version,
        archive_format=FORMAT,
        compression=means.compression,
        verified=Verified.CONTENTS,
        fingerprint=picture.catalog.fingerprint,
        encoding=picture.properties.encoding,
        collation=picture.properties.collation,
        character_type=picture.properties.character_type,
        locale_provider=picture.properties.provider,
        locale=picture.properties.locale,
        migrations=picture.migrations,
        tables=picture.tables,
        database_size_bytes=picture.facts.database_size_bytes,
        size_bytes=sum(each.size_bytes for each in files),
        files=files,
    )


def _build_report(means: _Means, manifest: Manifest, location: Path) -> BackupReport:
    return BackupReport(
        backup_id=manifest.backup_id,
        location=str(location),
        taken_at=manifest.taken_at,
        size_bytes=manifest.size_bytes,
        database_size_bytes=manifest.database_size_bytes,
        duration_s=manifest.duration_s,
        verified=Verified(manifest.verified),
        tables=manifest.tables,
        fingerprint=manifest.fingerprint,
        migrations=manifest.migrations,
        tools=str(means.tools),
        compression=manifest.compression,
        dry_run=False,
    )


def _build_plan(
    means: _Means, picture: _Picture, directory: Path, duration_s: float
) -> BackupReport:
    return BackupReport(
        backup_id="",
        location=str(directory),
        taken_at=picture.facts.taken_at,
        size_bytes=0,
        database_size_bytes=picture.facts.database_size_bytes,
        duration_s=round(duration_s, 3),
        verified=Verified.NONE,
        tables=picture.tables,
        fingerprint=picture.catalog.fingerprint,
        migrations=picture.migrations,
        tools=str(means.tools),
        compression=means.compression,
        dry_run=True,
    )
