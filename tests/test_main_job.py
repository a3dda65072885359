"""The whole way on the real project: adopt, back up, deploy, go back, restore.

Each step is a real process of manage.py. 20,000 messages by default;
DBOPS_TEST_MESSAGES=200000 for as many as the existing database is said to have.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from dbops.core.catalog import Catalog
from dbops.core.compare import Verdict, compare_catalogs
from dbops.core.target import Target
from dbops.postgres.catalog import fetch_catalog
from tests.databases import connect, execute, find_server, temporary_database
from tests.lab import Outcome
from tests.neuroagent import expected
from tests.operations.conftest import drop_database, fetch_hashes
from tests.processes import build_url, run_manage

EXISTING = Path(__file__).parent / "data" / "existing_schema.sql"
MESSAGES = int(os.environ.get("DBOPS_TEST_MESSAGES", "20000"))
MESSAGES_PER_THREAD = 12
TABLES = (
    "complexity_estimation",
    "messages",
    "threads",
    "token_consumption",
    "tool_calls",
    "tool_selection",
)
INITIAL = "neuroagent.0001_initial"
LATER = [
    "neuroagent.0002_add_indexes_to_threads_and_messages",
    "neuroagent.0003_add_indexes_for_inspection",
    "neuroagent.0004_add_token_sums",
]
OURS = ("neuroagent.", "dbops.")

COMMON = {"command", "ok", "exit_code", "database"}
FIXED = {
    "dbops_status": {"state", "applied", "pending", "unknown", "failed"},
    "dbops_baseline": {"adopted", "differences"},
    "dbops_backup": {
        *("backup_id", "location", "size_bytes", "database_size_bytes", "duration_s"),
        *("verified", "tables"),
    },
    "dbops_restore": {
        *("backup_id", "database", "previous_database", "duration_s", "tables"),
    },
    "dbops_deploy": {
        *("state", "applied", "reverted", "backup_id", "deployment_id", "steps"),
    },
    "dbops_rollback": {"unapplied", "schema_matches", "differences"},
}


@dataclass(frozen=True)
class Site:
    """The project in one place, on one database."""

    target: Target
    directory: Path

    def run(self, *arguments: str) -> Outcome:
        """Run a command."""
        return run_manage(
            *arguments,
            url=build_url(self.target),
            environment={"DBOPS_BACKUP_STORAGE": str(self.directory / "backups")},
            logs=self.directory / "logs",
        )

    def ask(self, command: str, *arguments: str, code: int = 0) -> Any:
        """Run a command with --json, and return the document after a look at it."""
        outcome = self.run(command, *arguments, "--json")
        assert outcome.code == code, outcome.err
        document = outcome.json
        assert document.keys() >= COMMON | FIXED[command]
        assert document["command"] == command
        assert document["exit_code"] == code
        assert document["ok"] is (code == 0)
        if command != "dbops_restore":  # There it is the new database's name.
            assert document["database"] == "default"
        assert "Traceback" not in outcome.err
        return document

    def fetch_catalog(self) -> Catalog:
        with connect(self.target) as session:
            return fetch_catalog(session)

    def fetch_indexes(self) -> set[str]:
        with connect(self.target) as session:
            rows = session.execute(
                "SELECT c.relname FROM pg_index AS i JOIN pg_class AS c"
                " ON c.oid = i.indexrelid WHERE i.indisvalid AND c.relname ~ '^ix_'"
            ).fetchall()
        return {name for (name,) in rows}


@pytest.fixture
def site(tmp_path: Path, django_db_blocker: Any) -> Iterator[Site]:
    """The existing database, as Alembic left it, with made-up conversations."""
    with django_db_blocker.unblock(), temporary_database() as target:
        execute(target, EXISTING.read_text(encoding="utf-8"))
        site = Site(target, tmp_path)
        threads = str(MESSAGES // MESSAGES_PER_THREAD)
        filled = site.run("neuroagent_demo", "--threads", threads, "--verbosity", "0")
        assert filled.code == 0, filled.err
        yield site


@contextmanager
def new_database() -> Iterator[str]:
    """Yield the name of a database that is dropped in the end."""
    name = f"dbops_test_{secrets.token_hex(6)}"
    try:
        yield name
    finally:
        drop_database(find_server(), name)


def is_same(first: Catalog, second: Catalog) -> bool:
    return compare_catalogs(first, second).verdict is not Verdict.DIFFERENT


def get_ours(migrations: list[str]) -> list[str]:
    return [each for each in migrations if each.startswith(OURS)]


def test_the_main_job(site: Site) -> None:
    original, rows = site.fetch_catalog(), fetch_hashes(site.target)
    assert rows["public.messages"][0] >= MESSAGES * 0.9

    adopt(site, original)
    assert rows.items() <= fetch_hashes(site.target).items()
    adopted = site.fetch_catalog()

    backup = take_backup(site, rows)
    assert backup["migrations"] == [
        "dbops.0001_initial",
        "dbops.0002_add_step_digest",
        "dbops.0003_add_restore_kind",
        "dbops.0004_add_locks_kind",
        "dbops.0005_add_rehearsal",
        "dbops.0006_add_history",
        "dbops.0007_add_turns",
        "dbops.0008_add_operations",
        "dbops.0009_add_kept_data",
        INITIAL,
    ]

    indexes = site.fetch_indexes()
    deploy(site)
    deployed = site.fetch_catalog()
    assert site.fetch_indexes() - indexes == (
        expected.LATER_INDEXES.keys() | expected.INSPECTION_INDEXES.keys()
    )

    roll_back(site)
    assert site.fetch_indexes() == indexes
    assert not [
        each
        for each in compare_catalogs(adopted, site.fetch_catalog()).differences
        if each.name.partition(".")[0] in TABLES
    ]

    deploy(site, applied=LATER)
    assert is_same(deployed, site.fetch_catalog())
    assert rows.items() <= fetch_hashes(site.target).items()

    restore(site, take_backup(site, rows))


def adopt(site: Site, original: Catalog) -> None:
    status = site.ask("dbops_status", code=3)
    assert status["state"] == "not_adopted"
    assert INITIAL in status["pending"]

    refused = site.run("dbops_deploy", "--json")
    assert refused.code == 4
    assert "dbops_baseline" in refused.json["error"]["hint"]

    looked = site.ask("dbops_baseline", "--dry-run")
    assert (looked["adopted"], looked["differences"]) == ([INITIAL], [])
    assert site.fetch_catalog() == original

    assert site.ask("dbops_baseline", "--yes")["adopted"] == [INITIAL]
    status = site.ask("dbops_status", code=3)
    assert status["state"] == "pending"
    assert get_ours(status["pending"]) == LATER


def take_backup(site: Site, rows: dict[str, tuple[int, int]]) -> Any:
    backup = site.ask("dbops_backup")
    assert backup["verified"] == "contents"
    assert Path(backup["location"]).name == backup["backup_id"]
    counted = {each["name"]: each["rows"] for each in backup["tables"]}
    assert {name: counted[name] for name in TABLES} == {
        name: rows[f"public.{name}"][0] for name in TABLES
    }
    assert backup["size_bytes"] < backup["database_size_bytes"]
    return backup


def deploy(site: Site, *, applied: list[str] | None = None) -> None:
    planned = site.ask("dbops_deploy", "--dry-run")
    assert planned["state"] == "dry_run"

    report = site.ask("dbops_deploy")

    assert report["state"] == "deployed"
    assert report["applied"] == planned["pending"]
    assert set(LATER) <= set(report["applied"])
    assert applied in (None, report["applied"])
    assert report["backup_id"]
    assert all(each["ok"] for each in report["steps"])
    assert site.run("dbops_deploy").out == "Database schema is up to date!\n"
    assert site.ask("dbops_status")["state"] == "up_to_date"


def roll_back(site: Site) -> None:
    planned = site.ask("dbops_rollback", "neuroagent", "0001", "--dry-run")
    assert [each["migration"] for each in planned["steps"]] == LATER[::-1]

    report = site.ask("dbops_rollback", "neuroagent", "0001", "--yes")

    assert report["unapplied"] == LATER[::-1]
    assert report["schema_matches"] is True
    assert report["differences"] == []
    assert site.ask("dbops_status", code=3)["pending"] == LATER


def restore(site: Site, backup: Any) -> None:
    """Restore the newest backup beside it, and use the new database."""
    with new_database() as name:
        report = site.ask("dbops_restore", "latest", "--into", name, "--yes")
        other = Site(site.target.with_database(name), site.directory)

        assert (report["backup_id"], report["database"]) == (backup["backup_id"], name)
        assert report["tables"] == backup["tables"]
        assert is_same(site.fetch_catalog(), other.fetch_catalog())
        restored, source = fetch_hashes(other.target), fetch_hashes(site.target)
        # The backup itself is in the ledger only after it was taken.
        assert {each for each in source if restored[each] != source[each]} == {
            "public.dbops_backup",
            "public.dbops_entry",
        }

        assert other.ask("dbops_status")["state"] == "up_to_date"
        assert other.run("dbops_deploy").out == "Database schema is up to date!\n"
        roll_back(other)
        deploy(other, applied=LATER)
        assert set(LATER) <= set(fetch_history(other))
        again = fetch_hashes(other.target)
        assert {each: again[f"public.{each}"] for each in TABLES} == {
            each: source[f"public.{each}"] for each in TABLES
        }


def fetch_history(site: Site) -> list[str]:
    with connect(site.target) as session:
        rows = session.execute(
            sql.SQL("SELECT app || '.' || name FROM django_migrations ORDER BY id")
        ).fetchall()
    return [name for (name,) in rows]
