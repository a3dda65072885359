"""Restore a backup into a new database, and prove that it is the original."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from shlex import quote

import psycopg
from psycopg import errors, sql

from dbops.core.archive import parse_table_name
from dbops.core.catalog import Catalog, read_catalog
from dbops.core.compare import Comparison, Difference, compare_catalogs
from dbops.core.manifest import Manifest, TableRows
from dbops.core.progress import Progress, silent
from dbops.core.target import Target
from dbops.errors import (
    DbopsError,
    NeedsRepair,
    Refused,
    Reverted,
    ServerFailed,
    UsageError,
)
from dbops.operations import storage as store
from dbops.operations.backup import compare_rows, list_some, require_jobs
from dbops.operations.pace import Pace
from dbops.postgres.archive import restore_archive
from dbops.postgres.catalog import fetch_catalog
from dbops.postgres.normalise import drop_equal_expressions
from dbops.postgres.scratch import (
    DatabaseProperties,
    create_database,
    drop_database,
    open_maintenance_session,
)
from dbops.postgres.session import Connection, open_session
from dbops.postgres.snapshot import (
    explain_server_failures,
    fetch_relations,
    fetch_row_counts,
)
from dbops.postgres.tools import ClientTools, find_tools, pin_target

LONGEST_NAME_BYTES = 63
UNFINISHED = "dbops: restore of backup {} in progress"
LOCALE_ERRORS = (
    errors.InvalidParameterValue,
    errors.WrongObjectType,
    errors.UndefinedObject,
    errors.FeatureNotSupported,
    errors.InvalidObjectDefinition,
)
"""What servers say when they do not have a locale, or have it otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """A backup in a new database; with `dry_run` what would be restored."""

    backup_id: str
    database: str
    """The new database's name on the server."""
    previous_database: str | None = None
    duration_s: float
    tables: tuple[TableRows, ...]
    schema_matches: bool | None
    """None when it was not looked at: a dry run."""
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    tools: str
    dry_run: bool

    @property
    def exit_code(self) -> int:
        """3 when the schema is not the one that was backed up."""
        return 3 if self.schema_matches is False else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Means:
    """What a restore is done with."""

    target: Target
    """The new database."""
    tools: ClientTools
    collations_from: DatabaseProperties


def restore_backup(
    target: Target,
    *,
    storage: str,
    backup_id: str,
    into: str,
    pg_bin: str = "",
    progress: Progress = silent,
    jobs: int = 2,
    dry_run: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> RestoreReport:
    """Restore a backup of the target's database into a new one beside it.

    `backup_id` may be `latest` or the beginning of an id. The new database is dropped
    again when anything fails; it stays when only its schema differs, which the report
    says.

    Raises:
        UsageError: there is no such backup, or `into` is no name.
        Refused: a file of the backup is damaged, or the database exists already.
        ToolFailed: pg_restore is missing or failed.
        Reverted: the rows are not those of the manifest.
    """
    started = clock()
    _require_name(into)
    require_jobs(jobs)
    backup = store.find_backup(storage, target.database, backup_id)
    manifest = store.read_stored_manifest(backup)
    progress(f"verifying the checksums of backup {backup.backup_id}")
    require_intact(backup, manifest, jobs)
    expected = read_catalog(backup.catalog.read_text(encoding="utf-8"))
    with open_maintenance_session(target) as connection:
        means = _find_means(target, connection, manifest, into, pg_bin)
        _require_absent(connection, into)
        if dry_run:
            return _build_plan(means, manifest, clock() - started)
    progress(f'creating database "{into}"')
    with _new_database(means, manifest) as notes:
        progress(f"restoring with {means.tools}".replace("pg_dump", "pg_restore"))
        restore_archive(
            means.tools,
            means.target,
            backup.archive,
            jobs=jobs,
            progress=Pace(progress),
        )
        progress("verifying rows and schema")
        comparison = _verify(means.target, manifest, expected)
    return RestoreReport(
        backup_id=manifest.backup_id,
        database=into,
        duration_s=round(clock() - started, 3),
        tables=manifest.tables,
        schema_matches=not comparison.differences,
        differences=comparison.differences,
        notes=(*notes, *map(str, comparison.notes)),
        tools=str(means.tools),
        dry_run=False,
    )


def require_intact(backup: store.StoredBackup, manifest: Manifest, jobs: int) -> None:
    """Refuse a backup with a file that is missing or not as it was written."""
    with ThreadPoolExecutor(max_workers=jobs) as executor:
        found = executor.map(
            lambda file: store.find_damage(backup.directory, file), manifest.files
        )
        damage = [each for each in found if each]
    if damage:
        raise Refused(
            f"backup {backup.backup_id} is damaged: {list_some(damage)}",
            hint="restore another one, or this one's copy from elsewhere",
        )


def _require_name(into: str) -> None:
    if not into or "\0" in into or len(into.encode()) > LONGEST_NAME_BYTES:
        raise UsageError(
            f'"{into}" cannot be the name of a database: it takes 1 to '
            f"{LONGEST_NAME_BYTES} bytes"
        )


def _find_means(
    target: Target,
    connection: Connection,
    manifest: Manifest,
    into: str,
    pg_bin: str,
) -> _Means:
    major = connection.info.server_version // 10000
    if major < manifest.server_major:
        raise Refused(
            f"the backup is from PostgreSQL {manifest.server_major}, and the server "
            f"is {major}: an older server cannot take it",
            hint=f"restore into PostgreSQL {manifest.server_major} or later",
        )
    pinned = pin_target(target, connection)
    return _Means(
        target=pinned.with_database(into),
        # An older pg_restore cannot read a newer pg_dump's archive.
        tools=find_tools(
            pinned, least_major=max(major, manifest.pg_dump_major), pg_bin=pg_bin
        ),
        collations_from=DatabaseProperties(
            encoding=manifest.encoding,
            collation=manifest.collation,
            character_type=manifest.character_type,
            provider=manifest.locale_provider,
            locale=manifest.locale,
        ),
    )


def _require_absent(connection: Connection, into: str) -> None:
    row = connection.execute(
        "SELECT pg_catalog.shobj_description(oid, 'pg_database')"
        " FROM pg_catalog.pg_database WHERE datname = %(name)s",
        {"name": into},
    ).fetchone()
    if row is None:
        return
    if str(row[0]).startswith(UNFINISHED.partition("{")[0]):
        raise Refused(
            f'database "{into}" is being restored, or was left by a restore that '
            "was killed",
            hint=f"when no other restore is running: dropdb {quote(into)}",
        )
    raise Refused(
        f'database "{into}" exists already',
        hint="name a new one with --into",
    )


@contextmanager
def _new_database(means: _Means, manifest: Manifest) -> Iterator[tuple[str, ...]]:
    """Create the database; drop it when the block raises, and say so.

    Yields what could not be had: nothing, or a line on the locale.
    """
    created = means.target
    is_ours = False
    try:
        with open_maintenance_session(created) as connection:
            notes = _create(connection, means, manifest)
            is_ours = True
            connection.execute(
                sql.SQL("COMMENT ON DATABASE {} IS {}").format(
                    sql.Identifier(created.database),
                    UNFINISHED.format(manifest.backup_id),
                )
            )
        yield notes
    except BaseException as error:
        if is_ours:
            _drop(created, error)
        if is_ours and isinstance(error, DbopsError):
            raise type(error)(
                f'{error.message}; database "{created.database}" was dropped again',
                hint=error.hint,
            ) from error
        raise


def _create(
    connection: Connection, means: _Means, manifest: Manifest
) -> tuple[str, ...]:
    into = means.target.database
    try:
        create_database(connection, into, means.collations_from)
    except (errors.DuplicateDatabase, errors.UniqueViolation) as error:
        # The second is what the slower of two at once gets.
        raise Refused(f'database "{into}" exists already') from error
    except errors.InsufficientPrivilege as error:
        role = connection.info.user
        raise Refused(
            f'role "{role}" may not create database "{into}"',
            hint=f'ALTER ROLE "{role}" CREATEDB;',
        ) from error
    except LOCALE_ERRORS as error:
        with explain_server_failures():
            create_database(connection, into, None)
        note = (
            f"the server does not have the backup's locale ({manifest.encoding}, "
            f"{manifest.collation}), so text may sort otherwise: "
            f"{error.diag.message_primary}"
        )
        return (note,)
    except psycopg.Error as error:
        raise ServerFailed(
            f'could not create database "{into}": {error}'.strip()
        ) from error
    return ()


def _drop(created: Target, cause: BaseException) -> None:
    try:
        with open_maintenance_session(created) as connection:
            drop_database(connection, created.database)
    except (psycopg.Error, DbopsError) as error:
        raise NeedsRepair(
            f"the restore failed ({cause or 'interrupted'}), and the half restored "
            f'database "{created.database}" could not be dropped: {error}',
            hint=f"dropdb --force {quote(created.database)}",
        ) from cause


def _verify(created: Target, manifest: Manifest, expected: Catalog) -> Comparison:
    """Compare rows and schema with the backup's; leave statistics for the planner."""
    with (
        open_session(created, purpose="restore") as connection,
        explain_server_failures(),
    ):
        relations = fetch_relations(connection)
        counted = {
            parse_table_name(table.name): table.rows
            for table in fetch_row_counts(connection, relations)
        }
        wrong = compare_rows(manifest.tables, counted)
        if wrong:
            raise Reverted(
                f"backup {manifest.backup_id} was not restored whole: "
                f"{list_some(wrong)}",
                hint="restore another backup: manage.py dbops_backups",
            )
        comparison = _compare_schema(connection, expected)
        connection.execute("ANALYZE")
        connection.execute(
            sql.SQL("COMMENT ON DATABASE {} IS NULL").format(
                sql.Identifier(created.database)
            )
        )
    return comparison


def _compare_schema(connection: Connection, expected: Catalog) -> Comparison:
    # A few definitions (CHECK ... IN on varchar) are spelled otherwise after they were
    # dumped and restored once. Nobody uses the new database yet, so its tables will do.
    actual = fetch_catalog(connection)
    comparison = compare_catalogs(expected, actual)
    return drop_equal_expressions(comparison, expected, actual, connection)


def _build_plan(means: _Means, manifest: Manifest, duration_s: float) -> RestoreReport:
    return RestoreReport(
        backup_id=manifest.backup_id,
        database=means.target.database,
        duration_s=round(duration_s, 3),
        tables=manifest.tables,
        schema_matches=None,
        differences=(),
        notes=(),
        tools=str(means.tools),
        dry_run=True,
    )
