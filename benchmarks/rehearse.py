"""Hold the forecast of dbops_rehearse against the real thing, and time it.

    python benchmarks/rehearse.py [--rows 1000000]

Fills a database (about 2 GB with 8,000,000 rows), backs it up, rehearses ten migrations
on the backup, then applies them to the database itself while a second session looks at
its locks every 2 ms. Prints, by migration and table, the locks and the hold times of
both; and what the rehearsal took, as a ratio to `migrate` forward, back and forward
again. Runs against the server of the settings, in databases of its own that it drops.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "neuroagent.settings")

import django  # noqa: E402

django.setup()

from dbops.core.hold_times import LockTaken, find_blocked  # noqa: E402
from dbops.operations.context import Context  # noqa: E402
from dbops.operations.history import get_id, read_history  # noqa: E402
from dbops.operations.rehearse.run_plainly import apply_plainly  # noqa: E402
from dbops.postgres.measuring import Meter, open_sampler  # noqa: E402
from tests.databases import temporary_database  # noqa: E402
from tests.lab import Lab, open_lab  # noqa: E402

NOTICEABLE_S = 0.02
"""Shorter holds are the machine's noise."""
FIRST = """\
migrations.CreateModel("Owner",
    [("id", models.BigAutoField(primary_key=True)),
     ("name", models.CharField(max_length=50))]),
migrations.CreateModel("Thing",
    [("id", models.BigAutoField(primary_key=True)),
     ("name", models.CharField(max_length=50)),
     ("text", models.TextField()),
     ("size", models.IntegerField(default=0)),
     ("owner_number", models.BigIntegerField(null=True)),
     ("seen_at", models.DateTimeField(null=True))]),
"""
MIGRATIONS = {
    "add_null": 'AddField("Thing", "a", models.IntegerField(null=True))',
    "add_default": 'AddField("Thing", "b", models.IntegerField(default=1))',
    "add_index": 'AddIndex("Thing", models.Index("name", name="by_name"))',
    "grow": 'AlterField("Thing", "size", models.BigIntegerField(default=0))',
    "check": """AddConstraint("Thing", models.CheckConstraint(
        name="positive", condition=models.Q(size__gte=0)))""",
    "require": """AlterField("Thing", "seen_at", models.DateTimeField())""",
    "add_key": """AddField("Thing", "owner",
        models.ForeignKey("Owner", models.CASCADE, null=True))""",
    "update": """RunSQL("UPDATE {app}_thing SET a = 1 WHERE id % 10 = 0",
        migrations.RunSQL.noop)""",
    "late_commit": """AddField("Owner", "c", models.IntegerField(null=True)),
        migrations.RunSQL("SELECT count(*) FROM {app}_thing WHERE text LIKE '%z%'",
        migrations.RunSQL.noop)""",
    "drop_index": 'RemoveIndex("Thing", "by_name")',
}


def main() -> None:
    """Do all of it, and print a line for each table of each migration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with (
        tempfile.TemporaryDirectory() as directory,
        temporary_database() as target,
        open_lab(Path(directory), target) as lab,
    ):
        fill(lab, rows)
        write_migrations(lab)
        run(lab, "dbops_backup")
        started = time.monotonic()
        report = run(lab, "dbops_rehearse", "--json")
        whole_s = time.monotonic() - started
        truth, forward_s = apply_all(lab)
        compare(report, truth)
        plain_s = forward_s + time_back_and_forward(lab)
        rehearsed_s = sum(each["duration_s"] for each in report["migrations"])
        print(f"\nrehearsal, restore included:       {whole_s:8.1f} s")
        print(f"its ways forward, as measured:     {rehearsed_s:8.1f} s")
        print(f"migrate forward, back and forward: {plain_s:8.1f} s")
        print(f"ratio: {whole_s / plain_s:.1f}")


def run(lab: Lab, command: str, *arguments: str) -> Any:
    """Run a command; return its document, where there is one."""
    outcome = lab.run(command, *arguments, LOCK_BUDGET={"reads_s": 1e9})
    if outcome.code not in {0, 3}:
        raise SystemExit(outcome.out + outcome.err)
    return json.loads(outcome.out) if "--json" in arguments else None


def fill(lab: Lab, rows: int) -> None:
    """Make tables with rows."""
    lab.write_migration("0001_initial", FIRST)
    run(lab, "migrate", "-v", "0")
    lab.execute(
        f"INSERT INTO {lab.app}_owner (name) SELECT n::text"
        f" FROM generate_series(1, {rows // 100}) AS n",
        f"INSERT INTO {lab.app}_thing (name, text, size, owner_number, seen_at)"
        " SELECT 'thing ' || n, repeat(md5(n::text), 4), n, 1, now()"
        f" FROM generate_series(1, {rows}) AS n",
        "VACUUM (ANALYZE)",
    )
    size = lab.fetch_value("SELECT pg_database_size(current_database())")
    print(f"{rows:,} rows, {size / 1e9:.2f} GB")


def write_migrations(lab: Lab) -> None:
    """Write what is going to be pending."""
    for number, (name, operation) in enumerate(MIGRATIONS.items(), start=2):
        text = operation.replace("{app}", lab.app)
        lab.write_migration(f"{number:04}_{name}", f"migrations.{text},")


Blocked = dict[str, tuple[float, float]]


def apply_all(lab: Lab) -> tuple[dict[str, Blocked], float]:
    """Apply all, and return by migration how long each table was blocked."""
    truth = {}
    total = 0.0
    with lab.open() as context:
        for migration in read_history(context).pending:
            started = time.monotonic()
            with watch(context) as blocked:
                apply_plainly(context, migration)
            total += time.monotonic() - started
            truth[str(get_id(migration))] = blocked
    return truth, total


@contextmanager
def watch(context: Context) -> Iterator[Blocked]:
    """Look at the locks of the alias's session from outside, for the block."""
    raw = context.connect()
    meter = Meter(raw)
    relations = meter.fetch_relations()
    found: Blocked = {}
    with (
        open_sampler(context.target, raw.info.backend_pid, meter.now) as sampler,
        sampler.watching() as samples,
    ):
        yield found
    seen: dict[Any, list[float]] = {}
    for each in samples:
        if each.oid in relations:
            seen.setdefault((each.oid, each.mode), []).append(each.at_s)
    locks = [
        LockTaken(
            relation=relations[oid].name,
            table=relations[oid].table_name,
            mode=mode,
            taken_s=min(times),
            released_s=max(times),
            statement=1,
        )
        for (oid, mode), times in seen.items()
    ]
    for one in find_blocked(locks):
        found[one.table] = one.reads_s, one.writes_s


def compare(report: Any, truth: dict[str, Blocked]) -> None:
    """Print forecast and truth, and how far apart they are."""
    factors = []
    wrong = 0
    print(f"{'migration':22} {'table':8} {'blocks':7} {'forecast':>9} {'real':>9}")
    for migration in report["migrations"]:
        real = truth[migration["id"]]
        name = migration["id"].partition(".")[2]
        for one in migration["forecasts"]:
            reads_s, writes_s = real.pop(one["table"], (0.0, 0.0))
            blocks = "reads" if one["reads_s"] else "writes"
            forecast_s = one["reads_s"] or one["writes_s"]
            real_s = reads_s if one["reads_s"] else writes_s
            table = one["table"].rpartition("_")[2]
            print(f"{name:22} {table:8} {blocks:7} {forecast_s:9.3f} {real_s:9.3f}")
            if real_s > NOTICEABLE_S:
                factors.append(max(forecast_s / real_s, real_s / forecast_s))
            wrong += forecast_s > NOTICEABLE_S and not real_s
        for table, (reads_s, writes_s) in real.items():
            print(f"{name:22} {table} was not forecast: {reads_s:.3f}, {writes_s:.3f}")
            wrong += writes_s > NOTICEABLE_S
    print(f"tables that only one of the two has: {wrong}")
    print(
        f"factor between forecast and truth: median {statistics.median(factors):.2f}, "
        f"largest {max(factors):.2f}, of {len(factors)} holds over {NOTICEABLE_S} s"
    )


def time_back_and_forward(lab: Lab) -> float:
    """Return how long `migrate` takes back to the first one and forward again."""
    started = time.monotonic()
    run(lab, "migrate", lab.app, "0001", "-v", "0")
    run(lab, "migrate", "-v", "0")
    return time.monotonic() - started


if __name__ == "__main__":
    main()
