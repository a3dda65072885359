"""Start and stop the PostgreSQL server of one directory.

Nothing here knows who else uses it: hold the lock of `dbops.postgres.embedded`.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from psycopg import conninfo, pq

from dbops.errors import ServerFailed
from dbops.postgres.embedded_server import (
    PORT,
    SHORT_DIRECTORY,
    EmbeddedServer,
    find_programs,
)
from dbops.postgres.initdb import (
    build_environment,
    give,
    give_to_owner,
    make_data_directory,
)
from dbops.postgres.postmaster import (
    is_alive,
    is_postmaster,
    read_lock_file,
    read_postmaster_pid,
)
from dbops.postgres.run_as import (
    Account,
    describe_user,
    find_account,
    find_prefix,
    is_root,
)

RECOVERY_LIMIT_S = 600.0
"""How long a crashed server may replay its log."""
STOP_LIMIT_S = 60.0
SHARED_MEMORY_LIMIT_S = 20.0
"""How long the sessions of a killed server may take to notice that it is gone."""
RESET = "manage.py dbops_local reset"

SERVER_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "fsync": "off",
    "full_page_writes": "off",
    # On, which is cheap without fsync: what was committed outlives kill -9.
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def launch(server: EmbeddedServer) -> None:
    """Have the server accept connections, whatever state it is in.

    Raises:
        ToolFailed: the programs are missing, or initdb failed.
        ServerFailed: it cannot run here, or did not start.
    """
    require_own_data(server)
    account = (
        find_account(data=server.data, project=server.directory.parent)
        if is_root()
        else None
    )
    # Before the first byte goes through it: whose socket would that be?
    _prepare_socket_directory(server.socket_directory, account)
    stale = read_postmaster_pid(server.data)
    if _wait_until_accepting(server, lambda: is_postmaster(stale, server.data)):
        return
    _remove_torn_locks(server)
    programs = find_programs(server.version)
    if not server.data.exists():
        make_data_directory(server, programs, account)
    prefix = (
        find_prefix(account, program=programs / "initdb", directory=server.data)
        if account
        else ()
    )
    if server.log.exists():
        server.log.replace(server.get_path("log.old"))
    deadline = time.monotonic() + SHARED_MEMORY_LIMIT_S
    while True:
        command = [*prefix, str(programs / "postgres"), "-D", str(server.data)]
        pid = _spawn(server, command, stale)
        # Not is_postmaster: it takes a moment to become one.
        if _wait_until_accepting(server, partial(is_alive, pid)):
            return
        said = read_log_end(server)
        if "shared memory block" not in said or time.monotonic() > deadline:
            raise ServerFailed(
                f"the embedded server did not start: {said}",
                hint=f"read {server.log}; or lose its databases: {RESET}",
            )
        time.sleep(0.2)


def shut_down(server: EmbeddedServer) -> bool:
    """Stop the server, closing its sessions; False if it was not running.

    Raises:
        ServerFailed: it does not stop.
    """
    require_own_data(server)
    pid = find_postmaster(server)
    if pid is None:
        return False
    os.kill(pid, signal.SIGINT)  # PostgreSQL's "fast" shutdown.
    deadline = time.monotonic() + STOP_LIMIT_S
    while is_alive(pid):
        if time.monotonic() > deadline:
            raise ServerFailed(
                f"the embedded server (process {pid}) does not stop",
                hint=f"read {server.log}; or stop it hard: kill -QUIT {pid}",
            )
        time.sleep(0.01)
    if server.socket_directory.parent == SHORT_DIRECTORY:
        with suppress(OSError):
            server.socket_directory.rmdir()
    return True


def ping(server: EmbeddedServer) -> pq.Ping:
    """Ask the server whether it accepts connections, without opening one."""
    text = conninfo.make_conninfo(
        "", **server.build_parameters("postgres"), connect_timeout=5
    )
    return pq.Ping(pq.PGconn.ping(text.encode()))


def find_postmaster(server: EmbeddedServer) -> int | None:
    """Return the process id of the running server; None when it does not run.

    In a container root may not see where another user's process is at home; then its
    answer on the socket tells that it is this one's, in a directory that was moved.
    """
    pid = read_postmaster_pid(server.data)
    if pid is None:
        return None
    ours = is_postmaster(pid, server.data) or (
        is_alive(pid) and ping(server) is pq.Ping.OK
    )
    return pid if ours else None


def require_own_data(server: EmbeddedServer) -> None:
    """Refuse a data directory that this user may not even look into.

    Raises:
        ServerFailed: it is another user's.
    """
    if is_root() or not server.data.exists():
        return
    owner = server.data.stat().st_uid
    if owner != os.geteuid():
        raise ServerFailed(
            f'"{server.data}" belongs to user "{describe_user(owner)}"',
            hint=f"run the command as that user, or lose its databases: sudo {RESET}",
        )


def read_log_end(server: EmbeddedServer, lines: int = 3) -> str:
    """Return the last things that the server has said, in one line."""
    try:
        text = server.log.read_text(errors="replace")
    except FileNotFoundError:
        return "it left no log"
    return "; ".join(text.strip().splitlines()[-lines:]) or "it said nothing"


def _wait_until_accepting(server: EmbeddedServer, is_there: Callable[[], bool]) -> bool:
    """Return True once it accepts connections, False when it has ended.

    However long it replays its log: alive and not yet ready is not a failure.
    """
    deadline = time.monotonic() + RECOVERY_LIMIT_S
    pause = 0.01
    while (answer := ping(server)) is not pq.Ping.OK:
        if answer is not pq.Ping.REJECT and not is_there():
            return False
        if time.monotonic() > deadline:
            raise ServerFailed(
                f"the embedded server is still not ready after {RECOVERY_LIMIT_S:g} s: "
                f"{read_log_end(server, 1)}",
                hint="run the same command again: the server goes on meanwhile",
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)
    return True


def _remove_torn_locks(server: EmbeddedServer) -> None:
    """Remove lock files without a number in them, at which PostgreSQL gives up.

    It writes the number before it opens anything else, so whoever was killed in
    between has left nothing to protect.
    """
    for path in (
        server.data / "postmaster.pid",
        server.socket_directory / f".s.PGSQL.{PORT}.lock",
    ):
        if read_lock_file(path) is None:
            path.unlink(missing_ok=True)


def _prepare_socket_directory(path: Path, account: Account | None) -> None:
    """Make the directory that keeps everybody else from the socket.

    Raises:
        ServerFailed: somebody else has put one there.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    uid = account.uid if account else os.geteuid()
    status = path.lstat()
    mine = stat.S_ISDIR(status.st_mode) and status.st_uid in (uid, os.geteuid())
    if not mine or stat.S_IMODE(status.st_mode) & 0o077:
        raise ServerFailed(
            f'"{path}" is not a directory that user "{describe_user(uid)}" alone '
            "can enter",
            hint=f"find out who made it, then remove it: ls -ld {path}",
        )
    give(path, account)


def _spawn(server: EmbeddedServer, command: list[str], stale: int | None) -> int:
    """Start postgres as nobody's child, in a session of its own; return its pid.

    Ctrl-C in the terminal must not reach it, and when it is killed no process of ours
    has to look after what is left.
    """
    settings = {
        **SERVER_SETTINGS,
        # A list of quoted names.
        "unix_socket_directories": '"{}"'.format(
            str(server.socket_directory).replace('"', '""')
        ),
    }
    options = (f"--{name}={value}" for name, value in settings.items())
    environment = build_environment()
    if stale is not None:
        # pg_ctl's own way of telling postgres that a living process of this number is
        # no server; that old sessions are gone is still checked, by shared memory.
        environment["PG_GRANDPARENT_PID"] = str(stale)
    with server.log.open("ab") as log:
        give_to_owner(server, server.log)
        run = subprocess.run(
            ["sh", "-c", '"$@" 1>&2 & echo $!', "sh", *command, *options],
            cwd="/",
            env=environment,
            check=True,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    return int(run.stdout)
