"""Cancel and terminate sessions, and never the wrong one: pids come again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import psycopg
from psycopg.rows import class_row, namedtuple_row

from dbops.core.locks.advice import Act
from dbops.core.locks.rows import SessionRow
from dbops.errors import Refused
from dbops.postgres.locks import build_session, open_look
from dbops.postgres.session import Connection, tell_error
from dbops.sql import load

PATIENCE_MS = 5_000
POLL_S = 0.05


class Outcome(StrEnum):
    """What became of a signal."""

    DONE = "done"
    MOVED_ON = "moved_on"
    """It is not in the transaction any more that was looked at: nothing was sent."""
    STILL_THERE = "still_there"
    """It was sent, and has had no effect in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionNow:
    """One session, as it is when it is asked for."""

    backend_start_us: int | None
    xact_start_us: int | None
    query_start_us: int | None
    state: str | None
    same_role: bool


def fetch_session_now(session: Connection, pid: int) -> SessionNow | None:
    """Return a session; None when there is none with that pid."""
    with (
        open_look(session),
        session.cursor(row_factory=class_row(SessionNow)) as cursor,
    ):
        return cursor.execute(load("lock_session"), {"pid": pid}).fetchone()


def fetch_idle_sessions(session: Connection, older_than_s: float) -> list[SessionRow]:
    """Return who has been idle in transaction for so long, the longest first."""
    with open_look(session), session.cursor(row_factory=namedtuple_row) as cursor:
        cursor.execute(load("lock_idle_sessions"), {"older_than_s": older_than_s})
        return [build_session(row) for row in cursor]


def signal_session(
    session: Connection,
    target: SessionRow,
    act: Act,
    *,
    only_idle: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Signal a session if it is still the one that was looked at; see that it worked.

    What it is known by (the beginning of the session and of its transaction; for a
    cancel of the query, too) is compared in the statement that sends the signal.

    Raises:
        Refused: the server says that the role may not.
    """
    identity = {
        "pid": target.pid,
        "backend_start_us": target.backend_start_us,
        "xact_start_us": target.xact_start_us,
    }
    if act is Act.TERMINATE:
        query = "lock_terminate"
        more = {
            "state": target.state if only_idle else None,
            "wait_ms": PATIENCE_MS,
        }
    else:
        query = "lock_cancel"
        more = {
            "state": target.state or None,
            "query_start_us": target.query_start_us,
        }
    try:
        with open_look(session):
            row = session.execute(load(query), identity | more).fetchone()
    except psycopg.errors.InsufficientPrivilege as error:
        raise Refused(
            f"session {target.pid} was not signalled: {tell_error(error)}",
            hint="manage.py dbops_locks as a role that may",
        ) from error
    if row is None:
        return Outcome.MOVED_ON
    deadline = clock() + PATIENCE_MS / 1000
    while not _has_ended(session, target, act):
        if clock() >= deadline:
            return Outcome.STILL_THERE
        sleep(POLL_S)
    return Outcome.DONE


def _has_ended(session: Connection, target: SessionRow, act: Act) -> bool:
    now = fetch_session_now(session, target.pid)
    if now is None or now.backend_start_us != target.backend_start_us:
        return True
    if act is Act.TERMINATE:
        return False
    query = (now.query_start_us, now.state or "")
    return query != (target.query_start_us, target.state)
