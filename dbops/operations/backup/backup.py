"""Take a backup: files and manifest, published whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from dbops.core.exclusions import Exclusions
from dbops.core.manifest import TableRows, Verification, write_manifest
from dbops.core.packing import COMPRESSION
from dbops.core.progress import Progress, silent
from dbops.core.table_name import TableName, parse_table_name
from dbops.core.target import Target
from dbops.errors import ToolFailed, UsageError
from dbops.operations.backup.ownership import require_own_place
from dbops.operations.backup.picture import (
    Means,
    build_manifest,
    build_plan,
    build_report,
    fetch_picture,
)
from dbops.operations.backup.proving import find_false_restore, find_scratch_means
from dbops.operations.backup.reading import (
    Backup,
    find_damaged_files,
    find_false_contents,
)
from dbops.operations.backup.report import BackupReport, Verified
from dbops.operations.backup.sealing import Seal
from dbops.operations.backup.writing import Written, write_contents
from dbops.operations.storage import (
    Vault,
    build_backup_id,
    open_vault,
    read_id_moment,
)
from dbops.postgres.scratch import DatabaseProperties
from dbops.postgres.session import open_session
from dbops.postgres.snapshot import open_snapshot
from dbops.postgres.tools import ClientTools, find_tools, pin_target

MOST_SHOWN = 5
MOST_JOBS = 64
CLOCKS_DIFFER = timedelta(minutes=1)
"""From here on somebody has to look at a clock."""


def take_backup(
    target: Target,
    *,
    storage: str,
    seal: Seal | None = None,
    level: Verified = Verified.CONTENTS,
    exclusions: Exclusions | None = None,
    scratch_server: Target | None = None,
    pg_bin: str = "",
    progress: Progress = silent,
    lock_wait_timeout_s: float = 30,
    jobs: int = 2,
    moved: bool = False,
    dry_run: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> BackupReport:
    """Take a backup of one snapshot, verify it, and publish it.

    All tables are locked in ACCESS SHARE mode until the dump ends: a migration that
    rewrites one would leave it empty in the dump. So never migrate meanwhile; readers
    and writers are not held up. Without the identity, an encrypted backup is verified
    by its checksums alone. For `restored` the scratch database is made on
    `scratch_server`, or beside the original. What has `moved` here from another server
    goes on in the place of its backups.

    Raises:
        UsageError: an option does not fit, or what is to be left out does not exist.
        Busy: a table's lock could not be had.
        Refused: the storage cannot be written to, or has another server's backups; a
            table cannot be read; or what stays could not be restored without what is
            left out.
        ToolFailed: pg_dump is missing or failed, the storage failed or is full, or the
            files do not hold what the snapshot held. Nothing is left in the storage.
    """
    started = clock()
    require_jobs(jobs)
    seal = seal or Seal()
    vault = open_vault(storage, target.database)
    vault.check()
    require_own_place(vault, target, moved=moved)
    if dry_run:
        means = _find_means(target, pg_bin, progress)
        with open_snapshot(
            means.target,
            lock_wait_timeout_s=lock_wait_timeout_s,
            exclusions=exclusions,
            progress=progress,
        ) as snapshot:
            picture = fetch_picture(snapshot, progress)
        return build_plan(means, picture, vault.place, seal, clock() - started)
    vault.prepare()
    means = _find_means(target, pg_bin, progress)
    level = _lower(level, seal)
    # Early: nobody wants to hear of it when all is dumped.
    scratch = (
        _find_scratch(means, scratch_server, pg_bin)
        if level is Verified.RESTORED
        else None
    )
    backup_id = _build_id(vault, progress)
    with vault.open_draft(backup_id) as draft:
        with open_snapshot(
            means.target,
            lock_wait_timeout_s=lock_wait_timeout_s,
            exclusions=exclusions,
            progress=progress,
        ) as snapshot:
            picture = fetch_picture(snapshot, progress)
            written = write_contents(
                draft,
                seal,
                snapshot,
                picture.catalog,
                picture.access,
                target=means.target,
                tools=means.tools,
                jobs=jobs,
                progress=progress,
            )
        _require_all_rows(picture.tables, written)
        backup = Backup(
            files=written.files, read=draft.read, seal=seal, written=written.rows
        )
        verification = _verify(
            backup,
            level,
            means.tools,
            scratch,
            picture.properties,
            jobs=jobs,
            progress=progress,
        )
        if verification.problems:
            raise ToolFailed(
                f"the backup cannot be restored: "
                f"{list_some(list(verification.problems))}",
                hint="look at the storage, or at what is named, then take it again",
            )
        manifest = build_manifest(
            means,
            picture,
            backup_id,
            written,
            seal=seal,
            verification=verification,
            duration_s=clock() - started,
        )
        progress("publishing it")
        location = draft.publish(write_manifest(manifest))
    return build_report(means, manifest, location)


def require_means(
    target: Target, *, storage: str, pg_bin: str = "", dry_run: bool = False
) -> None:
    """Find out early what would keep a backup from being taken.

    Raises:
        Refused: the storage cannot be written to, or has another server's backups.
        ToolFailed: pg_dump is missing or too old.
    """
    vault = open_vault(storage, target.database)
    vault.check()
    require_own_place(vault, target)
    if not dry_run:
        vault.prepare()
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


def _lower(level: Verified, seal: Seal) -> Verified:
    """Without the identity nobody can look into what was just encrypted."""
    blind = seal.encrypts and not seal.can_open and level is not Verified.NONE
    return Verified.CHECKSUM if blind else level


def _verify(
    backup: Backup,
    level: Verified,
    tools: ClientTools,
    scratch: tuple[Target, ClientTools] | None,
    like: DatabaseProperties,
    *,
    jobs: int,
    progress: Progress,
) -> Verification:
    problems: list[str] = []
    if level is Verified.CHECKSUM:
        progress("verifying: reading every file back")
        problems = find_damaged_files(backup, jobs)
    elif level is not Verified.NONE:
        progress("verifying: decoding every file, counting and summing the rows")
        problems = find_false_contents(backup, tools, jobs)
    if scratch and not problems:
        problems = find_false_restore(
            *scratch, backup, like=like, jobs=jobs, progress=progress
        )
    return Verification(level=level, at=datetime.now(UTC), problems=tuple(problems))


def _require_all_rows(expected: tuple[TableRows, ...], written: Written) -> None:
    wrong = compare_rows(
        expected, {parse_table_name(each.name): each.rows for each in written.tables}
    )
    if wrong:
        raise ToolFailed(
            f"the files do not hold what the snapshot held: {list_some(wrong)}",
            hint="take the backup again when no migration is running",
        )


def _find_means(target: Target, pg_bin: str, progress: Progress) -> Means:
    pinned, number, tools = _find_tools(target, pg_bin)
    progress(f"using {tools}, {COMPRESSION}")
    return Means(target=pinned, server_version_num=number, tools=tools)


def _build_id(vault: Vault, progress: Progress) -> str:
    """Return an id behind all others, and say when the clock is behind them."""
    now = datetime.now(UTC)
    newest = next(iter(vault.list_ids()), None)
    backup_id = build_backup_id(now, after=newest)
    ahead = read_id_moment(backup_id) - now
    if newest and ahead > CLOCKS_DIFFER:
        progress(
            f"the clock says {now:%Y-%m-%d %H:%M:%S} UTC, and backup {newest} is from "
            "later: this one is named after it, so that it is the latest"
        )
    return backup_id


def _find_scratch(
    means: Means, server: Target | None, pg_bin: str
) -> tuple[Target, ClientTools]:
    return find_scratch_means(
        server or means.target,
        server_major=means.server_version_num // 10000,
        pg_dump_major=means.tools.major,
        pg_bin=pg_bin,
    )


def _find_tools(target: Target, pg_bin: str) -> tuple[Target, int, ClientTools]:
    with open_session(target, purpose="backup") as connection:
        pinned = pin_target(target, connection)
        number = connection.info.server_version
    tools = find_tools(pinned, least_major=number // 10000, pg_bin=pg_bin)
    return pinned, number, tools
