"""A new database, filled from a backup."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress

from psycopg import errors, sql

from dbops.core.catalog import PUBLIC
from dbops.core.details import Details
from dbops.core.manifest import StoredFile
from dbops.core.packing import DamagedFile, unpack_rows
from dbops.core.progress import Progress
from dbops.core.table_name import parse_table_name
from dbops.core.target import Target
from dbops.errors import Refused
from dbops.operations.backup.pace import Pace
from dbops.operations.backup.reading import Backup
from dbops.operations.backup.writing import DATA
from dbops.postgres.archive import Section, restore_section
from dbops.postgres.copying import open_copy_session, write_rows
from dbops.postgres.crew import work_through
from dbops.postgres.session import Connection, open_session
from dbops.postgres.snapshot import explain_server_failures
from dbops.postgres.tools import ClientTools


def fill_database(
    target: Target,
    tools: ClientTools,
    backup: Backup,
    details: Details,
    *,
    jobs: int,
    progress: Progress,
    with_access: bool = False,
    keep: Callable[[StoredFile], bool] = lambda _file: True,
    before_keys: Callable[[], None] = lambda: None,
) -> None:
    """Restore tables, rows, and then what rows have to fit.

    With `with_access` owners and grants, too. Only the files of rows that `keep` says
    are read; `before_keys` may make what is there fit together.

    Raises:
        Refused: a file is damaged, or was not written by dbops.
        ToolFailed: pg_restore failed, at its first error.
        ServerFailed: the server did not take the rows.
    """
    tell = Pace(progress)
    with backup.extract_schema() as archive:

        def restore(section: Section) -> None:
            restore_section(
                tools,
                target,
                archive,
                section,
                jobs=jobs,
                with_access=with_access,
                progress=tell,
            )

        progress(f"restoring the tables with {tools}".replace("pg_dump", "pg_restore"))
        restore(Section.PRE_DATA)
        files = [each for each in backup.list(DATA) if keep(each)]
        _write_rows(target, backup, details, files, jobs=jobs, progress=tell)
        restore(Section.DATA)
        before_keys()
        progress("restoring indexes, keys and triggers")
        restore(Section.POST_DATA)
    if PUBLIC not in details.catalog.keys:
        _drop_public(target)


def _drop_public(target: Target) -> None:
    """Drop the schema that every new database has; what is in it would keep it."""
    in_use = (errors.DependentObjectsStillExist, errors.InsufficientPrivilege)
    with (
        explain_server_failures(),
        open_session(target, purpose="restore") as connection,
        suppress(*in_use),
    ):
        connection.execute("DROP SCHEMA IF EXISTS public")


def _write_rows(
    target: Target,
    backup: Backup,
    details: Details,
    chosen: Sequence[StoredFile],
    *,
    jobs: int,
    progress: Progress,
) -> None:
    columns = {each.name: each.columns for each in details.tables}
    files = sorted(chosen, key=lambda each: -each.size_bytes)
    done, total = 0, sum(each.size_bytes for each in files) or 1

    def open_session() -> AbstractContextManager[Connection]:
        return open_copy_session(target, purpose="restore:copy")

    def work(connection: Connection, file: StoredFile) -> None:
        nonlocal done
        if file.table is None or file.table not in columns:
            raise Refused(f'"{file.path}" is of no table of the backup')
        progress(f"restoring {file.table}: {done * 100 // total} % of all")
        name = parse_table_name(file.table)
        write_rows(
            connection,
            sql.Identifier(name.schema, name.name),
            columns[file.table],
            read_file(backup, file),
        )
        done += file.size_bytes

    with explain_server_failures():
        work_through(files, work, open_session=open_session, jobs=jobs)


def read_file(backup: Backup, file: StoredFile) -> Iterator[bytes]:
    """Yield the rows of a file, a batch at a time.

    Raises:
        Refused: it is damaged.
    """
    try:
        yield from unpack_rows(backup.open(file))
    except DamagedFile as error:
        raise Refused(f'"{file.path}": {error}') from error
