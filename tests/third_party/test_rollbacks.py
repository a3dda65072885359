"""Whole deployments of real projects undone; refused is only what was foretold.

All of a project takes minutes, so only where asked for: DBOPS_HISTORIES=1. Else it is
the first migrations of one of them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from dbops.core.target import Target
from tests.databases import temporary_database
from tests.third_party.projects import PROJECTS
from tests.third_party.test_third_party import run_module

FIRST = 6
TIMEOUT_S = 7200


@pytest.fixture
def base() -> Iterator[Target]:
    """Make an empty database for one project."""
    with temporary_database() as target:
        yield target


@pytest.mark.parametrize("project", PROJECTS)
def test_whole_deployments_are_undone(
    project: str, base: Target, tmp_path: Path
) -> None:
    is_whole = bool(os.environ.get("DBOPS_HISTORIES"))
    if not is_whole and project != "cms":
        pytest.skip("set DBOPS_HISTORIES=1: it takes minutes")
    if find_spec(project) is None:
        pytest.skip(f"{project} is not installed: see requirements/third-party.txt")

    told = run_module(
        "rollbacks",
        *([] if is_whole else [str(FIRST)]),
        project=project,
        base=base,
        directory=tmp_path,
        timeout_s=TIMEOUT_S,
    )
    found: list[dict[str, Any]] = [json.loads(line) for line in told.splitlines()]

    undone = [each for each in found if each["code"] == 0]
    refused = [each for each in found if each["code"]]
    assert sum(each["deployed"] for each in undone) >= FIRST - 1
    for each in undone:
        assert each["undone"] == each["deployed"], each
        assert not each["differences"], each
        assert each["tables"], each
    assert not [each for each in refused if not each["is_foretold"]]
    sys.stderr.write(
        f"{project}: {sum(each['undone'] for each in undone)} migrations undone in "
        f"{len(undone)} deployments, {len(refused)} refused as foretold\n"
    )
