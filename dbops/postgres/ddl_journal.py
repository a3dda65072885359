"""The journal of DDL that was run by hand, kept by an event trigger."""

from __future__ import annotations

import psycopg
from psycopg.rows import class_row

from dbops.core.culprit import JournalEntry
from dbops.errors import Refused
from dbops.postgres.session import Connection, tell_error
from dbops.sql import load


def fetch_entries(connection: Connection) -> list[JournalEntry]:
    """Return what the journal has, newest first; nothing where there is none."""
    row = connection.execute(load("journal_readable")).fetchone()
    if row is None or not row[0]:
        return []
    with connection.cursor(row_factory=class_row(JournalEntry)) as cursor:
        return cursor.execute(load("journal_entries")).fetchall()


def install_journal(connection: Connection) -> None:
    """Have each DDL statement noted from now on; in one transaction.

    Raises:
        Refused: the role may not create event triggers.
    """
    _run(connection, "journal_install")


def remove_journal(connection: Connection) -> None:
    """Take the journal away, entries and all.

    Raises:
        Refused: it is another role's.
    """
    _run(connection, "journal_remove")


def _run(connection: Connection, name: str) -> None:
    try:
        with connection.transaction():
            connection.execute(load(name).encode())
    except psycopg.errors.InsufficientPrivilege as error:
        raise Refused(
            f'role "{connection.info.user}" may not do that: {tell_error(error)}',
            hint="have a superuser run the SQL: manage.py dbops_drift --journal sql",
        ) from error
