"""A deployment that is not verified goes back, or stops where that would lose rows."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dbops.core.hooks import HookEvent
from tests.application import Application, serve_application
from tests.databases import connect
from tests.lab import THING, Lab, Outcome
from tests.operations.conftest import drop_database, fetch_hashes
from tests.operations.test_replace import drop_relatives

OTHERS = """\
migrations.RunSQL([
    "CREATE TABLE {app}_note (id int, thing_id bigint"
    " REFERENCES {app}_thing ON DELETE CASCADE)",
    "CREATE TABLE {app}_part (id int, place text) PARTITION BY LIST (place)",
    "CREATE TABLE {app}_a PARTITION OF {app}_part FOR VALUES IN ('a')",
    "CREATE TABLE {app}_b PARTITION OF {app}_part FOR VALUES IN ('b')",
]),
"""
ADD_COLOR = 'migrations.AddField("Thing", "color", models.TextField(null=True))'
DROP_NAME = 'migrations.RemoveField("Thing", "name")'
QUICK_CHECK = {"timeout_s": 30, "within_s": 0}
ALLOWED = ["checks", "way-back", "rehearsal", "backup", "old-release"]


@pytest.fixture
def lab(empty_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A table of things with two rows and a note on one, deployed."""
    monkeypatch.setenv("no_proxy", "*")
    lab = empty_lab
    lab.write_migration(
        "0001_initial", THING + OTHERS.format(app=lab.app), down="SELECT 1;"
    )
    outcome = lab.run("dbops_deploy", "--no-backup")
    assert outcome.code == 0, outcome.err
    lab.execute(
        f"INSERT INTO {lab.app}_thing (name) VALUES ('a'), ('b')",
        f"INSERT INTO {lab.app}_note"
        f" SELECT 1, id FROM {lab.app}_thing WHERE name = 'a'",
        f"INSERT INTO {lab.app}_part VALUES (1, 'a'), (2, 'a')",
        f"ANALYZE {lab.app}_thing, {lab.app}_note",
    )
    try:
        yield lab
    finally:
        drop_relatives(lab.target)


@pytest.fixture(scope="module")
def served() -> Iterator[Application]:
    with serve_application() as application:
        yield application


@pytest.fixture
def application(served: Application) -> Application:
    served.status = lambda: 200
    return served


def deploy(lab: Lab, *arguments: str, **settings: Any) -> Outcome:
    given = {"DEPLOY_ALLOW": ALLOWED} | settings
    return lab.run("dbops_deploy", "--json", *arguments, **given)


def add_color(lab: Lab) -> None:
    lab.write_migration(
        "0002_add_color",
        ADD_COLOR,
        down=f"ALTER TABLE {lab.app}_thing DROP COLUMN color;",
    )


def drop_name(lab: Lab) -> None:
    """Write a migration whose way back cannot give back the names."""
    lab.write_migration(
        "0002_drop_name",
        DROP_NAME,
        down=f"ALTER TABLE {lab.app}_thing ADD COLUMN name varchar(50);",
    )


def write_python(
    lab: Lab, statement: str, *, head: str = "", atomic: bool = True
) -> None:
    """Write a migration whose Python runs a statement that nobody sees beforehand."""
    helpers = (
        f"def work(apps, schema_editor):\n    schema_editor.execute({statement!r})\n"
    )
    number = len(lab.names) + 1
    operation = "migrations.RunPython(work, work, atomic=True)"
    lab.write_migration(
        f"{number:04}_work", operation, down="SELECT 1;", helpers=helpers, atomic=atomic
    )
    if head:
        path = lab.directory / lab.app / "migrations" / f"{lab.names[-1]}.py"
        path.write_text(
            path.read_text().replace("    atomic =", f"    {head}\n    atomic =")
        )
        lab._forget_modules()


def check(application: Application, path: str = "/") -> dict[str, Any]:
    return {"name": "app", "url": f"{application.url}{path}"} | QUICK_CHECK


# Each way to fail, with a way back and without


def lose_rows(lab: Lab, application: Application) -> dict[str, Any]:
    write_python(lab, f"DELETE FROM {lab.app}_thing WHERE id = 2")
    return {}


def answer_with_500(lab: Lab, application: Application) -> dict[str, Any]:
    application.status = lambda: 500
    return {"SMOKE_CHECKS": [check(application, "/?token=s3cret")]}


def fail_after(lab: Lab, application: Application) -> dict[str, Any]:
    return {"HOOKS": {"after": [["sh", "-c", "echo the app is broken; exit 1"]]}}


def sound_alarm(lab: Lab, application: Application) -> dict[str, Any]:
    """Let the application roll back what it does, from the second request on."""

    def answer() -> int:
        if len(application.asked) > asked:
            with connect(lab.target) as session:
                for _ in range(20):
                    with session.transaction(force_rollback=True):
                        session.execute("SELECT 1")
        return 200

    asked = len(application.asked) + 1
    application.status = answer
    return {
        "SMOKE_CHECKS": [check(application)],
        "WATCH": {"every_s": 0.05, "rollback_share": 0.2},
        "watch": True,
    }


WAYS = {
    lose_rows: "deletes 1 row of {app}_thing, and does not say so",
    answer_with_500: 'smoke check "app": GET {url}/ answers 500, and 200 is expected',
    fail_after: 'hook "sh" (after) failed with exit code 1',
    sound_alarm: "of the transactions were rolled back",
}


def keep_own(lab: Lab, hashes: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in hashes.items() if lab.app in name}


def test_goes_back_where_that_loses_nothing(lab: Lab, application: Application) -> None:
    before, rows = lab.fetch_catalog(), keep_own(lab, fetch_hashes(lab.target))
    add_color(lab)
    for fail, told in WAYS.items():
        settings = fail(lab, application)
        watch = ("--watch", "1h") if settings.pop("watch", False) else ()

        failed = deploy(lab, "--no-backup", *watch, **settings)

        assert failed.code == 8, failed.err
        problem = told.format(app=lab.app, url=application.url)
        assert problem in failed.json["error"]["message"]
        assert failed.json["state"] == "reverted"
        assert failed.json["reverted"] == [f"{lab.app}.0002_add_color"]
        assert lab.fetch_catalog() == before
        assert keep_own(lab, fetch_hashes(lab.target)) == rows
        assert lab.fetch_history() == ["0001_initial"]
        assert "s3cret" not in failed.out + failed.err
        if len(lab.names) > 2:
            lab.remove_last_migration()


@pytest.mark.parametrize("fail", [lose_rows, answer_with_500])
def test_stops_where_going_back_would_lose_rows(
    lab: Lab, application: Application, fail: Any
) -> None:
    drop_name(lab)
    settings = fail(lab, application)
    watch = ("--watch", "1h") if settings.pop("watch", False) else ()
    # One of them tries the way out; what leads there is the same for all.
    backup = () if fail is answer_with_500 else ("--no-backup",)

    failed = deploy(lab, *watch, *backup, **settings)

    assert failed.code == 9, failed.err
    message, hint = (failed.json["error"][each] for each in ("message", "hint"))
    assert WAYS[fail].format(app=lab.app, url=application.url) in message
    assert f'the way back of "{lab.app}.0002_drop_name" cannot give back' in message
    assert lab.fetch_history() == ["0001_initial", "0002_drop_name"]
    if not backup:
        command = hint.rpartition("manage.py ")[2].split()
        restored = lab.run(*command, "--yes", "--json")
        assert restored.code == 0, restored.err
        assert lab.fetch_value(f"SELECT count(name) FROM {lab.app}_thing") == 2
        drop_database(lab.target, restored.json["previous_database"])


# Rows


KEPT = "UPDATE {app}_part SET place = 'b'; UPDATE {app}_thing SET name = 'c'"
LOSSES = {
    "DELETE FROM {app}_thing": (True, "1 row of {app}_note, 2 rows of {app}_thing"),
    "TRUNCATE {app}_thing CASCADE": (True, r"about \d rows? of {app}_note, about \d"),
    "DELETE FROM {app}_part WHERE id = 1": (False, "1 row of {app}_part"),
    f"{KEPT}; DROP TABLE {{app}}_note": (True, ""),
}
"""What Python runs: whether in one transaction, and what is told of it."""


def test_counts_the_rows_that_python_loses(lab: Lab) -> None:
    before, rows = lab.fetch_catalog(), keep_own(lab, fetch_hashes(lab.target))
    for statement, (atomic, pattern) in LOSSES.items():
        write_python(lab, statement.format(app=lab.app), atomic=atomic)

        ended = deploy(lab, "--no-backup")

        assert ended.code == (8 if pattern else 0), ended.err
        if pattern:
            message = ended.json["error"]["message"]
            assert re.search(pattern.format(app=lab.app), message), message
            assert lab.fetch_catalog() == before
            assert keep_own(lab, fetch_hashes(lab.target)) == rows
            lab.remove_last_migration()


def test_rows_may_go_where_somebody_says_so(lab: Lab) -> None:
    lab.write_migration(
        "0002_by_sql",
        f"migrations.RunSQL(\"DELETE FROM {lab.app}_thing WHERE name = 'b'\")",
        down="SELECT 1;",
    )
    head = f'deletes = ["public.{lab.app}_thing", "{lab.app}_note"]'
    write_python(lab, f"DELETE FROM {lab.app}_thing WHERE name = 'a'", head=head)
    said = deploy(lab, "--no-backup")
    assert said.code == 0, said.err
    assert lab.fetch_value(f"SELECT count(*) FROM {lab.app}_thing") == 0

    write_python(lab, f"DELETE FROM {lab.app}_part WHERE id = 1")
    write_python(lab, f"TRUNCATE {lab.app}_part")
    assert lab.run("dbops_rehearse", "--backup", "new", "--json").code in {0, 3}
    rehearsed = deploy(lab, "--no-backup")
    assert rehearsed.code == 0, rehearsed.err
    assert lab.fetch_value(f"SELECT count(*) FROM {lab.app}_part") == 0


# What is told before anything is touched


BAD_SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"SMOKE_CHECKS": [{"url": "http://h", "headers": {"A": "$NONE_"}}]}, "NONE_"),
    ({"HOOKS": {"after": [["no-such-program"]]}}, "there is no such program"),
    ({"HOOKS": {"after": ["tests.nothing.here"]}}, "No module named"),
    ({"WATCH": {"deadlock": 1}}, '"deadlock"; known are'),
]


def test_bad_settings_are_refused_first(lab: Lab) -> None:
    add_color(lab)
    for settings, told in BAD_SETTINGS:
        for arguments in ((), ("--dry-run",)):
            refused = deploy(lab, *arguments, **settings)

            assert refused.code == 4
            assert told in refused.json["error"]["message"]
    write_python(lab, "SELECT 1", head='deletes = "thing"')
    assert "says deletes = 'thing'" in deploy(lab).json["error"]["message"]
    assert lab.fetch_history() == ["0001_initial"]


def test_ctrl_c_ends_the_watch_and_not_the_deployment(
    lab: Lab, application: Application
) -> None:
    """SIGTERM is the same; in a test nothing but the command listens to it."""
    assert threading.current_thread() is threading.main_thread()
    asked = len(application.asked)

    def answer() -> int:
        if len(application.asked) == asked + 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return 200

    application.status = answer
    add_color(lab)

    done = deploy(
        lab,
        "--no-backup",
        "--watch",
        "1h",
        SMOKE_CHECKS=[check(application)],
        WATCH={"every_s": 0.05},
    )

    assert done.code == 0, done.err
    assert done.json["state"] == "deployed"
    assert done.json["watch"]["interrupted"]
    assert done.json["notes"] == ["the watch was ended by a person before its time"]
    assert lab.fetch_history() == ["0001_initial", "0002_add_color"]


# Hooks


seen: list[HookEvent] = []


def note(event: HookEvent) -> None:
    seen.append(event)


def refuse(_event: HookEvent) -> None:
    raise ValueError("not now")


HERE = __name__


def test_hooks_run_around_what_is_applied(lab: Lab, application: Application) -> None:
    seen.clear()
    add_color(lab)
    failing = {
        "before": [f"{HERE}.refuse"],
        "on_failure": [f"{HERE}.note", f"{HERE}.refuse"],
    }
    refused = deploy(lab, "--no-backup", HOOKS=failing)
    assert refused.code == 4
    assert "raised ValueError: not now; nothing" in refused.json["error"]["message"]
    assert "(on_failure) raised ValueError: not now" in refused.json["notes"][0]
    assert [(each.state, each.applied) for each in seen] == [("failed", ())]
    assert lab.fetch_history() == ["0001_initial"]

    seen.clear()
    hooks = {each: [f"{HERE}.note"] for each in ("before", "after", "on_failure")}
    failed = deploy(
        lab, "--no-backup", HOOKS=hooks, **answer_with_500(lab, application)
    )
    assert failed.code == 8
    assert [(each.kind.value, len(each.applied), each.state) for each in seen] == [
        ("before", 0, "running"),
        ("after", 1, "running"),
        ("on_failure", 0, "reverted"),
    ]
    assert seen[-1].problem == failed.json["error"]["message"]
    [result] = failed.json["smoke_checks"]
    assert (result["name"], result["ok"], result["tries"]) == ("app", False, 1)

    seen.clear()
    assert deploy(lab, "--dry-run", HOOKS=hooks).code == 0
    assert not seen
    done = deploy(lab, "--no-backup", HOOKS=hooks)
    assert done.code == 0, done.err
    assert str(seen[0].deployment_id) == done.json["deployment_id"]
    assert deploy(lab, HOOKS=hooks).json["state"] == "up_to_date"
    assert [each.kind.value for each in seen] == ["before", "after"]
