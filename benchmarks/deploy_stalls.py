"""Count how long readers and writers queue behind a migration that has to wait.

    python benchmarks/deploy_stalls.py [--rows 300000] [--held 12] [--rounds 3]

A large table is read and written by ten sessions, each with 5 ms between its
statements, and one transaction that has read it stays open for some seconds. Meanwhile
a migration wants it: by plain `migrate`; by `migrate` with a lock_timeout of 500 ms,
run again until it succeeds, which is what people write; and by `dbops_deploy`. A
session of its own looks every 10 ms who waits for a lock on the table, and since when.
Runs against the server of the settings, in databases of its own that it drops again.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "neuroagent.settings")

import django  # noqa: E402

django.setup()

import psycopg  # noqa: E402

from benchmarks.places import Place, list_options  # noqa: E402
from dbops.core.target import Target  # noqa: E402
from dbops.operations.context import build_context  # noqa: E402

READERS, WRITERS = 8, 2
THINK_S = 0.005
"""Without a pause they would take the processor from the migration."""
LOOK_S = 0.01
RETRY_TIMEOUT = "-c lock_timeout=500ms"
RETRY_PAUSE_S = 0.5
FIRST = """\
from django.db import migrations, models

class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel("Big", [
            ("id", models.BigAutoField(primary_key=True)),
            ("name", models.CharField(max_length=50)),
            ("number", models.IntegerField(default=0)),
        ], options={"db_table": "big"}),
    ]
"""
NEXT = """\
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [
        OPERATIONS
    ]
"""
MIGRATIONS = {
    "add a column": 'migrations.AddField("Big", "note", models.TextField(null=True)),',
    "add a column, an index and a check": """\
migrations.AddField("Big", "note", models.TextField(null=True)),
        migrations.AddIndex("Big", models.Index(fields=["number"], name="by_number")),
        migrations.AddConstraint("Big", models.CheckConstraint(
            condition=models.Q(number__gte=0), name="number_not_negative"
        )),""",
}
WAITING = """
SELECT count(*), coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)), 0)
  FROM pg_locks
 WHERE relation = 'big'::regclass AND NOT granted
   AND mode IN ('AccessShareLock', 'RowExclusiveLock')
"""


@dataclass(slots=True)
class Seen:
    """What one run has cost the application."""

    queued_s: float = 0.0
    """Seconds of all sessions together."""
    worst_s: float = 0.0
    statements: int = 0
    attempts: int = 1
    took_s: float = 0.0
    errors: list[str] = field(default_factory=list)


def watch(target: Target, seen: Seen, stop: threading.Event) -> None:
    """Look who waits until told to stop."""
    with psycopg.connect(**target.parameters, autocommit=True) as session:
        before = time.perf_counter()
        while not stop.wait(LOOK_S):
            row = session.execute(WAITING).fetchone()
            now = time.perf_counter()
            seen.queued_s += row[0] * (now - before)
            seen.worst_s = max(seen.worst_s, float(row[1]))
            before = now


def work(
    target: Target, query: str, rows: int, seen: Seen, stop: threading.Event
) -> None:
    """Run one query after the other, each on another row."""
    try:
        with psycopg.connect(**target.parameters, autocommit=True) as session:
            while not stop.wait(THINK_S):
                session.execute(query, [random.randint(1, rows)])
                seen.statements += 1
    except psycopg.Error as error:
        seen.errors.append(str(error))


@contextmanager
def open_traffic(target: Target, rows: int, seen: Seen) -> Iterator[None]:
    """Read and write at full speed within the block."""
    stop = threading.Event()
    read = "SELECT name FROM big WHERE id = %s"
    write = "UPDATE big SET number = number + 1 WHERE id = %s"
    jobs = [(read, rows)] * READERS + [(write, rows)] * WRITERS
    threads = [
        threading.Thread(target=work, args=(target, query, most, seen, stop))
        for query, most in jobs
    ]
    threads.append(threading.Thread(target=watch, args=(target, seen, stop)))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def open_long_transaction(target: Target, held_s: float) -> Iterator[None]:
    """Have a transaction that has read the table and ends after so many seconds."""
    session = psycopg.connect(**target.parameters)
    session.execute("SELECT 1 FROM big LIMIT 1")
    timer = threading.Timer(held_s, session.rollback)
    timer.start()
    try:
        yield
    finally:
        timer.join()
        session.close()


def migrate(place: Place, target: Target, _seen: Seen) -> None:
    """Do what most do."""
    place.manage(target, "migrate", "--verbosity", "0")


def retry(place: Place, target: Target, seen: Seen) -> None:
    """Do what people write who have heard of lock_timeout."""
    while True:
        try:
            place.manage(target, "migrate", "--verbosity", "0", PGOPTIONS=RETRY_TIMEOUT)
        except subprocess.CalledProcessError as error:
            if "lock timeout" not in error.stderr:
                raise
            seen.attempts += 1
            time.sleep(RETRY_PAUSE_S)
        else:
            return


def deploy(place: Place, target: Target, seen: Seen) -> None:
    """Do what dbops does."""
    told = place.manage(target, "dbops_deploy", "--no-backup", *place.options)
    seen.attempts += told.count("letting the others go first")


WAYS: dict[str, Callable[[Place, Target, Seen], None]] = {
    "migrate": migrate,
    "migrate, lock_timeout and retry": retry,
    "dbops_deploy": deploy,
}


def measure(place: Place, operations: str, rows: int, held_s: float, way: str) -> Seen:
    """Run one way on a database of its own."""
    target = place.create()
    migrations = place.directory / "shop" / "migrations"
    following = migrations / "0002_change.py"
    following.unlink(missing_ok=True)
    place.manage(target, "migrate", "--verbosity", "0")
    with psycopg.connect(**target.parameters, autocommit=True) as session:
        session.execute(
            "INSERT INTO big (name, number) SELECT 'name ' || n, n"
            " FROM generate_series(1, %s) AS n",
            [rows],
        )
        session.execute("VACUUM ANALYZE big")
    following.write_text(NEXT.replace("OPERATIONS", operations))
    seen = Seen()
    with open_traffic(target, rows, seen):
        began = time.perf_counter()
        with open_long_transaction(target, held_s):
            WAYS[way](place, target, seen)
            seen.took_s = time.perf_counter() - began
    place.drop()
    if seen.errors:
        sys.exit(f"the application failed: {seen.errors[0]}")
    return seen


def main() -> None:
    """Measure, and print a table for each migration."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--held", type=float, default=12.0, metavar="SECONDS")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        place = Place(build_context("default").target, Path(directory))
        place.write_settings(["shop"])
        place.write_app("shop", {"0001_initial": FIRST})
        place.options = list_options(place)
        try:
            for title, operations in MIGRATIONS.items():
                found: dict[str, list[Seen]] = {way: [] for way in WAYS}
                for _ in range(options.rounds):
                    for way, seen in found.items():
                        seen.append(
                            measure(place, operations, options.rows, options.held, way)
                        )
                tell(title, found, options)
        finally:
            place.drop()


def tell(title: str, found: dict[str, list[Seen]], options: argparse.Namespace) -> None:
    """Print the medians of each way; of the worst wait the worst."""
    print(
        f"\n{title}: {options.rows:,} rows, {READERS} readers and {WRITERS} writers, "
        f"one transaction open for {options.held:.0f} s; median of {options.rounds}, "
        "worst of all\n"
    )
    print(f"{'':34}{'queued':>10}{'worst wait':>12}{'attempts':>10}{'done after':>12}")
    for way, runs in found.items():
        queued_s = statistics.median(each.queued_s for each in runs)
        worst_s = max(each.worst_s for each in runs)
        attempts = statistics.median(each.attempts for each in runs)
        took_s = statistics.median(each.took_s for each in runs)
        print(
            f"{way:34}{queued_s:8.2f} s{worst_s:10.2f} s{attempts:10.0f}"
            f"{took_s:10.2f} s"
        )


if __name__ == "__main__":
    main()
