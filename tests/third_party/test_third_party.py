"""What pg_dump sees in real projects, `dbops_drift` tells; and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from dbops.core.target import Target
from tests.databases import connect, temporary_database
from tests.processes import CHECKOUT, build_database
from tests.third_party.projects import (
    FRESH,
    PROJECTS,
    RESTORED,
    Change,
    Outcome,
    read_changes,
)

TIMEOUT_S = 600
LEAST_CHANGES = 40
LEAST_STATEMENTS = 300
NEWEST = 18_00_00


@pytest.fixture
def base() -> Iterator[Target]:
    """Make an empty database for one project."""
    with temporary_database() as target:
        yield target


def run_worker(project: str, base: Target, directory: Path) -> list[Outcome]:
    """Return what the project's own process found."""
    lines = run_module("worker", project, base, directory).splitlines()
    found = [Outcome(**json.loads(line)) for line in lines]
    return [replace(each, told=tuple(each.told)) for each in found]


def run_module(name: str, project: str, base: Target, directory: Path) -> str:
    """Return what a module of these tests writes, in a process of its own."""
    given = {
        "project": project,
        "database": build_database(base),
        "dbops": {
            "BACKUP_STORAGE": str(directory / "backups"),
            "CACHE_DIR": str(directory / "cache"),
        },
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", f"tests.third_party.{name}"],
        cwd=CHECKOUT,
        env={
            **{key: value for key, value in os.environ.items() if key[:2] != "PG"},
            "DJANGO_SETTINGS_MODULE": "tests.third_party.settings",
            "THIRD_PARTY": json.dumps(given),
        },
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_expected(project: str, base: Target) -> list[Outcome]:
    """Return what has to be found on the server of this database."""
    with connect(base) as session:
        major = session.info.server_version // 10000
    changes = [
        Outcome(name=each.name, told=each.told, dump_differs=bool(each.told))
        for each in read_changes(project)
        if each.since <= major
    ]
    return [Outcome(name=FRESH), *changes, Outcome(name=RESTORED)]


@pytest.mark.parametrize("project", PROJECTS)
def test_tells_what_pg_dump_sees_and_nothing_else(
    project: str, base: Target, tmp_path: Path
) -> None:
    if find_spec(project) is None:
        pytest.skip(f"{project} is not installed: see requirements/third-party.txt")
    found = run_worker(project, base, tmp_path)
    expected = read_expected(project, base)
    assert [each.name for each in found] == [each.name for each in expected]
    wrong = [pair for pair in zip(expected, found, strict=True) if pair[0] != pair[1]]
    assert not wrong, "\n".join(f"expected {one}\n  found {two}" for one, two in wrong)


@pytest.mark.parametrize("project", PROJECTS)
def test_what_each_migration_locks_is_understood(
    project: str, base: Target, tmp_path: Path
) -> None:
    if find_spec(project) is None:
        pytest.skip(f"{project} is not installed: see requirements/third-party.txt")

    with connect(base) as session:
        if session.info.server_version < NEWEST:
            pytest.skip("once is enough: what is understood hangs on no server")
    told = json.loads(run_module("locks_worker", project, base, tmp_path))

    assert told["failures"] == []
    assert told["statements"] >= LEAST_STATEMENTS
    assert [each for each in told["findings"] if each["id"] == "dbops.W110"] == []
    alarms = [each for each in told["findings"] if each["level"] == "warning"]
    assert len(alarms) < told["migrations"] * 1.5
    assert all('"public.' in each["message"] and each["hint"] for each in alarms)


@pytest.mark.parametrize("project", PROJECTS)
def test_each_project_has_changes_enough(project: str) -> None:
    changes = read_changes(project)
    assert len({each.name for each in changes}) == len(changes)
    assert sum(map(is_one_difference, changes)) >= LEAST_CHANGES
    assert [each for each in changes if not each.told]


def is_one_difference(change: Change) -> bool:
    """Say whether the change is one of one object, on every server."""
    return (
        change.since == 15 and len(change.told) == 1 and " note " not in change.told[0]
    )
