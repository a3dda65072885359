"""The roles of a database: which it needs, and which a server lacks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from psycopg.rows import dict_row

from dbops.core.access import Access, Membership, Role
from dbops.postgres.properties import fetch_properties
from dbops.postgres.session import Connection
from dbops.sql import load


def fetch_access(connection: Connection) -> Access:
    """Return what owners and grants of the connected database need elsewhere."""
    roles = tuple(
        Role(
            name=each["name"],
            is_needed=each["is_needed"],
            options=tuple(each["options"]),
            settings=tuple(
                (name, value)
                for name, _, value in (
                    entry.partition("=") for entry in each["settings"]
                )
            ),
        )
        for each in _fetch(connection, "backup_roles", {})
    )
    memberships = tuple(
        Membership(**{**each, "options": tuple(each["options"])})
        for each in _fetch(
            connection, "backup_memberships", {"names": [each.name for each in roles]}
        )
    )
    return Access(
        roles=roles,
        memberships=memberships,
        properties=fetch_properties(connection, connection.info.dbname),
    )


def find_missing_roles(connection: Connection, names: Iterable[str]) -> list[str]:
    """Return those of the roles that the server does not have."""
    rows = connection.execute(
        "SELECT n.name FROM pg_catalog.unnest(%s::text[]) AS n (name) WHERE NOT EXISTS"
        " (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = n.name) ORDER BY 1",
        [list(names)],
    ).fetchall()
    return [name for (name,) in rows]


def _fetch(
    connection: Connection, query: str, parameters: dict[str, Any]
) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(load(query), parameters).fetchall()
