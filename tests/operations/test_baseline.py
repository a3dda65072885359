"""Adoption of the database that exists: only after proof, and all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import override_settings

from dbops.conf import Settings
from dbops.core.target import Target
from dbops.operations.context import Context
from dbops.operations.replay import use_database
from dbops.postgres.catalog import fetch_catalog
from tests.databases import connect, execute, temporary_database
from tests.lab import Outcome

EXISTING = Path(__file__).parents[1] / "data" / "existing_schema.sql"

Run = Callable[..., Outcome]


@pytest.fixture
def existing() -> Iterator[Target]:
    with temporary_database() as target:
        execute(target, EXISTING.read_text(encoding="utf-8"))
        yield target


@pytest.fixture
def run(existing: Target, tmp_path: Path, django_db_blocker: Any) -> Iterator[Run]:
    def run(command: str, *arguments: str) -> Outcome:
        out, err = StringIO(), StringIO()
        code = 0
        try:
            call_command(command, *arguments, stdout=out, stderr=err)
        except CommandError as error:
            code = error.returncode
            err.write(str(error))
        return Outcome(code=code, out=out.getvalue(), err=err.getvalue())

    with (
        django_db_blocker.unblock(),
        override_settings(DBOPS={"BACKUP_STORAGE": str(tmp_path)}),
        use_database(Context(alias="default", settings=Settings()), existing),
    ):
        yield run


def fetch_rows(target: Target, query: str) -> list[tuple[Any, ...]]:
    with connect(target) as connection:
        return connection.execute(query.encode()).fetchall()


def fetch_tables(target: Target) -> list[str]:
    rows = fetch_rows(
        target, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    )
    return [name for (name,) in rows]


def test_adopts_a_database_that_matches(existing: Target, run: Run) -> None:
    before = run("dbops_status", "--json").json

    outcome = run("dbops_baseline", "--yes", "--json")

    assert before["state"] == "not_adopted"
    assert outcome.code == 0, outcome.err
    assert outcome.json["adopted"] == ["neuroagent.0001_initial"]
    assert outcome.json["differences"] == []
    assert "dbops.0001_initial" not in outcome.json["pending"]
    assert fetch_rows(
        existing, "SELECT app, name FROM django_migrations ORDER BY app, name"
    ) == [
        ("dbops", "0001_initial"),
        ("dbops", "0002_add_step_digest"),
        ("dbops", "0003_add_restore_kind"),
        ("dbops", "0004_add_locks_kind"),
        ("dbops", "0005_add_rehearsal"),
        ("dbops", "0006_add_history"),
        ("dbops", "0007_add_turns"),
        ("dbops", "0008_add_operations"),
        ("dbops", "0009_add_kept_data"),
        ("neuroagent", "0001_initial"),
    ]
    status = run("dbops_status", "--json").json
    assert status["state"] == "pending"
    assert "neuroagent.0002_add_indexes_to_threads_and_messages" in status["pending"]


def test_dry_run_writes_nothing(existing: Target, run: Run) -> None:
    tables = fetch_tables(existing)

    outcome = run("dbops_baseline", "--dry-run", "--json")

    assert outcome.code == 0, outcome.err
    assert outcome.json["adopted"] == ["neuroagent.0001_initial"]
    assert fetch_tables(existing) == tables


def test_a_second_baseline_finds_nothing_to_do(run: Run) -> None:
    assert run("dbops_baseline", "--yes").code == 0

    outcome = run("dbops_baseline", "--yes", "--json")

    assert outcome.code == 0
    assert outcome.json["adopted"] == []


DIFFERENCES = {
    "missing column": (
        "ALTER TABLE threads DROP COLUMN vlab_id",
        "column threads.vlab_id: expected uuid, not found",
    ),
    "missing enum label": (
        (
            "ALTER TABLE token_consumption ALTER task TYPE text;"
            "DROP TYPE task; CREATE TYPE task AS ENUM ('CHAT_COMPLETION',"
            " 'CALL_WITHIN_TOOL');"
            "ALTER TABLE token_consumption ALTER task TYPE task USING task::task"
        ),
        (
            "enum task: expected ('CHAT_COMPLETION', 'TOOL_SELECTION', "
            "'CALL_WITHIN_TOOL'), found ('CHAT_COMPLETION', 'CALL_WITHIN_TOOL')"
        ),
    ),
    "foreign key with another action": (
        (
            "ALTER TABLE messages DROP CONSTRAINT messages_thread_id_fkey,"
            " ADD CONSTRAINT messages_thread_id_fkey FOREIGN KEY (thread_id)"
            " REFERENCES threads ON DELETE CASCADE"
        ),
        "ON DELETE CASCADE",
    ),
    "extra column": (
        "ALTER TABLE messages ADD COLUMN model text",
        "column messages.model: not expected, found text",
    ),
    "nullability": (
        "ALTER TABLE messages ALTER is_complete DROP NOT NULL",
        "column messages.is_complete: expected boolean not null, found boolean",
    ),
    "default": (
        "ALTER TABLE messages ALTER is_complete SET DEFAULT true",
        (
            "column messages.is_complete: expected boolean not null, "
            "found boolean not null default true"
        ),
    ),
    "missing index": (
        "DROP INDEX ix_messages_search_vector",
        "index ix_messages_search_vector: expected",
    ),
    "missing trigger": (
        "DROP TRIGGER messages_search_vector_trigger ON messages",
        "trigger messages.messages_search_vector_trigger: expected",
    ),
    "disabled trigger": (
        "ALTER TABLE messages DISABLE TRIGGER messages_search_vector_trigger",
        "trigger messages.messages_search_vector_trigger: expected",
    ),
    "missing table": ("DROP TABLE tool_selection", "table tool_selection: expected"),
    "extra table": ("CREATE TABLE leftover (id int)", "table leftover: not expected"),
    "type": (
        "ALTER TABLE threads ALTER creation_date TYPE timestamptz(6)",
        (
            "column threads.creation_date: expected timestamp with time zone not null, "
            "found timestamp(6) with time zone not null"
        ),
    ),
    "name of a foreign key": (
        "ALTER TABLE messages RENAME CONSTRAINT messages_thread_id_fkey TO fk_thread",
        "constraint messages.fk_thread: not expected",
    ),
}


@pytest.mark.parametrize("case", DIFFERENCES)
@pytest.mark.parametrize("command", ["dbops_baseline", "migrate"])
def test_refuses_what_does_not_match_and_changes_nothing(
    existing: Target, run: Run, command: str, case: str
) -> None:
    change, told = DIFFERENCES[case]
    execute(existing, change)
    tables = fetch_tables(existing)
    with connect(existing) as connection:
        before = fetch_catalog(connection)

    outcome = run(command, *(["--yes"] if command == "dbops_baseline" else []))

    assert outcome.code == 4
    assert told in outcome.out + outcome.err
    assert fetch_tables(existing) == tables
    with connect(existing) as connection:
        assert fetch_catalog(connection) == before


def test_reports_another_body_of_the_trigger_function_and_adopts(
    existing: Target, run: Run
) -> None:
    execute(
        existing,
        "CREATE OR REPLACE FUNCTION update_messages_search_vector() RETURNS trigger"
        " LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    )

    outcome = run("dbops_baseline", "--yes", "--json")

    assert outcome.code == 0, outcome.err
    assert outcome.json["adopted"] == ["neuroagent.0001_initial"]
    [note] = outcome.json["notes"]
    assert "update_messages_search_vector" in note["name"]
    deployed = run("dbops_deploy", "--json")
    assert deployed.code == 0, deployed.err


def test_plain_migrate_adopts_and_applies_the_rest(existing: Target, run: Run) -> None:
    execute(
        existing,
        "INSERT INTO threads SELECT gen_random_uuid(), NULL, NULL, 'kept', now(),"
        " now(), gen_random_uuid()",
    )

    outcome = run("migrate", "-v", "0")

    assert outcome.code == 0, outcome.err
    assert fetch_rows(existing, "SELECT title FROM threads") == [("kept",)]
    assert run("dbops_status", "--json").json["state"] == "up_to_date"
    assert fetch_rows(existing, "SELECT kind, message FROM dbops_deployment") == [
        ("baseline", "adopted neuroagent.0001_initial")
    ]


def test_deploy_refuses_before_the_baseline(existing: Target, run: Run) -> None:
    tables = fetch_tables(existing)

    outcome = run("dbops_deploy", "--json")

    assert outcome.code == 4
    assert "was not adopted" in outcome.json["error"]["message"]
    assert "dbops_baseline" in outcome.json["error"]["hint"]
    assert fetch_tables(existing) == tables


def test_rollback_does_not_drop_what_was_adopted(existing: Target, run: Run) -> None:
    assert run("dbops_baseline", "--yes").code == 0

    outcome = run("dbops_rollback", "neuroagent", "zero", "--yes", "--json")

    assert outcome.code == 4
    assert "was adopted" in outcome.json["error"]["message"]
    assert "threads" in fetch_tables(existing)


def test_other_tools_tables_are_no_difference(existing: Target, run: Run) -> None:
    execute(existing, "CREATE TABLE _prisma_migrations (id text PRIMARY KEY)")

    assert run("dbops_baseline", "--dry-run").code == 0
