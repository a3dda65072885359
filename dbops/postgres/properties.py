"""What a database has besides its contents: owner, grants, settings, comment, limit."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import errors, sql
from psycopg.rows import class_row

from dbops.core.access import Grant, Properties, Setting, write_setting
from dbops.postgres.session import Connection
from dbops.sql import load


@dataclass(frozen=True, slots=True, kw_only=True)
class _Access:
    owner: str
    connection_limit: int
    comment: str | None
    has_grants: bool


def fetch_properties(connection: Connection, database: str) -> Properties:
    """Return what the database has besides its contents."""
    with connection.cursor(row_factory=class_row(_Access)) as cursor:
        access = cursor.execute(load("database_access"), {"name": database}).fetchone()
    assert access is not None  # noqa: S101  The caller has its name from the server.
    with connection.cursor(row_factory=class_row(Grant)) as cursor:
        grants = cursor.execute(load("database_grants"), {"name": database}).fetchall()
    with connection.cursor(row_factory=class_row(Setting)) as cursor:
        settings = cursor.execute(
            load("database_settings"), {"name": database}
        ).fetchall()
    return Properties(
        owner=access.owner,
        connection_limit=access.connection_limit,
        comment=access.comment,
        grants=tuple(grants) if access.has_grants else None,
        settings=tuple(settings),
    )


def copy_properties(connection: Connection, source: str, copy: str) -> tuple[str, ...]:
    """Give a database the grants, settings, comment and limit of another one.

    Within the open transaction. Returns a line for each setting that this role may
    not make.

    Raises:
        psycopg.Error: as the server says it.
    """
    given = fetch_properties(connection, source)
    return give_properties(connection, copy, given, told_as=source)


def give_properties(
    connection: Connection, database: str, given: Properties, *, told_as: str
) -> tuple[str, ...]:
    """Give a database these grants, settings, comment and limit; not the owner.

    Within the open transaction. Returns a line for each setting that this role may not
    make, with the name `told_as`.

    Raises:
        psycopg.Error: as the server says it.
    """
    name = sql.Identifier(database)
    notes = _give_settings(connection, given.settings, name, sql.Identifier(told_as))
    if given.grants is not None:
        _give_grants(connection, given.grants, name)
    connection.execute(
        sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(given.comment))
    )
    connection.execute(
        sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(
            name, sql.Literal(given.connection_limit)
        )
    )
    return notes


def copy_owner(connection: Connection, source: str, copy: str) -> None:
    """Give a database the owner of another one.

    Raises:
        psycopg.Error: as the server says it.
    """
    give_owner(connection, copy, fetch_properties(connection, source).owner)


def give_owner(connection: Connection, database: str, owner: str) -> None:
    """Give a database this owner.

    Raises:
        psycopg.Error: as the server says it.
    """
    connection.execute(
        sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
            sql.Identifier(database), sql.Identifier(owner)
        )
    )


def _give_grants(
    connection: Connection, grants: tuple[Grant, ...], database: sql.Identifier
) -> None:
    connection.execute(
        sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database)
    )
    for each in grants:
        statement = sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(
            sql.SQL(each.privilege),  # The server's own word.
            database,
            sql.Identifier(each.role) if each.role is not None else sql.SQL("PUBLIC"),
            sql.SQL(" WITH GRANT OPTION" if each.is_grantable else ""),
        )
        connection.execute(statement)


def _give_settings(
    connection: Connection,
    settings: tuple[Setting, ...],
    database: sql.Identifier,
    told_as: sql.Identifier,
) -> tuple[str, ...]:
    notes = []
    for each in settings:
        setting = sql.SQL(" SET {}").format(
            sql.SQL(write_setting(each.setting, each.value))  # Quoted there.
        )
        try:
            with connection.transaction():
                connection.execute(_build_head(each, database) + setting)
        except (errors.InsufficientPrivilege, errors.UndefinedObject) as error:
            statement = _build_head(each, told_as) + setting
            notes.append(
                f"a setting was not kept ({error.diag.message_primary}); a superuser "
                f"can set it: {statement.as_string(connection)};"
            )
    return tuple(notes)


def _build_head(each: Setting, database: sql.Identifier) -> sql.Composed:
    if each.role is None:
        return sql.SQL("ALTER DATABASE {}").format(database)
    return sql.SQL("ALTER ROLE {} IN DATABASE {}").format(
        sql.Identifier(each.role), database
    )
