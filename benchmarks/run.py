"""Time dbops beside what people would type instead, in turns, as ratios of medians.

    python benchmarks/run.py [--rounds 3]

Runs against the server of the settings, in databases of its own that it drops again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "neuroagent.settings")

import django  # noqa: E402

django.setup()

from psycopg import sql  # noqa: E402

from dbops.core.target import Target  # noqa: E402
from dbops.operations.context import build_context  # noqa: E402
from dbops.postgres.scratch import open_maintenance_session  # noqa: E402
from dbops.postgres.session import build_environment, open_session  # noqa: E402
from dbops.postgres.tools import find_tools  # noqa: E402

Way = tuple[str, Callable[[], None]]


def build_url(target: Target) -> str:
    """Return a DATABASE_URL without a password; that goes into PGPASSWORD."""
    parameters = target.parameters
    host, user = parameters.get("host", ""), parameters.get("user", "")
    if host.startswith("/"):
        return f"postgres://{user}@/{target.database}?host={host}"
    port = parameters.get("port", "5432")
    return f"postgres://{user}@{host}:{port}/{target.database}"


class Place:
    """A database of the benchmark's own, and a directory for backups."""

    def __init__(self, server: Target, directory: Path) -> None:
        self.server = server
        self.target = server.with_database(f"dbops_benchmark_{uuid4().hex[:8]}")
        self.directory = directory
        self.environment = {
            **os.environ,
            **build_environment(self.target),
            "DATABASE_URL": build_url(self.target),
            "DEBUG": "1",
            "DBOPS_BACKUP_STORAGE": str(directory / "backups"),
        }

    def create(self) -> None:
        """Make the database, empty."""
        self._execute("CREATE DATABASE {}")

    def drop(self) -> None:
        """Drop it, whatever is in it."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        with open_maintenance_session(self.server) as session:
            name = sql.Identifier(self.target.database)
            session.execute(sql.SQL(statement).format(name))

    def manage(self, *arguments: str) -> None:
        """Run a management command there."""
        self._run([sys.executable, "manage.py", *arguments])

    def find_tools(self) -> Path:
        """Return where the client tools for this server are."""
        with open_session(self.target, purpose="benchmark") as session:
            major = session.info.server_version // 10000
        return find_tools(self.target, least_major=major).directory

    def _run(self, arguments: list[str]) -> None:
        subprocess.run(
            arguments,
            cwd=CHECKOUT,
            env=self.environment,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def measure(title: str, ways: list[Way], *, rounds: int, prepare: Way | None) -> None:
    """Print the median of each way, and its ratio to the first."""
    times: dict[str, list[float]] = {name: [] for name, _ in ways}
    for _ in range(rounds):
        for name, run in ways:
            if prepare:
                prepare[1]()
            began = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - began)
    first = statistics.median(times[ways[0][0]])
    print(f"\n{title} (median of {rounds})")
    for name, measured in times.items():
        median = statistics.median(measured)
        print(f"  {name:40} {median:8.2f} s   {median / first:5.2f}")


def compare_deploy(place: Place, rounds: int) -> None:
    """A fresh database to the last migration."""

    def prepare() -> None:
        place.drop()
        place.create()

    ways: list[Way] = [
        ("migrate", lambda: place.manage("migrate")),
        (
            "dbops_deploy --no-backup",
            lambda: place.manage("dbops_deploy", "--no-backup"),
        ),
        ("dbops_deploy", lambda: place.manage("dbops_deploy")),
    ]
    measure("Deploy all migrations", ways, rounds=rounds, prepare=("new", prepare))


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="dbops-benchmark-"))
    place = Place(build_context("default").target, directory)
    try:
        compare_deploy(place, options.rounds)
    finally:
        place.drop()
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
