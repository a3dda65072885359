"""One moment of a database, held still for as long as a backup takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import IsolationLevel, errors, sql
from psycopg.rows import class_row

from dbops.core.exclusions import Exclusions
from dbops.core.manifest import TableRows
from dbops.core.migration import MigrationId
from dbops.core.progress import Progress, silent
from dbops.core.target import Target
from dbops.errors import Busy, DbopsError, Refused, ServerFailed, ToolFailed
from dbops.postgres.leaving_out import (
    Omission,
    find_omission,
    require_no_references,
)
from dbops.postgres.session import WHO_IS_AT_WORK, Connection, open_session
from dbops.sql import load

TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table as the catalog has it."""

    oid: int
    schema: str
    relation: str
    name: str
    """Quoted where PostgreSQL would, with its schema unless that is `public`."""
    is_partitioned: bool

    @property
    def identifier(self) -> sql.Identifier:
        """The name for a statement."""
        return sql.Identifier(self.schema, self.relation)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFacts:
    """What a manifest says of a database."""

    database: str
    taken_at: datetime
    server_version: str
    database_size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """An open transaction whose tables nobody can rewrite."""

    connection: Connection
    snapshot_id: str
    relations: tuple[Relation, ...]
    """The tables that are in the backup, if only empty."""
    omission: Omission

    @property
    def filled(self) -> tuple[Relation, ...]:
        """The tables whose rows are in the backup."""
        without = self.omission.without_rows
        return tuple(each for each in self.relations if each.oid not in without)


class _TablesChanged(Exception):
    """A table came or went between its listing and the snapshot."""


@contextmanager
def open_snapshot(
    target: Target,
    *,
    lock_wait_timeout_s: float,
    exclusions: Exclusions | None = None,
    progress: Progress = silent,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Snapshot]:
    """Lock all tables against rewriting, then take one snapshot and export it.

    A rewrite (ALTER ... TYPE, CLUSTER) empties the table for every older snapshot, so
    the locks, ACCESS SHARE, come first; no statement before the last of them takes a
    snapshot. Holds them until the end of the block, which is one REPEATABLE READ, READ
    ONLY transaction. Tables that are left out altogether are not even locked.

    Source: https://www.postgresql.org/docs/current/mvcc-caveats.html

    Raises:
        Busy: a table's lock could not be had in `lock_wait_timeout_s`.
        Refused: a table may not be read, or what stays needs what is left out.
        UsageError: what is to be left out does not exist.
    """
    exclusions = exclusions or Exclusions()
    with (
        open_session(target, purpose="backup") as connection,
        explain_server_failures(),
    ):
        connection.execute(load("lift_timeouts"))
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        deadline = clock() + lock_wait_timeout_s
        for _ in range(TRIES):
            omission = find_omission(connection, exclusions)
            relations = _fetch_chosen(connection, omission)
            progress(f"locking {len(relations):,} tables against changes")
            with connection.transaction():
                try:
                    _lock(connection, relations, deadline, clock)
                    snapshot_id = _export(connection, relations, exclusions, omission)
                except _TablesChanged:
                    progress("tables were created or dropped meanwhile, once more")
                    raise psycopg.Rollback from None
                try:
                    yield Snapshot(
                        connection=connection,
                        snapshot_id=snapshot_id,
                        relations=relations,
                        omission=omission,
                    )
                except ToolFailed:
                    # pg_dump knows only that the snapshot is gone, not why.
                    connection.execute("SELECT 1")
                    raise
                # Whatever ended the session has ended its locks: say so.
                connection.execute("SELECT 1")
                return
    raise Busy(
        f'tables of "{target.database}" were created or dropped all the time',
        hint="try again when no migration is running",
    )


def fetch_relations(connection: Connection) -> tuple[Relation, ...]:
    """Return the tables whose rows belong into a backup, by schema and name."""
    with connection.cursor(row_factory=class_row(Relation)) as cursor:
        return tuple(cursor.execute(load("backup_tables")).fetchall())


def _fetch_chosen(connection: Connection, omission: Omission) -> tuple[Relation, ...]:
    found = fetch_relations(connection)
    return tuple(each for each in found if each.oid not in omission.gone)


def fetch_facts(connection: Connection) -> DatabaseFacts:
    """Return what the manifest says of the connected database."""
    with connection.cursor(row_factory=class_row(DatabaseFacts)) as cursor:
        row = cursor.execute(load("backup_facts")).fetchone()
    assert row is not None  # noqa: S101  It is one row by its making.
    return row


def fetch_row_counts(
    connection: Connection, relations: Sequence[Relation]
) -> tuple[TableRows, ...]:
    """Count the rows of each table that has any of its own, in the same order."""
    statement = sql.SQL("SELECT pg_catalog.count(*) FROM ONLY {}")
    return tuple(
        TableRows(name=each.name, rows=row[0])
        for each in relations
        if not each.is_partitioned
        and (row := connection.execute(statement.format(each.identifier)).fetchone())
    )


def fetch_applied_migrations(connection: Connection) -> tuple[MigrationId, ...]:
    """Return what `django_migrations` records, in the order of application."""
    row = connection.execute(
        "SELECT pg_catalog.to_regclass('django_migrations') IS NOT NULL"
    ).fetchone()
    if row is None or not row[0]:
        return ()
    rows = connection.execute("SELECT app, name FROM django_migrations ORDER BY id")
    return tuple(MigrationId(app, name) for app, name in rows.fetchall())


@contextmanager
def explain_server_failures() -> Iterator[None]:
    """Turn the driver's errors into dbops's."""
    try:
        yield
    except errors.InsufficientPrivilege as error:
        raise Refused(
            _first_line(error),
            hint="use the tables' owner, or a role with pg_read_all_data and BYPASSRLS",
        ) from error
    except errors.LockNotAvailable as error:
        raise Busy(_first_line(error), hint=WHO_IS_AT_WORK) from error
    except psycopg.Error as error:
        raise ServerFailed(
            f"the server did not finish the work: {_first_line(error)}",
            hint="see the server's log, and run the command again",
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _lock(
    connection: Connection,
    relations: Sequence[Relation],
    deadline: float,
    clock: Callable[[], float],
) -> None:
    """Lock one table after the other: the server would not say which one it was."""
    statement = sql.SQL(
        "SET LOCAL lock_timeout = {}; LOCK TABLE ONLY {} IN ACCESS SHARE MODE"
    )
    for each in relations:
        left_ms = max(1, round((deadline - clock()) * 1000))
        try:
            connection.execute(statement.format(f"{left_ms}ms", each.identifier))
        except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
            raise _build_busy(each) from error
        except (errors.UndefinedTable, errors.InvalidSchemaName) as error:
            raise _TablesChanged from error
    # The catalog's deparsing functions take locks of their own later on.
    connection.execute("SET LOCAL lock_timeout = '30s'")


def _build_busy(relation: Relation) -> DbopsError:
    return Busy(
        f'table "{relation.name}" is locked by another session',
        hint=WHO_IS_AT_WORK,
    )


def _export(
    connection: Connection,
    relations: Sequence[Relation],
    exclusions: Exclusions,
    omission: Omission,
) -> str:
    """Take the transaction's snapshot and check that it has the locked tables."""
    row = connection.execute("SELECT pg_catalog.pg_export_snapshot()").fetchone()
    assert row is not None  # noqa: S101  It is one row by its making.
    if find_omission(connection, exclusions) != omission or _fetch_chosen(
        connection, omission
    ) != tuple(relations):
        raise _TablesChanged
    require_no_references(connection, omission)
    return str(row[0])
