"""Ask the server what the doctor wants to know; every answer comes within seconds."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from inspect import signature
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar

import psycopg
from psycopg import pq
from psycopg.rows import class_row

from dbops.core.doctor_engine import LastDump, WalRate
from dbops.core.doctor_facts import (
    ChangedCollation,
    EnumColumn,
    IdleSlot,
    InvalidIndex,
    LooseConstraint,
    OldExtension,
    Pooling,
    PreparedTransaction,
    Replica,
    Role,
    Sequence,
    Server,
    Transaction,
    VerifiedBackup,
)
from dbops.core.target import Target
from dbops.errors import ServerFailed
from dbops.postgres.session import Connection, open_session
from dbops.sql import load

PURPOSE = "doctor"
STATEMENT_TIMEOUT = "10s"
LOCK_TIMEOUT = "2s"

Row = TypeVar("Row")


def is_refusal(error: BaseException) -> bool:
    """Tell a connection that failed from one to a server that is too old."""
    return isinstance(error.__cause__, psycopg.OperationalError)


def get_libpq_keywords() -> frozenset[str]:
    """Return the names of libpq's connection parameters."""
    return frozenset(option.keyword.decode() for option in pq.Conninfo.get_defaults())


def find_unknown_parameters(names: Iterable[str]) -> tuple[str, ...]:
    """Return those that neither psycopg.connect nor libpq takes."""
    known = get_libpq_keywords() | signature(psycopg.connect).parameters.keys()
    return tuple(name for name in names if name not in known)


@contextmanager
def open_look(session: Connection) -> Iterator[None]:
    """Read within the block in one transaction that waits for nobody for long.

    The bounds end with the transaction, so that a pooler does not hand them on.
    """
    with session.transaction():
        session.execute(
            load("doctor_timeouts"),
            {"statement_timeout": STATEMENT_TIMEOUT, "lock_timeout": LOCK_TIMEOUT},
        )
        yield


def fetch_server(session: Connection) -> Server:
    """Return the facts of the server and the database."""
    return _fetch_one(session, "doctor_server", Server)


def fetch_role(session: Connection) -> Role:
    """Return what the session's role may do."""
    return _fetch_one(session, "doctor_role", Role)


def fetch_transactions(session: Connection) -> list[Transaction]:
    """Return the open transactions of others, the oldest first."""
    return _fetch(session, "doctor_transactions", Transaction)


def fetch_prepared(session: Connection) -> list[PreparedTransaction]:
    """Return the prepared transactions, the oldest first."""
    return _fetch(session, "doctor_prepared", PreparedTransaction)


def fetch_indexes(session: Connection) -> list[InvalidIndex]:
    """Return the INVALID indexes that nobody is building."""
    return _fetch(session, "doctor_indexes", InvalidIndex)


def fetch_constraints(session: Connection) -> list[LooseConstraint]:
    """Return the NOT VALID constraints."""
    return _fetch(session, "doctor_constraints", LooseConstraint)


def fetch_collations(session: Connection) -> list[ChangedCollation]:
    """Return the collations that have changed, the database's first."""
    return _fetch(session, "doctor_collations", ChangedCollation)


def fetch_sequences(session: Connection) -> list[Sequence]:
    """Return the sequences that do not begin again at their end, by name."""
    return _fetch(session, "doctor_sequences", Sequence)


def fetch_extensions(session: Connection) -> list[OldExtension]:
    """Return the extensions that can be updated, by name."""
    return _fetch(session, "doctor_extensions", OldExtension)


def fetch_enums(session: Connection) -> list[EnumColumn]:
    """Return the columns of enum types, by table and name."""
    return _fetch(session, "doctor_enums", EnumColumn)


def fetch_replicas(session: Connection) -> list[Replica]:
    """Return the connected replicas that the role may see, by name."""
    return _fetch(session, "doctor_replicas", Replica)


def fetch_slots(session: Connection) -> list[IdleSlot]:
    """Return the replication slots that nobody uses, by name."""
    return _fetch(session, "doctor_slots", IdleSlot)


def fetch_last_backup(session: Connection) -> VerifiedBackup | None:
    """Return the newest verified backup of the ledger."""
    found = _fetch(session, "doctor_backup", VerifiedBackup)
    return found[0] if found else None


def fetch_last_dump(session: Connection) -> LastDump | None:
    """Return the newest dump of the ledger."""
    found = _fetch(session, "doctor_last_dump", LastDump)
    return found[0] if found else None


def fetch_wal_rate(session: Connection) -> WalRate | None:
    """Return how much log the server has written; None where it does not know."""
    found = _fetch(session, "doctor_wal_rate", WalRate)
    return found[0] if found else None


def look_for_pooler(session: Connection, target: Target) -> Pooling:
    """Compare what an idle session and one beside it see of each other.

    The mark is taken away again, where the second session finds it.

    Raises:
        ServerFailed: there is no room for a second session.
    """
    mark = secrets.token_hex(8)
    first_pid, _ = _mark(session, mark)
    with open_session(target, purpose=PURPOSE) as beside:
        with beside.transaction():
            beside_pid, seen = _read_mark(beside)
        if seen:
            _mark(beside, "")
    # Not before the other is gone: a pool of one backend would never answer.
    again_pid, _ = _read_mark(session)
    return Pooling(
        first_pid=first_pid,
        beside_pid=beside_pid,
        again_pid=again_pid,
        mark_seen=seen == mark,
    )


def find_local_data_directory(server: Server, session: Connection) -> Path | None:
    """Return the server's data directory, where it is on this machine and known."""
    if server.data_directory is None or not _is_local(session.info):
        return None
    directory = Path(server.data_directory)
    try:
        return directory if directory.is_dir() else None
    except OSError:
        return None


def _is_local(info: psycopg.ConnectionInfo) -> bool:
    if not info.hostaddr:
        return True
    try:
        return ip_address(info.hostaddr.partition("%")[0]).is_loopback
    except ValueError:  # A socket's directory.
        return True


def _mark(session: Connection, mark: str) -> tuple[int, str]:
    return _ask(session, "doctor_mark_session", {"mark": mark})


def _read_mark(session: Connection) -> tuple[int, str]:
    return _ask(session, "doctor_read_mark", None)


def _ask(
    session: Connection, name: str, parameters: dict[str, str] | None
) -> tuple[int, str]:
    row = session.execute(load(name), parameters, prepare=False).fetchone()
    if row is None:
        raise ServerFailed(f'query "{name}" has no answer')
    return row[0], row[1]


def _fetch(session: Connection, name: str, kind: type[Row]) -> list[Row]:
    with session.cursor(row_factory=class_row(kind)) as cursor:
        query = load(name, session.info.server_version)
        return cursor.execute(query, prepare=False).fetchall()


def _fetch_one(session: Connection, name: str, kind: type[Row]) -> Row:
    rows = _fetch(session, name, kind)
    if len(rows) != 1:
        raise ServerFailed(f'query "{name}" has {len(rows)} answers')
    return rows[0]
