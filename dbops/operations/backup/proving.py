"""A backup, restored into a scratch database, compared with what it says it holds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager

import psycopg

from dbops.core.catalog import Catalog
from dbops.core.compare import Comparison, compare_catalogs
from dbops.core.contents import Contents
from dbops.core.details import Details
from dbops.core.progress import Progress
from dbops.core.target import Target
from dbops.core.words import count_of
from dbops.errors import Refused, ServerFailed, ToolFailed
from dbops.operations.backup.reading import Backup
from dbops.operations.restore.filling import fill_database
from dbops.postgres.catalog import fetch_catalog
from dbops.postgres.copying import (
    Portion,
    open_copy_session,
    plan_portions,
    read_rows,
)
from dbops.postgres.crew import work_through
from dbops.postgres.normalise import drop_equal_expressions
from dbops.postgres.scratch import (
    DatabaseProperties,
    open_maintenance_session,
    scratch_database,
)
from dbops.postgres.session import Connection, open_session
from dbops.postgres.snapshot import explain_server_failures, fetch_relations
from dbops.postgres.tools import ClientTools, find_tools, pin_target


def find_scratch_means(
    server: Target, *, server_major: int, pg_dump_major: int, pg_bin: str
) -> tuple[Target, ClientTools]:
    """Return where a backup can be tried, as libpq has settled it, and with what.

    Raises:
        Refused: the server is older than the backup's.
        ToolFailed: pg_restore is missing or too old.
        ServerFailed: the server cannot be reached.
    """
    with open_maintenance_session(server) as connection:
        major = connection.info.server_version // 10000
        if major < server_major:
            raise Refused(
                f"the backup is from PostgreSQL {server_major}, and the scratch server "
                f"is {major}: an older server cannot take it",
                hint='name another server in DBOPS["SCRATCH_URL"]',
            )
        pinned = pin_target(server, connection)
    # An older pg_restore cannot read a newer pg_dump's archive.
    least = max(major, pg_dump_major)
    return pinned, find_tools(pinned, least_major=least, pg_bin=pg_bin)


def find_false_restore(
    server: Target,
    tools: ClientTools,
    backup: Backup,
    *,
    like: DatabaseProperties,
    jobs: int,
    progress: Progress,
    look: Callable[[Target], Iterable[str]] = lambda _target: (),
) -> list[str]:
    """Restore the backup into a scratch database, and say what is not as it was.

    `look` finds more in the database before it is dropped.

    Raises:
        Refused: it is encrypted, and there is no identity to open it; or the role may
            not create databases.
        ServerFailed: the server could not create the database.
    """
    details = backup.read_details()
    with scratch_database(server, like) as target:
        progress("verifying: restoring into a scratch database")
        try:
            fill_database(target, tools, backup, details, jobs=jobs, progress=progress)
        except (Refused, ServerFailed, ToolFailed) as error:
            if isinstance(error.__cause__, psycopg.OperationalError):
                raise  # The session was lost: that says nothing of the backup.
            return [error.message]
        progress("verifying: reading the restored rows")
        found = fetch_contents(target, jobs)
        comparison = compare_schema(target, details.catalog)
        more = [*look(target)]
    return [*compare_contents(details, found), *map(str, comparison.differences), *more]


def fetch_contents(
    target: Target, jobs: int, beside: Callable[[], None] = lambda: None
) -> Mapping[str, Contents]:
    """Read all rows of a database that nobody else writes to; count and sum them.

    This thread does what is `beside` meanwhile.
    """
    lock = threading.Lock()
    found: dict[str, Contents] = {}

    def open_one() -> AbstractContextManager[Connection]:
        return open_copy_session(target, purpose="verify:copy")

    def work(connection: Connection, portion: Portion) -> None:
        contents = Contents()
        for rows in read_rows(connection, portion):
            contents.merge(rows.contents)
        with lock:
            found.setdefault(portion.relation.name, Contents()).merge(contents)

    with explain_server_failures():
        with open_session(target, purpose="verify") as connection:
            portions = plan_portions(connection, fetch_relations(connection))
        work_through(portions, work, open_session=open_one, jobs=jobs, beside=beside)
    return found


def compare_schema(target: Target, expected: Catalog) -> Comparison:
    """Compare the schema of a restored database with the one that was backed up."""
    # A few definitions (CHECK ... IN on varchar) are spelled otherwise after they were
    # dumped and restored once. Nobody uses the new database yet, so its tables will do.
    with (
        open_session(target, purpose="verify") as connection,
        explain_server_failures(),
    ):
        actual = fetch_catalog(connection)
        comparison = compare_catalogs(expected, actual)
        return drop_equal_expressions(comparison, expected, actual, connection)


def compare_contents(details: Details, found: Mapping[str, Contents]) -> Iterator[str]:
    """Yield a line for each table that does not hold what was backed up."""
    for each in details.tables:
        contents = found.get(each.name, Contents())
        if contents.rows != each.rows:
            rows = count_of(contents.rows, "row")
            yield f'"{each.name}" has {rows} instead of {each.rows:,} when restored'
        elif contents.checksum != each.checksum:
            yield f'"{each.name}" has other rows when restored'
