"""Long histories, rehearsed one by one: no verdict is better than what pg_dump sees.

Minutes long, so only where asked for: DBOPS_HISTORIES=1.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from dbops.core.target import Target
from tests.databases import temporary_database
from tests.processes import CHECKOUT, build_database
from tests.third_party.projects import PROJECTS

TIMEOUT_S = 3600
LEAST_MIGRATIONS = 50


@pytest.fixture
def base() -> Iterator[Target]:
    """Make an empty database for one project."""
    with temporary_database() as target:
        yield target


@pytest.mark.parametrize("project", PROJECTS)
def test_no_round_trip_is_called_identical_that_is_not(
    project: str, base: Target, tmp_path: Path
) -> None:
    if not os.environ.get("DBOPS_HISTORIES"):
        pytest.skip("set DBOPS_HISTORIES=1: it takes minutes")
    if find_spec(project) is None:
        pytest.skip(f"{project} is not installed: see requirements/third-party.txt")

    found = run_histories(project, base, tmp_path)

    assert len(found) >= LEAST_MIGRATIONS
    assert not [each for each in found if each["is_false"]]
    for each in found:
        if each["round_trip"] in {"lossy", "failed", "irreversible"}:
            assert each["told"], each
    sys.stderr.write(f"{project}: {Counter(each['round_trip'] for each in found)}\n")


def run_histories(project: str, base: Target, directory: Path) -> list[dict[str, Any]]:
    """Return what the project's own process found."""
    given = {
        "project": project,
        "database": build_database(base),
        "dbops": {
            "BACKUP_STORAGE": str(directory / "backups"),
            "CACHE_DIR": str(directory / "cache"),
        },
    }
    log = directory / "found.jsonl"
    with log.open("w") as out:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "tests.third_party.histories"],
            cwd=CHECKOUT,
            env={
                **{key: value for key, value in os.environ.items() if key[:2] != "PG"},
                "DJANGO_SETTINGS_MODULE": "tests.third_party.settings",
                "THIRD_PARTY": json.dumps(given),
            },
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in log.read_text().splitlines()]
