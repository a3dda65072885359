"""One deployment at a time on a database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from dbops.core.progress import Progress, silent
from dbops.core.target import Target
from dbops.errors import Busy, ServerFailed
from dbops.postgres.session import Connection, open_session
from dbops.sql import load

# "dbop" and "s001": any two numbers that nobody else is likely to take.
LOCK_CLASS, LOCK_KEY = 0x64626F70, 0x73303031
POLL_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The session that has the lock now."""

    pid: int
    application_name: str | None
    usename: str | None
    client_addr: str | None
    held_s: float | None

    def __str__(self) -> str:
        """Say who it is, as far as this role may know."""
        parts = [f"pid {self.pid}"]
        if self.application_name:
            parts.append(f'"{self.application_name}"')
        if self.usename:
            parts.append(f"role {self.usename}")
        if self.client_addr:
            parts.append(f"from {self.client_addr}")
        if self.held_s is not None:
            parts.append(f"for {self.held_s:.0f} s")
        return ", ".join(parts)


class DeployLock:
    """The lock, as long as its session lives."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def pid(self) -> int:
        """The session that holds it."""
        return self._connection.info.backend_pid

    def check(self) -> None:
        """Make sure that it is still ours before the next change.

        Raises:
            ServerFailed: the session that held it is gone.
        """
        try:
            _ask(self._connection, "SELECT 1")
        except psycopg.Error as error:
            raise ServerFailed(
                "the session that holds the deploy lock was lost",
                hint="manage.py dbops_status",
            ) from error


@contextmanager
def open_deploy_lock(
    target: Target,
    *,
    command: str,
    wait_s: float,
    shared: bool = False,
    progress: Progress = silent,
    explain: Callable[[], str] = lambda: "",
    follow: Callable[[Connection, int], bool] = lambda _session, _pid: False,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[DeployLock]:
    """Hold the lock for the length of the block.

    It belongs to the open transaction of a second, otherwise silent READ COMMITTED
    session: it ends by itself when this process is killed, survives a pooler in
    transaction mode, and does not keep CREATE INDEX CONCURRENTLY waiting. With
    `shared` it goes together with other shared ones, and with no deployment.
    `explain` says why the other run takes so long, if that is known. `follow` is given
    a session and the holder's pid each time that it was not had, and says whether the
    holder has got on since: then the time to wait begins anew.

    Raises:
        Busy: another run kept it for all of `wait_s` seconds.
    """
    deadline = clock() + wait_s
    told = False
    with open_session(target, purpose=f"{command}:lock", autocommit=False) as session:
        while not _try(session, shared=shared):
            holder = fetch_holder(session)
            if wait_s > 0 and holder and follow(session, holder.pid):
                deadline = clock() + wait_s
            session.rollback()
            who = f" ({holder})" if holder else ""
            if clock() >= deadline:
                why = explain()
                raise Busy(
                    f'another run holds the deploy lock on database "{target.alias}"'
                    f"{who}{f'; {why}' if why else ''}",
                    hint="wait for it, then run the command again; "
                    "manage.py dbops_status tells what it did",
                )
            if not told:
                progress(f"waiting for another run to finish{who}")
                if why := explain():
                    progress(why)
                told = True
            sleep(POLL_S)
        yield DeployLock(session)


def _try(session: Connection, *, shared: bool) -> bool:
    session.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
    session.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    if session.info.server_version >= 170000:  # noqa: PLR2004
        session.execute("SET LOCAL transaction_timeout = 0")
    query = load("deploy_lock_try_shared" if shared else "deploy_lock_try")
    return bool(_ask(session, query, {"class": LOCK_CLASS, "key": LOCK_KEY}))


def _ask(
    session: Connection, query: str, parameters: Mapping[str, int] | None = None
) -> object:
    """Return the one value of a query, leaving no snapshot behind.

    The portal of an extended query stays open, and keeps its snapshot, until the next
    statement: CREATE INDEX CONCURRENTLY would wait for it for ever. A client-side
    cursor uses the simple protocol, and is never prepared.
    """
    with psycopg.ClientCursor(session) as cursor:
        row = cursor.execute(query, parameters, prepare=False).fetchone()
    return row[0] if row else None


def fetch_holder(connection: Connection) -> Holder | None:
    """Return who holds the lock on the connected database, if anybody does."""
    with connection.cursor(row_factory=class_row(Holder)) as cursor:
        return cursor.execute(
            load("deploy_lock_holder"), {"class": LOCK_CLASS, "key": LOCK_KEY}
        ).fetchone()
