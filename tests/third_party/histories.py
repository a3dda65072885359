"""One project's whole history, rehearsed one by one: a JSON line a migration.

python -m tests.third_party.histories
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import django
from django.db import connection

from dbops.core.rehearsal import RoundTrip
from dbops.operations.context import build_context
from dbops.operations.history import read_history
from dbops.operations.rehearse import back as rehearse_back
from dbops.operations.rehearse import one as rehearse_one
from dbops.operations.rehearse.history import HistoryWalk
from dbops.operations.rehearse.report import MigrationRehearsal
from dbops.postgres.session import build_environment
from dbops.postgres.tools import find_tools
from tests.databases import connect, dump_schema, normalise_dump

DUMP_TIMEOUT_S = 180
HISTORY = re.compile(r'"?(?:public\.)?django_migrations"?|pg_catalog\.setval')


def main() -> None:
    """Rehearse all migrations of the project, and hold pg_dump against each verdict."""
    context = build_context("default")
    history = read_history(context)
    walk = HistoryWalk(context, history.plan, lambda _migration: True)
    dumps: dict[str, str] = {}
    with (
        patch.object(rehearse_one, "_go_forward", _dump_before(dumps)),
        patch.object(rehearse_one, "judge", _dump_after(dumps)),
    ):
        started = time.monotonic()
        for found in walk.run():
            report(found, dumps, time.monotonic() - started)
            started = time.monotonic()
            dumps.clear()
    connection.close()


def _dump_before(dumps: dict[str, str]) -> Callable[..., None]:
    go_forward = rehearse_one._go_forward

    def go(course: Any) -> None:
        dumps["before"] = dump_all(course.context)
        go_forward(course)

    return go


def _dump_after(dumps: dict[str, str]) -> Callable[..., Any]:
    judge = rehearse_back.judge

    def look(course: Any, *, zone: str) -> Any:
        if not zone:
            dumps["after"] = dump_all(course.context)
        return judge(course, zone=zone)

    return look


def dump_all(context: Any) -> str:
    """Return schema and rows as pg_dump writes them, in an order of their own."""
    target = context.target
    with connect(target) as session:
        major = session.info.server_version // 10000
    done = subprocess.run(
        [
            find_tools(target, least_major=major).directory / "pg_dump",
            "--data-only",
            "--column-inserts",
        ],
        env=build_environment(target),
        capture_output=True,
        text=True,
        timeout=DUMP_TIMEOUT_S,
        check=True,
    )
    rows = normalise_dump(done.stdout).splitlines()
    kept = sorted(line for line in rows if not HISTORY.search(line))
    return "\n".join([normalise_dump(dump_schema(target)), *kept])


def report(found: MigrationRehearsal, dumps: dict[str, str], took_s: float) -> None:
    """Write one line for the test to read."""
    is_false = found.round_trip is RoundTrip.IDENTICAL and dumps.get(
        "before"
    ) != dumps.get("after")
    line = {
        "id": str(found.id),
        "round_trip": found.round_trip.value,
        "is_false": is_false,
        "told": [
            *map(str, found.losses),
            *([str(found.failure)] if found.failure else []),
            *([found.reason] if found.reason else []),
        ],
        "notes": list(found.notes),
        "duration_s": round(took_s, 3),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    django.setup()
    main()
