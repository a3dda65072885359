"""Time dbops_locks beside the queries that people paste, and what its watch costs.

    python benchmarks/lock_graph.py [--waiters 500] [--rounds 5] [--pgbench-seconds 20]

Five shapes of waiting on a throw-away server of its own: from connection in hand to the
text of the report, beside pg_blocking_pids over all sessions and the well-known
recursive query. Each report is compared with pg_blocking_pids of every waiter. Then
pgbench with and without `dbops_locks --watch 1`, in turns.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "neuroagent.settings")

import django  # noqa: E402

django.setup()

import psycopg  # noqa: E402

from dbops.core.locks.names import Names  # noqa: E402
from dbops.core.locks.scene import build_scene  # noqa: E402
from dbops.operations.locks.locks import (  # noqa: E402
    LocksOptions,
    build_report,
    name_blockers,
)
from dbops.postgres.locks import (  # noqa: E402
    fetch_blockers,
    fetch_names,
    fetch_snapshot,
    fetch_viewer,
)
from dbops.postgres.session import Connection  # noqa: E402
from dbops.render.locks import render_locks  # noqa: E402
from dbops.render.text import render_text  # noqa: E402
from tests.clusters import Cluster, list_programs, make_cluster  # noqa: E402
from tests.crowd import Crowd, open_crowd  # noqa: E402

TIMEOUT_S = 20
IDLE = 100
ALL_SESSIONS = "SELECT pid, pg_blocking_pids(pid) FROM pg_stat_activity"
RECURSIVE = """
WITH RECURSIVE edge AS (
    SELECT pid, unnest(pg_blocking_pids(pid)) AS blocker FROM pg_stat_activity
), tree AS (
    SELECT a.pid, a.pid AS root, ARRAY[a.pid] AS path, 0 AS level
      FROM pg_stat_activity AS a
     WHERE a.pid IN (SELECT blocker FROM edge) AND a.pid NOT IN (SELECT pid FROM edge)
     UNION ALL
    SELECT edge.pid, tree.root, tree.path || edge.pid, tree.level + 1
      FROM edge JOIN tree ON edge.blocker = tree.pid
     WHERE edge.pid <> ALL (tree.path)
)
SELECT tree.level, repeat('  ', tree.level) || tree.pid, a.state, left(a.query, 60)
  FROM tree JOIN pg_stat_activity AS a USING (pid)
 ORDER BY tree.path
"""


def build_chain(crowd: Crowd, waiters: int) -> None:
    """Each has a row, and wants that of the one before."""
    numbers = crowd.add(waiters + 1)
    for number in numbers:
        update = f"UPDATE item SET n = 1 WHERE id = {number}"
        crowd.execute(number, "BEGIN", update)
    for number in numbers[1:]:
        update = f"UPDATE item SET n = 1 WHERE id = {number - 1}"
        crowd.start(number, statement=update)


def build_fan(crowd: Crowd, waiters: int) -> None:
    """All want to read a table that one has for itself."""
    holder, *others = crowd.add(waiters + 1)
    crowd.execute(holder, "BEGIN", "LOCK TABLE item")
    crowd.start(*others, statement="SELECT count(*) FROM item")


def build_queue(crowd: Crowd, waiters: int) -> None:
    """An idle reader, a migration behind it, and all others behind that."""
    reader, migration, *others = crowd.add(waiters + 1)
    crowd.execute(reader, "BEGIN", "SELECT count(*) FROM item")
    crowd.wait(migration, "ALTER TABLE item ADD note text")
    crowd.start(*others, statement="SELECT count(*) FROM item")


def build_hot_row(crowd: Crowd, waiters: int) -> None:
    """All want one row."""
    holder, *others = crowd.add(waiters + 1)
    update = "UPDATE item SET n = n + 1 WHERE id = 1"
    crowd.execute(holder, "BEGIN", update)
    crowd.start(*others, statement=update)


def build_mixed(crowd: Crowd, waiters: int) -> None:
    """DDL, writers, readers, VACUUM and advisory locks, and idle sessions."""
    crowd.add(IDLE)
    reader, keeper, migration, *others = crowd.add(waiters + 2)
    crowd.execute(reader, "BEGIN", "UPDATE item SET n = 1 WHERE id = 1")
    crowd.execute(keeper, "SELECT pg_advisory_lock(1)")
    crowd.wait(migration, "ALTER TABLE item ADD note text")
    statements = (
        "SELECT count(*) FROM item",
        "UPDATE item SET n = 2 WHERE id = 2",
        "VACUUM item",
        "SELECT pg_advisory_lock(1)",
        "SELECT count(*) FROM item WHERE id = 3",
    )
    for number in others:
        crowd.start(number, statement=statements[number % len(statements)])


SHAPES: dict[str, Callable[[Crowd, int], None]] = {
    "chain": build_chain,
    "fan": build_fan,
    "queue": build_queue,
    "hot row": build_hot_row,
    "mixed": build_mixed,
}


def tell(session: Connection) -> None:
    """Do what dbops_locks does once it is connected."""
    viewer = fetch_viewer(session)
    snapshot = fetch_snapshot(session, viewer)
    scene = build_scene(snapshot, fetch_names(session, snapshot, Names()))
    report = build_report(scene, viewer, LocksOptions(min_wait_s=0), place="here")
    render_text(render_locks(report), width=100, color=False)


def ask(query: str) -> Callable[[Connection], None]:
    """Return what runs a query."""
    return lambda session: session.execute(query.encode()).fetchall() and None


def time_way(way: Callable[[Connection], None], session: Connection) -> float:
    """Return the seconds that it took; endless where the server gave up."""
    started = time.perf_counter()
    try:
        way(session)
    except psycopg.errors.QueryCanceled:
        return float("inf")
    return time.perf_counter() - started


def is_exact(crowd: Crowd) -> bool:
    """Compare with pg_blocking_pids of every waiter."""
    scene = crowd.fetch_scene()
    return all(
        name_blockers(scene.graph, pid) == fetch_blockers(crowd.observer, pid)
        for pid in crowd.pids
    )


def measure_shape(cluster: Cluster, shape: str, waiters: int, rounds: int) -> None:
    """Build a shape, and print what each way takes."""
    ways = {
        "dbops_locks": tell,
        "pg_blocking_pids of all": ask(ALL_SESSIONS),
        "recursive query": ask(RECURSIVE),
    }
    target = cluster.build_target()
    with open_crowd(target) as crowd:
        crowd.execute(
            crowd.add()[0],
            "DROP TABLE IF EXISTS item",
            "CREATE TABLE item (id int PRIMARY KEY, n int)",
            f"INSERT INTO item SELECT generate_series(0, {waiters + IDLE + 9}), 0",
        )
        SHAPES[shape](crowd, waiters)
        crowd.wait_until_waiting(waiters)
        taken: dict[str, list[float]] = {name: [] for name in ways}
        with psycopg.connect(**target.parameters, autocommit=True) as session:  # type: ignore[arg-type]
            session.execute(f"SET statement_timeout = '{TIMEOUT_S}s'".encode())
            for _ in range(rounds):
                for name, way in ways.items():
                    if float("inf") not in taken[name]:
                        taken[name].append(time_way(way, session))
        exact = "exact" if is_exact(crowd) else "NOT what the server says"
    ours = statistics.median(taken["dbops_locks"])
    for name, times in taken.items():
        median = statistics.median(times)
        told = f"{median * 1000:8.0f} ms  {median / ours:6.1f}"
        if median == float("inf"):
            told = f"over {TIMEOUT_S} s"
        print(f"{shape:8}  {name:24}  {told}  {exact if name == 'dbops_locks' else ''}")


def find_pgbench() -> str | None:
    """Return pgbench, wherever it is."""
    return shutil.which("pgbench") or next(
        (
            str(each)
            for each in sorted(Path("/").glob("usr/lib/postgresql/*/bin/pgbench"))
        ),
        None,
    )


@contextmanager
def watching(cluster: Cluster) -> Iterator[None]:
    """Run `dbops_locks --watch 1` beside the block."""
    url = f"postgres://postgres@/postgres?host={cluster.directory}&port={cluster.port}"
    process = subprocess.Popen(
        [sys.executable, "manage.py", "dbops_locks", "--watch", "1"],
        cwd=CHECKOUT,
        env={**os.environ, "DATABASE_URL": url, "DEBUG": "1"},
        stdout=subprocess.DEVNULL,
    )
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dbops:locks'"
    )
    while not cluster.fetch_value(query) and process.poll() is None:
        time.sleep(0.1)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def run_pgbench(cluster: Cluster, program: str, *arguments: str) -> str:
    """Run pgbench on the server, and return what it says."""
    done = subprocess.run(
        [program, "-h", str(cluster.directory), "-p", str(cluster.port), "-U",
         "postgres", *arguments, "postgres"],
        check=True,
        capture_output=True,
        text=True,
    )  # fmt: skip
    return done.stdout


def measure_watch(cluster: Cluster, seconds: int, rounds: int) -> None:
    """Print what the watch costs a pgbench that runs beside it."""
    program = find_pgbench()
    if program is None:
        print("no pgbench here: apt install postgresql-contrib")
        return
    run_pgbench(cluster, program, "-i", "-s", "5", "-q")
    arguments = ("-T", str(seconds), "-c", "4", "-j", "1", "-n")
    alone, watched = [], []
    for _ in range(rounds):
        alone.append(read_tps(run_pgbench(cluster, program, *arguments)))
        with watching(cluster):
            watched.append(read_tps(run_pgbench(cluster, program, *arguments)))
    before, after = statistics.median(alone), statistics.median(watched)
    print(f"pgbench   alone {before:.0f} tps, watched {after:.0f} tps, "
          f"{(after / before - 1) * 100:+.1f} %")  # fmt: skip


def read_tps(text: str) -> float:
    """Return the transactions per second."""
    (line,) = (each for each in text.splitlines() if each.startswith("tps"))
    return float(line.split()[2])


def main() -> None:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--waiters", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pgbench-seconds", type=int, default=20)
    given = parser.parse_args()
    programs = list_programs()[-1]
    settings = {"max_connections": str(given.waiters + IDLE + 50)}
    with make_cluster(programs, **settings) as cluster:
        print(f"PostgreSQL {programs.major}, {given.waiters} waiters, medians of "
              f"{given.rounds}")  # fmt: skip
        for shape in SHAPES:
            measure_shape(cluster, shape, given.waiters, given.rounds)
        if given.pgbench_seconds:
            measure_watch(cluster, given.pgbench_seconds, given.rounds)


if __name__ == "__main__":
    main()
