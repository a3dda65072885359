"""Write to the ledger, and attest in the same transaction what was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from psycopg.rows import RowFactory, class_row, dict_row
from psycopg.types.datetime import TimestamptzLoader

from dbops.core.chain import (
    GONE,
    Entry,
    Row,
    RowKey,
    build_entry,
    canonicalise,
    find_attested,
    find_changed,
)
from dbops.postgres.session import Connection
from dbops.sql import load

Rows = TypeVar("Rows")
ATTESTED = {
    "dbops_catalog": "fingerprint",
    "dbops_deployment": "id",
    "dbops_backup": "backup_id",
    "dbops_step": "id",
    "dbops_rehearsal": "id",
    "dbops_kept_data": "id",
}
"""The ledger's tables and their primary keys, in an order that foreign keys allow."""
ENTRIES = "dbops_entry"
GENESIS = "genesis"
RESTORED = "restored"
"""The event of an entry about a row that came with a backup, or lost columns by it."""


def chain_exists(connection: Connection) -> bool:
    """Say whether the ledger has entries: one of an older dbops has not."""
    row = connection.execute(load("chain_exists")).fetchone()
    return row is not None and bool(row[0])


class Chain:
    """The entries, while no other session can add one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last = fetch_head(connection)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been attested yet."""
        return self._last is None

    @property
    def head(self) -> str:
        """The hash of the newest entry."""
        return self._last.hash if self._last else ""

    def write(
        self,
        query: str,
        parameters: Mapping[str, Any],
        *,
        table: str,
        key: object = None,
    ) -> None:
        """Run a query that writes the ledger, and attest it: see `write_attested`."""
        cursor = self._connection.execute(load(query), parameters)
        if key is None:
            keys = [each for (each,) in cursor.fetchall()]
        else:
            keys = [key] if cursor.rowcount else []
        for each in keys:
            self.attest(query.removeprefix("ledger_"), table, each)

    def attest(self, event: str, table: str, key: object) -> None:
        """Add an entry about a row as it is now, in this transaction."""
        query = sql.SQL("SELECT * FROM {} WHERE {} = %s").format(
            sql.Identifier(table), sql.Identifier(ATTESTED[table])
        )
        with _open_cursor(self._connection, dict_row) as cursor:
            row = cursor.execute(query, [key]).fetchone()
        if row is not None:
            self.append(event, table, row)

    def append(self, event: str, table: str, row: Row) -> None:
        """Add an entry about a row with this content."""
        self._last = build_entry(
            self._last,
            recorded_at=datetime.now(UTC),
            event=event,
            table_name=table,
            row_key=str(row[ATTESTED[table]]),
            content=canonicalise(row),
        )
        self._connection.execute(load("chain_append"), asdict(self._last))

    def append_gone(self, event: str, key: RowKey) -> None:
        """Add an entry that there is no such row."""
        self._last = build_entry(
            self._last,
            recorded_at=datetime.now(UTC),
            event=event,
            table_name=key[0],
            row_key=key[1],
            content=GONE,
        )
        self._connection.execute(load("chain_append"), asdict(self._last))


@contextmanager
def open_chain(connection: Connection) -> Iterator[Chain]:
    """Hold the chain for the length of a transaction, or of the one that is open.

    The first time, all rows that are there already are attested as they are.
    """
    if not connection.autocommit:
        # Django's transaction begins with a statement: without one, what is opened
        # here would be all of it, and be committed at the end of the block.
        connection.execute("SELECT")
    with connection.transaction():
        connection.execute(load("chain_lock"))
        chain = Chain(connection)
        if chain.is_empty:
            for (table, _), row in fetch_rows(connection).items():
                chain.append(GENESIS, table, row)
        yield chain


def write_attested(
    connection: Connection,
    query: str,
    parameters: Mapping[str, Any],
    *,
    table: str,
    key: object = None,
) -> str:
    """Run a query that writes the ledger, attest it, and return the chain's new head.

    Without a `key` the query returns the keys of the rows that it has written. Without
    a table of entries it is only run, and the head is empty.
    """
    if not chain_exists(connection):
        connection.execute(load(query), parameters)
        return ""
    with open_chain(connection) as chain:
        chain.write(query, parameters, table=table, key=key)
        return chain.head


def _open_cursor(
    connection: Connection, rows: RowFactory[Rows]
) -> psycopg.Cursor[Rows]:
    """Return a cursor whose times have a zone: Django's, without USE_TZ, have none."""
    cursor = connection.cursor(row_factory=rows)
    cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
    return cursor


def fetch_head(connection: Connection) -> Entry | None:
    """Return the newest entry."""
    with _open_cursor(connection, class_row(Entry)) as cursor:
        return cursor.execute(load("chain_head")).fetchone()


def fetch_entries(connection: Connection) -> list[Entry]:
    """Return all entries, in order."""
    with _open_cursor(connection, class_row(Entry)) as cursor:
        return cursor.execute(load("chain_entries")).fetchall()


def fetch_rows(connection: Connection) -> dict[RowKey, Row]:
    """Return all rows of the tables that are attested, as far as they are there."""
    rows: dict[RowKey, Row] = {}
    for table, key in ATTESTED.items():
        if not connection.execute(load("ledger_columns"), {"name": table}).fetchall():
            continue
        query = sql.SQL("SELECT * FROM {} ORDER BY {}").format(
            sql.Identifier(table), sql.Identifier(key)
        )
        with _open_cursor(connection, dict_row) as cursor:
            for row in cursor.execute(query):
                rows[table, str(row[key])] = row
    return rows


def attest_restored(
    connection: Connection, live: Mapping[RowKey, Row], brought: frozenset[RowKey]
) -> None:
    """Attest what the restore of an older ledger has brought, and what it has cut off.

    `live` are the rows as the live ledger has them, `brought` those that the backup
    had alone. A row that was edited by somebody before stays what it is: a flaw.
    """
    attested = find_attested(fetch_entries(connection))
    with open_chain(connection) as chain:
        for key, row in fetch_rows(connection).items():
            entry = attested.get(key)
            if entry is None or entry.content == GONE:
                if key in brought:
                    chain.append(RESTORED, key[0], row)
            elif (
                key in live
                and find_changed(entry, row)
                and not find_changed(entry, live[key])
            ):
                chain.append(RESTORED, key[0], row)
