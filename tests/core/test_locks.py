"""From rows of pg_locks to queues, roots and words, without a server."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dbops.core.lock_modes import CONFLICTS, LockMode
from dbops.core.locks.comments import find_caller
from dbops.core.locks.graph import Graph, build_graph
from dbops.core.locks.kinds import BlockerKind, classify
from dbops.core.locks.names import Names, ObjectName, describe_object, find_unnamed
from dbops.core.locks.report import Root, walk
from dbops.core.locks.rows import (
    IndexBuild,
    Key,
    LockRow,
    LockTag,
    PreparedRow,
    SessionRow,
    Snapshot,
)
from dbops.core.locks.scene import build_scene
from dbops.core.locks.trees import build_roots, count_freed
from dbops.operations.locks.locks import LocksOptions, LocksReport, build_report
from dbops.postgres.locks import Viewer
from dbops.render.json import render_report
from dbops.render.locks import render_locks
from dbops.render.text import render_text

GOLDEN = Path(__file__).parents[1] / "data" / "locks.txt"
DATABASE = 16384
NOW_US = 1_790_000_000_000_000
SECOND_US = 1_000_000
TABLE = LockTag("relation", DATABASE, 1)


def row(
    pid: int | None,
    mode: LockMode,
    *,
    tag: LockTag = TABLE,
    since_us: int | None = None,
    waits: bool = False,
    vxid: str = "",
) -> LockRow:
    return LockRow(
        tag=tag,
        virtualtransaction=vxid or f"{pid}/1",
        pid=pid,
        mode=mode,
        granted=not waits and since_us is None,
        wait_start_us=since_us,
    )


def get_order(graph: Graph) -> list[Key]:
    (queue,) = graph.queues
    return [each.session for each in queue.waiters]


# Modes


def test_conflicts_are_mutual() -> None:
    for one in LockMode:
        for other in LockMode:
            assert (one in CONFLICTS[other]) == (other in CONFLICTS[one])
    # As many as there are crosses in the manual's table.
    assert sum(map(len, CONFLICTS.values())) == 38


def test_a_mode_is_known_by_its_name_in_pg_locks() -> None:
    assert [LockMode.parse(each.pg_name) for each in LockMode] == list(LockMode)


# Queues


def test_the_queue_is_in_the_order_of_waiting_and_the_unknown_come_last() -> None:
    graph = build_graph(
        [
            row(1, LockMode.ACCESS_SHARE),
            row(5, LockMode.ACCESS_SHARE, waits=True),
            row(4, LockMode.ACCESS_SHARE, since_us=300),
            row(2, LockMode.ACCESS_EXCLUSIVE, since_us=100),
            row(3, LockMode.ACCESS_SHARE, since_us=200),
        ],
        {},
    )

    assert get_order(graph) == [2, 3, 4, 5]
    assert graph.find_blockers(5) == {2}
    assert graph.parents == {2: 1, 3: 2, 4: 2, 5: 2}
    assert graph.roots == (1,)


def test_who_has_what_a_waiter_wants_goes_before_it() -> None:
    rows = [
        row(1, LockMode.ROW_EXCLUSIVE),
        row(2, LockMode.ROW_EXCLUSIVE),
        row(3, LockMode.ACCESS_EXCLUSIVE, since_us=100),
        row(1, LockMode.SHARE, since_us=200),
    ]

    graph = build_graph(rows, {})

    assert get_order(graph) == [1, 3]
    assert graph.deadlocks == ()
    assert graph.find_blockers(1) == {2}
    assert graph.find_blockers(3) == {1, 2}


def test_who_holds_nothing_in_the_way_stays_at_the_end() -> None:
    rows = [
        row(1, LockMode.ACCESS_EXCLUSIVE),
        row(2, LockMode.SHARE, since_us=100),
        row(3, LockMode.SHARE, since_us=200),
    ]

    graph = build_graph(rows, {})

    assert get_order(graph) == [2, 3]
    assert graph.find_blockers(3) == {1}


def test_parallel_workers_are_one_session_and_never_block_each_other() -> None:
    leaders = {11: 10, 12: 10}
    rows = [
        row(10, LockMode.SHARE),
        row(1, LockMode.SHARE),
        row(11, LockMode.ROW_EXCLUSIVE, since_us=100),
        row(12, LockMode.ROW_EXCLUSIVE, since_us=150),
        row(2, LockMode.ACCESS_EXCLUSIVE, since_us=200),
    ]

    graph = build_graph(rows, leaders)

    assert graph.find_blockers(10) == {1}
    assert graph.find_blockers(2) == {1, 10}
    assert set(graph.waits) == {10, 2}
    assert graph.roots == (1,)
    assert graph.deadlocks == ()


def test_a_circle_by_places_in_a_queue_is_no_deadlock() -> None:
    other = LockTag("relation", DATABASE, 2)
    rows = [
        # 2 waits behind 1's request, and 1 for what 2 holds.
        row(9, LockMode.ACCESS_SHARE),
        row(1, LockMode.ACCESS_EXCLUSIVE, since_us=100),
        row(2, LockMode.ACCESS_SHARE, since_us=200),
        row(2, LockMode.ACCESS_EXCLUSIVE, tag=other),
    ]
    worker = row(11, LockMode.ACCESS_SHARE, tag=other, since_us=300)

    graph = build_graph([*rows, worker], {11: 1})

    assert graph.find_blockers(2) == {1}
    assert graph.find_blockers(1) == {9, 2}
    assert graph.deadlocks == ()
    assert 9 in graph.roots


def test_a_circle_of_locks_held_is_a_deadlock() -> None:
    other = LockTag("relation", DATABASE, 2)
    rows = [
        row(1, LockMode.ACCESS_EXCLUSIVE),
        row(2, LockMode.ACCESS_EXCLUSIVE, tag=other),
        row(2, LockMode.ACCESS_SHARE, since_us=100),
        row(1, LockMode.ACCESS_SHARE, tag=other, since_us=200),
        row(3, LockMode.ACCESS_SHARE, since_us=300),
    ]

    graph = build_graph(rows, {})

    assert graph.deadlocks == ((1, 2),)
    assert graph.roots == (1,)
    assert graph.parents == {2: 1, 3: 1}
    assert (graph.blocked, graph.freed) == ({1: 2}, {1: 2})


def test_terminating_one_of_two_holders_frees_nobody() -> None:
    rows = [
        row(1, LockMode.ACCESS_SHARE),
        row(2, LockMode.ACCESS_SHARE),
        row(3, LockMode.ACCESS_EXCLUSIVE, since_us=100),
    ]

    graph = build_graph(rows, {}, {1: 20, 2: 10})

    assert graph.freed == {1: 0, 2: 0}
    assert graph.parents == {3: 2}, "the older transaction"


def test_ending_who_is_in_the_middle_frees_those_behind_it() -> None:
    rows = [
        row(1, LockMode.ACCESS_SHARE),
        row(2, LockMode.ACCESS_EXCLUSIVE, since_us=100),
        row(3, LockMode.ACCESS_SHARE, since_us=200),
        row(4, LockMode.ROW_EXCLUSIVE, since_us=300),
        row(5, LockMode.SHARE, since_us=400),
    ]
    scene = build_scene(build_snapshot(rows), Names())

    assert count_freed(scene, 1) == scene.graph.freed[1] == 4
    # Then 4 has its lock at once, and 5 after it.
    assert count_freed(scene, 2) == 3
    assert count_freed(scene, 4) == 0


# Names and kinds


@pytest.mark.parametrize(
    ("tag", "told"),
    [
        (TABLE, "public.messages"),
        (LockTag("tuple", DATABASE, 1, 3, 5), "a row of public.messages"),
        (LockTag("page", DATABASE, 1, 3), "page 3 of public.messages"),
        (LockTag("extend", DATABASE, 1), "the growing of public.messages"),
        (LockTag("relation", 5, 1), 'relation 1 of database "other"'),
        (LockTag("relation", 6, 1), "relation 1 of database 6"),
        (LockTag("relation", DATABASE, 99), "relation 99"),
        (LockTag("relation", 0, 1262), "pg_catalog.pg_database"),
        (LockTag("object", DATABASE, classid=1247, objid=7), "type public.mood"),
        (LockTag("object", 5, classid=1247, objid=7), "object 7 of catalog 1247"),
        (
            LockTag("advisory", DATABASE, classid=3, objid=2**32 - 1, objsubid=2),
            "advisory lock (3, -1)",
        ),
        (LockTag("userlock", DATABASE, classid=3, objid=4), "userlock lock (3, 4)"),
        (LockTag("spectoken", transactionid=7, objid=1), "an insertion of"),
        (LockTag("applytransaction", DATABASE, transactionid=7), "transaction 7 of"),
        (LockTag("frozenid", 5), 'the oldest transaction id of database "other"'),
    ],
)
def test_objects_are_told_in_words(tag: LockTag, told: str) -> None:
    names = Names().add(
        [
            ObjectName(classid=None, objid=1, kind="table", name="public.messages"),
            ObjectName(
                classid=None, objid=1262, kind="table", name="pg_catalog.pg_database"
            ),
            ObjectName(classid=1247, objid=7, kind="type", name="public.mood"),
        ]
    )
    snapshot = build_snapshot([row(1, LockMode.ACCESS_SHARE, tag=tag)])

    assert describe_object(tag, snapshot, names, {5: "other"}).startswith(told)


def test_only_this_database_s_oids_are_asked_for_names() -> None:
    kept = LockTag("object", DATABASE, classid=1247, objid=7)
    tags = [TABLE, LockTag("relation", 5, 2), LockTag("relation", 0, 3), kept]
    snapshot = build_snapshot([row(1, LockMode.SHARE, tag=tag) for tag in tags])

    wanted = find_unnamed(snapshot, Names())

    assert wanted.relations == (1, 3)
    assert wanted.objects == ((1247, 7),)


@pytest.mark.parametrize(
    ("session", "kind"),
    [
        (SessionRow(pid=1, state="active", query="SELECT 1"), BlockerKind.ACTIVE),
        (
            SessionRow(pid=1, state="active", query="/* a */ alter table a add b int"),
            BlockerKind.MIGRATION,
        ),
        (
            SessionRow(pid=1, state="idle in transaction (aborted)"),
            "idle_in_transaction",
        ),
        (SessionRow(pid=1, hidden=True), BlockerKind.HIDDEN),
        (SessionRow(pid=1, backend_type="logical replication worker"), "server"),
        (None, BlockerKind.GONE),
    ],
)
def test_sessions_are_classified(session: SessionRow | None, kind: str) -> None:
    assert classify(session) == kind


@pytest.mark.parametrize(
    ("query", "caller"),
    [
        ('/*pga_context={"url": "/a/b", "method": "GET"}*/\nSELECT 1', "GET /a/b"),
        ('/*pga_context={"command": "send_mails", "key": "v', "send_mails"),
        ("SELECT 1 /*action='x',controller='cart',route='%2Fcart'*/", "cart"),
        ("SELECT 1 /*application:shop,job:Nightly*/", "Nightly"),
        ("SELECT '/*' || a FROM b", ""),
        ("SELECT 1", ""),
    ],
)
def test_the_caller_is_read_from_a_comment(query: str, caller: str) -> None:
    assert find_caller(query) == caller


# The report


def build_snapshot(
    locks: list[LockRow],
    sessions: list[SessionRow] | None = None,
    prepared: list[PreparedRow] | None = None,
    builds: list[IndexBuild] | None = None,
) -> Snapshot:
    return Snapshot(
        taken_us=NOW_US,
        database="app",
        database_oid=DATABASE,
        own_pid=1,
        locks=tuple(locks),
        sessions=tuple(sessions or []),
        prepared=tuple(prepared or []),
        builds=tuple(builds or []),
    )


def ago(seconds: float) -> int:
    return NOW_US - round(seconds * SECOND_US)


def session(pid: int, **fields: Any) -> SessionRow:
    given: dict[str, Any] = {
        "database": "app",
        "role": "web",
        "application_name": "gunicorn",
        "client": "10.0.0.7",
        "backend_type": "client backend",
        "state": "active",
        "xact_start_us": ago(60),
        "query_start_us": ago(60),
        "state_change_us": ago(60),
    }
    return SessionRow(pid=pid, **given | fields)


def build_example() -> LocksReport:
    """A night: a forgotten transaction, a migration, its victims, and more."""
    orders = LockTag("relation", DATABASE, 2)
    vacuumed = LockTag("virtualxid", virtualxid="9/9")
    locks = [
        row(812, LockMode.ACCESS_SHARE),
        row(903, LockMode.ACCESS_EXCLUSIVE, since_us=ago(130)),
        *(
            row(910 + each, LockMode.ACCESS_SHARE, since_us=ago(120 - each))
            for each in range(37)
        ),
        row(None, LockMode.ROW_EXCLUSIVE, tag=orders, vxid="4/7"),
        row(
            None,
            LockMode.EXCLUSIVE,
            tag=LockTag("transactionid", transactionid=747),
            vxid="4/7",
        ),
        row(960, LockMode.SHARE, tag=orders, since_us=ago(10)),
        row(970, LockMode.EXCLUSIVE, tag=vacuumed),
        row(971, LockMode.SHARE, tag=vacuumed, since_us=ago(2)),
    ]
    sessions = [
        session(
            812,
            state="idle in transaction",
            xact_start_us=ago(252),
            state_change_us=ago(250),
            query="SELECT * FROM messages /*controller='reports.monthly'*/",
        ),
        session(
            903,
            role="owner",
            application_name="dbops-worker:deploy",
            query="ALTER TABLE messages ADD COLUMN note text",
        ),
        *(session(910 + each, query="SELECT 1") for each in range(37)),
        session(960, query="CREATE INDEX by_day ON orders (day)"),
        session(970, query="SELECT count(*) FROM big", has_written=True),
        session(971, query="CREATE INDEX CONCURRENTLY by_a ON messages (a)"),
        session(
            980,
            query="COMMIT",
            wait_event_type="IPC",
            wait_event="SyncRep",
            query_start_us=ago(33),
        ),
    ]
    prepared = PreparedRow(
        transaction=747,
        gid="billing's",
        literal="'billing''s'",
        prepared_us=ago(86_400),
        owner="billing",
        database="app",
    )
    build = IndexBuild(
        pid=971,
        command="CREATE INDEX CONCURRENTLY",
        phase="waiting for old snapshots",
        current_locker_pid=970,
        table="public.messages",
        index="by_a",
    )
    names = Names().add(
        ObjectName(classid=None, objid=objid, kind="table", name=f"public.{name}")
        for objid, name in ((1, "messages"), (2, "orders"))
    )
    viewer = Viewer(
        database="app",
        database_oid=DATABASE,
        pid=1,
        role="app",
        superuser=False,
        may_read_statistics=True,
        may_signal_backends=True,
        may_signal_autovacuum=False,
        in_recovery=False,
        server_version="18.4",
    )
    snapshot = build_snapshot(locks, sessions, [prepared], [build])
    return build_report(
        build_scene(snapshot, names), viewer, LocksOptions(), place="app on db1:5432"
    )


def test_the_report_fits_80_columns() -> None:
    text = render_text(render_locks(build_example()), width=80, color=False) + "\n"
    if os.environ.get("REFRESH_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")

    assert text == GOLDEN.read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= 80


def test_the_report_names_each_waiter_once() -> None:
    report = build_example()

    told = [each.pid for root in report.roots for each in walk(root.waiters)]

    assert len(told) == len(set(told)) == report.waiting == 40
    (migration,) = (each for each in report.migrations if each.pid == 903)
    assert (migration.place, migration.behind) == (1, 37)


@dataclass(frozen=True)
class Held:
    """A report of one root."""

    root: Root


def test_a_chain_of_a_thousand_can_be_written_as_json() -> None:
    locks = []
    for pid in range(1, 1001):
        tag = LockTag("advisory", DATABASE, classid=0, objid=pid, objsubid=1)
        locks.append(row(pid, LockMode.EXCLUSIVE, tag=tag))
        locks.append(row(pid + 1, LockMode.EXCLUSIVE, tag=tag, since_us=ago(pid)))
    scene = build_scene(build_snapshot(locks), Names())

    (root,) = build_roots(scene)
    text = render_report("dbops_locks", "default", Held(root=root))

    found = list(walk(root.waiters))
    assert len(found) == 1000
    assert all(one.pid < other.pid for one, other in pairwise(found))
    assert [each.behind for each in found] == [str(each.pid - 1) for each in found]
    assert json.loads(text)["root"]["blocks"] == 1000


def test_a_queue_of_ten_thousand_is_no_work() -> None:
    locks = [row(1, LockMode.ACCESS_EXCLUSIVE)]
    locks += [
        row(pid, LockMode.EXCLUSIVE, since_us=ago(pid)) for pid in range(2, 10_002)
    ]

    graph = build_graph(locks, {})

    assert len(graph.find_behind(1)) == 10_000
    assert graph.freed == {1: 10_000}
