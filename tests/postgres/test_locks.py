"""The graph of the waiting is what the server says it is."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import psycopg
import pytest

from dbops.core.lock_modes import LockMode
from dbops.core.locks.rows import Key
from dbops.core.locks.scene import Scene
from dbops.core.target import Target
from dbops.operations.locks.locks import name_blockers
from dbops.postgres.locks import fetch_blockers
from tests.crowd import Crowd, open_crowd
from tests.databases import connect, require_superuser, temporary_database

SESSIONS = int(os.environ.get("LOCK_SESSIONS", "40"))
SEEDS = range(int(os.environ.get("LOCK_SEEDS", "6")))
TABLES, ROWS, KEYS = 4, 3, 3


@pytest.fixture(scope="module")
def database(django_db_blocker: object) -> Iterator[Target]:
    with django_db_blocker.unblock(), temporary_database() as target:  # type: ignore[attr-defined]
        require_superuser(target)
        with connect(target) as session:
            for number in range(TABLES):
                session.execute(f"CREATE TABLE t{number} (a int)".encode())
            session.execute("CREATE TABLE hot (id int PRIMARY KEY, n int)")
            session.execute("INSERT INTO hot SELECT generate_series(1, 9), 0")
        yield target


def assert_same_as_server(scene: Scene, crowd: Crowd) -> None:
    """Each waiter's blockers are what pg_blocking_pids says of it.

    Other tests may have sessions on the server, which do not stand still.
    """
    for key in scene.graph.waits:
        if key in crowd.pids and isinstance(key, int):
            said = fetch_blockers(crowd.observer, key)
            assert name_blockers(scene.graph, key) == said, f"of {key}"


def find_hard_circle(scene: Scene) -> set[Key]:
    """Return who is in a circle of locks held, by following all of them."""
    hard = {
        key: {
            holder for wait in waits for holder in wait.queue.find_holders(wait.waiter)
        }
        for key, waits in scene.graph.waits.items()
    }
    found = set()
    for start, holders in hard.items():
        reached: set[Key] = set()
        todo = list(holders)
        while todo:
            each = todo.pop()
            if each not in reached:
                reached.add(each)
                todo += hard.get(each, ())
        if start in reached:
            found.add(start)
    return found


def assert_consistent(scene: Scene) -> None:
    """Each waiter is in one tree, behind roots; deadlocks are real."""
    graph = scene.graph
    circles = {key for circle in graph.deadlocks for key in circle}
    assert circles == find_hard_circle(scene)
    for key in graph.waits:
        assert key in graph.roots or key in graph.parents
        assert graph.find_roots(key) or key in graph.roots
        seen = {key}
        above = graph.parents.get(key)
        while above is not None:
            assert above not in seen
            seen.add(above)
            assert above in circles or graph.is_behind(key, above)
            above = graph.parents.get(above)


class Workload:
    """Sessions that take one random lock after the other until one makes them wait."""

    def __init__(self, crowd: Crowd, seed: int) -> None:
        self.crowd = crowd
        self.random = random.Random(seed)
        self.seed = seed
        self.prepared: list[str] = []

    def choose(self) -> str:
        """Return a statement that takes a lock."""
        dice = self.random.random()
        if dice < 0.5:
            mode = self.random.choice(list(LockMode)).sql_name
            return f"LOCK TABLE t{self.random.randrange(TABLES)} IN {mode} MODE"
        if dice < 0.8:
            row = self.random.randrange(ROWS) + 1
            return f"UPDATE hot SET n = n + 1 WHERE id = {row}"
        shared = self.random.choice(("", "_shared"))
        return f"SELECT pg_advisory_xact_lock{shared}({self.random.randrange(KEYS)})"

    def play(self, number: int) -> None:
        """Let a session begin, and take locks until it waits or has a few."""
        self.crowd.execute(number, "BEGIN")
        for _ in range(self.random.randrange(1, 4)):
            self.crowd.start(number, statement=self.choose())
            if not self.crowd.settle(number):
                return
            if self.crowd.sessions[number].info.transaction_status.name == "INERROR":
                self.crowd.execute(number, "ROLLBACK", "BEGIN")
        if self.random.random() < 0.1 and len(self.prepared) < 3:
            self.prepare(number)

    def prepare(self, number: int) -> None:
        """Leave the session's transaction behind as a prepared one, if it may be."""
        gid = f"locks {self.seed} {number}"
        try:
            self.crowd.execute(number, f"PREPARE TRANSACTION '{gid}'")
        except psycopg.errors.ObjectNotInPrerequisiteState:
            self.crowd.execute(number, "ROLLBACK")
        else:
            self.prepared.append(gid)

    def clean_up(self) -> None:
        """End the prepared transactions, too."""
        for gid in self.prepared:
            self.crowd.observer.execute(f"ROLLBACK PREPARED '{gid}'".encode())


def test_a_deadlock_is_shown_and_postgresql_calls_it_one(database: Target) -> None:
    soon = "-c deadlock_timeout=2s"
    with open_crowd(database, options=soon) as crowd:
        first, second, bystander = crowd.add(3)
        for number in (first, second):
            crowd.execute(number, "BEGIN", f"LOCK TABLE t{number}")
        crowd.wait(first, f"SELECT * FROM t{second}")
        assert not find_hard_circle(crowd.fetch_scene()) & set(crowd.pids)
        crowd.wait(second, f"SELECT * FROM t{first}")
        crowd.wait(bystander, f"SELECT * FROM t{first}")

        scene = crowd.fetch_scene()

        pair = {crowd.pids[first], crowd.pids[second]}
        assert pair in [set(each) for each in scene.graph.deadlocks]
        assert len(pair & set(scene.graph.roots)) == 1
        assert crowd.pids[bystander] not in scene.graph.roots
        assert_consistent(scene)
        tasks = crowd.tasks[first], crowd.tasks[second]
        crowd.wait_until(lambda: any(each.done() for each in tasks), "the victim")
        (victim,) = (each for each in tasks if each.done() and each.exception())
        assert isinstance(victim.exception(), psycopg.errors.DeadlockDetected)


def test_who_holds_a_lock_already_jumps_the_queue(database: Target) -> None:
    with open_crowd(database) as crowd:
        holder, other, migration = crowd.add(3)
        crowd.execute(holder, "BEGIN", "LOCK TABLE t0 IN ROW EXCLUSIVE MODE")
        crowd.execute(other, "BEGIN", "LOCK TABLE t0 IN ROW EXCLUSIVE MODE")
        crowd.execute(migration, "BEGIN")
        crowd.wait(migration, "LOCK TABLE t0 IN ACCESS EXCLUSIVE MODE")
        # It comes later, and in front of the migration, which has to wait for it.
        crowd.wait(holder, "LOCK TABLE t0 IN SHARE MODE")

        scene = crowd.fetch_scene()

        (wait,) = scene.graph.waits[crowd.pids[migration]]
        queue = wait.queue
        pids = [each.session for each in queue.waiters]
        assert pids == [crowd.pids[holder], crowd.pids[migration]]
        assert not set(crowd.pids) & find_hard_circle(scene)
        assert set(scene.graph.roots) & set(crowd.pids) == {crowd.pids[other]}
        assert_same_as_server(scene, crowd)


@pytest.mark.parametrize("seed", SEEDS)
def test_graph_is_what_the_server_says(database: Target, seed: int) -> None:
    with open_crowd(database) as crowd:
        workload = Workload(crowd, seed)
        try:
            for number in crowd.add(SESSIONS):
                workload.play(number)
                if number % 10 == 9:
                    scene = crowd.fetch_scene()
                    assert_same_as_server(scene, crowd)
                    assert_consistent(scene)
            assert crowd.count_waiting() > SESSIONS // 3
        finally:
            workload.clean_up()
