"""One project, in a process with its settings: write what was found, a JSON line each.

python -m tests.third_party.worker
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict
from io import StringIO
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import django
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg import sql

from dbops.conf import Settings
from dbops.core.target import Target
from dbops.operations.context import Context
from dbops.operations.drift import expected
from dbops.operations.drift.expected_cache import Entry
from dbops.operations.replay import open_replay, use_database
from dbops.postgres import scratch
from tests.databases import connect, dump_schema, execute, find_server, normalise_dump
from tests.third_party.projects import FRESH, RESTORED, Change, Outcome, read_changes
from tests.third_party.settings import GIVEN


def main() -> None:
    """Migrate the project's database, and change copies of it."""
    base = find_server().with_database(connection.settings_dict["NAME"])
    call_command("migrate", verbosity=0, skip_checks=True)
    connection.close()
    major = fetch_major(base)
    with build_once(base):
        report(Outcome(name=FRESH, told=find_drift()))
        dump = normalise_dump(dump_schema(base))
        for change in read_changes(GIVEN["project"]):
            if change.since <= major:
                report(try_change(base, change, dump))
        report(try_backup(base))


def report(outcome: Outcome) -> None:
    """Write one line for the test to read."""
    sys.stdout.write(json.dumps(asdict(outcome)) + "\n")
    sys.stdout.flush()


def fetch_major(target: Target) -> int:
    """Return the server's major version."""
    with connect(target) as session:
        return session.info.server_version // 10000


def try_change(base: Target, change: Change, dump: str) -> Outcome:
    """Make the change in a copy, and look at it in both ways."""
    try:
        with open_copy(base) as copy:
            execute(copy, change.script)
            differs = normalise_dump(dump_schema(copy)) != dump
            with use_copy(copy):
                return Outcome(
                    name=change.name, told=find_drift(), dump_differs=differs
                )
    except Exception:  # noqa: BLE001  The other changes are of interest, too.
        return Outcome(name=change.name, error=traceback.format_exc())


def try_backup(base: Target) -> Outcome:
    """Take a backup, restore it under another name, and look for drift there."""
    restored = base.with_database(f"{base.database}_restored")
    try:
        run("dbops_backup")
        run("dbops_restore", "latest", into=restored.database, yes=True)
        with use_copy(restored):
            return Outcome(name=RESTORED, told=find_drift())
    except Exception:  # noqa: BLE001  Told with the rest.
        return Outcome(name=RESTORED, error=traceback.format_exc())
    finally:
        connection.close()
        with connect(find_server()) as session:
            scratch.drop_database(session, restored.database)


@contextmanager
def open_copy(base: Target) -> Iterator[Target]:
    """Yield a copy of the database, which nobody may be connected to."""
    copy = base.with_database(f"{base.database}_copy")
    with connect(find_server()) as session:
        # The default, to write all pages to the log, takes longer.
        session.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(copy.database), sql.Identifier(base.database)
            )
        )
        try:
            yield copy
        finally:
            scratch.drop_database(session, copy.database)


@contextmanager
def use_copy(target: Target) -> Iterator[None]:
    """Let the default alias be another database for the length of the block."""
    with use_database(Context(alias="default", settings=Settings()), target):
        yield


def find_drift() -> tuple[str, ...]:
    """Return what `dbops_drift` tells, a line each."""
    document = run("dbops_drift")
    connection.close()
    differences = [
        f"{each['kind']} {each['object']} {each['name']}"
        for each in document["differences"]
    ]
    notes = [
        f"{each['kind']} note {each['object']} {each['name']}"
        for each in document["notes"]
    ]
    return tuple(sorted(differences + notes))


def run(command: str, *arguments: str, **options: Any) -> Any:
    """Run a command and return its document."""
    out, err = StringIO(), StringIO()
    with suppress(CommandError):
        call_command(command, *arguments, stdout=out, stderr=err, json=True, **options)
    document = json.loads(out.getvalue())
    if "error" in document:
        raise AssertionError(document["error"])
    return document


@contextmanager
def build_once(base: Target) -> Iterator[None]:
    """Replay the migrations for the first run alone.

    Where a text differs that was never seen, `dbops_drift` replays all of them again to
    have a server say whether both mean the same. Here the fresh database does for that:
    the first run has found that it is what the migrations build.
    """
    build = expected._build
    built: list[Entry] = []

    def build_first(*arguments: Any) -> Entry:
        if not built:
            built.append(build(*arguments))
        return built[0]

    def open_base(*arguments: Any) -> AbstractContextManager[Any]:
        if not built:
            return open_replay(*arguments)
        return nullcontext(SimpleNamespace(target=base))

    with (
        patch.object(expected, "_build", build_first),
        patch.object(expected, "open_replay", open_base),
    ):
        yield


if __name__ == "__main__":
    django.setup()
    main()
