"""Temporary databases that dbops creates and drops."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from dbops.core.target import Target
from dbops.errors import Refused, ServerFailed
from dbops.postgres.session import Connection, open_session
from dbops.sql import load

PREFIX = "dbops_scratch_"
ABANDONED_AFTER_S = 60
MAINTENANCE_DATABASES = ("postgres", "template1")


class MayNotCreate(Refused):
    """The role may not create databases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseProperties:
    """What `CREATE DATABASE` has to be told to get the like of another one."""

    encoding: str
    collation: str
    character_type: str
    provider: str
    """`c` (libc), `i` (ICU) or `b` (built in)."""
    locale: str | None


def fetch_properties(connection: Connection) -> DatabaseProperties:
    """Return the encoding and locale of the connected database."""
    with connection.cursor(row_factory=class_row(DatabaseProperties)) as cursor:
        row = cursor.execute(load("database_properties")).fetchone()
    assert row is not None  # noqa: S101  The connected database exists.
    return row


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSchema:
    """A schema of the search_path."""

    name: str
    exists: bool
    has_history: bool
    """Django keeps its history of migrations in it."""


def fetch_search_path(connection: Connection) -> tuple[PathSchema, ...]:
    """Return the schemas in which unqualified names are looked up and made."""
    with connection.cursor(row_factory=class_row(PathSchema)) as cursor:
        return tuple(cursor.execute(load("search_path")).fetchall())


def may_create_databases(connection: Connection) -> bool:
    """Say whether the session's role may create databases."""
    row = connection.execute(load("may_create_databases")).fetchone()
    return row is not None and bool(row[0])


def create_database(
    connection: Connection, name: str, like: DatabaseProperties | None
) -> None:
    """Create an empty database from `template0`, with the locale of another one.

    Raises:
        psycopg.Error: as the server says it; the callers know what it means.
    """
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(
        sql.Identifier(name)
    )
    if like is not None:
        statement += _build_locale(like)
    connection.execute(statement)


def _build_locale(like: DatabaseProperties) -> sql.Composed:
    clauses = [
        sql.SQL(" ENCODING {}").format(like.encoding),
        sql.SQL(" LC_COLLATE {}").format(like.collation),
        sql.SQL(" LC_CTYPE {}").format(like.character_type),
    ]
    if like.provider == "i" and like.locale:
        clauses.append(
            sql.SQL(" LOCALE_PROVIDER icu ICU_LOCALE {}").format(like.locale)
        )
    if like.provider == "b" and like.locale:
        clauses.append(
            sql.SQL(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {}").format(like.locale)
        )
    return sql.Composed(clauses)


def drop_database(connection: Connection, name: str) -> None:
    """Drop a database, if it exists, with whoever is connected to it.

    An autovacuum worker is not for everybody to terminate, and FORCE insists on it;
    without FORCE the server ends it by itself.

    Raises:
        psycopg.Error: it is still there.
    """
    statement = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
    try:
        connection.execute(statement + sql.SQL(" WITH (FORCE)"))
    except psycopg.errors.InsufficientPrivilege:
        connection.execute(statement)


@contextmanager
def open_maintenance_session(server: Target) -> Iterator[Connection]:
    """Connect where databases can be created from: `postgres`, or the like.

    Raises:
        ServerFailed: none of the usual databases lets this role in.
    """
    failure: ServerFailed | None = None
    for name in (*MAINTENANCE_DATABASES, server.database):
        session = open_session(server.with_database(name), purpose="maintenance")
        try:
            connection = session.__enter__()
        except ServerFailed as error:
            failure = failure or error
            continue
        try:
            yield connection
        finally:
            session.__exit__(None, None, None)
        return
    assert failure is not None  # noqa: S101  There is at least one name.
    raise failure


@contextmanager
def scratch_database(
    server: Target,
    like: DatabaseProperties | None = None,
    schemas: Sequence[str] = (),
    search_path: Sequence[str] = (),
) -> Iterator[Target]:
    """Create an empty database with these schemas, and drop it at the end.

    Its sessions have this search_path, unless they choose one themselves.

    Scratch databases that a killed run left behind are dropped first: those that
    nobody is connected to, a minute after they were made.

    Raises:
        MayNotCreate: the role may not create databases.
        ServerFailed: the server could not create it.
    """
    name = f"{PREFIX}{int(time.time())}_{secrets.token_hex(4)}"
    target = server.with_database(name)
    with open_maintenance_session(server) as connection:
        _drop_abandoned(connection)
        try:
            create_database(connection, name, like)
        except psycopg.errors.InsufficientPrivilege as error:
            role = connection.info.user
            raise MayNotCreate(
                f'role "{role}" may not create the scratch database that the schema '
                "is compared with",
                hint=f'ALTER ROLE "{role}" CREATEDB; or name another server for it '
                'in DBOPS["SCRATCH_URL"]',
            ) from error
        except psycopg.Error as error:
            raise ServerFailed(
                f'could not create scratch database "{name}": {error}'.strip(),
                hint='name another server for it in DBOPS["SCRATCH_URL"]',
            ) from error
        try:
            # Whoever is connected shows the others that it is still needed.
            with open_session(target, purpose="scratch") as session:
                for schema in schemas:
                    session.execute(
                        sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(
                            sql.Identifier(schema)
                        )
                    )
                if search_path:
                    _set_search_path(session, search_path)
                yield target
        finally:
            with suppress(psycopg.Error):
                drop_database(connection, name)


def _set_search_path(session: Connection, names: Sequence[str]) -> None:
    """Set it for the database's later sessions; a role's own would win otherwise."""
    session.execute(
        sql.SQL("ALTER ROLE CURRENT_USER IN DATABASE {} SET search_path = {}").format(
            sql.Identifier(session.info.dbname),
            sql.SQL(", ").join(map(sql.Literal, names)),
        )
    )


def _drop_abandoned(connection: Connection) -> None:
    rows = connection.execute(
        load("abandoned_scratch"), {"prefix": PREFIX, "age_s": ABANDONED_AFTER_S}
    ).fetchall()
    for (name,) in rows:
        # Another run's sweep may have been faster, or somebody has come back to it.
        with suppress(psycopg.Error):
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
