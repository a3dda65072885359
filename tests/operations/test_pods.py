"""Deployments that run at once, and leaders that are killed, stopped or cut off."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import psycopg
import pytest

from dbops.postgres.deploy_lock import fetch_holder
from tests.databases import connect
from tests.lab import Lab
from tests.operations.test_doctor import start_pooler
from tests.processes import Running, build_url, start_in_lab, wait_until

PODS = int(os.environ.get("DEPLOY_PODS", "4"))
"""How many run at once."""
PATIENT = {"LOCK_TIMEOUT_S": 60, "LOCK_BUDGET_S": 60}
DEPLOY = ("dbops_deploy", "--no-backup", "--json")

TABLE = """
migrations.CreateModel("Thing", [("id", models.BigAutoField(primary_key=True))]),
"""
WAIT = 'migrations.RunSQL("SELECT pg_advisory_xact_lock(1, 1)"),'
COLOR = """
migrations.AddField("Thing", "color", models.CharField(max_length=9, default="")),
"""
COLOR_DOWN = 'ALTER TABLE "{app}_thing" DROP COLUMN "color";'
SIZE = """
migrations.AddField("Thing", "size", models.IntegerField(default=0)),
"""


@pytest.fixture
def lab(empty_lab: Lab) -> Lab:
    """One table, deployed; one migration that waits for the test, and one after it."""
    empty_lab.write_migration("0001_initial", TABLE, down="SELECT 1;")
    outcome = empty_lab.run("dbops_deploy", "--no-backup")
    assert outcome.code == 0, outcome.err
    empty_lab.write_migration(
        "0002_add_color", COLOR + WAIT, down=COLOR_DOWN.format(app=empty_lab.app)
    )
    empty_lab.write_migration("0003_add_size", SIZE, down="SELECT 1;")
    return empty_lab


def build_failing(lab: Lab) -> str:
    """Return an operation that fails where the table has one row."""
    lab.execute(f'INSERT INTO "{lab.app}_thing" DEFAULT VALUES')
    return f"""migrations.RunSQL('SELECT 1 / (1 - count(*)) FROM "{lab.app}_thing"'),"""


@contextmanager
def hold(lab: Lab) -> Iterator[Callable[[], object]]:
    """Keep the migration waiting until it is let go."""
    with connect(lab.target) as session:
        session.execute("SELECT pg_advisory_lock(1, 1)")
        yield lambda: session.execute("SELECT pg_advisory_unlock_all()")


def wait_for_worker(lab: Lab, running: Running) -> None:
    """Wait until the leader is in the middle of the migration."""
    wait_until(
        lambda: bool(
            lab.fetch_value(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event = 'advisory'"
                " AND application_name = 'dbops-worker:deploy'"
            )
        ),
        "the migration to wait",
        while_runs=running,
    )


def terminate(lab: Lab, application: str) -> None:
    lab.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid IN"
        " (SELECT l.pid FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database"
        "  WHERE l.locktype = 'advisory' AND l.granted AND d.datname ="
        f"  current_database()) AND application_name = '{application}'"
    )


def find_leader(lab: Lab) -> int | None:
    with connect(lab.target) as session:
        holder = fetch_holder(session)
    return holder.pid if holder else None


def count_applications(lab: Lab) -> int:
    count: int = lab.fetch_value(
        "SELECT count(*) FROM dbops_step WHERE operation IS NULL AND state = 'done'"
        " AND direction = 'forward' AND migration ~ '^000[23]_add_(color|size)'"
    )
    return count


def has_followers(pods: list[Running], number: int) -> bool:
    return number <= sum("it is at: apply " in pod.err.read_text() for pod in pods)


def test_one_of_many_leads_and_all_leave_with_its_verdict(lab: Lab) -> None:
    with hold(lab) as let_go, ExitStack() as stack:
        pods = [
            stack.enter_context(start_in_lab(lab, *DEPLOY, **PATIENT))
            for _ in range(PODS)
        ]
        for number in range(1, PODS):
            wait_until(
                partial(has_followers, pods, number), f"{number} of them to follow"
            )
        let_go()
        outcomes = [pod.finish() for pod in pods]

    documents = [each.json for each in outcomes]
    assert [each.code for each in outcomes] == [0] * PODS, outcomes
    assert sum(each["led_by"] is None for each in documents) == 1
    shared = {
        (each["state"], tuple(each["applied"]), each["deployment_id"])
        for each in documents
    }
    assert len(shared) == 1
    [(state, applied, _)] = shared
    assert state == "deployed"
    assert applied == (f"{lab.app}.0002_add_color", f"{lab.app}.0003_add_size")
    assert count_applications(lab) == 2


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_when_the_leader_ends_early_another_takes_over(
    lab: Lab, number: signal.Signals
) -> None:
    with hold(lab) as let_go, start_in_lab(lab, *DEPLOY, **PATIENT) as leader:
        wait_for_worker(lab, leader)
        with (
            start_in_lab(lab, *DEPLOY, **PATIENT) as second,
            start_in_lab(lab, *DEPLOY, **PATIENT) as third,
        ):
            for each in (second, third):
                each.wait_for("it is at: apply")
            leader.interrupt(number)
            leader.finish()
            wait_until(
                lambda: "turn 3" in second.err.read_text() + third.err.read_text(),
                "one of them to lead, and one to follow",
            )
            let_go()
            outcomes = [second.finish(), third.finish()]

    assert [each.code for each in outcomes] == [0, 0], outcomes
    assert sorted(each.json["led_by"] is None for each in outcomes) == [False, True]
    assert lab.fetch_history() == lab.names


def test_a_failure_is_tried_once_and_told_by_all(lab: Lab) -> None:
    lab.write_migration("0004_fail", build_failing(lab), down="SELECT 1;")
    with hold(lab) as let_go, start_in_lab(lab, *DEPLOY, **PATIENT) as leader:
        wait_for_worker(lab, leader)
        with start_in_lab(lab, *DEPLOY, **PATIENT) as second:
            second.wait_for("it is at: apply")
            let_go()
            outcomes = [leader.finish(), second.finish()]

    assert [each.code for each in outcomes] == [9, 9], outcomes
    errors = [each.json["error"] for each in outcomes]
    assert errors[0] == errors[1]
    assert "division by zero" in errors[0]["message"]
    assert f"applying {lab.app}" not in outcomes[1].err


def test_another_release_does_not_leave_with_the_verdict_of_this_one(lab: Lab) -> None:
    broken = lab.directory / lab.app / "migrations" / "0003_add_size.py"
    good = broken.read_text()
    broken.write_text(
        good.replace("operations = [", "operations = [" + build_failing(lab))
    )
    with hold(lab) as let_go, start_in_lab(lab, *DEPLOY, **PATIENT) as leader:
        wait_for_worker(lab, leader)
        broken.write_text(good)
        with start_in_lab(lab, *DEPLOY) as second:
            second.wait_for("following the deploy of ")
            let_go()
            outcomes = [leader.finish(), second.finish()]

    assert [each.code for each in outcomes] == [8, 0], outcomes
    assert "was about other work than this" in outcomes[1].err
    assert lab.fetch_history() == lab.names


def test_a_leader_that_does_not_get_on_is_not_waited_for(lab: Lab) -> None:
    with hold(lab), start_in_lab(lab, *DEPLOY, **PATIENT) as leader:
        wait_for_worker(lab, leader)
        leader.process.send_signal(signal.SIGSTOP)
        with start_in_lab(lab, *DEPLOY, "--lock-wait", "1.5") as second:
            outcome = second.finish()
        leader.process.send_signal(signal.SIGCONT)

    assert outcome.code == 5
    assert "another run holds the deploy lock" in outcome.json["error"]["message"]
    assert "it is at: apply" in outcome.err


@pytest.mark.parametrize("commits", ["before", "after"])
def test_a_stopped_leader_goes_no_further_when_another_took_over(
    lab: Lab, commits: str
) -> None:
    with hold(lab) as let_go, start_in_lab(lab, *DEPLOY, **PATIENT) as leader:
        wait_for_worker(lab, leader)
        leader.process.send_signal(signal.SIGSTOP)
        if commits == "before":
            let_go()
        with start_in_lab(lab, *DEPLOY, **PATIENT) as second:
            second.wait_for("following the deploy of ")
            terminate(lab, "dbops:deploy:lock")
            second.wait_for("terminated session")
            let_go()
            taken = second.finish()
        leader.process.send_signal(signal.SIGCONT)
        outcome = leader.finish()

    assert taken.code == 0, taken.err
    assert taken.json["led_by"] is None
    assert outcome.code == 0, outcome.err
    assert "another one has taken over; it stopped there" in outcome.err
    assert outcome.json["led_by"]
    assert lab.fetch_history() == lab.names
    assert count_applications(lab) == 2
    assert lab.fetch_value(f'SELECT count(size) FROM "{lab.app}_thing"') == 0


def test_a_leader_that_cannot_be_terminated_is_kept_out_by_its_token(lab: Lab) -> None:
    with hold(lab) as let_go, start_in_lab(lab, *DEPLOY, **PATIENT) as leader:
        wait_for_worker(lab, leader)
        with connect(lab.target) as other:
            other.execute("SET lock_timeout = '200ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute("SELECT FROM dbops_turn FOR UPDATE")
        # As a run would whose role may do so.
        lab.execute(
            "INSERT INTO dbops_turn (token, kind, actor, host, pid, taken_at, plan,"
            " step, verdict) SELECT max(token) + 1, 'deploy', '', '', 0, now(), '',"
            " '', '' FROM dbops_turn"
        )
        let_go()
        outcome = leader.finish()

    assert f"applying {lab.app}.0003_add_size" in outcome.err.partition("it stopped")[2]
    assert outcome.code == 0, "then the lock was free, and it led again"
    assert lab.fetch_history() == lab.names
    assert count_applications(lab) == 2


@pytest.mark.parametrize(
    "command",
    [DEPLOY, ("dbops_rollback", "{app}", "0001", "--yes", "--json")],
    ids=["deploy", "rollback"],
)
def test_a_pooler_in_transaction_mode_is_refused(
    lab: Lab, command: tuple[str, ...]
) -> None:
    words = [each.format(app=lab.app) for each in command]
    before = lab.fetch_catalog()
    with pool(lab, "transaction") as behind, start_in_lab(behind, *words) as running:
        outcome = running.finish()

    assert outcome.code == 4, outcome.err
    error = outcome.json["error"]
    assert error["message"].startswith("a pooler in transaction mode is between dbops")
    assert "--database ALIAS" in error["hint"]
    assert lab.fetch_catalog() == before
    assert lab.fetch_history() == ["0001_initial"]


def test_a_pooler_in_session_mode_does_no_harm(lab: Lab) -> None:
    direct = build_url(lab.target)
    with (
        hold(lab) as let_go,
        pool(lab, "session") as behind,
        start_in_lab(behind, *DEPLOY, SCRATCH_URL=direct, **PATIENT) as running,
    ):
        let_go()
        outcome = running.finish()

    assert outcome.code == 0, outcome.err
    assert lab.fetch_history() == lab.names


@contextmanager
def pool(lab: Lab, mode: str) -> Iterator[Lab]:
    """Reach the lab's database through pgbouncer, which another account runs."""
    with (
        tempfile.TemporaryDirectory() as directory,
        start_pooler(lab.target, Path(directory), mode) as port,
    ):
        given = {**lab.target.parameters, "host": "127.0.0.1", "port": str(port)}
        yield replace(lab, target=replace(lab.target, parameters=given))
