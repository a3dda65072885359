"""pg_dump and pg_restore: write an archive, read it to its end, restore it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path

from psycopg.conninfo import make_conninfo

from dbops.core.progress import Progress, silent
from dbops.core.target import Target
from dbops.errors import Busy, DbopsError, ToolFailed
from dbops.postgres.leaving_out import Omission, build_pattern, list_arguments
from dbops.postgres.session import WHO_IS_AT_WORK
from dbops.postgres.snapshot import Relation
from dbops.postgres.tools import ClientTools, run_tool

LOCK_SIGNS = ("could not obtain lock", "Query was: LOCK TABLE")
"""Somebody waits for a table, or `--lock-wait-timeout` was over."""

_RESTORING = re.compile(r"(?:processing data for table|creating (?:INDEX|FK \S+)) (.*)")


class Section(StrEnum):
    """A part of an archive, in the order in which they are restored."""

    PRE_DATA = "pre-data"
    """What rows need: schemas, types, functions, tables."""
    DATA = "data"
    """Positions of sequences, large objects, rows of extensions' tables."""
    POST_DATA = "post-data"
    """Indexes, keys, triggers, policies; materialised views are filled."""


def dump_all_but_rows(
    tools: ClientTools,
    target: Target,
    *,
    snapshot_id: str,
    without: Iterable[Relation],
    omission: Omission,
    lock_wait_timeout_s: float,
    on_output: Callable[[bytes], None],
) -> None:
    """Write what a snapshot sees, but for the rows of some tables, as one archive.

    Positions of sequences, large objects, what fills materialised views, and the rows
    of extensions' tables are in it; what the omission has is not. The tables must be
    locked by the snapshot's owner already.

    Raises:
        Busy: somebody waits for a table's strongest lock; the dump would be in the way.
        ToolFailed: pg_dump failed.
    """
    arguments = [
        "--format=custom",
        f"--snapshot={snapshot_id}",
        "--compress=1",
        f"--lock-wait-timeout={max(1, round(lock_wait_timeout_s * 1000))}",
        "--no-password",
        *(
            f"--exclude-table-data={build_pattern(each.schema, each.relation)}"
            for each in without
        ),
        *list_arguments(omission),
    ]
    try:
        run_tool(
            tools.directory / "pg_dump", arguments, target=target, on_output=on_output
        )
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


def decode_archive(tools: ClientTools, archive: Path) -> None:
    """Decode the whole archive with pg_restore.

    Raises:
        ToolFailed: the archive is cut off or damaged.
    """
    run_tool(
        tools.directory / "pg_restore",
        ["--file=-", str(archive)],
        on_output=lambda _chunk: None,
    )


def restore_section(
    tools: ClientTools,
    target: Target,
    archive: Path,
    section: Section,
    *,
    jobs: int,
    with_access: bool = False,
    progress: Progress = silent,
) -> None:
    """Restore a section of an archive into the target.

    Without `with_access` owners and grants are left out: the new objects belong to the
    target's role.

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
            f"--section={section}",
            "--exit-on-error",
            *(() if with_access else ("--no-owner", "--no-acl")),
            "--no-password",
            "--verbose",
            str(archive),
        ],
        target=target,
        on_line=tell,
    )
