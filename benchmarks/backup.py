"""Measure backups and restores beside what people would type instead, in turns.

    pip install -r requirements/benchmark.txt
    python benchmarks/backup.py [--size-mb 2000] [--rounds 3]

Wall time, peak memory of the command's own process and size, as medians, with the ratio
to `pg_dump > file.sql` and `psql < file.sql`. The size is that of the plain dump. Runs
against the server of the settings, in databases of its own that it drops again.
django-dbbackup is measured where it is installed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from run import CHECKOUT, Place  # Sets Django up.

from dbops.operations.context import build_context
from dbops.postgres.session import build_environment
from dbops.render.text import build_table

MB = 1_000_000
THREADS_PER_MB = 75
"""Conversations of neuroagent_demo for a megabyte of plain dump."""
POLL_S = 0.02
LEVELS = ("none", "contents", "restored")
PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one command took."""

    wall_s: float
    memory_bytes: int
    """The most that the command's own process held; what it starts is left out."""
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
        CalledProcessError: it failed; what it said is on stderr.
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
        watch = PeakWatch(process.pid)
        with watch:
            _, told = process.communicate()
    wall_s = time.monotonic() - started
    if process.returncode:
        sys.stderr.write(told.decode(errors="replace"))
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(wall_s=wall_s, memory_bytes=watch.peak_bytes)


class PeakWatch:
    """Looks at a process's own peak of memory as long as it runs.

    The kernel's account at its end (`ru_maxrss`) would begin with what this process
    had when it started the other one.
    """

    def __init__(self, pid: int) -> None:
        self.peak_bytes = 0
        self._path = Path(f"/proc/{pid}/status")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(POLL_S):
            try:
                found = PEAK.search(self._path.read_text())
            except (FileNotFoundError, ProcessLookupError):
                return
            if found:
                self.peak_bytes = int(found[1]) * 1024


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
            *map(self._build_dbops, LEVELS),
            self._build_dump("pg_dump -Fc", "-Fc"),
            self._build_dump(f"pg_dump -Fd {jobs}", "-Fd", jobs, directory=True),
        ]
        if shutil.which("gzip"):
            ways.append(Way(name="pg_dump | gzip", run=self._run_gzip))
        if find_spec("dbbackup"):
            ways.append(Way(name="django-dbbackup --compress", run=self._run_dbbackup))
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

    def _run_dbbackup(self) -> Cost:
        path = self._empty()
        environment = {
            **self.place.environment,
            "DJANGO_SETTINGS_MODULE": "benchmarks.dbbackup_settings",
            "BENCHMARK_DIRECTORY": str(path),
            "PATH": f"{self.tools}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join([str(CHECKOUT), *sys.path]),
        }
        command = [sys.executable, "manage.py", "dbbackup", "--compress", "--quiet"]
        return self._finish(run_measured(command, environment), path)

    def _build_dbops(self, level: str) -> Way:
        def run() -> Cost:
            path = self._empty()
            command = [
                *(sys.executable, "manage.py", "dbops_backup", "--verbosity", "0"),
                *("--storage", str(path), "--jobs", str(self.jobs)),
                *("--level", level),
            ]
            return self._finish(run_measured(command, self.place.environment), path)

        return Way(name=f"dbops_backup --level {level}", run=run)


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
    parser.add_argument("--size-mb", type=int, default=2_000)
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
            threads = str(options.size_mb * THREADS_PER_MB)
            place.manage("neuroagent_demo", "--threads", threads)
            tools = place.find_tools()
            backups = Backups(place, tools, options.jobs)
            compare("backup", backups.list_ways(), options.rounds)
            restores = Restores(place, tools, options.jobs)
            compare("restore", restores.list_ways(), options.rounds)
        finally:
            place.drop()


if __name__ == "__main__":
    main()
