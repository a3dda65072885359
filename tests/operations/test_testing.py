"""What `dbops.testing` gives to the tests of a project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dbops import testing
from dbops.testing import (
    MigrationBench,
    build_round_trip_test,
    open_bench,
    rehearse_project,
)
from tests.databases import temporary_database
from tests.lab import THING, Lab, open_lab

COLOR = (
    'migrations.AddField("Thing", "color", models.CharField(max_length=9, null=True)),'
)

migration_bench = testing.migration_bench


@pytest.fixture
def lab(tmp_path: Path, django_db_blocker: Any) -> Iterator[Lab]:
    with (
        django_db_blocker.unblock(),
        temporary_database() as target,
        open_lab(tmp_path, target) as lab,
    ):
        lab.write_migration("0001_initial", THING)
        lab.write_migration("0002_add_color", COLOR)
        yield lab


def find_failure(
    lab: Lab, request: pytest.FixtureRequest, **options: Any
) -> str | None:
    """Run the test that a project would have, and return what it says."""
    with lab.open():
        test = build_round_trip_test(**options)
        try:
            test(request)
        except pytest.fail.Exception as failure:
            return None if failure.pytrace else str(failure.msg)
    return None


def test_passes_where_all_lead_there_and_back(
    lab: Lab, request: pytest.FixtureRequest
) -> None:
    assert find_failure(lab, request) is None


def test_shows_what_is_lost_until_a_person_names_it(
    lab: Lab, request: pytest.FixtureRequest
) -> None:
    lab.write_migration(
        "0003_remove_color", 'migrations.RemoveField("Thing", "color"),'
    )
    name = f"{lab.app}.0003_remove_color"

    assert find_failure(lab, request) == (
        f"{name} does not lead back; after its way back\n"
        f"  table {lab.app}_thing: other values in column color"
    )
    assert find_failure(lab, request, lossy={name: "colors are made again"}) is None


def test_shows_what_fails_and_where(lab: Lab, request: pytest.FixtureRequest) -> None:
    lab.write_migration("0003_break", "migrations.RunSQL('SELECT 1', 'SELECT 1 / 0'),")

    told = find_failure(lab, request) or ""

    first, second = told.splitlines()
    assert first == (
        f"{lab.app}.0003_break fails: back: operation 1 (SQL SELECT 1): "
        "division by zero"
    )
    assert second.endswith("0003_break.py:10")


def test_wants_a_reason_where_there_is_no_way_back(
    lab: Lab, request: pytest.FixtureRequest
) -> None:
    lab.write_migration("0003_once", "migrations.RunSQL('SELECT 1'),")
    told = find_failure(lab, request) or ""
    assert told.splitlines()[0] == (
        f"{lab.app}.0003_once has no way back: operation 1 (SQL SELECT 1)"
    )
    lab.remove_last_migration()
    lab.write_migration(
        "0003_once",
        "migrations.RunSQL('SELECT 1'),",
        down="-- dbops: irreversible: nobody needs it",
    )
    assert find_failure(lab, request) is None


def test_carries_the_projects_rows_down_and_up(lab: Lab) -> None:
    table = f"{lab.app}_thing"
    lab.write_migration(
        "0003_mark_name",
        "migrations.RunSQL("
        f"\"UPDATE {table} SET name = name || '!'\", migrations.RunSQL.noop),",
    )
    with lab.open() as context:

        def make_rows() -> None:
            with context.connection.cursor() as cursor:
                cursor.execute(f"INSERT INTO {table} (name) VALUES ('one'), ('two')")

        found = rehearse_project(make_rows, made_up=False)

    # From the last one down; the first one has no rows before it.
    assert [(each.id.name, str(each.round_trip)) for each in found[3:]] == [
        ("0003_mark_name", "lossy"),
        ("0002_add_color", "identical"),
        ("0001_initial", "identical"),
    ]
    assert [str(each) for each in found[3].losses] == [
        f"table {table}: other values in column name"
    ]
    # Nothing of that shows in an empty table.
    assert {str(each.round_trip) for each in found[:3]} == {"identical"}


def test_a_bench_stands_at_a_migration_and_compares(lab: Lab) -> None:
    with lab.open(), open_bench() as bench:
        bench.stand_at(lab.app, "0001")
        thing: Any = bench.apps.get_model(lab.app, "Thing")
        thing.objects.create(name="first")
        before = bench.take_snapshot()

        bench.apply(lab.app, "0002")
        bench.go_back(lab.app, "0002")
        bench.assert_same(before)

        thing.objects.create(name="second")
        with pytest.raises(pytest.fail.Exception, match="2 rows, 1 before"):
            bench.assert_same(before)


def test_the_fixture_stands_at_a_migration(migration_bench: MigrationBench) -> None:
    migration_bench.stand_at("neuroagent", "0001")
    before = migration_bench.take_snapshot()
    assert "threads" in {each.name for each in before.catalog.objects}
    migration_bench.apply("neuroagent", "0002")
    migration_bench.go_back("neuroagent", "0002")
    migration_bench.assert_same(before)
