"""A database that a backup is restored into: new, and gone again when that fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from shlex import quote

import psycopg
from psycopg import errors, sql

from dbops.core.database_name import LONGEST_BYTES, is_name
from dbops.core.manifest import Manifest
from dbops.core.progress import Progress
from dbops.core.target import Target
from dbops.errors import DbopsError, NeedsRepair, Refused, ServerFailed, UsageError
from dbops.postgres.scratch import (
    DatabaseProperties,
    create_database,
    drop_database,
    open_maintenance_session,
)
from dbops.postgres.session import Connection
from dbops.postgres.snapshot import explain_server_failures
from dbops.postgres.tools import ClientTools, find_tools, pin_target
from dbops.sql import load

UNFINISHED = "dbops: restore of backup {} in progress"
"""The comment on a database as long as it is not whole."""
TO_REPLACE = ", to replace {}"
"""What the comment says besides, when it is going to take another one's name."""
LOCALE_ERRORS = (
    errors.InvalidParameterValue,
    errors.WrongObjectType,
    errors.UndefinedObject,
    errors.FeatureNotSupported,
    errors.InvalidObjectDefinition,
)
"""What servers say when they do not have a locale, or have it otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a restore is done with."""

    target: Target
    """The new database."""
    tools: ClientTools
    collations_from: DatabaseProperties


def require_name(name: str) -> None:
    """Refuse what cannot be the name of a database."""
    if not is_name(name):
        raise UsageError(
            f'"{name}" cannot be the name of a database: it takes 1 to '
            f"{LONGEST_BYTES} bytes"
        )


def find_means(
    target: Target,
    connection: Connection,
    manifest: Manifest,
    name: str,
    pg_bin: str,
) -> Means:
    """Find the tools that can restore this backup into a database of this name.

    Raises:
        Refused: the server is older than the backup's.
        ToolFailed: pg_restore is missing or too old.
    """
    major = connection.info.server_version // 10000
    if major < manifest.server_major:
        raise Refused(
            f"the backup is from PostgreSQL {manifest.server_major}, and the server "
            f"is {major}: an older server cannot take it",
            hint=f"restore into PostgreSQL {manifest.server_major} or later",
        )
    pinned = pin_target(target, connection)
    return Means(
        target=pinned.with_database(name),
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


def require_absent(connection: Connection, name: str) -> None:
    """Refuse a name that is taken.

    Raises:
        Refused: it is; the message says so when a restore left it.
    """
    row = connection.execute(
        "SELECT pg_catalog.shobj_description(oid, 'pg_database')"
        " FROM pg_catalog.pg_database WHERE datname = %(name)s",
        {"name": name},
    ).fetchone()
    if row is None:
        return
    if str(row[0]).startswith(UNFINISHED.partition("{")[0]):
        raise Refused(
            f'database "{name}" is being restored, or was left by a restore that '
            "was killed",
            hint=f"when no other restore is running: dropdb {quote(name)}",
        )
    raise Refused(
        f'database "{name}" exists already', hint="name a new one with --into"
    )


def find_abandoned(connection: Connection, database: str) -> list[str]:
    """Return the databases that restores left which were to replace this one.

    A restore that runs has one, too: ask under its lock only.
    """
    ending = UNFINISHED.partition("{}")[2] + TO_REPLACE.format(database)
    rows = connection.execute(load("unfinished_databases")).fetchall()
    return [name for name, comment in rows if comment.endswith(ending)]


def drop_abandoned(connection: Connection, database: str, progress: Progress) -> None:
    """Drop what killed restores left; the caller has the lock that they had.

    Raises:
        Refused: one cannot be dropped.
    """
    for name in find_abandoned(connection, database):
        progress(f'dropping database "{name}", left by a restore that was killed')
        try:
            drop_database(connection, name)
        except psycopg.Error as error:
            raise Refused(
                f'database "{name}" was left by a restore that was killed, and cannot '
                f"be dropped: {error}".strip(),
                hint=f"dropdb --force {quote(name)}",
            ) from error


@contextmanager
def new_database(
    means: Means, manifest: Manifest, *, to_replace: str | None = None
) -> Iterator[tuple[str, ...]]:
    """Create the database; drop it when the block raises, and say so.

    Yields what could not be had: nothing, or a line on the locale. It is marked as
    unfinished until `unmark`.
    """
    created = means.target
    mark = UNFINISHED.format(manifest.backup_id)
    if to_replace is not None:
        mark += TO_REPLACE.format(to_replace)
    is_ours = False
    try:
        with open_maintenance_session(created) as connection:
            notes = _create(connection, means, manifest)
            is_ours = True
            comment_on_database(connection, created.database, mark)
        yield notes
    except BaseException as error:
        if is_ours:
            _drop(created, error)
        if is_ours and isinstance(error, DbopsError):
            raise type(error)(
                f'{error.message}; database "{created.database}" was dropped again',
                hint=error.hint,
                report=error.report,
            ) from error
        raise


def comment_on_database(
    connection: Connection, database: str, comment: str | None
) -> None:
    """Say something about a database; None takes it back."""
    connection.execute(
        sql.SQL("COMMENT ON DATABASE {} IS {}").format(
            sql.Identifier(database), sql.Literal(comment)
        )
    )


def _create(
    connection: Connection, means: Means, manifest: Manifest
) -> tuple[str, ...]:
    name = means.target.database
    try:
        create_database(connection, name, means.collations_from)
    except (errors.DuplicateDatabase, errors.UniqueViolation) as error:
        # The second is what the slower of two at once gets.
        raise Refused(f'database "{name}" exists already') from error
    except errors.InsufficientPrivilege as error:
        role = connection.info.user
        raise Refused(
            f'role "{role}" may not create database "{name}"',
            hint=f'ALTER ROLE "{role}" CREATEDB;',
        ) from error
    except LOCALE_ERRORS as error:
        with explain_server_failures():
            create_database(connection, name, None)
        note = (
            f"the server does not have the backup's locale ({manifest.encoding}, "
            f"{manifest.collation}), so text may sort otherwise: "
            f"{error.diag.message_primary}"
        )
        return (note,)
    except psycopg.Error as error:
        raise ServerFailed(
            f'could not create database "{name}": {error}'.strip()
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
