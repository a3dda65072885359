"""What a database has besides its contents: owner, grants, settings, comment, limit."""

from __future__ import annotations

import re
from dataclasses import dataclass

from psycopg import errors, sql
from psycopg.rows import class_row

from dbops.postgres.session import Connection
from dbops.sql import load

LISTS = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "temp_tablespaces",
    }
)
"""Settings that are lists of names: each name is a literal of its own in SET.

Source: https://www.postgresql.org/docs/current/sql-set.html
"""

_NAME = re.compile(r'"((?:[^"]|"")*)"|([^\s,"]+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class _Access:
    owner: str
    connection_limit: int
    comment: str | None
    has_grants: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grant:
    role: str | None
    privilege: str
    is_grantable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    role: str | None
    setting: str
    value: str


def copy_properties(connection: Connection, source: str, copy: str) -> tuple[str, ...]:
    """Give a database the grants, settings, comment and limit of another one.

    Within the open transaction. Returns a line for each setting that this role may
    not make.

    Raises:
        psycopg.Error: as the server says it.
    """
    access = _fetch_access(connection, source)
    name = sql.Identifier(copy)
    notes = _copy_settings(connection, source, name)
    if access.has_grants:
        _copy_grants(connection, source, name)
    connection.execute(
        sql.SQL("COMMENT ON DATABASE {} IS {}").format(
            name, sql.Literal(access.comment)
        )
    )
    connection.execute(
        sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(
            name, sql.Literal(access.connection_limit)
        )
    )
    return notes


def copy_owner(connection: Connection, source: str, copy: str) -> None:
    """Give a database the owner of another one.

    Raises:
        psycopg.Error: as the server says it.
    """
    connection.execute(
        sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
            sql.Identifier(copy),
            sql.Identifier(_fetch_access(connection, source).owner),
        )
    )


def _fetch_access(connection: Connection, database: str) -> _Access:
    with connection.cursor(row_factory=class_row(_Access)) as cursor:
        access = cursor.execute(load("database_access"), {"name": database}).fetchone()
    assert access is not None  # noqa: S101  The caller has its name from the server.
    return access


def _copy_grants(connection: Connection, source: str, copy: sql.Identifier) -> None:
    with connection.cursor(row_factory=class_row(_Grant)) as cursor:
        grants = cursor.execute(load("database_grants"), {"name": source}).fetchall()
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(copy))
    for each in grants:
        statement = sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(
            sql.SQL(each.privilege),  # The server's own word.
            copy,
            sql.Identifier(each.role) if each.role is not None else sql.SQL("PUBLIC"),
            sql.SQL(" WITH GRANT OPTION" if each.is_grantable else ""),
        )
        connection.execute(statement)


def _copy_settings(
    connection: Connection, source: str, copy: sql.Identifier
) -> tuple[str, ...]:
    with connection.cursor(row_factory=class_row(_Setting)) as cursor:
        settings = cursor.execute(
            load("database_settings"), {"name": source}
        ).fetchall()
    notes = []
    for each in settings:
        setting = _build_setting(each)
        try:
            with connection.transaction():
                connection.execute(_build_head(each, copy) + setting)
        except (errors.InsufficientPrivilege, errors.UndefinedObject) as error:
            statement = _build_head(each, sql.Identifier(source)) + setting
            notes.append(
                f"a setting was not kept ({error.diag.message_primary}); a superuser "
                f"can set it: {statement.as_string(connection)};"
            )
    return tuple(notes)


def _build_head(each: _Setting, database: sql.Identifier) -> sql.Composed:
    if each.role is None:
        return sql.SQL("ALTER DATABASE {}").format(database)
    return sql.SQL("ALTER ROLE {} IN DATABASE {}").format(
        sql.Identifier(each.role), database
    )


def _build_setting(each: _Setting) -> sql.Composed:
    values = split_names(each.value) if each.setting in LISTS else [each.value]
    name = sql.SQL(".").join(map(sql.Identifier, each.setting.split(".")))
    literals = sql.SQL(", ").join(map(sql.Literal, values))
    return sql.SQL(" SET {} TO {}").format(name, literals)


def split_names(value: str) -> list[str]:
    r"""Return the names of a list as it is stored.

    >>> split_names('"$user", "My ""App\x22", public')
    ['$user', 'My "App', 'public']
    >>> split_names('\x22\x22')
    ['']
    """
    return [
        each[2] if each[1] is None else each[1].replace('""', '"')
        for each in _NAME.finditer(value)
    ]
