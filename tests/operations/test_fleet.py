"""Several databases: the canary, waves, where it stops, and how it goes on."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test import override_settings

from dbops.core.target import Target
from dbops.errors import UsageError
from dbops.operations.deploy import members
from dbops.operations.deploy.members import (
    FleetOptions,
    build_plan,
    tell_shared_backups,
)
from tests.databases import connect, execute, temporary_database
from tests.lab import THING, Lab, Outcome, open_lab
from tests.operations.conftest import fetch_value, read_command_lines
from tests.processes import (
    Running,
    build_database,
    prepare_lab,
    start,
    wait_until,
)

ALIASES = ("north", "south", "east", "west")
COLOR = 'migrations.AddField("Thing", "color", models.TextField(null=True)),'
WAIT = 'migrations.RunSQL("SELECT pg_advisory_xact_lock(1, 1)"),'
ROUTER = """\
class Router:
    def allow_migrate(self, db, app_label, **hints):
        return None if db != "kept_out" else app_label == "dbops"
"""


@dataclass(frozen=True, slots=True)
class Fleet:
    """A project with four databases that have its first migration, and three that are
    none for a deployment."""

    lab: Lab
    targets: dict[str, Target]
    environment: dict[str, str]

    def start(
        self, *arguments: str, program: tuple[str, ...] = ("manage.py",)
    ) -> AbstractContextManager[Running]:
        """Start a deployment of several, without backups."""
        return start(
            ["dbops_deploy", "--no-backup", *arguments],
            directory=self.lab.directory,
            environment=self.environment,
            logs=self.lab.directory / "logs",
            program=program,
        )

    def run(
        self, *arguments: str, program: tuple[str, ...] = ("manage.py",)
    ) -> Outcome:
        with self.start(*arguments, program=program) as running:
            return running.finish()

    def has_color(self, alias: str) -> bool:
        query = (
            "SELECT count(*) FROM information_schema.columns"
            f" WHERE table_name = '{self.lab.app}_thing' AND column_name = 'color'"
        )
        return fetch_value(self.targets[alias], query) == 1

    def find_process(self, alias: str) -> int:
        """Return the pid of the process that deploys this one."""
        [pid] = [
            pid
            for pid, line in read_command_lines().items()
            if f"--database={alias}".encode() in line
            and str(self.lab.app).encode()
            in (Path(f"/proc/{pid}/environ").read_bytes())
        ]
        return pid


@pytest.fixture
def fleet(tmp_path: Path, django_db_blocker: Any) -> Iterator[Fleet]:
    with ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())
        first = stack.enter_context(temporary_database())
        lab = stack.enter_context(open_lab(tmp_path, first))
        lab.write_migration("0001_initial", THING, down="SELECT 1;")
        outcome = lab.run("migrate", "--verbosity", "0")
        assert outcome.code == 0, outcome.err
        targets = {
            alias: stack.enter_context(temporary_database(template=first.database))
            for alias in ALIASES
        }
        environment = {"DJANGO_SETTINGS_MODULE": "lab_settings"}
        environment |= prepare_lab(lab, LOCK_TIMEOUT_S=60, LOCK_BUDGET_S=60)
        (tmp_path / "lab_router.py").write_text(ROUTER)
        given = json.loads(environment["LAB_SETTINGS"])
        one = build_database(first)
        given["DATABASES"] = {
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
            **{alias: build_database(each) for alias, each in targets.items()},
            "replica": {**one, "TEST": {"MIRROR": "north"}},
            "kept_out": one,
        }
        given["DATABASE_ROUTERS"] = ["lab_router.Router"]
        environment["LAB_SETTINGS"] = json.dumps(given)
        yield Fleet(lab, targets, environment)


def add_color(fleet: Fleet, operations: str = COLOR) -> str:
    app = fleet.lab.app
    down = f"ALTER TABLE {app}_thing DROP COLUMN color;"
    fleet.lab.write_migration("0002_add_color", operations, down=down)
    return f"{app}.0002_add_color"


def get_rows(outcome: Outcome, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(each[name] for name in names) for each in outcome.json["databases"]]


def test_canary_then_waves_until_one_fails_and_on_from_there(fleet: Fleet) -> None:
    name = add_color(fleet)
    execute(fleet.targets["south"], "CREATE TABLE by_hand (id integer)")
    named = ("--databases", "north,south,east,west", "--canary", "west", "--json")

    stopped = fleet.run(*named, "--wave", "2")

    assert stopped.code == 4, stopped.err
    assert get_rows(stopped, "database", "exit_code", "state", "applied") == [
        ("west", 0, "deployed", [name]),
        ("north", 0, "deployed", [name]),
        ("south", 4, "failed", []),
    ]
    document = stopped.json
    assert (document["left"], document["database"]) == (["east"], named[1])
    assert document["error"]["message"] == "not deployed: south"
    assert (
        "--databases=north,south,east,west --canary=west --wave=2"
        in (document["error"]["hint"])
    )
    south = document["databases"][2]["error"]
    assert south["type"] == "Refused"
    assert "1 difference" in south["message"]
    assert "manage.py dbops_drift --database south" in south["hint"]
    lines = stopped.err.splitlines()
    assert any(line.startswith(f"north: applying {name}") for line in lines)
    last_of_canary = max(
        at for at, line in enumerate(lines) if line.startswith("west: ")
    )
    assert all(line.startswith("west: ") for line in lines[: last_of_canary + 1])

    # A plan changes nothing, so it goes on behind what fails.
    plan = fleet.run(
        "--databases=south,east", "--plan", "--json", program=("-m", "django")
    )

    assert plan.code == 4, plan.err
    assert get_rows(plan, "database", "state", "pending") == [
        ("south", "failed", []),
        ("east", "dry_run", [name]),
    ]
    assert not fleet.has_color("east")

    execute(fleet.targets["south"], "DROP TABLE by_hand")
    done = fleet.run("--databases", "all", "--wave", "3")

    assert done.code == 0, done.err
    words = [" ".join(line.split()[:-2]) for line in done.out.splitlines()]
    assert words[1:5] == [
        "north up to date 0 0",
        "south deployed 1 0",
        "east deployed 1 0",
        "west up to date 0 0",
    ]
    assert done.out.splitlines()[-1] == "4 databases: 2 deployed, 2 up to date"
    assert all(map(fleet.has_color, ALIASES))


def hold(stack: ExitStack, target: Target) -> None:
    """Keep whoever wants the lock of WAIT waiting."""
    session = stack.enter_context(connect(target))
    session.execute("SELECT pg_advisory_lock(1, 1)")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_is_interrupted_with_its_deployments_and_waits_for_them(
    fleet: Fleet, number: signal.Signals
) -> None:
    name = add_color(fleet, COLOR + WAIT)
    with ExitStack() as stack:
        hold(stack, fleet.targets["north"])
        running = stack.enter_context(
            fleet.start("--databases", "north,south", "--json")
        )
        running.wait_for(f"north: applying {name}")
        running.interrupt(number)
        outcome = running.finish()

    assert outcome.code == 5, outcome.err
    [(database, state, error)] = get_rows(outcome, "database", "state", "error")
    assert (database, state, outcome.json["left"]) == ("north", "failed", ["south"])
    assert error["type"] == "Interrupted"
    assert "interrupted" in error["message"]
    assert not fleet.has_color("north")


def test_a_crash_of_one_is_told_and_the_next_run_goes_on(fleet: Fleet) -> None:
    name = add_color(fleet, COLOR + WAIT)
    with ExitStack() as stack:
        hold(stack, fleet.targets["south"])
        running = stack.enter_context(
            fleet.start("--databases", "north,south,east", "--wave=2", "--json")
        )
        running.wait_for(f"south: applying {name}")
        running.wait_for(f"east: applying {name}")
        # It is told before it is written down.
        begun = "SELECT count(*) FROM dbops_step WHERE state = 'running'"
        south = fleet.targets["south"]
        wait_until(lambda: fetch_value(south, begun) == 1, "the step to begin")
        os.kill(fleet.find_process("south"), signal.SIGKILL)
        outcome = running.finish()

    assert outcome.code == 1, outcome.err
    assert get_rows(outcome, "database", "exit_code", "state") == [
        ("north", 0, "deployed"),
        ("south", 137, "crashed"),
        ("east", 0, "deployed"),
    ]
    told = outcome.json["databases"][1]["error"]
    assert f"last words: applying {name}" in told["message"]
    fleet.lab.target = fleet.targets["south"]
    again = fleet.lab.run("dbops_deploy", "--no-backup")
    assert again.code == 0, again.err
    assert "was cut off in" in again.err
    assert fleet.has_color("south")


def test_what_it_began_comes_to_its_end_when_it_is_killed_itself(fleet: Fleet) -> None:
    name = add_color(fleet, COLOR + WAIT)
    with ExitStack() as stack:
        hold(stack, fleet.targets["north"])
        running = stack.enter_context(fleet.start("--databases", "north,south"))
        running.wait_for(f"north: applying {name}")
        child = fleet.find_process("north")
        running.process.kill()
        running.finish()
    wait_until(lambda: not Path(f"/proc/{child}").exists(), "the deployment to end")

    last = "SELECT state FROM dbops_deployment ORDER BY started_at DESC LIMIT 1"
    assert fetch_value(fleet.targets["north"], last) == "done"
    assert [each for each in ALIASES if fleet.has_color(each)] == ["north"]


# Which databases: no server is asked.


@pytest.fixture
def settings_of_many(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    postgresql = {"ENGINE": "django.db.backends.postgresql", "NAME": "nowhere"}
    handler = type(connections)(
        {
            "default": {**postgresql},
            "eu": {**postgresql, "HOST": "eu.example.com"},
            "replica": {**postgresql, "TEST": {"MIRROR": "eu"}},
            "lite": {"ENGINE": "django.db.backends.sqlite3"},
            "kept_out": {**postgresql},
        }
    )
    monkeypatch.setattr(members, "connections", handler)
    with override_settings(DATABASE_ROUTERS=[f"{__name__}.Router"]):
        yield


class Router:
    """Keep everything but dbops's own tables out of one database."""

    def allow_migrate(self, db: str, app_label: str, **hints: object) -> bool | None:
        return app_label == "dbops" if db == "kept_out" else None


def plan_for(databases: str, **options: Any) -> tuple[tuple[str, ...], ...]:
    return build_plan(FleetOptions(databases=databases, again="", **options)).waves


@pytest.mark.usefixtures("settings_of_many")
def test_all_are_those_that_migrations_go_to() -> None:
    assert plan_for("all") == (("default",), ("eu",))
    assert plan_for("eu, replica ,default", wave=2) == (("eu",), ("replica", "default"))


@pytest.mark.usefixtures("settings_of_many")
def test_says_whose_backups_cannot_be_told_apart() -> None:
    assert list(tell_shared_backups(("default", "replica"))) == []
    [told] = tell_shared_backups(("default", "eu"))
    assert told.startswith('"default" and "eu" keep their backups in one place')


@pytest.mark.usefixtures("settings_of_many")
@pytest.mark.parametrize(
    ("databases", "options", "told"),
    [
        ("eu,nowhere", {}, 'there is no database "nowhere" in the settings'),
        ("eu,lite", {}, 'database "lite" is sqlite, and dbops is for PostgreSQL'),
        (" , ", {}, "--databases names none"),
        ("all", {"canary": "replica"}, 'canary "replica" is not one of the databases'),
        ("all", {"wave": 0}, "--wave 0 is none"),
        ("all", {"max_failures": 0}, "--max-failures 0 is none"),
    ],
)
def test_refuses_what_is_no_fleet(
    databases: str, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        plan_for(databases, **options)
    assert caught.value.hint
