"""Let one database take the name of another one that is in use.

All of it is one transaction of a session elsewhere. ALTER DATABASE ... RENAME takes a
lock that keeps everybody, superusers too, from connecting; then the sessions that are
there are ended, and the names change at the commit. What fails, or is killed, before
that leaves the database as it was, in use.

Source: https://www.postgresql.org/docs/current/sql-alterdatabase.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from shlex import quote

import psycopg
from psycopg import errors, sql
from psycopg.rows import class_row

from dbops.core.database_name import name_beside
from dbops.core.target import Target
from dbops.core.words import count_of
from dbops.errors import Busy, DbopsError, Refused, ServerFailed
from dbops.postgres.properties import copy_properties
from dbops.postgres.scratch import open_maintenance_session
from dbops.postgres.session import Connection, tell_error
from dbops.sql import load

TRIES = 5
POLL_S = 0.01
CANCEL_TIMEOUT_S = 5
SETTINGS = (
    "SET lock_timeout = '5s'",
    "SET statement_timeout = 0",
    "SET idle_in_transaction_session_timeout = '60s'",
    # Not every platform has it. The rename ends when its client was killed.
    "SET client_connection_check_interval = '250ms'",
)
IN_THE_WAY = (errors.ObjectInUse, errors.LockNotAvailable, errors.DeadlockDetected)
"""A session that does not end, or a lock on the database: it may get better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swapped:
    """How the names were exchanged."""

    terminated: int
    """Sessions that were ended."""
    downtime_s: float
    """How long nobody could connect."""
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    oid: int
    owner: str
    owns: bool
    may_create: bool
    prepared: int
    untouchable: list[str]


def require_swappable(connection: Connection, database: str) -> None:
    """Find out early what would keep this role from renaming a database in use.

    Raises:
        Refused: it may not, or the session is in that very database.
    """
    facts = _fetch_facts(connection, database)
    role = connection.info.user
    problem = hint = ""
    if connection.info.dbname == database:
        problem = f'role "{role}" cannot connect to another database than this one'
        hint = f'GRANT CONNECT ON DATABASE postgres TO "{role}";'
    elif not facts.owns:
        problem = f'role "{role}" does not own it, but "{facts.owner}" does'
        hint = f'GRANT "{facts.owner}" TO "{role}";'
    elif not facts.may_create:
        problem = f'role "{role}" may not create databases'
        hint = f'ALTER ROLE "{role}" CREATEDB;'
    elif facts.prepared:
        problem = f"it has {count_of(facts.prepared, 'prepared transaction')}"
        hint = "SELECT gid FROM pg_prepared_xacts; then COMMIT PREPARED or ROLLBACK "
        hint += "PREPARED"
    elif facts.untouchable:
        problem = (
            f'role "{role}" may not end the sessions of {", ".join(facts.untouchable)}'
        )
        hint = f'GRANT pg_signal_backend TO "{role}"; a superuser\'s sessions have to '
        hint += "be closed by hand"
    if problem:
        raise Refused(f'database "{database}" cannot be replaced: {problem}', hint=hint)


def swap_databases(
    server: Target,
    *,
    live: str,
    restored: str,
    previous: str,
    spared: int,
    leave: Callable[[], object],
    clock: Callable[[], float] = time.monotonic,
) -> Swapped:
    """Rename `live` to `previous`, and `restored` to `live`, in one transaction.

    The restored one gets grants, settings, comment and limit of the live one.
    All sessions of both are ended, the one with pid `spared` last: by `leave`, when no
    other is there any more and none can come.

    Raises:
        Busy: a session would not end, or somebody has locked the database.
        Refused: a session may not be ended.
        ServerFailed: the server would not do it.
    """
    with (
        open_maintenance_session(server) as renaming,
        open_maintenance_session(server) as ending,
    ):
        for statement in SETTINGS:
            with suppress(errors.InvalidParameterValue, errors.UndefinedObject):
                renaming.execute(statement.encode())
        swap = _Swap(
            renaming=renaming,
            ending=ending,
            live=live,
            restored=restored,
            previous=previous,
            spared=spared,
            leave=leave,
            clock=clock,
        )
        oid = _fetch_facts(ending, restored).oid
        for attempt in range(1, TRIES + 1):
            try:
                notes = swap.run()
                break
            except BaseException as error:
                # The answer to a COMMIT can be lost, and come too late for Ctrl-C.
                if _has_name(server, oid, live):
                    notes = ()
                    break
                if isinstance(error, IN_THE_WAY) and attempt < TRIES and not swap.left:
                    continue
                if isinstance(error, psycopg.Error):
                    raise _explain(live, error) from error
                raise
        return Swapped(
            terminated=len(swap.ended),
            downtime_s=round(clock() - swap.closed_at, 3),
            notes=notes,
        )


@dataclass(slots=True, kw_only=True)
class _Swap:
    """One swap, which may take several attempts."""

    renaming: Connection
    ending: Connection
    live: str
    restored: str
    previous: str
    spared: int
    leave: Callable[[], object]
    clock: Callable[[], float]
    ended: set[int] = field(default_factory=set)
    left: bool = False
    """The spared session is gone, and with it the deploy lock."""
    closed_at: float = 0
    """When connecting to the live one became impossible."""

    def run(self) -> tuple[str, ...]:
        """Change properties and names, in one transaction."""
        between = name_beside(self.live, "_swapping")
        with self.renaming.transaction():
            notes = copy_properties(self.renaming, self.live, self.restored)
            # So that autovacuum, and who looks into every database, is out of it before
            # anybody has to wait.
            self._terminate(_fetch_facts(self.ending, self.restored).oid)
            _rename(self.renaming, self.restored, between)
            with ThreadPoolExecutor(max_workers=1) as executor:
                renamed = executor.submit(
                    _rename, self.renaming, self.live, self.previous
                )
                try:
                    self._end_sessions(renamed)
                    renamed.result()
                except BaseException:
                    with suppress(psycopg.Error):
                        self.renaming.cancel_safe(timeout=CANCEL_TIMEOUT_S)
                    raise
            _rename(self.renaming, between, self.live)
        return notes

    def _end_sessions(self, renamed: Future[None]) -> None:
        """End all sessions of the live database until its renaming goes on."""
        oid = _fetch_facts(self.ending, self.live).oid
        lock = {"oid": oid, "pid": self.renaming.info.backend_pid}
        self.closed_at = self.clock()
        while not renamed.done():
            if _ask(self.ending, "swap_locked", lock):
                others = self._terminate(oid)
                if not others and not self.left:
                    self.leave()
                    self.left = True
            wait([renamed], timeout=POLL_S)

    def _terminate(self, oid: int) -> int:
        """End every session but the spared one, and return how many there were."""
        rows = self.ending.execute(
            load("swap_sessions"), {"oid": oid, "spared": self.spared}
        ).fetchall()
        for pid, role in rows:
            try:
                self.ending.execute("SELECT pg_catalog.pg_terminate_backend(%s)", [pid])
            except errors.InsufficientPrivilege as error:
                raise Refused(
                    f'database "{self.live}" cannot be replaced: a session of role '
                    f'"{role}" (pid {pid}) may not be ended by this role',
                    hint="close it, or GRANT pg_signal_backend; then run the command "
                    "again",
                ) from error
            self.ended.add(pid)
        return len(rows)


def _rename(connection: Connection, name: str, new: str) -> None:
    """Rename a database; the server waits up to 5 s for its sessions to end."""
    connection.execute(
        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
            sql.Identifier(name), sql.Identifier(new)
        )
    )


def _fetch_facts(connection: Connection, database: str) -> _Facts:
    with connection.cursor(row_factory=class_row(_Facts)) as cursor:
        facts = cursor.execute(load("swap_facts"), {"name": database}).fetchone()
    if facts is None:
        raise Refused(
            f'database "{database}" does not exist: there is nothing to replace',
            hint=f"manage.py dbops_restore latest --into {quote(database)}",
        )
    return facts


def _ask(connection: Connection, query: str, parameters: dict[str, int]) -> object:
    row = connection.execute(load(query), parameters).fetchone()
    return row[0] if row else None


def _has_name(server: Target, oid: int, name: str) -> bool:
    """Say whether the swap was committed; no, where nobody can be asked."""
    try:
        with open_maintenance_session(server) as connection:
            return _fetch_facts(connection, name).oid == oid
    except (psycopg.Error, DbopsError):
        return False


def _explain(live: str, error: psycopg.Error) -> DbopsError:
    problem = f'database "{live}" could not be replaced: {tell_error(error)}'
    if isinstance(error, IN_THE_WAY):
        return Busy(problem, hint="run the command again when it is used less")
    if isinstance(error, errors.InsufficientPrivilege):
        return Refused(problem, hint="run it as the owner of the database")
    return ServerFailed(problem, hint="manage.py dbops_status")
