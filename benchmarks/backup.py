"""Measure backups and restores beside what people would type instead, in turns.

    python benchmarks/backup.py [--threads 40000] [--rounds 3]

Wall time, peak memory of the command itself and size, as medians, with the ratio to
`pg_dump > file.sql` and `psql < file.sql`. 40,000 threads make a database of about two
gigabytes. Runs against the server of the settings, in databases of its own that it
drops again. django-dbbackup is measured where it is installed.
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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from run import CHECKOUT, Place  # Sets Django up.

from dbops.operations.context import build_context
from dbops.postgres.session import build_environment
from dbops.render.text import build_table

MB = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one command took."""

    wall_s: float
    memory_bytes: int
    """The most that the command's own process held, its children left out."""
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to do it."""

    name: str
    run: Callable[[], Cost]


def run_measured(
    command: Sequence[str], environment: dict[str, str], *, out: Path | None = None
) -> Cost:
    """Run a command to its end, its output into a file.

    Raises:
        CalledProcessError: it failed.
    """
    started = time.monotonic()
    with (out or Path(os.devnull)).open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        told = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code:
        raise subprocess.CalledProcessError(code, command, stderr=told)
    return Cost(wall_s=time.monotonic() - started, memory_bytes=usage.ru_maxrss * 1024)


def measure_size(path: Path) -> int:
    """Return the bytes of a file, or of all files below a directory."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(each.stat().st_size for each in files if each.is_file())


class Backups:
    """The ways to take a backup of a place, each into a directory that is emptied."""

    def __init__(self, place: Place, tools: Path, jobs: int) -> None:
        self.place, self.tools, self.jobs = place, tools, jobs
        self.directory = place.directory / "taken"

    def list_ways(self) -> list[Way]:
        """Return them, the one that the others are compared with first."""
        jobs = f"-j{self.jobs}"
        ways = [
            self._build_dump("pg_dump > file.sql"),
            Way(name="dbops_backup", run=self._run_dbops),
            self._build_dump("pg_dump -Fc", "-Fc"),
            self._build_dump(f"pg_dump -Fd {jobs}", "-Fd", jobs, directory=True),
        ]
        if shutil.which("gzip"):
            ways.append(Way(name="pg_dump | gzip", run=self._run_gzip))
        return ways

    def _empty(self) -> Path:
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir()
        return self.directory

    def _finish(self, cost: Cost, path: Path) -> Cost:
        return Cost(
            wall_s=cost.wall_s,
            memory_bytes=cost.memory_bytes,
            size_bytes=measure_size(path),
        )

    def _build_dump(self, name: str, *options: str, directory: bool = False) -> Way:
        def run() -> Cost:
            path = self._empty() / "dump"
            into = [f"--file={path}"] if directory else []
            command = [str(self.tools / "pg_dump"), *options, *into]
            cost = run_measured(
                command, self.place.environment, out=None if directory else path
            )
            return self._finish(cost, path)

        return Way(name=name, run=run)

    def _run_gzip(self) -> Cost:
        path = self._empty() / "dump.gz"
        command = ["sh", "-c", f'"{self.tools}/pg_dump" | gzip']
        return self._finish(
            run_measured(command, self.place.environment, out=path), path
        )

    def _run_dbops(self) -> Cost:
        path = self._empty()
        command = [
            *(sys.executable, "manage.py", "dbops_backup", "--verbosity", "0"),
            *("--storage", str(path), "--jobs", str(self.jobs)),
        ]
        return self._finish(run_measured(command, self.place.environment), path)


class Restores:
    """The ways to restore what was taken, each into a new database."""

    def __init__(self, place: Place, tools: Path, jobs: int) -> None:
        self.place, self.tools, self.jobs = place, tools, jobs
        self.plain = place.directory / "plain.sql"
        self.storage = place.directory / "kept"
        run_measured([str(tools / "pg_dump")], place.environment, out=self.plain)
        command = [
            *(sys.executable, "manage.py", "dbops_backup", "--verbosity", "0"),
            *("--storage", str(self.storage), "--jobs", str(jobs)),
        ]
        run_measured(command, place.environment)

    def list_ways(self) -> list[Way]:
        """Return them, the one that the other is compared with first."""
        return [
            Way(name="psql < file.sql", run=self._run_psql),
            Way(name="dbops_restore --into", run=self._run_dbops),
        ]

    def _run_psql(self) -> Cost:
        other = Place(self.place.server, self.place.directory)
        other.create()
        try:
            return run_measured(
                [
                    *(str(self.tools / "psql"), "-X", "--quiet"),
                    *("--set=ON_ERROR_STOP=1", f"--file={self.plain}"),
                ],
                {**other.environment, **build_environment(other.target)},
            )
        finally:
            other.drop()

    def _run_dbops(self) -> Cost:
        other = Place(self.place.server, self.place.directory)
        name = other.target.database
        command = [
            *(sys.executable, "manage.py", "dbops_restore", "latest", "--yes"),
            *("--into", name, "--storage", str(self.storage)),
            *("--jobs", str(self.jobs), "--verbosity", "0"),
        ]
        try:
            return run_measured(command, self.place.environment)
        finally:
            other.drop()


def compare(title: str, ways: Sequence[Way], rounds: int) -> None:
    """Run all ways in turns, and print medians with the ratio to the first."""
    costs: dict[str, list[Cost]] = {each.name: [] for each in ways}
    for number in range(rounds):
        turn = number % len(ways)
        for each in [*ways[turn:], *ways[:turn]]:
            costs[each.name].append(each.run())
            print(f"  {each.name}: {costs[each.name][-1].wall_s:.1f} s", flush=True)
    medians = {
        name: (
            statistics.median(each.wall_s for each in found),
            max(each.memory_bytes for each in found),
            statistics.median(each.size_bytes for each in found),
        )
        for name, found in costs.items()
    }
    wall, _, size = medians[ways[0].name]
    rows = [
        (
            name,
            f"{found[0]:.1f}",
            f"{found[0] / wall:.2f}",
            f"{found[1] / MB:.0f}",
            f"{found[2] / MB:.0f}" if found[2] else "-",
            f"{found[2] / size:.2f}" if size else "-",
        )
        for name, found in medians.items()
    ]
    headings = (title, "wall s", "ratio", "memory MB", "size MB", "ratio")
    Console().print(build_table(headings, tuple(rows)))


def main() -> None:
    """Fill a database, measure, and drop it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    context = build_context("default")
    context.connect()
    with tempfile.TemporaryDirectory(prefix="dbops-benchmark-") as directory:
        place = Place(context.target, Path(directory))
        place.create()
        try:
            place.manage("migrate", "--verbosity", "0")
            place.manage("neuroagent_demo", "--threads", str(options.threads))
            tools = place.find_tools()
            backups = Backups(place, tools, options.jobs)
            compare("backup", backups.list_ways(), options.rounds)
            restores = Restores(place, tools, options.jobs)
            compare("restore", restores.list_ways(), options.rounds)
        finally:
            place.drop()


if __name__ == "__main__":
    main()
