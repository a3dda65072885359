"""Each kind of blocker, made on a real server: named, advised about, and ended."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dbops.core.locks.kinds import BlockerKind
from dbops.core.target import Target
from dbops.operations.locks.acting import carry_out
from dbops.operations.locks.locks import LocksOptions, LocksReport, look
from dbops.operations.locks.plan import Order, plan_acts
from dbops.operations.locks.watch import watch
from dbops.postgres.session import open_session
from tests.clusters import Cluster, find_programs, make_cluster, make_standby
from tests.crowd import Crowd, open_crowd
from tests.databases import connect
from tests.lab import Lab, Outcome, open_lab
from tests.processes import prepare_lab, start_in_lab, wait_until

QUIET = "-c application_name=gunicorn"
DEPLOY_AS_IT_IS = ("dbops_deploy", "--no-backup", "--allow-drift")
RELOAD = "SELECT pg_reload_conf()"
IDLE_READER = ("BEGIN", "SELECT count(*) FROM messages")


@pytest.fixture(scope="module")
def cluster(django_db_blocker: Any) -> Iterator[Cluster]:
    with (
        django_db_blocker.unblock(),
        make_cluster(
            find_programs(),
            autovacuum_naptime="1s",
            autovacuum_freeze_max_age="100000",
            autovacuum_vacuum_cost_delay="0",
            autovacuum_vacuum_insert_threshold="-1",
            # Autovacuum is in the way for as long as a test needs.
            deadlock_timeout="1h",
            max_standby_streaming_delay="-1",
            max_parallel_workers="4",
            synchronous_commit="off",
        ) as cluster,
    ):
        yield cluster


@pytest.fixture
def target(cluster: Cluster) -> Iterator[Target]:
    """A database of the test's own, with a table."""
    name = "Lock's db"
    cluster.execute(f'CREATE DATABASE "{name}"')
    target = cluster.build_target(dbname=name)
    with connect(target) as session:
        session.execute(
            "CREATE TABLE messages (id int PRIMARY KEY, body text);"
            "INSERT INTO messages SELECT generate_series(1, 100), 'x'"
        )
    yield target
    cluster.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def lab(tmp_path: Path, target: Target) -> Iterator[Lab]:
    with open_lab(tmp_path, target) as lab:
        yield lab


@pytest.fixture
def crowd(target: Target) -> Iterator[Crowd]:
    with open_crowd(target, options=QUIET) as crowd:
        yield crowd


@pytest.fixture
def ledger(lab: Lab) -> Lab:
    """A database that has a ledger."""
    lab.settings["IGNORE"] = ["messages"]
    outcome = lab.run("dbops_deploy", "--no-backup")
    assert outcome.code == 0, outcome.err
    return lab


def tell(lab: Lab, *arguments: str, **parameters: str) -> Outcome:
    """Run dbops_locks with no least wait, perhaps as another role."""
    changed = {**lab.target.parameters, **parameters}
    given = replace(lab, target=replace(lab.target, parameters=changed))
    return given.run("dbops_locks", "--min-wait", "0", *arguments)


def find_root(lab: Lab, *arguments: str, **parameters: str) -> dict[str, Any]:
    """Return the one root there is."""
    outcome = tell(lab, "--json", *arguments, **parameters)
    assert outcome.code == 3, outcome.out + outcome.err
    (root,) = outcome.json["roots"]
    assert isinstance(root, dict)
    return root


def look_in(lab: Lab) -> LocksReport:
    with lab.open() as context:
        return look(context, LocksOptions(min_wait_s=0))


# What blocks


def test_a_migration_behind_an_idle_reader_is_in_the_middle(
    lab: Lab, crowd: Crowd
) -> None:
    reader, migration, *requests = crowd.add(5)
    crowd.execute(
        reader,
        "BEGIN",
        "SELECT count(*) FROM messages /*controller='reports.monthly'*/",
    )
    crowd.execute(migration, "SET application_name = 'dbops-worker:deploy'")
    crowd.wait(migration, "ALTER TABLE messages ADD note text")
    for each in requests:
        crowd.wait(each, "SELECT * FROM messages")

    outcome = tell(lab, "--json")

    assert outcome.code == 3
    report = outcome.json
    (root,) = report["roots"]
    assert report["waiting"] == 4
    assert root["pid"] == crowd.pids[reader]
    assert root["kind"] == "idle_in_transaction"
    assert root["state"] == "idle in transaction"
    assert root["application_name"] == "gunicorn"
    assert root["caller"] == "reports.monthly"
    assert root["holds"] == ["AccessShareLock on public.messages"]
    assert (root["blocks"], root["frees"], root["has_written"]) == (4, 4, False)
    assert root["command"] == f"manage.py dbops_locks --terminate {root['pid']}"
    assert root["transaction_age_s"] > 0
    (waiter,) = root["waiters"]
    assert waiter["pid"] == crowd.pids[migration]
    assert (waiter["wants"], waiter["hard"]) == ("AccessExclusiveLock", True)
    behind = [(each["pid"], each["place"], each["hard"]) for each in waiter["waiters"]]
    assert behind == [
        (crowd.pids[number], place, False)
        for place, number in enumerate(requests, start=2)
    ]
    (found,) = report["migrations"]
    assert (found["place"], found["behind"]) == (1, 3)
    assert found["object"] == "public.messages"
    assert found["in_the_way"] == [str(root["pid"])]


def test_a_hot_row_is_one_queue(lab: Lab, crowd: Crowd) -> None:
    holder, *others = crowd.add(5)
    update = "UPDATE messages SET body = 'y' WHERE id = 1"
    crowd.execute(holder, "BEGIN", update)
    for each in others:
        crowd.wait(each, update)

    root = find_root(lab)

    assert root["pid"] == crowd.pids[holder]
    assert root["holds"] == ["a row of public.messages"]
    assert root["has_written"] is True
    assert root["lost"].startswith("all that its transaction has written")
    (first,) = root["waiters"]
    places = [first, *first["waiters"]]
    assert [each["place"] for each in places] == [1, 2, 3, 4]
    assert [each["pid"] for each in places] == [crowd.pids[each] for each in others]
    assert {each["object"] for each in places} == {"a row of public.messages"}


def test_a_prepared_transaction_is_named_with_what_ends_it(
    lab: Lab, crowd: Crowd
) -> None:
    preparer, waiter = crowd.add(2)
    crowd.execute(
        preparer, "BEGIN", "LOCK TABLE messages", "PREPARE TRANSACTION 'it''s me'"
    )
    crowd.wait(waiter, "SELECT * FROM messages")

    root = find_root(lab)
    refused = tell(lab, "--terminate", "0", "--yes")

    assert (root["pid"], root["gid"], root["kind"]) == (0, "it's me", "prepared")
    assert root["holds"] == ["AccessExclusiveLock on public.messages"]
    assert root["command"] == "ROLLBACK PREPARED 'it''s me'"
    assert (root["blocks"], root["frees"]) == (1, 1)
    assert refused.code == 4
    assert "no signal reaches a prepared transaction" in refused.err
    assert "Next: ROLLBACK PREPARED 'it''s me'" in refused.err
    lab.execute(root["command"])
    crowd.wait_until(lambda: crowd.settle(waiter), "the waiter to go on")


def test_an_idle_holder_of_an_advisory_lock(lab: Lab, crowd: Crowd) -> None:
    holder, waiter = crowd.add(2)
    crowd.execute(holder, "SELECT pg_advisory_lock(-7)")
    crowd.wait(waiter, "SELECT pg_advisory_lock(-7)")

    root = find_root(lab)

    assert (root["pid"], root["kind"]) == (crowd.pids[holder], "idle")
    assert root["holds"] == ["ExclusiveLock on advisory lock -7"]
    assert "pg_advisory_unlock" in root["advice"]
    assert tell(lab, "--cancel", str(root["pid"]), "--yes").code == 4
    assert tell(lab, "--terminate", str(root["pid"]), "--yes").code == 0
    crowd.wait_until(lambda: crowd.settle(waiter), "the waiter to go on")


def test_parallel_workers_are_one_with_their_leader(lab: Lab, crowd: Crowd) -> None:
    holder, leader = crowd.add(2)
    crowd.execute(holder, "CREATE TABLE guarded ()")
    crowd.execute(
        leader,
        "CREATE FUNCTION look(int) RETURNS int PARALLEL SAFE LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM 1 FROM guarded; RETURN $1; END'",
        "SET parallel_setup_cost = 0",
        "SET parallel_tuple_cost = 0",
        "SET min_parallel_table_scan_size = 0",
        "SET parallel_leader_participation = off",
        "ALTER TABLE messages SET (parallel_workers = 2)",
    )
    crowd.execute(holder, "BEGIN", "LOCK TABLE guarded")
    crowd.start(leader, statement="SELECT sum(look(id)) FROM messages")
    pids = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    crowd.wait_until(lambda: lab.fetch_value(pids) >= 1, "a worker to wait")

    root = find_root(lab, "--pid", str(crowd.pids[leader]))
    worker = lab.fetch_value("SELECT pid FROM pg_locks WHERE NOT granted LIMIT 1")
    by_worker = find_root(lab, "--pid", str(worker))
    refused = tell(lab, "--terminate", str(worker), "--yes")

    assert root["pid"] == crowd.pids[holder]
    assert root["blocks"] == 1
    assert [each["pid"] for each in root["waiters"]] == [crowd.pids[leader]]
    assert by_worker["waiters"][0]["pid"] == crowd.pids[leader]
    assert worker != crowd.pids[leader]
    assert refused.code == 2
    assert f"parallel worker of session {crowd.pids[leader]}" in refused.err


def test_an_index_build_behind_an_old_snapshot_is_no_lock(
    lab: Lab, crowd: Crowd
) -> None:
    reader, builder = crowd.add(2)
    crowd.execute(reader, "CREATE TABLE elsewhere ()")
    crowd.execute(
        reader, "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT * FROM elsewhere"
    )
    crowd.wait(builder, "CREATE INDEX CONCURRENTLY by_body ON messages (body)")

    root = find_root(lab)

    assert root["pid"] == crowd.pids[reader]
    (waiter,) = root["waiters"]
    assert waiter["pid"] == crowd.pids[builder]
    assert waiter["locktype"] == "virtualxid"
    assert waiter["object"] == f"the end of the transaction of {root['pid']}"
    assert "CREATE INDEX CONCURRENTLY by_body on public.messages" in waiter["note"]
    assert "waiting for old snapshots" in waiter["note"]
    assert "every transaction that is older has to end" in waiter["note"]
    assert waiter["migration"] is True


def start_vacuum(crowd: Crowd, lab: Lab, *, wraparound: bool) -> int:
    """Let autovacuum work on the table for as long as it is needed; return its pid."""
    forced = ", autovacuum_enabled = off" if wraparound else ""
    lab.execute(
        "ALTER TABLE messages SET (autovacuum_vacuum_cost_delay = 100,"
        " autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_threshold = 1,"
        " autovacuum_vacuum_scale_factor = 0,"
        f" autovacuum_analyze_threshold = 1000000000{forced})",
        "INSERT INTO messages SELECT generate_series(101, 50000), repeat('x', 200)",
    )
    if wraparound:
        lab.execute(
            "CREATE PROCEDURE use_ids() LANGUAGE plpgsql AS 'BEGIN FOR i IN 1..100100"
            " LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END'",
            "CALL use_ids()",
        )
    else:
        lab.execute("DELETE FROM messages WHERE id % 2 = 0")
    mark = "%wraparound%" if wraparound else "autovacuum:%"
    query = (
        "SELECT max(pid) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'"
        f" AND query LIKE '{mark}' AND query LIKE '%public.messages%'"
    )
    crowd.wait_until(lambda: lab.fetch_value(query) is not None, "autovacuum")
    return int(lab.fetch_value(query))


def test_autovacuum_gives_way_by_itself(lab: Lab, crowd: Crowd) -> None:
    pid = start_vacuum(crowd, lab, wraparound=False)
    (waiter,) = crowd.add()
    crowd.wait(waiter, "ALTER TABLE messages ADD note text")

    root = find_root(lab)

    assert (root["pid"], root["kind"]) == (pid, "autovacuum")
    assert "deadlock_timeout" in root["advice"]
    assert root["command"] == ""
    assert tell(lab, "--cancel", str(pid), "--yes").code == 0
    crowd.wait_until(lambda: crowd.settle(waiter), "the waiter to go on")


def test_signalling_autovacuum_wants_a_right_of_its_own(
    lab: Lab, crowd: Crowd, roles: Callable[..., dict[str, str]]
) -> None:
    helper = roles("helper", "pg_read_all_stats", "pg_signal_backend")
    pid = str(start_vacuum(crowd, lab, wraparound=False))
    known = "SELECT to_regrole('pg_signal_autovacuum_worker') IS NOT NULL"

    refused = tell(lab, "--cancel", pid, "--yes", **helper)

    assert refused.code == 4
    if lab.fetch_value(known):
        assert "GRANT pg_signal_autovacuum_worker TO helper" in refused.err
        lab.execute("GRANT pg_signal_autovacuum_worker TO helper")
        assert tell(lab, "--cancel", pid, "--yes", **helper).code == 0
    else:
        assert "only a superuser may signal autovacuum" in refused.err
        assert tell(lab, "--cancel", pid, "--yes").code == 0


def test_a_vacuum_against_wraparound_is_left_alone(lab: Lab, crowd: Crowd) -> None:
    pid = start_vacuum(crowd, lab, wraparound=True)
    (waiter,) = crowd.add()
    crowd.wait(waiter, "ALTER TABLE messages ADD note text")

    root = find_root(lab)
    refused = tell(lab, "--cancel", str(pid), "--yes")

    assert (root["pid"], root["kind"]) == (pid, "wraparound_vacuum")
    assert "transaction ids" in root["advice"]
    assert refused.code == 4
    assert f"--cancel {pid} --force" in refused.err
    assert tell(lab, "--cancel", str(pid), "--yes", "--force").code == 0


@pytest.fixture
def managed(lab: Lab) -> Lab:
    """The table is made by a migration, and the next one wants it for itself."""
    lab.execute("DROP TABLE messages")
    made = "CREATE TABLE messages (id int PRIMARY KEY, body text)"
    lab.write_migration("0001_made", f"migrations.RunSQL({made!r})")
    outcome = lab.run("dbops_deploy", "--no-backup")
    assert outcome.code == 0, outcome.err
    sql = "ALTER TABLE messages ADD note text"
    lab.write_migration("0002_note", f"migrations.RunSQL({sql!r})")
    return lab


@contextmanager
def no_other_vacuum(lab: Lab) -> Iterator[None]:
    """Let the one that runs be the last: here the next comes within a second."""
    lab.execute("ALTER SYSTEM SET autovacuum_naptime = '1h'", RELOAD)
    try:
        yield
    finally:
        lab.execute("ALTER SYSTEM RESET autovacuum_naptime", RELOAD)


def test_a_migration_gets_past_autovacuum_within_a_short_timeout(
    managed: Lab, crowd: Crowd
) -> None:
    managed.execute("ALTER DATABASE \"Lock's db\" SET deadlock_timeout = '300ms'")
    pid = start_vacuum(crowd, managed, wraparound=False)

    with no_other_vacuum(managed):
        outcome = managed.run(*DEPLOY_AS_IT_IS, LOCK_BUDGET_S=30.0)

    assert outcome.code == 0, outcome.err
    assert f"waits until autovacuum gives way: {pid} (autovacuum" in outcome.err
    assert "letting the others go first" not in outcome.err


def test_a_migration_names_a_vacuum_against_wraparound(
    managed: Lab, crowd: Crowd
) -> None:
    pid = start_vacuum(crowd, managed, wraparound=True)

    outcome = managed.run(*DEPLOY_AS_IT_IS, LOCK_BUDGET_S=1.0)

    assert outcome.code == 5
    assert f"in the way: {pid} (autovacuum to prevent wraparound" in outcome.err
    assert "what to do: wait: it keeps transaction ids from running out" in outcome.err


def test_a_walsender_is_left_alone(lab: Lab, crowd: Crowd) -> None:
    (waiter,) = crowd.add()
    with psycopg.connect(
        **lab.target.parameters,  # type: ignore[arg-type]
        replication="database",
        autocommit=True,
    ) as sender:
        sender.pgconn.exec_(b"BEGIN")
        sender.pgconn.exec_(b"LOCK TABLE messages")
        crowd.wait(waiter, "SELECT * FROM messages")
        pid = sender.info.backend_pid

        root = find_root(lab)

        assert (root["pid"], root["kind"]) == (pid, "walsender")
        assert tell(lab, "--terminate", str(pid), "--yes").code == 4


def test_our_own_backup_is_left_alone(lab: Lab, crowd: Crowd) -> None:
    (waiter,) = crowd.add()
    with open_session(lab.target, purpose="backup", autocommit=False) as backup:
        backup.execute("LOCK TABLE messages IN ACCESS SHARE MODE")
        crowd.wait(waiter, "ALTER TABLE messages ADD note text")
        pid = backup.info.backend_pid

        root = find_root(lab)
        refused = tell(lab, "--terminate", str(pid), "--yes")

        assert (root["pid"], root["kind"]) == (pid, "own_backup")
        assert (root["lost"], root["command"]) == ("the backup", "")
        assert refused.code == 4
        assert "a backup of dbops reads here" in refused.err
        assert tell(lab, "--terminate", str(pid), "--yes", "--force").code == 0


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pg_dump", BlockerKind.PG_DUMP),
        ("alembic upgrade", BlockerKind.MIGRATION),
        ("dbops:restore", BlockerKind.DBOPS),
    ],
)
def test_others_are_known_by_their_names(
    lab: Lab, crowd: Crowd, name: str, kind: BlockerKind
) -> None:
    holder, waiter = crowd.add(2)
    crowd.execute(holder, f"SET application_name = '{name}'", *IDLE_READER)
    crowd.wait(waiter, "ALTER TABLE messages ADD note text")

    assert find_root(lab)["kind"] == kind


# Where one sees less


def test_another_database_is_never_named_wrongly(lab: Lab, cluster: Cluster) -> None:
    copied = f'CREATE DATABASE "Other one" TEMPLATE "{lab.target.database}"'
    cluster.execute(copied)
    lab.execute("ALTER TABLE messages RENAME TO innocent")
    other = lab.target.with_database("Other one")
    with open_crowd(other, options=QUIET) as crowd:
        holder, waiter = crowd.add(2)
        crowd.execute(holder, "BEGIN", "LOCK TABLE messages")
        crowd.wait(waiter, "SELECT * FROM messages")

        outcome = tell(lab)
        root = find_root(lab)
        refused = tell(lab, "--terminate", str(crowd.pids[holder]), "--yes")

    cluster.execute('DROP DATABASE "Other one" WITH (FORCE)')
    assert "innocent" not in outcome.out
    assert root["database"] == "Other one"
    assert re.fullmatch(
        r'AccessExclusiveLock on relation \d+ of database "Other one"', root["holds"][0]
    )
    assert refused.code == 4
    assert 'is in database "Other one"' in refused.err


@pytest.fixture
def roles(cluster: Cluster) -> Iterator[Callable[[str], dict[str, str]]]:
    made = []

    def make(name: str, *grants: str) -> dict[str, str]:
        cluster.execute(f"CREATE ROLE {name} LOGIN")
        made.append(name)
        for each in grants:
            cluster.execute(f"GRANT {each} TO {name}")
        return {"user": name}

    yield make
    for name in made:
        cluster.execute(f"DROP ROLE {name}")


def test_a_plain_role_sees_the_queue_and_the_grant_it_lacks(
    lab: Lab, crowd: Crowd, roles: Callable[..., dict[str, str]]
) -> None:
    plain = roles("plain")
    holder, waiter = crowd.add(2)
    crowd.execute(holder, *IDLE_READER)
    crowd.wait(waiter, "ALTER TABLE messages ADD note text")

    report = tell(lab, "--json", **plain).json
    refused = tell(lab, "--terminate", str(crowd.pids[holder]), "--yes", **plain)

    (root,) = report["roots"]
    assert report["missing_rights"] == ["GRANT pg_read_all_stats TO plain"]
    assert (root["pid"], root["kind"]) == (crowd.pids[holder], "hidden")
    assert root["holds"] == ["AccessShareLock on public.messages"]
    assert (root["query"], root["blocks"], root["has_written"]) == ("", 1, None)
    assert [each["pid"] for each in root["waiters"]] == [crowd.pids[waiter]]
    assert refused.code == 4
    assert "GRANT pg_read_all_stats TO plain" in refused.err


def test_a_superuser_s_session_wants_a_superuser(
    lab: Lab, crowd: Crowd, roles: Callable[..., dict[str, str]]
) -> None:
    helper = roles("helper", "pg_read_all_stats", "pg_signal_backend")
    holder, waiter = crowd.add(2)
    crowd.execute(holder, *IDLE_READER)
    crowd.wait(waiter, "ALTER TABLE messages ADD note text")

    refused = tell(lab, "--terminate", str(crowd.pids[holder]), "--yes", **helper)

    assert refused.code == 4
    assert "only a superuser may signal a superuser's session" in refused.err
    assert find_root(lab)["pid"] == crowd.pids[holder]


def test_another_role_s_session_wants_pg_signal_backend(
    lab: Lab, roles: Callable[..., dict[str, str]]
) -> None:
    lab.execute("GRANT ALL ON messages TO public")
    watcher = roles("watcher", "pg_read_all_stats")
    web = roles("web")
    given = replace(lab.target, parameters={**lab.target.parameters, **web})
    with open_crowd(given, options=QUIET) as crowd:
        holder, waiter = crowd.add(2)
        crowd.execute(holder, "BEGIN", "UPDATE messages SET body = 'a' WHERE id = 1")
        crowd.wait(waiter, "UPDATE messages SET body = 'b' WHERE id = 1")
        pid = str(crowd.pids[holder])

        refused = tell(lab, "--terminate", pid, "--yes", **watcher)
        done = tell(lab, "--terminate", pid, "--yes", **web)

    lab.execute("REVOKE ALL ON messages FROM public")
    assert refused.code == 4
    assert "GRANT pg_signal_backend TO watcher" in refused.err
    assert done.code == 0, done.err


def test_on_a_standby_replay_waits_for_the_reader(lab: Lab, cluster: Cluster) -> None:
    with make_standby(cluster, "locks") as standby:
        target = standby.build_target(dbname=lab.target.database)
        with open_crowd(target, options=QUIET) as crowd:
            reader, later = crowd.add(2)
            crowd.execute(reader, *IDLE_READER)
            lab.execute("ALTER TABLE messages ADD note text")
            startup = (
                "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
                " WHERE NOT granted AND backend_type = 'startup'"
            )
            there = replace(lab, target=target)
            crowd.wait_until(lambda: there.fetch_value(startup) == 1, "replay to wait")
            crowd.wait(later, "SELECT * FROM messages")

            report = tell(there, "--json").json
            done = tell(there, "--terminate", str(crowd.pids[reader]), "--yes")
            crowd.wait_until(lambda: crowd.settle(later), "replay to go on")

    (root,) = report["roots"]
    assert report["standby"] is True
    assert root["pid"] == crowd.pids[reader]
    (replay,) = root["waiters"]
    assert replay["state"] == "startup"
    assert replay["wants"] == "AccessExclusiveLock"
    assert [each["pid"] for each in replay["waiters"]] == [crowd.pids[later]]
    assert done.code == 0, done.err


# What is asked for


def test_nobody_waits(lab: Lab) -> None:
    outcome = tell(lab)

    assert outcome.code == 0
    assert outcome.out.splitlines()[-1] == "Nobody waits for a lock"


def test_a_short_wait_is_no_finding(lab: Lab, crowd: Crowd) -> None:
    holder, waiter = crowd.add(2)
    crowd.execute(holder, *IDLE_READER)
    crowd.wait(waiter, "ALTER TABLE messages ADD note text")

    outcome = lab.run("dbops_locks", "--min-wait", "3600")

    assert outcome.code == 0
    assert "1 session waits for a lock, nobody here for 1 h" in outcome.out


def test_one_table_or_one_session_alone(lab: Lab, crowd: Crowd) -> None:
    lab.execute('CREATE TABLE "Odd Name" ()')
    first, second, one, two = crowd.add(4)
    crowd.execute(first, *IDLE_READER)
    crowd.execute(second, "BEGIN", 'LOCK TABLE "Odd Name"')
    crowd.wait(one, "ALTER TABLE messages ADD note text")
    crowd.wait(two, 'SELECT * FROM "Odd Name"')

    by_table = find_root(lab, "--table", "Odd Name")
    by_schema = find_root(lab, "--table", "public.messages")
    by_pid = find_root(lab, "--pid", str(crowd.pids[two]))
    other = tell(lab, "--pid", str(crowd.observer.info.backend_pid))
    unknown = tell(lab, "--pid", "1")

    assert by_table["pid"] == by_pid["pid"] == crowd.pids[second]
    assert by_schema["pid"] == crowd.pids[first]
    assert other.code == 0
    assert "waits for no lock, and nobody waits for it" in other.out
    assert unknown.code == 2
    assert "there is no session 1" in unknown.err


def test_a_commit_that_waits_for_a_standby_waits_for_no_lock(
    lab: Lab, crowd: Crowd, cluster: Cluster
) -> None:
    (writer,) = crowd.add()
    crowd.execute(writer, "SET synchronous_commit = on")
    cluster.execute(
        "ALTER SYSTEM SET synchronous_standby_names = 'nowhere'",
        "SELECT pg_reload_conf()",
    )
    try:
        pid = crowd.pids[writer]
        shown = "SHOW synchronous_standby_names"
        crowd.wait_until(lambda: lab.fetch_value(shown) == "nowhere", "the setting")
        crowd.start(writer, statement="DELETE FROM messages WHERE id = 1")
        waits = f"SELECT wait_event FROM pg_stat_activity WHERE pid = {pid}"
        crowd.wait_until(lambda: lab.fetch_value(waits) == "SyncRep", "the commit")

        (found,) = tell(lab, "--json", "--pid", str(pid)).json["other_waits"]
    finally:
        cluster.execute(
            "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()"
        )

    assert found["wait_event"] == "SyncRep"
    assert "a synchronous standby has not confirmed" in found["explanation"]


def test_it_does_not_hang_itself(lab: Lab, crowd: Crowd) -> None:
    (holder,) = crowd.add()
    crowd.execute(
        holder,
        "CREATE INDEX by_body ON messages (body)",
        "BEGIN",
        "LOCK TABLE messages",
        "ALTER INDEX by_body RENAME TO by_other",
    )
    (waiter,) = crowd.add()
    crowd.wait(waiter, "SELECT * FROM messages")

    outcome = tell(lab, "--table", "messages", "--json")

    assert outcome.code == 3
    (root,) = outcome.json["roots"]
    assert root["holds"] == ["AccessExclusiveLock on public.messages"]


# Acting


def test_shows_asks_and_does_nothing_without_an_answer(lab: Lab, crowd: Crowd) -> None:
    holder, waiter = crowd.add(2)
    crowd.execute(holder, *IDLE_READER)
    crowd.wait(waiter, "ALTER TABLE messages ADD note text")
    pid = str(crowd.pids[holder])

    asked = tell(lab, "--terminate", pid)
    planned = tell(lab, "--terminate", pid, "--dry-run", "--json")
    cancelled = tell(lab, "--cancel", pid, "--yes")

    assert asked.code == 2
    assert f"would terminate session {pid} " in asked.err
    assert "frees 1 session; lost: nothing: it has written nothing" in asked.err
    assert planned.code == 0
    assert [each["outcome"] for each in planned.json["acts"]] == ["planned"]
    assert cancelled.code == 4
    assert "a cancel reports success and does nothing" in cancelled.err
    assert f"--terminate {pid}" in cancelled.err
    assert crowd.count_waiting() == 1


def test_terminates_frees_and_writes_it_down(ledger: Lab, crowd: Crowd) -> None:
    holder, waiter = crowd.add(2)
    crowd.execute(holder, *IDLE_READER)
    crowd.wait(waiter, "ALTER TABLE messages ADD note text")
    pid = crowd.pids[holder]
    before = ledger.run("dbops_status", "--json").json["last"]

    outcome = tell(ledger, "--terminate", str(pid), "--yes", "--json")

    assert outcome.code == 0, outcome.err
    (act,) = outcome.json["acts"]
    assert (act["pid"], act["outcome"], act["effect"]) == (
        pid,
        "done",
        "frees 1 session",
    )
    crowd.wait_until(lambda: crowd.settle(waiter), "the waiter to go on")
    message = ledger.fetch_value(
        "SELECT message FROM dbops_deployment WHERE kind = 'locks' AND state = 'done'"
    )
    assert message.startswith(f"terminate session {pid} ")
    assert ledger.run("dbops_status", "--json").json["last"] == before


def test_cancels_a_query(lab: Lab, crowd: Crowd) -> None:
    holder, waiter = crowd.add(2)
    crowd.execute(holder, "BEGIN", "LOCK TABLE messages")
    crowd.start(holder, statement="SELECT pg_sleep(600)")
    crowd.wait(waiter, "SELECT * FROM messages")

    root = find_root(lab)
    outcome = tell(lab, "--cancel", str(crowd.pids[holder]), "--yes")

    assert root["kind"] == "active"
    assert root["command"] == f"manage.py dbops_locks --cancel {root['pid']}"
    assert outcome.code == 0, outcome.err
    assert "not written down: this database has no ledger" in outcome.out
    crowd.wait_until(lambda: crowd.settle(waiter), "the waiter to go on")


def test_does_nothing_to_a_session_that_has_moved_on(lab: Lab, crowd: Crowd) -> None:
    (holder,) = crowd.add()
    crowd.execute(holder, *IDLE_READER)
    pid = crowd.pids[holder]
    with lab.open() as context:
        plan = plan_acts(context, Order(terminate=(pid,)))
        crowd.execute(holder, "COMMIT", *IDLE_READER)

        report = carry_out(context, plan)

    assert [each.outcome for each in report.acts] == ["moved_on"]
    assert report.exit_code == 0
    crowd.execute(holder, "SELECT 1")


def test_ends_all_that_have_been_idle_in_transaction_for_long(
    lab: Lab, crowd: Crowd
) -> None:
    first, second, busy = crowd.add(3)
    for each in (first, second):
        crowd.execute(each, *IDLE_READER)
    crowd.execute(busy, "SELECT 1")
    with open_session(lab.target, purpose="backup", autocommit=False) as backup:
        backup.execute("SELECT 1")
        option = "--terminate-idle-in-transaction-older-than"

        none = tell(lab, option, "1h", "--yes")
        done = tell(lab, option, "0s", "--yes", "--json")

        backup.execute("SELECT 1")
    assert none.code == 0
    assert (
        "no session of this database has been idle in transaction for 1 h" in none.out
    )
    assert {each["pid"] for each in done.json["acts"]} == {
        crowd.pids[first],
        crowd.pids[second],
    }
    assert {each["outcome"] for each in done.json["acts"]} == {"done"}
    crowd.execute(busy, "SELECT 1")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--terminate", "1"],
        ["--terminate-idle-in-transaction-older-than", "soon"],
        ["--watch", "0"],
        ["--watch", "--json"],
        ["--watch", "--terminate", "1"],
        ["--pid", "x"],
    ],
)
def test_bad_input_is_usage(lab: Lab, arguments: list[str]) -> None:
    outcome = tell(lab, *arguments)

    assert outcome.code in (1, 2)
    assert len(outcome.err.splitlines()) <= 3


# Watching


def test_watches_and_tells_what_came_and_went(lab: Lab, crowd: Crowd) -> None:
    holder, waiter = crowd.add(2)
    crowd.execute(holder, *IDLE_READER)
    reports: list[LocksReport] = []

    def step(_interval_s: float) -> None:
        match len(reports):
            case 1:
                crowd.wait(waiter, "ALTER TABLE messages ADD note text")
            case 2:
                crowd.execute(holder, "COMMIT")
                crowd.wait_until(lambda: crowd.settle(waiter), "the waiter to go on")
            case _:
                raise KeyboardInterrupt

    with lab.open() as context:
        last = watch(
            context,
            LocksOptions(min_wait_s=0),
            reports.append,
            interval_s=1,
            sleep=step,
        )

    assert [each.waiting for each in reports] == [0, 1, 0]
    assert last == reports[-1]
    pid = crowd.pids[holder]
    told = [each.text for each in last.history]
    assert f"{pid} keeps 1 session waiting (idle_in_transaction)" in told
    assert f"{pid} is in nobody's way any more; it blocked 1" in told
    assert any("waits no more for public.messages" in each for each in told)


def test_a_watch_in_a_pipe_writes_one_report_after_the_other(lab: Lab) -> None:
    with start_in_lab(lab, "dbops_locks", "--watch", "0.05") as running:
        out = running.out
        text = "Nobody waits for a lock"
        wait_until(
            lambda: out.read_text().count(text) >= 3, "reports", while_runs=running
        )
        running.interrupt(signal.SIGINT)
        outcome = running.finish()

    assert outcome.code == 0, outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.out.splitlines()[1] == text, "the answer first"
    assert outcome.out.splitlines()[-1] == text, "and the last report as usual"


def test_a_watch_on_a_terminal_repaints(lab: Lab, crowd: Crowd) -> None:
    holder, waiter = crowd.add(2)
    crowd.execute(holder, *IDLE_READER)
    crowd.wait(waiter, "ALTER TABLE messages ADD note text")
    leader, follower = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "dbops_locks", "--watch", "0.05", "--min-wait=0"],
        cwd=lab.directory,
        env={**os.environ, **prepare_lab(lab), "TERM": "xterm"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    said = b""
    while said.count(b"1 session waits") < 2:
        said += os.read(leader, 65536)
    process.send_signal(signal.SIGINT)
    with suppress(OSError):  # What a terminal says when its last writer is gone.
        while chunk := os.read(leader, 65536):
            said += chunk
    os.close(leader)

    assert process.wait(60) == 3
    assert b"\x1b[?1049h" in said, "a screen of its own"
    assert b"\x1b[?1049l" in said, "which is given back"
    assert said.rstrip().endswith(b"behind 1 root\x1b[0m")


def test_json_of_a_long_chain_names_each_waiter_once(lab: Lab, crowd: Crowd) -> None:
    numbers = crowd.add(60)
    for number in numbers:
        crowd.execute(number, "BEGIN", f"SELECT pg_advisory_xact_lock({number})")
    for number in numbers[1:]:
        crowd.wait(number, f"SELECT pg_advisory_xact_lock({number - 1})")

    outcome = tell(lab, "--json")

    found = re.findall(r'"pid": (\d+)', outcome.out)
    assert sorted(map(int, found)) == sorted(crowd.pids)
    assert json.loads(outcome.out)["roots"][0]["blocks"] == 59
