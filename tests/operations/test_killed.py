"""Runs that are killed, interrupted, or lose their server, at every place of the way.

Each one is a real process. What it waits for, so that the test knows where it is, is
held by a session of the test, or by a pg_dump that the test lets go on.
"""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dbops.core.catalog import Catalog
from dbops.postgres.tools import ClientTools
from tests.databases import connect, temporary_database
from tests.lab import Lab, Outcome, open_lab
from tests.operations.conftest import read_command_lines
from tests.processes import Running, start_in_lab, wait_until

PATIENT = {"LOCK_TIMEOUT_S": 60, "LOCK_BUDGET_S": 60}

TABLES = """
*[migrations.CreateModel(name, [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=50)),
]) for name in ("Thing", "Other")],
"""
WAIT = "SELECT pg_advisory_xact_lock(1, 1)"
"""Advisory locks are of one database: nobody waits in the scratch database."""
COLOR = f"""
migrations.AddField("Thing", "color", models.CharField(max_length=9, default="")),
migrations.RunSQL("{WAIT}"),
"""
COLOR_DOWN = 'ALTER TABLE "{app}_thing" DROP COLUMN "color";'
BY_COLOR = """
migrations.AddIndex("Thing", models.Index(fields=["color"], name="by_color"))
"""
BY_COLOR_DOWN = f"{WAIT};\nDROP INDEX by_color;"
INDEXES = """
migrations.RunSQL('CREATE INDEX CONCURRENTLY thing_name ON "{app}_thing" (name)'),
migrations.RunSQL('CREATE INDEX CONCURRENTLY other_name ON "{app}_other" (name)'),
"""
INDEXES_DOWN = """-- dbops: no-transaction
DROP INDEX CONCURRENTLY IF EXISTS other_name;
DROP INDEX CONCURRENTLY IF EXISTS thing_name;
"""
SLOW_IN_SCRATCH = """
def wait(apps, schema_editor):
    name = schema_editor.connection.settings_dict["NAME"]
    Path({started!r}).touch()
    while name.startswith("dbops_scratch_") and Path({gate!r}).exists():
        time.sleep(0.01)
"""

LOST = "the server closed the connection"


@pytest.fixture
def lab(tmp_path: Path, django_db_blocker: Any) -> Iterator[Lab]:
    """Two tables, deployed, with a row in each."""
    with (
        django_db_blocker.unblock(),
        temporary_database() as target,
        open_lab(tmp_path, target) as lab,
    ):
        lab.write_migration("0001_initial", TABLES, down="SELECT 1;")
        outcome = lab.run("dbops_deploy", "--no-backup")
        assert outcome.code == 0, outcome.err
        lab.execute(
            f"INSERT INTO {lab.app}_thing (name) VALUES ('a')",
            f"INSERT INTO {lab.app}_other (name) VALUES ('a')",
        )
        yield lab


def write_color(lab: Lab) -> None:
    lab.write_migration(
        "0002_add_color", COLOR, down=COLOR_DOWN.format(app=lab.app)
    )


def write_by_color(lab: Lab) -> None:
    lab.write_migration("0003_index_color", BY_COLOR, down=BY_COLOR_DOWN)


def write_indexes(lab: Lab) -> None:
    lab.write_migration(
        "0002_index_names",
        INDEXES.format(app=lab.app),
        down=INDEXES_DOWN,
        atomic=False,
    )


@contextmanager
def hold(lab: Lab, statement: str) -> Iterator[None]:
    """Keep a transaction open that has run the statement."""
    with connect(lab.target, autocommit=False) as session:
        session.execute(statement.format(app=lab.app).encode())
        try:
            yield
        finally:
            session.rollback()


def wait_for_lock(lab: Lab, running: Running, application: str) -> None:
    """Wait until the session of that name waits for a lock."""
    wait_until(
        lambda: bool(
            lab.fetch_value(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                f" AND application_name = '{application}'"
            )
        ),
        f"{application} to wait for a lock",
        while_runs=running,
    )


@contextmanager
def reach_lock(
    lab: Lab, held: str, *command: str, application: str = "dbops-worker:deploy"
) -> Iterator[Running]:
    """Run the command until it waits for what is held."""
    with (
        hold(lab, held),
        start_in_lab(lab, *command, **PATIENT) as running,
    ):
        wait_for_lock(lab, running, application)
        yield running


def deploy_behind(held: str) -> Callable[[Lab], Any]:
    return lambda lab: reach_lock(lab, held, "dbops_deploy", "--no-backup", "--json")


def roll_back_behind(held: str) -> Callable[[Lab], Any]:
    return lambda lab: reach_lock(
        lab,
        held,
        *("dbops_rollback", lab.app, "0001", "--yes", "--json"),
        application="dbops-worker:rollback",
    )


@contextmanager
def reach_record(
    lab: Lab, *command: str, application: str = "deploy"
) -> Iterator[Running]:
    """Run the command until a migration is committed, and not yet in the ledger."""
    with ExitStack() as stack:
        before = stack.enter_context(ExitStack())
        running = before.enter_context(
            reach_lock(
                lab, WAIT, *command, application=f"dbops-worker:{application}"
            )
        )
        # The process has to outlive what holds the first lock.
        kept = before.pop_all()
        stack.callback(kept.close)
        stack.enter_context(
            hold(lab, "SELECT FROM dbops_step WHERE state = 'running' FOR UPDATE")
        )
        lab.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks"
            " WHERE locktype = 'advisory' AND classid = 1 AND granted"
        )
        wait_for_lock(lab, running, f"dbops:{application}:ledger")
        yield running
