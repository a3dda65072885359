"""A real server, databases on it for one test, and client tools that can be held."""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from dbops.core.target import Target
from dbops.postgres import scratch
from dbops.postgres.scratch import open_maintenance_session
from dbops.postgres.session import open_session
from dbops.postgres.tools import ClientTools, find_tools
from tests.databases import connect, find_server, temporary_database
from tests.keeping import Keeper
from tests.lab import Lab, open_lab

PATIENCE_S = 30
ODD_NAME = "Test {} a=b'c"
"""Of a database; it needs quotes."""
FILLED = (Path(__file__).parent / "filled.sql").read_text()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Poll with a bound."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {PATIENCE_S} s for {what}")
        time.sleep(0.02)


def execute(target: Target, *statements: str) -> None:
    """Run the statements, each in a transaction of its own."""
    with connect(target) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def fetch_value(target: Target, query: str) -> object:
    """Return the one value of a query."""
    with connect(target) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def fetch_hashes(target: Target) -> dict[str, tuple[int, int]]:
    """Return rows and an order-independent hash of them, by table."""
    query = sql.SQL(
        "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)"
        " FROM ONLY {} AS t"
    )
    with connect(target) as connection:
        names = connection.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n"
            " ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm')"
            " AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
        ).fetchall()
        hashes = {}
        for schema, name in names:
            row = connection.execute(
                query.format(sql.Identifier(schema, name))
            ).fetchone()
            assert row is not None
            hashes[f"{schema}.{name}"] = (row[0], int(row[1]))
    return hashes


def drop_database(server: Target, name: str) -> None:
    with open_maintenance_session(server) as connection:
        scratch.drop_database(connection, name)


def database_exists(server: Target, name: str) -> bool:
    with open_maintenance_session(server) as connection:
        row = connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", [name]
        ).fetchone()
    return row is not None


@pytest.fixture(scope="session")
def server() -> Target:
    """The server of the settings; its databases are not touched."""
    return find_server()


@pytest.fixture
def make_database(server: Target) -> Iterator[Callable[[str], Target]]:
    made = []

    def make(name: str) -> Target:
        with open_maintenance_session(server) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(
                    sql.Identifier(name)
                )
            )
        made.append(name)
        return server.with_database(name)

    yield make
    for name in made:
        drop_database(server, name)


@pytest.fixture
def database(make_database: Callable[[str], Target]) -> Target:
    """An empty database with a name that needs quotes."""
    return make_database(ODD_NAME.format(secrets.token_hex(4)))


@pytest.fixture
def filled(database: Target) -> Target:
    """Several schemas, odd names, partitions, keys, a view, sequences, a function."""
    execute(database, FILLED)
    return database


@pytest.fixture
def new_name(server: Target) -> Iterator[str]:
    """A name for a database that a test restores into."""
    name = f'Restored "{secrets.token_hex(4)}" x=y'
    yield name
    drop_database(server, name)


@pytest.fixture
def empty_lab(tmp_path: Path, django_db_blocker: Any) -> Iterator[Lab]:
    """An app without migrations, on an empty database."""
    with (
        django_db_blocker.unblock(),
        temporary_database() as target,
        open_lab(tmp_path, target) as lab,
    ):
        yield lab


@pytest.fixture(scope="module")
def keeper(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any
) -> Iterator[Keeper]:
    """Makes what a module's tests start from once, and copies it for each."""
    with ExitStack() as stack:
        yield Keeper(tmp_path_factory.mktemp("kept"), django_db_blocker, stack)


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return str(tmp_path / "backups")


@pytest.fixture
def tools(server: Target) -> ClientTools:
    """The client tools that fit the server."""
    with open_session(server, purpose="test") as connection:
        major = connection.info.server_version // 10000
    return find_tools(server, least_major=major)


@dataclass(frozen=True)
class HeldTools:
    """pg_dump that ends its work, says so, and then hangs with a child."""

    directory: Path
    reached: Path

    def wait(self) -> None:
        wait_until(self.reached.exists, "pg_dump to end its work")

    def count_processes(self) -> int:
        """Return how many processes of these tools are alive."""
        marker = str(self.directory).encode()
        return sum(marker in line for line in read_command_lines().values())


@pytest.fixture
def held_tools(tmp_path: Path, tools: ClientTools) -> HeldTools:
    held = HeldTools(tmp_path / "held", tmp_path / "reached")
    held.directory.mkdir()
    real = shlex.quote(str(tools.directory))
    for name in ("pg_dump", "pg_restore"):
        script = held.directory / name
        script.write_text(
            "#!/bin/sh\n"
            'case "$*" in\n'
            f'  --version|*--compress=zstd*) exec {real}/{name} "$@";;\n'
            "esac\n"
            f'{real}/{name} "$@" || exit\n'
            f"touch {shlex.quote(str(held.reached))}\n"
            f"sh -c 'sleep 600; :' {shlex.quote(str(held.directory))}\n"
        )
        script.chmod(0o755)
    return held


def read_command_lines() -> dict[int, bytes]:
    """Return the arguments of all processes, by pid."""
    lines = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                lines[int(entry.name)] = (entry / "cmdline").read_bytes()
            except OSError:
                continue
    return lines


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(
            f"no small disk ({mounted.stderr.strip()}): run the tests as root, in a "
            "container with --cap-add SYS_ADMIN"
        )
    yield place
    subprocess.run(["umount", str(place)], check=True)
