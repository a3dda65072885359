"""Turns: who holds the deploy lock, by a token that grows, and what they do.

The token is what fences. A run that has lost its lock without noticing, as one that was
stopped for a while, finds that there is a greater one, and goes no further.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from dbops.core.target import Target
from dbops.errors import Busy, DbopsError, ServerFailed
from dbops.postgres.deploy_lock import DeployLock, open_deploy_lock
from dbops.postgres.ledger import find_actor
from dbops.postgres.session import WHO_IS_AT_WORK, Connection, open_session
from dbops.sql import load

PATIENCE = "10s"
"""How long a turn waits for the migration of one before that could not be ended."""


class Superseded(Busy):
    """Another run has taken over; this one must not touch anything any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRow:
    """A turn as the ledger has it."""

    token: int
    kind: str
    actor: str
    host: str
    pid: int
    ended: bool
    plan: str
    step: str
    exit_code: int | None
    verdict: str

    @property
    def who(self) -> str:
        """Who has it, in words."""
        return f"{self.actor} on {self.host} (turn {self.token})"


def turns_exist(connection: Connection) -> bool:
    """Say whether the ledger has turns."""
    row = connection.execute(load("turn_exists")).fetchone()
    return row is not None and bool(row[0])


def fetch_turns(connection: Connection, since: int) -> list[TurnRow]:
    """Return the turns from that token on, in order."""
    with connection.cursor(row_factory=class_row(TurnRow)) as cursor:
        return cursor.execute(load("turn_list"), {"since": since}).fetchall()


def fetch_newest_token(connection: Connection) -> int:
    """Return the greatest token; 0 where there is none."""
    row = connection.execute(load("turn_newest")).fetchone()
    return (row[0] if row else None) or 0


def fetch_activity(connection: Connection, pid: int) -> datetime | None:
    """Return when the run whose lock is session `pid`'s did something last."""
    row = connection.execute(load("turn_activity"), {"pid": pid}).fetchone()
    return row[0] if row else None


class Turn:
    """The turn of this run; without a token as long as the ledger has no turns."""

    def __init__(self, target: Target, kind: str, lock: DeployLock) -> None:
        self.target = target
        self.kind = kind
        self.token: int | None = None
        self._lock = lock
        self._session: Connection | None = None
        self._stack = ExitStack()

    def take(self, connection: Connection) -> None:
        """Begin it, if the ledger can hold it; once. `connection` autocommits.

        Raises:
            Busy: a migration of an earlier turn is at work, and could not be ended.
        """
        if self.token is not None or not turns_exist(connection):
            return
        try:
            with connection.transaction():
                connection.execute(
                    "SELECT pg_catalog.set_config('lock_timeout', %s, true)",
                    (PATIENCE,),
                )
                row = connection.execute(
                    load("turn_take"),
                    {
                        "kind": self.kind,
                        "actor": find_actor(),
                        "host": socket.gethostname(),
                    },
                ).fetchone()
        except psycopg.errors.LockNotAvailable as error:
            raise Busy(
                "a migration of an earlier run is still at work, in a session that "
                "this role may not end",
                hint=WHO_IS_AT_WORK,
            ) from error
        self.token = row[0] if row else None

    def check(self) -> None:
        """Make sure that lock and turn are still ours before the next change.

        Raises:
            ServerFailed: the session that held the lock is gone.
            Superseded: another run has taken over.
        """
        self._lock.check()
        self._require_newest()

    def hold(self, connection: Connection) -> None:
        """Make sure of it within a transaction, and for as long as that lasts.

        Raises:
            Superseded: another run has taken over.
        """
        if self.token is None:
            return
        connection.execute(load("turn_hold"), {"token": self.token})
        self._compare(fetch_newest_token(connection))

    def regain(self) -> None:
        """Have the lock again where its session was lost, unless somebody else had it.

        Raises:
            Superseded: somebody has, or had it.
        """
        try:
            self._lock.check()
        except ServerFailed:
            try:
                self._lock = self._stack.enter_context(
                    open_deploy_lock(self.target, command=self.kind, wait_s=0)
                )
            except Busy as error:
                raise self._build_superseded() from error
        self._require_newest()

    def announce(self, plan: str) -> None:
        """Write down what it is to do."""
        self._write("turn_plan", plan=plan)

    def tell(self, step: str) -> None:
        """Write down what it is at."""
        self._write("turn_step", step=step)

    def end(self, exit_code: int | None, verdict: str) -> None:
        """Write down how it ended; no exit code where nobody shall go by it."""
        self._write("turn_end", exit_code=exit_code, verdict=verdict)

    def close(self) -> None:
        """End its sessions."""
        self._stack.close()

    def _require_newest(self) -> None:
        if self.token is None:
            return
        try:
            newest = fetch_newest_token(self._connect())
        except psycopg.OperationalError:  # Its session was ended; that says nothing.
            newest = fetch_newest_token(self._connect())
        self._compare(newest)

    def _compare(self, newest: int) -> None:
        if newest != self.token:
            raise self._build_superseded()

    def _build_superseded(self) -> Superseded:
        return Superseded(
            f"this run ({self.kind}, turn {self.token}) lost the deploy lock, and "
            "another one has taken over; it stopped there",
            hint="manage.py dbops_status",
        )

    def _write(self, name: str, **fields: Any) -> None:
        """Tell others; nothing that happens to it reaches the run."""
        if self.token is None:
            return
        with suppress(psycopg.Error, DbopsError):
            self._connect().execute(load(name), {"token": self.token, **fields})

    def _connect(self) -> Connection:
        session = self._session
        if session is None or session.closed:
            session = self._stack.enter_context(
                open_session(self.target, purpose=f"{self.kind}:turn")
            )
            # What others read meanwhile; the token itself is written by `take`.
            session.execute("SET synchronous_commit = off")
            self._session = session
        return session
