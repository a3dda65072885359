"""What is noted on a database itself, and goes with it and not with its backups."""

from __future__ import annotations

from enum import StrEnum

from psycopg import sql

from dbops.postgres.session import Connection
from dbops.sql import load


class Mark(StrEnum):
    """A setting of the database that no program reads but this one.

    A dump does not have it, so a restored database is marked as nothing.
    """

    DEVELOPMENT = "dbops.development"
    PUSHED = "dbops.pushed"


def fetch_marks(connection: Connection) -> dict[Mark, str]:
    """Return what is noted on the connected database."""
    rows = connection.execute(load("development_marks")).fetchall()
    known = {each.value for each in Mark}
    return {Mark(name): value for name, value in rows if name in known}


def set_mark(connection: Connection, mark: Mark, value: str | None) -> None:
    """Note something on the connected database; None takes it back.

    Raises:
        psycopg.errors.InsufficientPrivilege: the role does not own the database.
    """
    database = sql.Identifier(connection.info.dbname)
    namespace, _, name = mark.value.partition(".")
    key = sql.Identifier(namespace, name)
    if value is None:
        query = sql.SQL("ALTER DATABASE {} RESET {}").format(database, key)
    else:
        query = sql.SQL("ALTER DATABASE {} SET {} = {}").format(
            database, key, sql.Literal(value)
        )
    connection.execute(query)


def fetch_server_address(connection: Connection) -> str | None:
    """Return where the server itself says it is reached; None for a socket."""
    row = connection.execute(
        "SELECT pg_catalog.host(pg_catalog.inet_server_addr())"
    ).fetchone()
    return str(row[0]) if row and row[0] else None
