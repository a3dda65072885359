"""One project rehearsed, deployed and undone: a JSON line a deployment.

python -m tests.third_party.rollbacks [LIMIT]
"""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from io import StringIO
from typing import Any

import django
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations import Migration
from psycopg import sql

from dbops.core.catalog import Catalog
from dbops.core.compare import compare_catalogs
from dbops.core.target import Target
from dbops.operations.context import build_context
from dbops.operations.history import LEDGER_APP, get_id, read_history
from dbops.operations.rehearse.history import (
    HistoryWalk,
    RowFiller,
    is_changed_for_good,
)
from dbops.postgres.catalog import fetch_catalog
from dbops.postgres.scratch import drop_database
from dbops.postgres.session import Connection
from tests.databases import connect, create_database, find_server

NO_WAY_BACK = {"irreversible", "failed"}
"""What a rehearsal calls a migration that a rollback may refuse."""
FORETOLD = 4
"""The exit code of a rollback whose rehearsal went wrong."""
ALLOWED = ["checks", "doctor", "way-back", "old-release", "lock-budget"]
OWN = ("dbops_", "django_")
NAME = re.compile(r'"(\w+\.\w+)"')


@dataclass(frozen=True, kw_only=True)
class Undone:
    """What became of one deployment."""

    deployed: int
    """Migrations."""
    undone: int
    code: int
    refused: str
    """The migration that it stopped at; empty where all was undone."""
    is_foretold: bool
    """Whether the rehearsal has called that one irreversible or failed."""
    differences: list[str]
    message: str
    tables: int
    """That had rows."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One deployment, and the database after it."""

    copy: str
    before: Catalog
    deployment: str
    migrations: int
    tables: int


def main(limit: int | None) -> None:
    """Deploy from one migration without a way back to the next; undo all that.

    `limit` is how many migrations there are at most, from the first one on.
    """
    base = find_server().with_database(connection.settings_dict["NAME"])
    plan = [
        each
        for each in read_history(build_context("default")).plan
        if each.app_label != LEDGER_APP
    ]
    verdicts = rehearse(plan[:limit])
    filler = RowFiller(build_context("default"))
    with ExitStack() as stack:
        deploy(plan, [])  # The ledger's tables alone.
        stages = []
        for part in split(plan[:limit], verdicts):
            before = fetch_schema(base)
            deployment = deploy(plan, part)
            if not deployment:
                # Rows that are made up may be none that it takes: without, then.
                replace_database(base, "template0")
                deploy(plan, plan[: plan.index(part[0])])
                filler = RowFiller(build_context("default"))
                deployment = deploy(plan, part)
            assert deployment, part
            filler.fill()
            stage = Stage(
                copy=stack.enter_context(copy_database(base)),
                before=before,
                deployment=deployment,
                migrations=len(part),
                tables=count_tables(base),
            )
            stages.append(stage)
        for stage in reversed(stages):
            undo_whole(base, stage, verdicts)


def rehearse(plan: Sequence[Migration]) -> dict[str, str]:
    """Return what a rehearsal with rows that are made up says of each."""
    names = {get_id(each) for each in plan}
    context = build_context("default")
    history = read_history(context)
    walk = HistoryWalk(context, history.plan, lambda each: get_id(each) in names)
    return {
        str(found.id): "failed" if is_changed_for_good(found) else found.round_trip
        for found in walk.run()
    }


def split(
    plan: Sequence[Migration], verdicts: Mapping[str, str]
) -> Iterator[list[Migration]]:
    """Yield what is deployed at once: alone what has no way back."""
    for alone, part in itertools.groupby(plan, lambda each: is_bad(each, verdicts)):
        migrations = list(part)
        yield from [[each] for each in migrations] if alone else [migrations]


def is_bad(migration: Migration, verdicts: Mapping[str, str]) -> bool:
    """Say whether the rehearsal has called it irreversible or failed."""
    return verdicts.get(str(get_id(migration))) in NO_WAY_BACK


def deploy(plan: Sequence[Migration], part: Sequence[Migration]) -> str:
    """Deploy a part of the plan, all before it being applied; return its id.

    Empty where it failed.
    """
    chosen = {get_id(each) for each in part}
    applied = read_history(build_context("default")).applied
    for each in plan:
        is_due = get_id(each) in chosen | applied
        # What a project would write into its own migrations.
        vars(sys.modules[type(each).__module__])["Migration"].phase = (
            "expand" if is_due else "contract"
        )
    code, document = run(
        "dbops_deploy", phase="expand", backup=False, rehearse=False, allow=ALLOWED
    )
    if code in {7, 8, 9}:
        return ""
    assert code == 0, document
    assert len(document["applied"]) >= len(part), document
    return str(document["deployment_id"])


def undo_whole(base: Target, stage: Stage, verdicts: Mapping[str, str]) -> None:
    """Undo a deployment, and report it.

    Rows that the old schema does not take are seen by a rehearsal of the rollback;
    without rows it is undone then.
    """
    replace_database(base, stage.copy)
    undone = undo(base, stage, verdicts)
    if not undone.code or undone.is_foretold:
        report(undone)
        return
    replace_database(base, stage.copy)
    foretold = rehearse_rollback(stage)
    report(replace(undone, is_foretold=foretold == undone.refused))
    empty_tables(base)
    report(undo(base, replace(stage, tables=count_tables(base)), verdicts))


def rehearse_rollback(stage: Stage) -> str:
    """Return the migration that it would stop at; empty where at none."""
    code, document = run(
        "dbops_rollback",
        to_deployment=stage.deployment,
        rehearse=True,
        backup="new",
        dry_run=True,
    )
    message = document["error"]["message"] if code == FORETOLD else ""
    return found[1] if (found := NAME.search(message)) else ""


def replace_database(base: Target, copy: str) -> None:
    """Let the database be what the copy is."""
    connection.close()
    with connect(find_server()) as session:
        drop_database(session, base.database)
        create_copy(session, base.database, copy)


def undo(base: Target, stage: Stage, verdicts: Mapping[str, str]) -> Undone:
    """Undo a deployment; return how that went."""
    code, document = run("dbops_rollback", to_deployment=stage.deployment, yes=True)
    message = document.get("error", {}).get("message", "")
    name = found[1] if (found := NAME.search(message)) else ""
    differences = []
    if not code:
        comparison = compare_catalogs(stage.before, fetch_schema(base))
        differences = [*map(str, comparison.differences)]
    return Undone(
        deployed=stage.migrations,
        undone=len(document.get("unapplied", ())),
        code=code,
        refused=name,
        is_foretold=verdicts.get(name) in NO_WAY_BACK,
        differences=differences,
        message=message,
        tables=stage.tables,
    )


def run(command: str, **options: Any) -> tuple[int, Any]:
    """Run a command; return its exit code and its document."""
    out, code = StringIO(), 0
    try:
        call_command(command, json=True, stdout=out, stderr=StringIO(), **options)
    except CommandError as error:
        code = error.returncode
    return code, json.loads(out.getvalue())


def report(undone: Undone) -> None:
    """Write one line for the test to read."""
    sys.stdout.write(json.dumps(asdict(undone)) + "\n")
    sys.stdout.flush()


def fetch_schema(target: Target) -> Catalog:
    """Return the schema as it is now."""
    with connect(target) as session:
        return fetch_catalog(session)


def empty_tables(target: Target) -> None:
    """Take all rows away, but for Django's and the ledger's own."""
    with connect(target) as session:
        names = list_tables(session)
        tables = ", ".join(each for each in names if not each.startswith(OWN))
        session.execute(f"TRUNCATE {tables} CASCADE".encode())


def list_tables(session: Connection) -> list[str]:
    """Return the tables as SQL names them."""
    rows = session.execute(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace = 'public'::regnamespace"
    ).fetchall()
    return [name for (name,) in rows]


def count_tables(target: Target) -> int:
    """Return how many tables have rows."""
    with connect(target) as session:
        return sum(
            session.execute(f"SELECT FROM {name} LIMIT 1".encode()).rowcount
            for name in list_tables(session)
        )


@contextmanager
def copy_database(base: Target) -> Iterator[str]:
    """Yield the name of a copy, which nobody is connected to."""
    connection.close()
    with connect(find_server()) as session:
        copy = create_database(session, template=base.database)
        try:
            yield copy
        finally:
            drop_database(session, copy)


def create_copy(session: Connection, name: str, template: str) -> None:
    """Create a database as a copy of another one."""
    session.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(template)
        )
    )


if __name__ == "__main__":
    django.setup()
    main(int(sys.argv[1]) if sys.argv[1:] else None)
