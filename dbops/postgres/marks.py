"""What is noted on a database itself, in its comment."""

from __future__ import annotations

import re
from enum import StrEnum

from psycopg import sql

from dbops.postgres.session import Connection
from dbops.sql import load

NOTE = re.compile(r"\s*\[(?P<name>dbops\.\w+)=(?P<value>[^\]]*)\]")


class Mark(StrEnum):
    """A note that no program reads but this one; a person may, too.

    It stands behind what else the comment says. A setting of the database would be
    neater, but takes a superuser. pg_dump leaves the comment out, but for `--create`.
    """

    DEVELOPMENT = "dbops.development"
    PUSHED = "dbops.pushed"


def fetch_marks(connection: Connection) -> dict[Mark, str]:
    """Return what is noted on the connected database."""
    known = {each.value for each in Mark}
    return {
        Mark(hit["name"]): hit["value"]
        for hit in NOTE.finditer(_fetch_comment(connection))
        if hit["name"] in known
    }


def set_mark(connection: Connection, mark: Mark, value: str | None) -> None:
    """Note something on the connected database; None takes it back.

    Raises:
        psycopg.errors.InsufficientPrivilege: the role does not own the database.
    """
    before = _fetch_comment(connection)
    kept = NOTE.sub(lambda hit: "" if hit["name"] == mark else hit[0], before)
    note = "" if value is None else f" [{mark}={value}]"
    comment = f"{kept}{note}".strip()
    if comment != before:
        connection.execute(
            sql.SQL("COMMENT ON DATABASE {} IS {}").format(
                sql.Identifier(connection.info.dbname), sql.Literal(comment or None)
            )
        )


def _fetch_comment(connection: Connection) -> str:
    row = connection.execute(load("database_comment")).fetchone()
    return str(row[0]) if row and row[0] else ""


def fetch_server_address(connection: Connection) -> str | None:
    """Return where the server itself says it is reached; None for a socket."""
    row = connection.execute(
        "SELECT pg_catalog.host(pg_catalog.inet_server_addr())"
    ).fetchone()
    return str(row[0]) if row and row[0] else None
