"""Ask a session what rows its open transaction has inserted and deleted."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

import psycopg
from psycopg.rows import class_row

from dbops.core.lost_rows import TableCount
from dbops.postgres.session import Connection
from dbops.sql import load


def fetch_table_counts(connection: Connection) -> dict[int, TableCount]:
    """Return what the session has done with each table up to now, by oid."""
    with connection.cursor(row_factory=class_row(TableCount)) as cursor:
        rows = cursor.execute(load("table_counts")).fetchall()
    return {each.oid: each for each in rows}


def fetch_named_tables(connection: Connection, names: Collection[str]) -> set[int]:
    """Return the tables that the names stand for, and the roots of partitions.

    A name that this role may not look up stands for none: it cannot delete there.
    """
    found: set[int] = set()
    for name in dict.fromkeys(names):
        with suppress(psycopg.Error), connection.transaction():
            rows = connection.execute(load("named_tables"), {"names": [name]})
            found |= {oid for (oid,) in rows}
    return found


def fetch_empty_tables(connection: Connection, oids: Collection[int]) -> set[int]:
    """Return those without a page on disk; all have to be locked by this session."""
    if not oids:
        return set()
    rows = connection.execute(load("empty_tables"), {"oids": list(oids)})
    return {oid for (oid,) in rows}
