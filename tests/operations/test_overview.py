"""One look at everything: what is told, and that a part that fails stands alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbops.core.locks.report import walk
from dbops.operations.check.digest import digest_migration
from dbops.operations.history import get_id, read_history
from dbops.operations.locks.locks import LocksOptions
from dbops.operations.locks.locks import look as look_at_locks
from dbops.operations.overview.migration import show_migration
from dbops.operations.overview.overview import read_overview
from dbops.operations.overview.report import OverviewReport
from dbops.postgres.rehearsals import RehearsalEntry, record_rehearsals
from tests.crowd import open_crowd
from tests.databases import connect, temporary_database, temporary_role
from tests.lab import THING, Lab, open_lab

INDEX = """\
migrations.AddIndex(
    "Thing", models.Index(fields=["name"], name="thing_by_name")
),
"""
SEEN = {
    "forecasts": [
        {"table": "t", "reads_s": 0, "writes_s": 0.5, "low": 0.5, "high": 2.0}
    ],
    "over_budget": [],
}


@pytest.fixture(scope="module")
def lab(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any
) -> Iterator[Lab]:
    """One migration that is deployed, and one that is rehearsed and pending."""
    with (
        django_db_blocker.unblock(),
        temporary_database() as target,
        open_lab(tmp_path_factory.mktemp("lab"), target) as lab,
    ):
        lab.write_migration("0001_initial", THING, down="DROP TABLE gone;")
        outcome = lab.run("dbops_deploy")
        assert outcome.code == 0, outcome.err
        lab.write_migration("0002_add_index_on_name", INDEX)
        lab.execute("CREATE INDEX broken ON dbops_step (app)")
        with connect(target) as session:
            session.execute(
                "UPDATE pg_index SET indisvalid = false"
                " WHERE indexrelid = 'broken'::regclass"
            )
        yield lab


def look(lab: Lab, **settings: Any) -> OverviewReport:
    with lab.open(**settings) as context:
        return read_overview(context)


def rehearse(lab: Lab, **changes: object) -> None:
    """Write a rehearsal of the pending migration into the ledger."""
    with lab.open() as context, connect(lab.target) as session:
        migration = read_history(context).pending[0]
        entry = RehearsalEntry(
            migration=get_id(migration),
            digest=digest_migration(migration),
            round_trip="identical",
            duration_s=0.2,
            report=json.dumps(SEEN | changes),
        )
        record_rehearsals(session, [entry], server_version="18", backup_id="b")


def test_all_parts_are_told_in_one_look(lab: Lab) -> None:
    rehearse(lab)
    report = look(lab)
    assert report.status is not None
    assert report.verdict.safe, report.verdict
    (pending,) = report.pending
    assert str(pending.id) == f"{lab.app}.0002_add_index_on_name"
    assert pending.rehearsal is not None
    assert pending.rehearsal.forecasts[0].most_s == 1.0
    assert {"dbops.W002", "dbops.W003"} <= {each.id for each in pending.findings}
    assert str(report.applied[0].id) == f"{lab.app}.0001_initial"
    assert report.drift is None or report.drift >= 0
    assert report.backups is not None
    assert report.backups.source == "storage"
    assert [each.verified for each in report.backups.backups] == ["contents"]
    run = report.runs[0]
    assert (run.kind, run.state, run.backup_id) == (
        "deploy",
        "done",
        report.backups.backups[0].backup_id,
    )
    assert (run.steps[-1].blocked_sessions, run.steps[-1].blocked_s) == (0, 0.0)
    assert report.invalid_indexes == 1
    assert [each.id for each in report.findings] == ["dbops.D014"]
    assert any(each.name.endswith("_thing") for each in report.tables)
    assert report.locks is not None
    assert report.locks.waiting == 0
    assert report.problems == ()


def test_the_command_tells_it_and_writes_the_numbers(lab: Lab, tmp_path: Path) -> None:
    rehearse(lab)
    file = tmp_path / "dbops.prom"
    outcome = lab.run("dbops_overview", "--prometheus", str(file))
    assert outcome.code == 0, outcome.err
    lines = [line.split() for line in outcome.out.splitlines()]
    assert ["Waiting", "nobody"] in lines
    assert outcome.out.splitlines()[-1].startswith(
        "Safe to deploy: 1 migration pending"
    )
    numbers = file.read_text()
    name = f'{{database="{lab.target.database}"}}'
    assert f"dbops_migrations_unapplied{name} 1.0" in numbers
    assert f"dbops_invalid_indexes{name} 1.0" in numbers
    assert f"dbops_deploy_last_result{name} 1.0" in numbers
    assert "dbops_backup_last_verified_timestamp_seconds" in numbers
    document = lab.run("dbops_overview", "--json").json
    assert document["verdict"]["safe"]
    assert len(document["pending"]) == 1


def test_a_rehearsal_over_budget_stops_it(lab: Lab) -> None:
    rehearse(lab, over_budget=[{"table": "t"}])
    report = look(lab)
    assert report.exit_code == 3
    assert "blocks t for too long" in report.verdict.reasons[0].text


def test_a_migration_is_shown_with_its_sql(lab: Lab) -> None:
    with lab.open() as context:
        first = show_migration(context, lab.app, "0001_initial")
        second = show_migration(context, lab.app, "0002_add_index_on_name")
    assert first.down_sql == "DROP TABLE gone;"
    assert first.sql is None
    assert first.applied_at is not None
    assert second.applied_at is None


def test_a_storage_that_cannot_be_read_leaves_the_ledger(lab: Lab) -> None:
    report = look(lab, BACKUP_STORAGE="ftp://me:secret@host/x")
    assert report.backups is not None
    assert report.backups.source == "ledger"
    assert "secret" not in report.backups.problem
    assert len(report.backups.backups) == 1


def test_a_server_that_is_down_is_the_answer(lab: Lab) -> None:
    parameters = {**lab.target.parameters, "host": "127.0.0.1", "port": "1"}
    gone = replace(lab, target=replace(lab.target, parameters=parameters))
    report = look(gone)
    assert not report.verdict.safe
    assert report.verdict.text.startswith("Cannot connect to database")
    assert report.status is None
    assert report.backups is not None


def test_a_table_that_is_locked_does_not_hold_the_look_up(lab: Lab) -> None:
    with connect(lab.target, autocommit=False) as other:
        other.execute(f"LOCK TABLE {lab.app}_thing IN ACCESS EXCLUSIVE MODE")
        report = look(lab)
        other.rollback()
    assert report.status is not None
    assert report.tables


def test_who_waits_in_another_database_is_no_concern_of_this_one(lab: Lab) -> None:
    with temporary_database() as other, open_crowd(other) as crowd:
        first, second = crowd.add(2)
        crowd.execute(first, "BEGIN", "SELECT pg_advisory_xact_lock(1)")
        crowd.wait(second, "SELECT pg_advisory_xact_lock(1)")
        report = look(lab)
        with lab.open() as context:
            everywhere = look_at_locks(context, LocksOptions(min_wait_s=0))
    assert report.verdict.safe, report.verdict
    assert report.locks is not None
    assert (report.locks.waiting, report.locks.roots) == (0, ())
    assert set(crowd.pids) <= {
        each.pid for root in everywhere.roots for each in (root, *walk(root.waiters))
    }


def test_a_role_that_may_little_sees_what_it_may(lab: Lab) -> None:
    with temporary_role(lab.target, "SELECT 1") as stranger:
        report = look(replace(lab, target=stranger))
    assert not report.verdict.safe
    assert {each.part for each in report.problems} >= {"status"}
    assert report.tables


def test_an_empty_database_has_everything_pending(
    tmp_path: Path, django_db_blocker: Any
) -> None:
    with (
        django_db_blocker.unblock(),
        temporary_database() as target,
        open_lab(tmp_path, target) as lab,
    ):
        lab.write_migration("0001_initial", THING)
        report = look(lab)
    assert not report.has_ledger
    assert report.runs == ()
    assert report.applied == ()
    assert len(report.pending) == 10
    assert report.verdict.safe
