"""pg_dump and pg_restore: write an archive, read it to its end, restore it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from psycopg.conninfo import make_conninfo

from dbops.core.archive import RowCounter, TableName
from dbops.core.progress import Progress, silent
from dbops.core.target import Target
from dbops.errors import Busy, DbopsError, ToolFailed
from dbops.postgres.session import WHO_IS_AT_WORK
from dbops.postgres.tools import ClientTools, run_tool

FORMAT = "directory"
ZSTD, GZIP = "zstd:1", "gzip:1"
FIRST_MAJOR_WITH_ZSTD = 16
NATIVE_ENCODINGS = frozenset({"UTF8", "SQL_ASCII"})
LOCK_SIGNS = ("could not obtain lock", "Query was: LOCK TABLE")
"""A worker found somebody waiting, or `--lock-wait-timeout` was over."""

_DUMPING = re.compile(r"dumping contents of table (.*)")
_RESTORING = re.compile(r"(?:processing data for table|creating (?:INDEX|FK \S+)) (.*)")


def find_compression(tools: ClientTools) -> str:
    """Return the best compression that this pg_dump was built with.

    zstd costs about as much as no compression at all, gzip several times that. pg_dump
    judges the option before it looks for the server, which is nowhere here.
    """
    if tools.major < FIRST_MAJOR_WITH_ZSTD:
        return GZIP
    nowhere = Target(alias="", parameters={"host": "/nonexistent", "dbname": "none"})
    try:
        run_tool(tools.directory / "pg_dump", [f"--compress={ZSTD}"], target=nowhere)
    except ToolFailed as error:
        if "compress" in error.message:
            return GZIP
    return ZSTD


def dump_archive(
    tools: ClientTools,
    target: Target,
    archive: Path,
    *,
    snapshot_id: str,
    encoding: str,
    compression: str,
    jobs: int,
    lock_wait_timeout_s: float,
    progress: Progress = silent,
) -> None:
    """Write what an exported snapshot sees into the new directory `archive`.

    The tables must be locked by the snapshot's owner already. Nothing is fsynced.

    Raises:
        Busy: somebody waits for a table's strongest lock; the dump would be in the way.
        ToolFailed: pg_dump failed.
    """
    level = compression.partition(":")[2]
    arguments = [
        "--format=directory",
        f"--file={archive}",
        f"--jobs={jobs}",
        f"--snapshot={snapshot_id}",
        # pg_dump 15 knows gzip alone, by its level.
        f"--compress={level if compression == GZIP else compression}",
        f"--lock-wait-timeout={max(1, round(lock_wait_timeout_s * 1000))}",
        "--no-password",
        "--no-sync",
        "--verbose",
    ]
    if encoding not in NATIVE_ENCODINGS:
        # The names in the archive are read later.
        arguments.append("--encoding=UTF8")

    def tell(line: str) -> None:
        if match := _DUMPING.search(line):
            progress(f"dumping {match[1].strip()}")

    try:
        run_tool(tools.directory / "pg_dump", arguments, target=target, on_line=tell)
    except ToolFailed as error:
        raise _find_busy(error) or error from error


def _find_busy(error: ToolFailed) -> DbopsError | None:
    lost = "FATAL: " in error.message  # The session was ended while it waited.
    if lost or not any(sign in error.message for sign in LOCK_SIGNS):
        return None
    return Busy(
        f"another session waits to change a table that is being dumped: "
        f"{error.message}",
        hint=f"try again when no migration is running; {WHO_IS_AT_WORK}",
    )


def count_archive_rows(tools: ClientTools, archive: Path) -> Mapping[TableName, int]:
    """Decode the whole archive with pg_restore and count each table's rows.

    Raises:
        ToolFailed: the archive is cut off or damaged.
    """
    counter = RowCounter()
    run_tool(
        tools.directory / "pg_restore",
        ["--data-only", "--file=-", str(archive)],
        on_output=counter.feed,
    )
    if not counter.is_complete:
        raise ToolFailed(f'the archive in "{archive}" ends inside a table')
    return counter.rows


def restore_archive(
    tools: ClientTools,
    target: Target,
    archive: Path,
    *,
    jobs: int,
    progress: Progress = silent,
) -> None:
    """Restore an archive into the target, an empty database.

    Owners and grants are left out: the new objects belong to the target's role.

    Raises:
        ToolFailed: pg_restore failed, at its first error.
    """

    def tell(line: str) -> None:
        if match := _RESTORING.search(line):
            progress(f"restoring {match[1].strip()}")

    run_tool(
        tools.directory / "pg_restore",
        [
            # A bare name with `=` in it would be taken for a connection string.
            f"--dbname={make_conninfo(dbname=target.database)}",
            f"--jobs={jobs}",
            "--exit-on-error",
            "--no-owner",
            "--no-acl",
            "--no-password",
            "--verbose",
            str(archive),
        ],
        target=target,
        on_line=tell,
    )
