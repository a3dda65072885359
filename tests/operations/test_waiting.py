"""A deployment that waits says who is in its way, and whom it keeps waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from dbops.operations.context import watch_locks
from dbops.operations.deploy.report import DeployReport, DeployState, DeployStep
from dbops.operations.deploy.waiting import Watcher, open_watcher
from dbops.render.deploy import render_deploy
from dbops.render.text import render_text
from tests.crowd import Crowd, open_crowd
from tests.keeping import Keeper
from tests.lab import THING, Lab, Outcome
from tests.operations.conftest import ODD_NAME
from tests.processes import start_in_lab, wait_until

ADD_COLOR = 'migrations.AddField("Thing", "color", models.TextField(null=True)),'
SLOW = "migrations.RunSQL('SELECT pg_sleep(1.5)', migrations.RunSQL.noop),"


def prepare(lab: Lab) -> None:
    """Make a table, for a migration that wants it for itself."""
    lab.write_migration("0001_initial", THING)
    outcome = lab.run("dbops_deploy", "--no-backup")
    assert outcome.code == 0, outcome.err


@pytest.fixture
def lab(keeper: Keeper) -> Iterator[Lab]:
    with keeper.open_lab(prepare, ODD_NAME) as lab:
        yield lab


@pytest.fixture
def crowd(lab: Lab) -> Iterator[Crowd]:
    with open_crowd(lab.target, options="-c application_name=gunicorn") as crowd:
        yield crowd


def test_a_deployment_that_gives_up_names_who_was_in_the_way(
    lab: Lab, crowd: Crowd
) -> None:
    lab.write_migration("0002_add_color", ADD_COLOR)
    (holder,) = crowd.add()
    crowd.execute(holder, "BEGIN", f"SELECT * FROM {lab.app}_thing /*route='cart'*/")

    outcome = lab.run(
        "dbops_deploy", "--no-backup", "--json", LOCK_TIMEOUT_S=1.5, LOCK_BUDGET_S=1.0
    )

    pid, table = crowd.pids[holder], f"public.{lab.app}_thing"
    assert outcome.code == 5
    message = outcome.json["error"]["message"]
    assert f"in the way: {pid} (" in message
    assert 'application "gunicorn", at cart, idle in transaction' in message
    assert f"holds AccessShareLock on {table}" in message
    assert "manage.py dbops_locks" in outcome.json["error"]["hint"]
    assert f"waits for a gap on {table} (AccessExclusiveLock)" in outcome.err
    assert f"what to do: manage.py dbops_locks --terminate {pid}" in outcome.err


def test_a_rollback_names_who_was_in_the_way(lab: Lab, crowd: Crowd) -> None:
    down = f"ALTER TABLE {lab.app}_thing DROP COLUMN color;\n"
    lab.write_migration("0002_add_color", ADD_COLOR, down=down)
    assert lab.run("dbops_deploy", "--no-backup").code == 0
    (holder,) = crowd.add()
    crowd.execute(holder, "BEGIN", f"SELECT * FROM {lab.app}_thing")

    outcome = lab.run(
        "dbops_rollback",
        lab.app,
        "0001",
        "--yes",
        "--json",
        LOCK_TIMEOUT_S=1.5,
        LOCK_BUDGET_S=1.0,
    )

    assert outcome.code == 5
    assert f"in the way: {crowd.pids[holder]} (" in outcome.json["error"]["message"]


def test_a_deployment_tells_whom_it_has_kept_waiting(lab: Lab, crowd: Crowd) -> None:
    lab.write_migration("0002_add_color", ADD_COLOR + SLOW)
    readers = crowd.add(3)
    began = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock'"
    began += f" AND granted AND relation = '{lab.app}_thing'::regclass"
    found: list[Outcome] = []
    thread = threading.Thread(target=lambda: found.append(deploy(lab)))
    thread.start()
    crowd.wait_until(lambda: lab.fetch_value(began) == 1, "the migration's lock")
    for each in readers:
        crowd.start(each, statement=f"SELECT * FROM {lab.app}_thing")
    thread.join(60)

    (outcome,) = found
    assert outcome.code == 0, outcome.err
    steps = {each["name"]: each for each in outcome.json["steps"]}
    step = steps[f"apply {lab.app}.0002_add_color"]
    assert step["blocked_sessions"] == 3
    assert 0.1 < step["blocked_s"] < 60
    assert steps["guard"]["blocked_sessions"] == 0
    kept = "SELECT blocked_sessions FROM dbops_step WHERE migration = '0002_add_color'"
    assert lab.fetch_value(kept) == 3


def deploy(lab: Lab) -> Outcome:
    return lab.run("dbops_deploy", "--no-backup", "--json")


def test_a_second_deployment_says_what_the_first_one_waits_for(
    lab: Lab, crowd: Crowd
) -> None:
    lab.write_migration("0002_add_color", ADD_COLOR)
    (holder,) = crowd.add()
    crowd.execute(holder, "BEGIN", f"SELECT * FROM {lab.app}_thing")
    arguments = ("dbops_deploy", "--no-backup")
    with start_in_lab(lab, *arguments, LOCK_TIMEOUT_S=60, LOCK_GAP_S=0) as first:
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = "
        waits += f"'{lab.app}_thing'::regclass"
        wait_until(lambda: lab.fetch_value(waits) == 1, "a wait", while_runs=first)

        second = lab.run("dbops_deploy", "--json", "--lock-wait", "0")

        crowd.execute(holder, "COMMIT")
        assert first.finish().code == 0
    assert second.code == 5
    message = second.json["error"]["message"]
    assert "another run holds the deploy lock" in message
    assert f"that run waits for public.{lab.app}_thing, 1st in the queue" in message
    assert f"in the way: {crowd.pids[holder]} (" in message


def test_the_report_says_which_step_kept_others_waiting() -> None:
    step = DeployStep(
        name="apply app.0002", ok=True, duration_s=2, blocked_sessions=37, blocked_s=2.1
    )
    report = DeployReport(state=DeployState.DEPLOYED, steps=(step,))

    text = render_text(render_deploy(report), width=100, color=False)

    told = "Blocked  37 sessions waiting, one of them for 2.1 s, by apply app.0002"
    assert told in text.splitlines()


def test_nothing_is_left_of_the_watcher(lab: Lab) -> None:
    left = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dbops:watch'"
        " AND datname = current_database()"
    )
    with lab.open() as context, watch_locks(context) as watched:
        assert isinstance(watched.watcher, Watcher)
        assert lab.fetch_value(left) == 1

    # The server notices a moment later that its client is gone.
    wait_until(lambda: lab.fetch_value(left) == 0, "the end of its session")
    assert not [each for each in threading.enumerate() if each.name == "dbops-watcher"]


def test_the_migration_goes_on_when_the_watcher_fails(lab: Lab) -> None:
    lab.write_migration(
        "0002_end_watcher",
        'migrations.RunSQL("SELECT pg_terminate_backend(pid, 5000) FROM'
        " pg_stat_activity WHERE application_name = 'dbops:watch'"
        ' AND datname = current_database()",'
        " migrations.RunSQL.noop),",
    )

    outcome = lab.run("dbops_deploy", "--no-backup")

    assert outcome.code == 0, outcome.err


def test_there_is_no_watcher_where_none_can_be_had(lab: Lab) -> None:
    nowhere = lab.target.with_database("there is no such database")

    with open_watcher(nowhere, lambda _line: None) as watcher:
        assert watcher is None
