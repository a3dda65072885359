"""Look at the server's locks, on a session of its own that waits for nobody long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import class_row, namedtuple_row

from dbops.core.lock_modes import LockMode
from dbops.core.locks.names import Names, ObjectName, find_unnamed
from dbops.core.locks.rows import (
    IndexBuild,
    LockRow,
    LockTag,
    PreparedRow,
    SessionRow,
    Snapshot,
)
from dbops.core.target import Target
from dbops.postgres.session import Connection, open_session
from dbops.sql import load

PURPOSE = "locks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """The session that looks, and what its role may see and do."""

    database: str
    database_oid: int
    pid: int
    role: str
    superuser: bool
    may_read_statistics: bool
    may_signal_backends: bool
    may_signal_autovacuum: bool | None
    """None where the server knows no role for it, and wants a superuser."""
    in_recovery: bool
    server_version: str


@contextmanager
def open_look_session(
    target: Target, *, purpose: str = PURPOSE
) -> Iterator[Connection]:
    """Open a session for looking.

    Raises:
        ServerFailed: the server cannot be reached, or it is too old.
    """
    with open_session(target, purpose=purpose) as session:
        # What is prepared in one session of a pool is not in the next.
        session.prepare_threshold = None
        yield session


@contextmanager
def open_look(session: Connection) -> Iterator[None]:
    """Ask within the block in one transaction that waits for nobody for long.

    What `pg_stat_activity` says stays the same until its end. Blocks may be nested.
    """
    if session.info.transaction_status is not TransactionStatus.IDLE:
        yield
        return
    session.execute(load("lock_begin"))
    try:
        yield
    finally:
        # It has read only; a lost connection has ended it as well.
        with suppress(psycopg.Error):
            session.execute("ROLLBACK")


def fetch_viewer(session: Connection) -> Viewer:
    """Return who looks."""
    with open_look(session), session.cursor(row_factory=class_row(Viewer)) as cursor:
        row = cursor.execute(load("lock_viewer")).fetchone()
    if row is None:
        raise psycopg.OperationalError("the session's role does not exist any more")
    return row


def fetch_snapshot(
    session: Connection, viewer: Viewer, *, asked: int | None = None
) -> Snapshot:
    """Return who waits for what, in one query where there is nothing special.

    Prepared transactions are asked for only where one holds a contended lock, index
    builds only where somebody waits for a transaction to end. The session `asked` is
    among the sessions whatever it does.
    """
    with session.cursor(row_factory=namedtuple_row) as cursor:
        rows: list[Any] = cursor.execute(
            load("locks"), {"asked": asked}, prepare=False
        ).fetchall()
    locks = tuple(_build_lock(row) for row in rows if row.locktype is not None)
    sessions: dict[int, SessionRow] = {}
    for row in rows:
        if row.pid is not None and row.pid not in sessions and row.pid != viewer.pid:
            sessions[row.pid] = build_session(row)
    prepared: list[PreparedRow] = []
    if any(each.pid is None for each in locks):
        prepared = _fetch(session, "lock_prepared", PreparedRow)
    builds: list[IndexBuild] = []
    if any(not each.granted and each.tag.locktype == "virtualxid" for each in locks):
        builds = _fetch(session, "lock_index_builds", IndexBuild)
    return Snapshot(
        taken_us=rows[0].now_us,
        database=viewer.database,
        database_oid=viewer.database_oid,
        own_pid=viewer.pid,
        locks=locks,
        sessions=tuple(sessions.values()),
        prepared=tuple(prepared),
        builds=tuple(builds),
    )


def _build_lock(row: Any) -> LockRow:
    return LockRow(
        tag=LockTag._make(row[1:11]),
        virtualtransaction=row.virtualtransaction,
        pid=row.lock_pid,
        mode=LockMode.parse(row.mode),
        granted=row.granted,
        wait_start_us=row.wait_start_us,
    )


def build_session(row: Any) -> SessionRow:
    """Make a session of what the queries call their columns."""
    return SessionRow(
        pid=row.pid,
        leader_pid=row.leader_pid,
        database=row.datname or "",
        role=row.role or "",
        superuser=row.superuser,
        application_name=row.application_name or "",
        client=row.client or "",
        backend_type=row.backend_type or "",
        state=row.state or "",
        wait_event_type=row.wait_event_type or "",
        wait_event=row.wait_event or "",
        backend_start_us=row.backend_start_us,
        xact_start_us=row.xact_start_us,
        query_start_us=row.query_start_us,
        state_change_us=row.state_change_us,
        has_written=row.has_written,
        query=row.query or "",
        hidden=row.hidden,
    )


def fetch_names(session: Connection, snapshot: Snapshot, known: Names) -> Names:
    """Return the names of what the locks are on; those of this database alone.

    What is known already is not asked for again.
    """
    wanted = find_unnamed(snapshot, known)
    if not wanted.relations and not wanted.objects:
        return known
    with (
        open_look(session),
        session.cursor(row_factory=class_row(ObjectName)) as cursor,
    ):
        rows: list[Any] = cursor.execute(
            load("lock_names"),
            {
                "relations": list(wanted.relations),
                "classes": [classid for classid, _ in wanted.objects],
                "objects": [objid for _, objid in wanted.objects],
            },
        ).fetchall()
    return known.add(rows)


def fetch_blockers(session: Connection, pid: int) -> frozenset[int]:
    """Return whom the server says that a session waits for; 0: a prepared transaction.

    It is asked for one session at a time: each call takes all locks of the lock
    manager, and for each waiter lists all that are before it.
    """
    with open_look(session):
        row = session.execute(load("lock_blockers"), {"pid": pid}).fetchone()
    return frozenset(row[0]) if row else frozenset()


def _fetch(session: Connection, name: str, kind: type[Any]) -> list[Any]:
    with session.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(load(name)).fetchall()
