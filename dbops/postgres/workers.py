"""The sessions that change the schema, recognised by their application_name."""

from __future__ import annotations

from dbops.postgres.session import Connection
from dbops.sql import load

WORKER_PREFIX = "dbops-worker:"
PATIENCE_MS = 10_000


def end_orphans(connection: Connection) -> list[tuple[int, str]]:
    """Terminate the working sessions of dead runs; return (pid, application_name)."""
    rows = connection.execute(
        load("end_orphans"), {"prefix": WORKER_PREFIX, "wait_ms": PATIENCE_MS}
    ).fetchall()
    return [(pid, name) for pid, name in rows]
