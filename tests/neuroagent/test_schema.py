import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection as default_connection
from django.db.backends.base.base import BaseDatabaseWrapper

from tests.neuroagent import expected
from tests.neuroagent.conftest import NewDatabase
from tests.neuroagent.expected import TABLES, read

EXISTING_SCHEMA = Path(__file__).parent.parent / "data" / "existing_schema.sql"


def migrate(alias: str, *target: str, **options: Any) -> None:
    call_command("migrate", *target, database=alias, verbosity=0, **options)


def build_existing(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute(EXISTING_SCHEMA.read_text())


@pytest.fixture(scope="module", params=["migrated", "existing"])
def built(
    request: pytest.FixtureRequest, new_database: NewDatabase
) -> Iterator[BaseDatabaseWrapper]:
    """A database as migration 0001 builds it, then one as production is."""
    with new_database(request.param) as connection:
        if request.param == "migrated":
            migrate(connection.alias, "neuroagent", "0001")
        else:
            build_existing(connection)
        yield connection


def test_has_the_columns_in_order_and_no_default(built: BaseDatabaseWrapper) -> None:
    assert read(built, expected.READ_COLUMNS, TABLES) == [
        (table, *column, False, "", "", True, None)
        for table in TABLES
        for column in expected.COLUMNS[table]
    ]


def test_has_the_constraints_and_their_actions(built: BaseDatabaseWrapper) -> None:
    found = read(built, expected.READ_CONSTRAINTS, TABLES)
    assert sorted(map(str, found)) == sorted(map(str, expected.CONSTRAINTS))


def test_names_not_null_constraints_as_postgresql_18_does(
    built: BaseDatabaseWrapper,
) -> None:
    found = {name for (name,) in read(built, expected.READ_NOT_NULL_NAMES, TABLES)}
    [(version,)] = read(built, "SELECT current_setting('server_version_num')::int")
    assert found == {
        f"{table}_{column}_not_null"
        for table, columns in expected.COLUMNS.items()
        for column, _, null in columns
        if null == "not null" and version >= 180000
    }


def test_has_the_indexes(built: BaseDatabaseWrapper) -> None:
    found = read(built, expected.READ_INDEXES, TABLES)
    assert {name: sql for name, sql, valid in found if valid} == expected.INDEXES


def test_has_the_enum_labels_in_order(built: BaseDatabaseWrapper) -> None:
    assert dict(read(built, expected.READ_ENUMS)) == expected.ENUMS


def test_has_the_function_and_its_trigger(built: BaseDatabaseWrapper) -> None:
    assert read(built, expected.READ_FUNCTIONS) == expected.FUNCTIONS
    assert read(built, expected.READ_TRIGGERS, TABLES) == expected.TRIGGERS


def test_has_nothing_else(built: BaseDatabaseWrapper) -> None:
    alembic = ["alembic_version"] if built.alias == "existing" else []
    assert {name for (name,) in read(built, expected.READ_EVERYTHING)} == {
        *(f"relation r {table}" for table in [*TABLES, *alembic]),
        *(f"type e {enum}" for enum in expected.ENUMS),
        "function update_messages_search_vector",
    }


def test_the_existing_database_is_at_the_last_alembic_revision(
    new_database: NewDatabase,
) -> None:
    with new_database("alembic") as connection:
        build_existing(connection)
        assert read(connection, "SELECT version_num FROM alembic_version") == [
            ("6d8986f38d7b",)
        ]
        assert read(connection, expected.READ_COLUMNS, ["alembic_version"]) == [
            (
                *("alembic_version", "version_num"),
                *("character varying(32)", "not null", False, "", "", True, None),
            )
        ]
        constraints = read(connection, expected.READ_CONSTRAINTS, ["alembic_version"])
        assert [each[1] for each in constraints] == ["alembic_version_pkc"]


def test_the_existing_database_has_holes_in_its_column_numbers(
    new_database: NewDatabase,
) -> None:
    with new_database("holes") as connection:
        build_existing(connection)
        assert read(connection, expected.READ_DROPPED) == [
            ("messages", 2),
            ("messages", 8),
            ("tool_selection", 2),
        ]


def test_both_have_the_same_function_text(new_database: NewDatabase) -> None:
    sql = "SELECT prosrc FROM pg_proc WHERE proname = 'update_messages_search_vector'"
    with new_database("one") as existing, new_database("two") as migrated:
        build_existing(existing)
        migrate(migrated.alias, "neuroagent", "0001")
        assert read(existing, sql) == read(migrated, sql)


def test_migration_0002_adds_its_indexes_to_an_existing_database(
    new_database: NewDatabase,
) -> None:
    with new_database("adopted") as connection:
        build_existing(connection)
        migrate("adopted", "neuroagent", "0001", fake=True)
        migrate("adopted", "neuroagent", "0002")
        found = read(connection, expected.READ_INDEXES, TABLES)
        assert {name: sql for name, sql, valid in found if valid} == (
            expected.INDEXES | expected.LATER_INDEXES
        )


def test_migrating_to_zero_leaves_nothing(new_database: NewDatabase) -> None:
    with new_database("reversed") as connection:
        migrate("reversed", "neuroagent")
        assert read(connection, expected.READ_EVERYTHING) != []
        migrate("reversed", "neuroagent", "zero")
        assert read(connection, expected.READ_EVERYTHING) == []


def test_unapplying_0002_drops_only_its_indexes(new_database: NewDatabase) -> None:
    with new_database("unindexed") as connection:
        migrate("unindexed", "neuroagent")
        migrate("unindexed", "neuroagent", "0001")
        found = read(connection, expected.READ_INDEXES, TABLES)
        assert {name: sql for name, sql, _ in found} == expected.INDEXES


@pytest.mark.django_db
def test_the_test_database_has_all_indexes() -> None:
    found = read(default_connection, expected.READ_INDEXES, TABLES)
    assert {name: sql for name, sql, valid in found if valid} == (
        expected.INDEXES | expected.LATER_INDEXES | expected.INSPECTION_INDEXES
    )


@pytest.mark.django_db
def test_the_models_need_no_further_migration() -> None:
    out = io.StringIO()
    call_command("makemigrations", "neuroagent", check=True, dry_run=True, stdout=out)
    assert out.getvalue() == "No changes detected in app 'neuroagent'\n"
