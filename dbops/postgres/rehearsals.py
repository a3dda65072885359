"""The ledger's rehearsals: write them, and find the one that a migration has."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from psycopg.rows import class_row

from dbops import __version__
from dbops.core.migration import MigrationId
from dbops.postgres.chain import write_attested
from dbops.postgres.ledger import find_actor
from dbops.postgres.ledger_reading import has_column
from dbops.postgres.session import Connection
from dbops.sql import load


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalEntry:
    """What is written down of one rehearsed migration."""

    migration: MigrationId
    digest: str
    round_trip: str
    duration_s: float
    report: str
    """JSON."""
    down_digest: str = ""
    """Of its `down.sql`; empty where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalRow:
    """What the ledger knows of a rehearsed migration."""

    run: UUID
    """The same for all migrations of one rehearsal."""
    rehearsed_at: datetime
    actor: str
    backup_id: str
    """Empty where no rows were copied."""
    round_trip: str
    duration_s: float
    report: str
    """JSON: the fields of `MigrationRehearsal`, and those of the run under `run`."""
    down_digest: str
    """Of its `down.sql` then; empty where there was none, or nobody knows."""


def rehearsals_exist(connection: Connection) -> bool:
    """Say whether the ledger has a table for them: an older one does not."""
    row = connection.execute(load("rehearsals_exist")).fetchone()
    return row is not None and bool(row[0])


def record_rehearsals(
    connection: Connection,
    entries: Iterable[RehearsalEntry],
    *,
    server_version: str,
    backup_id: str,
) -> None:
    """Write down one run, all of its migrations or none."""
    run = uuid4()
    knows_down = has_column(connection, "dbops_rehearsal", "down_digest")
    with connection.transaction():
        for each in entries:
            key = uuid4()
            fields = {
                "id": key,
                "run": run,
                "actor": find_actor(),
                "host": socket.gethostname(),
                "dbops_version": __version__,
                "server_version": server_version,
                "backup_id": backup_id,
                "app": each.migration.app,
                "migration": each.migration.name,
                "digest": each.digest,
                "round_trip": each.round_trip,
                "duration_s": each.duration_s,
                "report": each.report,
            }
            _write(connection, "rehearsal_record", fields)
            if knows_down and each.down_digest:
                fields = {"id": key, "down_digest": each.down_digest}
                _write(connection, "rehearsal_record_down_digest", fields)


def _write(connection: Connection, query: str, fields: dict[str, Any]) -> None:
    write_attested(connection, query, fields, table="dbops_rehearsal", key=fields["id"])


def fetch_rehearsal(
    connection: Connection, migration: MigrationId, digest: str
) -> RehearsalRow | None:
    """Return the last rehearsal of a migration that says what this one says."""
    if not rehearsals_exist(connection):
        return None
    with connection.cursor(row_factory=class_row(RehearsalRow)) as cursor:
        return cursor.execute(
            load("rehearsal_last"),
            {"app": migration.app, "migration": migration.name, "digest": digest},
        ).fetchone()
