"""Write and read the ledger on a connection of its own."""

from __future__ import annotations

import getpass
import json
import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

from dbops import __version__
from dbops.core.catalog import Catalog, write_catalog
from dbops.core.locks.standing import Blocked
from dbops.core.migration import MigrationId
from dbops.core.statement import mask_secrets
from dbops.postgres.chain import Chain, chain_exists, open_chain, write_attested
from dbops.postgres.ledger_reading import has_column, has_digests
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


def record_verification(connection: Connection, backup_id: str, verified: str) -> None:
    """Write down how far a backup is proven now, where the ledger knows it."""
    write_attested(
        connection,
        "ledger_record_verification",
        {"backup_id": backup_id, "verified": verified},
        table="dbops_backup",
        key=backup_id,
    )


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
        self._chain: Chain | None = None
        """Held while several entries are written together."""
        self._saved: set[str] = set()
        """Fingerprints of the schemas that this record has written down."""

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
        with self._together():
            fingerprint = self._save(before) if before is not None else ""
            self._execute(
                "ledger_start_step",
                id=step,
                deployment=self.deployment_id,
                app=migration.app,
                migration=migration.name,
                operation=operation,
                description=description,
                direction=direction,
                fingerprint_before=fingerprint,
            )
            if digest and has_digests(self._connection):
                self._execute("ledger_record_digest", id=step, digest=digest)
            if down_digest and self._has_column("dbops_step", "down_digest"):
                self._execute(
                    "ledger_record_down_digest", id=step, down_digest=down_digest
                )
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
        with self._together():
            fingerprint = self._save(after) if after is not None else ""
            if blocked.sessions and self._has_column("dbops_step", "blocked_s"):
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
                fingerprint_after=fingerprint,
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
        with self._together():
            self._execute(
                "ledger_finish_deployment",
                id=self.deployment_id,
                state=state,
                fingerprint_after=self._save(after) if after is not None else "",
                message="; ".join(filter(None, (message, self._remark))),
            )

    def _save(self, catalog: Catalog) -> str:
        """Write down a schema, once, and return its fingerprint."""
        fingerprint = catalog.fingerprint
        if fingerprint not in self._saved:
            self._execute(
                "ledger_save_catalog",
                fingerprint=fingerprint,
                catalog=write_catalog(catalog),
            )
            self._saved.add(fingerprint)
        return fingerprint

    def _has_column(self, table: str, column: str) -> bool:
        return has_column(self._connection, table, column)

    def _note(self, name: str, **parameters: Any) -> None:
        """Write what is of use until the migration is done, and attested by nothing."""
        self._connection.execute(load(name), parameters)

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Write all of the block or nothing, in one transaction and by one look."""
        if self._chain is not None or not chain_exists(self._connection):
            yield
            return
        saved = set(self._saved)
        try:
            with open_chain(self._connection) as chain:
                self._chain = chain
                yield
                head = chain.head
        except BaseException:
            self._saved = saved
            raise
        finally:
            self._chain = None
        self.head = head

    def _execute(self, name: str, **parameters: Any) -> None:
        table, key = _WRITES[name]
        if self._chain is not None:
            self._chain.write(name, parameters, table=table, key=parameters[key])
            return
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
