"""How large the tables are, by the server's own estimates."""

from __future__ import annotations

from psycopg.rows import class_row

from dbops.core.hazards.sizes import TableSize
from dbops.postgres.session import Connection
from dbops.sql import load


def fetch_table_sizes(connection: Connection) -> list[TableSize]:
    """Return the size of each table; waits for no lock."""
    with connection.cursor(row_factory=class_row(TableSize)) as cursor:
        return cursor.execute(load("table_sizes")).fetchall()
