"""What the ledger says: rows, journals and schemas, read from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from dbops.core.catalog import Catalog, read_catalog
from dbops.core.journal import Journal, StatementEntry, build_journal
from dbops.core.migration import MigrationId
from dbops.core.sql_script import may_run_again
from dbops.postgres.session import Connection
from dbops.sql import load


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRow:
    """One run of a command that changes the database."""

    id: UUID
    kind: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    actor: str
    host: str
    backup_id: str
    fingerprint_before: str
    fingerprint_after: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One migration, or one operation of it, within a deployment."""

    id: UUID
    app: str
    migration: str
    operation: int | None
    description: str
    direction: str
    state: str
    fingerprint_before: str
    fingerprint_after: str
    message: str

    @property
    def migration_id(self) -> MigrationId:
        """The migration it belongs to."""
        return MigrationId(self.app, self.migration)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRow:
    """A word on one statement; the operation is negative on the way back."""

    operation: int
    number: int
    state: str
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestRow:
    """What a migration said when it was last applied."""

    app: str
    migration: str
    digest: str
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededBackup:
    """A backup, and the deployment that needs it."""

    backup_id: str
    kind: str
    state: str
    started_at: datetime


def ledger_exists(connection: Connection) -> bool:
    """Say whether the ledger's tables are there."""
    row = connection.execute(load("ledger_exists")).fetchone()
    return row is not None and bool(row[0])


def has_column(connection: Connection, table: str, column: str) -> bool:
    """Say whether the ledger's table has the column: an older one may not."""
    rows = connection.execute(load("ledger_columns"), {"name": table}).fetchall()
    return (column,) in rows


def has_digests(connection: Connection) -> bool:
    """Say whether the ledger can hold digests."""
    row = connection.execute(load("ledger_has_digests")).fetchone()
    return row is not None and bool(row[0])


def fetch_digests(connection: Connection) -> list[DigestRow]:
    """Return the digests of the applied migrations; none from an old ledger."""
    if not has_digests(connection):
        return []
    with connection.cursor(row_factory=class_row(DigestRow)) as cursor:
        return cursor.execute(load("ledger_digests")).fetchall()


def fetch_last_deployment(connection: Connection) -> DeploymentRow | None:
    """Return the newest deployment, finished or not; None without a ledger, too."""
    if not ledger_exists(connection):
        return None
    with connection.cursor(row_factory=class_row(DeploymentRow)) as cursor:
        return cursor.execute(load("ledger_last_deployment")).fetchone()


def fetch_needed_backups(connection: Connection) -> list[NeededBackup]:
    """Return the backups that a deployment still needs, the newest deployment first."""
    with connection.cursor(row_factory=class_row(NeededBackup)) as cursor:
        return cursor.execute(load("ledger_needed_backups")).fetchall()


def fetch_steps(connection: Connection, deployment: UUID) -> list[StepRow]:
    """Return the steps of a deployment, in the order in which they began."""
    with connection.cursor(row_factory=class_row(StepRow)) as cursor:
        return cursor.execute(
            load("ledger_steps"), {"deployment": deployment}
        ).fetchall()


def fetch_stuck_migrations(
    connection: Connection, deployment: UUID
) -> set[MigrationId]:
    """Return the migrations of a deployment whose step did not end well."""
    return {
        step.migration_id
        for step in fetch_steps(connection, deployment)
        if step.operation is None and step.state != "done"
    }


def fetch_known_catalog(connection: Connection, fingerprint: str) -> Catalog | None:
    """Return the schema that a fingerprint of the ledger stands for."""
    row = connection.execute(
        load("ledger_find_catalog"), {"fingerprint": fingerprint}
    ).fetchone()
    return read_catalog(row[0]) if row else None


def fetch_journal(connection: Connection, migration: MigrationId) -> Journal:
    """Return how far a non-atomic migration is known to have come."""
    rows = connection.execute(
        load("ledger_operations"),
        {"app": migration.app, "migration": migration.name},
    ).fetchall()
    return build_journal(
        ((operation, state) for operation, state in rows),
        _fetch_statements(connection, migration),
    )


def _fetch_statements(
    connection: Connection, migration: MigrationId
) -> list[StatementEntry]:
    return [
        StatementEntry(operation=each.operation, number=each.number, state=each.state)
        for each in fetch_statements(connection, migration)
        # One that may run twice counts as not begun.
        if each.state != "running" or not may_run_again(each.sql)
    ]


def fetch_statements(
    connection: Connection, migration: MigrationId
) -> list[StatementRow]:
    """Return what is written of a migration's statements, the newest word last."""
    row = connection.execute(load("statements_exist")).fetchone()
    if row is None or not row[0]:
        return []
    with connection.cursor(row_factory=class_row(StatementRow)) as cursor:
        return cursor.execute(
            load("ledger_statements"),
            {"app": migration.app, "migration": migration.name},
        ).fetchall()


def fetch_adopted_catalogs(connection: Connection) -> list[Catalog]:
    """Return the schemas that were adopted, as they were then."""
    rows = connection.execute(load("ledger_adopted_catalogs")).fetchall()
    return [read_catalog(text) for (text,) in rows]
