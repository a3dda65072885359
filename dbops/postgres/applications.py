"""What the ledger knows of applied migrations, for the way back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from dbops.core.migration import MigrationId
from dbops.postgres.ledger_reading import ledger_exists
from dbops.postgres.session import Connection
from dbops.sql import load


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationRow:
    """How a migration was last applied."""

    deployment_id: UUID
    started_at: datetime
    description: str
    digest: str
    """Of the migration then; empty where nobody knows."""
    down_digest: str
    """Of its `down.sql` then; empty where there was none, or nobody knows."""
    fingerprint_before: str
    fingerprint_after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierBackup:
    """The newest backup from before a moment."""

    backup_id: str
    taken_at: datetime


def fetch_application(
    connection: Connection, migration: MigrationId
) -> ApplicationRow | None:
    """Return how a migration was last applied; None where the ledger does not know."""
    if not ledger_exists(connection):
        return None
    with connection.cursor(row_factory=class_row(ApplicationRow)) as cursor:
        return cursor.execute(
            load("ledger_application"),
            {"app": migration.app, "migration": migration.name},
        ).fetchone()


def fetch_applied_since(connection: Connection, since: datetime) -> set[MigrationId]:
    """Return the migrations that were last applied by a run from then on."""
    rows = connection.execute(load("rollback_applied_since"), {"since": since})
    return {MigrationId(*each) for each in rows}


def fetch_release(connection: Connection, fingerprint: str) -> str:
    """Return the git revision that last left the schema so; empty if unknown."""
    row = connection.execute(
        load("rollback_release"), {"fingerprint": fingerprint}
    ).fetchone()
    return str(row[0]) if row else ""


def fetch_earlier_backup(
    connection: Connection, before: datetime
) -> EarlierBackup | None:
    """Return the newest backup in the ledger from before a moment."""
    with connection.cursor(row_factory=class_row(EarlierBackup)) as cursor:
        return cursor.execute(load("rollback_backup"), {"before": before}).fetchone()
