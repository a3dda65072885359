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
LEAST_OBJECTS = 300
NEWEST = 18_00_00


@pytest.fixture(scope="module", params=PROJECTS)
def project(request: pytest.FixtureRequest) -> str:
    """One of them, where it is installed."""
    name = str(request.param)
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed: see requirements/third-party.txt")
    return name


@pytest.fixture(scope="module")
def base(project: str) -> Iterator[Target]:
    """Make a database for one project: its migrations take longest, so once."""
    with temporary_database() as target:
        yield target


def run_module(
    name: str,
    *arguments: str,
    project: str,
    base: Target,
    directory: Path,
    timeout_s: float = TIMEOUT_S,
) -> str:
    """Return what a module of this package writes in a process of the project's."""
    given = {
        "project": project,
        "database": build_database(base),
        "dbops": {
            "BACKUP_STORAGE": str(directory / "backups"),
            "CACHE_DIR": str(directory / "cache"),
        },
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", f"tests.third_party.{name}", *arguments],
        cwd=CHECKOUT,
        env={
            **{key: value for key, value in os.environ.items() if key[:2] != "PG"},
            "DJANGO_SETTINGS_MODULE": "tests.third_party.settings",
            "THIRD_PARTY": json.dumps(given),
        },
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_worker(project: str, base: Target, directory: Path) -> list[Outcome]:
    """Return what the project's own process found."""
    told = run_module("worker", project=project, base=base, directory=directory)
    found = [Outcome(**json.loads(line)) for line in told.splitlines()]
    return [replace(each, told=tuple(each.told)) for each in found]


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


def test_tells_what_pg_dump_sees_and_nothing_else(
    project: str, base: Target, tmp_path: Path
) -> None:
    found = run_worker(project, base, tmp_path)
    expected = read_expected(project, base)
    assert [each.name for each in found] == [each.name for each in expected]
    wrong = [pair for pair in zip(expected, found, strict=True) if pair[0] != pair[1]]
    assert not wrong, "\n".join(f"expected {one}\n  found {two}" for one, two in wrong)


def test_what_each_migration_locks_is_understood(
    project: str, base: Target, tmp_path: Path
) -> None:
    with connect(base) as session:
        if session.info.server_version < NEWEST:
            pytest.skip("once is enough: what is understood hangs on no server")
    text = run_module("locks_worker", project=project, base=base, directory=tmp_path)
    told = json.loads(text)

    assert told["failures"] == []
    assert told["statements"] >= LEAST_STATEMENTS
    assert [each for each in told["findings"] if each["id"] == "dbops.W110"] == []
    alarms = [each for each in told["findings"] if each["level"] == "warning"]
    assert len(alarms) < told["migrations"] * 1.5
    assert all('"public.' in each["message"] and each["hint"] for each in alarms)


@pytest.mark.parametrize("name", PROJECTS)
def test_each_project_has_changes_enough(name: str) -> None:
    changes = read_changes(name)
    assert len({each.name for each in changes}) == len(changes)
    assert sum(map(is_one_difference, changes)) >= LEAST_CHANGES
    assert [each for each in changes if not each.told]


def is_one_difference(change: Change) -> bool:
    """Say whether the change is one of one object, on every server."""
    return (
        change.since == 15 and len(change.told) == 1 and " note " not in change.told[0]
    )


def test_pull_makes_the_same_database_without_the_project(
    project: str, base: Target, tmp_path: Path
) -> None:
    for name, *step in ((project, "migrate"), ("", "score")):
        told = run_module(
            "pull_worker", *step, project=name, base=base, directory=tmp_path
        )
    found = json.loads(told)
    print(project, found)  # noqa: T201  For the table in docs/how-to/pull-models.md.
    assert found["objects"] > LEAST_OBJECTS
    assert found["dbops_pull"] == found["objects"]
    assert found["inspectdb"] < found["objects"]
