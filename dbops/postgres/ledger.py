"""Write and read the ledger on a connection of its own."""

from __future__ import annotations

import getpass
import json
import socket
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from psycopg.rows import class_row

from dbops import __version__
from dbops.core.catalog import Catalog, read_catalog, write_catalog
from dbops.core.journal import Journal, StatementEntry, build_journal
from dbops.core.locks.standing import Blocked
from dbops.core.migration import MigrationId
from dbops.core.sql_script import may_run_again
from dbops.core.statement import mask_secrets
from dbops.postgres.chain import write_attested
from dbops.postgres.session import Connection
from dbops.sql import load

ADOPTED = "adopted"
"""The description of a step that recorded a migration without running its SQL."""
NOBODY = Blocked()
_DEPLOYMENT, _STEP = ("dbops_deployment", "id"), ("dbops_step", "id")
_WRITES = {
    "ledger_start_deployment": _DEPLOYMENT,
    "ledger_record_allowed": _DEPLOYMENT,
    "ledger_name_backup": _DEPLOYMENT,
    "ledger_remark": _DEPLOYMENT,
    "ledger_record_act": _DEPLOYMENT,
    "ledger_finish_deployment": _DEPLOYMENT,
    "ledger_start_step": _STEP,
    "ledger_record_digest": _STEP,
    "ledger_record_down_digest": _STEP,
    "ledger_record_blocked": _STEP,
    "ledger_finish_step": _STEP,
    "ledger_record_backup": ("dbops_backup", "backup_id"),
    "ledger_save_catalog": ("dbops_catalog", "fingerprint"),
}
"""The table that each query writes to, and its parameter that names the row."""


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


def _has_digests(connection: Connection) -> bool:
    row = connection.execute(load("ledger_has_digests")).fetchone()
    return row is not None and bool(row[0])


def fetch_digests(connection: Connection) -> list[DigestRow]:
    """Return the digests of the applied migrations; none from an old ledger."""
    if not _has_digests(connection):
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


def record_verification(connection: Connection, backup_id: str, verified: str) -> None:
    """Write down how far a backup is proven now, where the ledger knows it."""
    write_attested(
        connection,
        "ledger_record_verification",
        {"backup_id": backup_id, "verified": verified},
        table="dbops_backup",
        key=backup_id,
    )


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRow:
    """A word on one statement; the operation is negative on the way back."""

    operation: int
    number: int
    state: str
    sql: str


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


class Ledger:
    """The record of one deployment, written while it happens.

    `connection` is in autocommit mode, and not the one that the work is done on.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.deployment_id = uuid4()
        self.head = ""
        """The hash of the newest entry of the chain; empty where there is none."""
        self._remark = ""

    def start(self, kind: str, *, before: Catalog, allowed: Iterable[str] = ()) -> None:
        """Write down that it begins, on this schema, with these guards let pass."""
        self._save(before)
        self._execute(
            "ledger_start_deployment",
            id=self.deployment_id,
            kind=kind,
            actor=find_actor(),
            host=socket.gethostname(),
            git_revision=_find_git_revision(),
            dbops_version=__version__,
            fingerprint_before=before.fingerprint,
        )
        self.record_allowed(allowed)

    def record_allowed(self, guards: Iterable[str]) -> None:
        """Write down which guards a person has let pass, by their names."""
        if names := sorted(set(guards)):
            self._execute(
                "ledger_record_allowed",
                id=self.deployment_id,
                allowed=json.dumps(names),
            )

    def ping(self) -> None:
        """Let the session not seem idle: one that is may be ended."""
        self._connection.execute("SELECT 1")

    def resume(self, deployment: UUID) -> None:
        """Go on with the record of a deployment that was cut off."""
        self.deployment_id = deployment

    def name_backup(self, backup_id: str) -> None:
        """Write down which backup was taken for it."""
        self._execute("ledger_name_backup", id=self.deployment_id, backup_id=backup_id)

    def remark(self, text: str) -> None:
        """Write down what is to be known of it however it ends."""
        self._remark = text
        self._execute("ledger_remark", id=self.deployment_id, message=text)

    def record_backup(self, **fields: Any) -> None:
        """Write down a backup that was published; the fields of `BackupRecord`."""
        self._execute("ledger_record_backup", **fields)

    def record_act(self, *, done: bool, message: str) -> None:
        """Write down what was done to others' sessions; it is no deployment."""
        self._execute(
            "ledger_record_act",
            id=self.deployment_id,
            state="done" if done else "failed",
            actor=find_actor(),
            host=socket.gethostname(),
            git_revision=_find_git_revision(),
            dbops_version=__version__,
            message=message,
        )

    def start_step(
        self,
        migration: MigrationId,
        *,
        direction: str,
        description: str,
        before: Catalog | None,
        operation: int | None = None,
        digest: str = "",
        down_digest: str = "",
    ) -> UUID:
        """Write down that a step begins, and return its id."""
        step = uuid4()
        if before is not None:
            self._save(before)
        self._execute(
            "ledger_start_step",
            id=step,
            deployment=self.deployment_id,
            app=migration.app,
            migration=migration.name,
            operation=operation,
            description=description,
            direction=direction,
            fingerprint_before=before.fingerprint if before else "",
        )
        if digest and _has_digests(self._connection):
            self._execute("ledger_record_digest", id=step, digest=digest)
        if down_digest and has_column(self._connection, "dbops_step", "down_digest"):
            self._execute("ledger_record_down_digest", id=step, down_digest=down_digest)
        return step

    def finish_step(
        self,
        step: UUID,
        *,
        state: str,
        sql: str,
        duration_s: float | None,
        after: Catalog | None = None,
        message: str = "",
        blocked: Blocked = NOBODY,
    ) -> None:
        """Write down how a step ended, and whom it has kept waiting."""
        if after is not None:
            self._save(after)
        if blocked.sessions and has_column(self._connection, "dbops_step", "blocked_s"):
            self._execute(
                "ledger_record_blocked",
                id=step,
                blocked_sessions=blocked.sessions,
                blocked_s=blocked.longest_s,
            )
        self._execute(
            "ledger_finish_step",
            id=step,
            state=state,
            sql=sql,
            duration_s=duration_s,
            fingerprint_after=after.fingerprint if after else "",
            message=message,
        )

    def record_statement(
        self,
        migration: MigrationId,
        operation: int,
        number: int,
        sql: str,
        *,
        state: str = "done",
    ) -> UUID:
        """Write down a statement of an operation, and return its id."""
        statement = uuid4()
        self._note(
            "ledger_start_statement",
            id=statement,
            app=migration.app,
            migration=migration.name,
            operation=operation,
            number=number,
            state=state,
            sql=mask_secrets(sql),
        )
        return statement

    def finish_statement(self, statement: UUID, *, state: str) -> None:
        """Write down how a statement ended."""
        self._note("ledger_finish_statement", id=statement, state=state)

    def within(self, connection: Connection) -> Ledger:
        """Return the same record, written in the transaction of this connection."""
        ledger = Ledger(connection)
        ledger.resume(self.deployment_id)
        return ledger

    def finish(
        self, state: str, *, after: Catalog | None = None, message: str = ""
    ) -> None:
        """Write down how it ended."""
        if after is not None:
            self._save(after)
        self._execute(
            "ledger_finish_deployment",
            id=self.deployment_id,
            state=state,
            fingerprint_after=after.fingerprint if after else "",
            message="; ".join(filter(None, (message, self._remark))),
        )

    def _save(self, catalog: Catalog) -> None:
        self._execute(
            "ledger_save_catalog",
            fingerprint=catalog.fingerprint,
            catalog=write_catalog(catalog),
        )

    def _note(self, name: str, **parameters: Any) -> None:
        """Write what is of use until the migration is done, and attested by nothing."""
        self._connection.execute(load(name), parameters)

    def _execute(self, name: str, **parameters: Any) -> None:
        table, key = _WRITES[name]
        head = write_attested(
            self._connection, name, parameters, table=table, key=parameters[key]
        )
        self.head = head or self.head


def find_actor() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # No such user, as in many containers.
        return "unknown"


def _find_git_revision() -> str:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
