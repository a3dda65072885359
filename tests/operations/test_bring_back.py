"""Single tables come back next to the live ones, as they were, or nothing changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dbops.conf import Settings
from dbops.core.target import Target
from dbops.errors import DbopsError, Refused, Reverted, ServerFailed, UsageError
from dbops.operations.backup.backup import take_backup
from dbops.operations.context import Context
from dbops.operations.replay import use_database
from dbops.operations.restore import bring_back as module
from dbops.operations.restore.bring_back import BringBackOptions, bring_back
from dbops.operations.restore.restore import RestoreReport
from dbops.postgres import copying
from dbops.render.restore import render_restore
from dbops.render.text import render_text
from tests.databases import connect
from tests.keeping import Copy, Keeper
from tests.operations.conftest import (
    FILLED,
    ODD_NAME,
    execute,
    fetch_hashes,
    fetch_value,
)

MORE = """
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE "Sales Data".odd (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    n positive NOT NULL DEFAULT 4,
    twice int GENERATED ALWAYS AS (id * 2) STORED,
    t text COLLATE "C",
    list numeric(10, 2)[],
    mood "Sales Data"."Mood"
);
CREATE TABLE public."a,b" (id int);
CREATE TABLE "Sales Data".empty (id int);
INSERT INTO "Sales Data".odd (t, list, mood)
    SELECT n::text, ARRAY[n, NULL, 1.5], 'So So' FROM generate_series(1, 300) AS n;
INSERT INTO "a,b" VALUES (1);
"""
ORDER = '"Sales Data"."Or""d.er"'


def prepare(target: Target, directory: Path) -> None:
    execute(target, FILLED, "SET timezone = 'UTC';" + MORE)
    take_backup(target, storage=str(directory))


@pytest.fixture
def copy(keeper: Keeper) -> Iterator[Copy[None]]:
    with keeper.open(prepare, ODD_NAME) as copy:
        yield copy


@pytest.fixture
def filled(copy: Copy[None]) -> Target:
    """What is backed up."""
    return copy.target


@pytest.fixture
def context(copy: Copy[None]) -> Iterator[Context]:
    """The database as Django's default one, with a backup of it."""
    settings = Settings(backup_storage=str(copy.directory))
    plain = Context(alias="default", settings=settings)
    with use_database(plain, copy.target):
        yield plain


def bring(context: Context, tables: str, **options: Any) -> RestoreReport:
    options = {"as_schema": "back"} | options
    return bring_back(context, BringBackOptions(tables=tables, **options))


def fetch_types(target: Target, table: str) -> list[tuple[str, str, bool]]:
    with connect(target) as session:
        return session.execute(
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull"
            " FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
            " ORDER BY attnum",
            [table],
        ).fetchall()


def schema_exists(target: Target, name: str = "back") -> bool:
    return bool(
        fetch_value(target, f"SELECT count(*) FROM pg_namespace WHERE nspname='{name}'")
    )


def test_rows_come_back_and_the_live_ones_stay(
    filled: Target, context: Context
) -> None:
    before = fetch_hashes(filled)
    execute(filled, "DELETE FROM authors WHERE id > 4000", f"DELETE FROM {ORDER}")
    live = fetch_hashes(filled)
    report = bring(context, f"authors, {ORDER}")
    after = fetch_hashes(filled)
    assert after.pop("back.authors") == before["public.authors"]
    assert after.pop('back.Or"d.er') == before['Sales Data.Or"d.er']
    assert after == live
    assert [(each.name, each.rows) for each in report.tables] == [
        ("authors", 5000),
        (ORDER, 2000),
    ]
    assert report.as_schema == "back"
    assert report.exit_code == 0


@pytest.mark.parametrize(
    ("table", "name"),
    [('"Sales Data".odd', "odd"), ("authors", "authors"), ('"a,b"', '"a,b"')],
)
def test_types_and_keys_are_kept(
    filled: Target, context: Context, table: str, name: str
) -> None:
    bring(context, table)
    assert fetch_types(filled, f"back.{name}") == fetch_types(filled, table)
    key = (
        "SELECT string_agg(pg_get_constraintdef(oid), ',') FROM pg_constraint"
        " WHERE contype = 'p' AND conrelid = '{}'::regclass"
    )
    assert fetch_value(filled, key.format(f"back.{name}")) == fetch_value(
        filled, key.format(table)
    )
    assert (
        fetch_value(
            filled,
            f"SELECT relkind::text FROM pg_class WHERE oid = 'back.{name}'::regclass",
        )
        == "r"
    )


def test_generated_columns_are_computed(filled: Target, context: Context) -> None:
    bring(context, '"Sales Data".odd')
    assert fetch_value(filled, "SELECT sum(twice) FROM back.odd") == 300 * 301


def test_a_partitioned_table_comes_back_as_one(
    filled: Target, context: Context
) -> None:
    report = bring(context, "events,events_2025")
    assert fetch_value(filled, "SELECT count(*) FROM back.events") == 400
    assert fetch_value(filled, "SELECT count(*) FROM back.events_2025") == 213
    assert [each.rows for each in report.tables] == [400, 213]


def test_empty_tables_and_those_without_columns(
    filled: Target, context: Context
) -> None:
    bring(context, "empty,without_columns")
    assert fetch_value(filled, "SELECT count(*) FROM back.without_columns") == 1
    assert fetch_value(filled, "SELECT count(*) FROM back.empty") == 0


def test_the_tables_may_be_gone_meanwhile(filled: Target, context: Context) -> None:
    execute(filled, "DROP TABLE authors CASCADE")
    bring(context, "authors")
    assert fetch_value(filled, "SELECT count(*) FROM back.authors") == 5000


def test_statistics_are_fresh(filled: Target, context: Context) -> None:
    bring(context, "authors")
    assert fetch_value(
        filled, "SELECT count(*) > 0 FROM pg_stats WHERE schemaname = 'back'"
    )


def test_the_schema_is_named_after_the_backup(filled: Target, context: Context) -> None:
    report = bring(context, "authors", as_schema=None, reference=datetime.now(UTC))
    assert report.as_schema is not None
    assert report.as_schema.startswith("restored_2")
    assert schema_exists(filled, report.as_schema)
    text = render_text(render_restore(report), width=100, color=False)
    assert f'DROP SCHEMA "{report.as_schema}" CASCADE;' in text


def test_a_dry_run_changes_nothing(filled: Target, context: Context) -> None:
    report = bring(context, "authors", dry_run=True)
    assert report.dry_run
    assert report.tables[0].rows == 5000
    assert not schema_exists(filled)


def test_readers_and_writers_go_on(filled: Target, context: Context) -> None:
    with connect(filled, autocommit=False) as writer:
        writer.execute("LOCK TABLE authors IN ROW EXCLUSIVE MODE")
        bring(context, "authors")
        writer.execute("UPDATE authors SET name = name || 'x'")


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ("author", "no table author; like it are authors"),
        ("odd", 'no table odd; like it are "Sales Data".odd'),
        ("authors,nothing_like_it", "no table nothing_like_it"),
        (",", "names no table"),
        ('empty,"Sales Data".empty', 'two of the tables are called "empty"'),
        ("good", "no table good"),
    ],
)
def test_refuses_unknown_tables(
    filled: Target, context: Context, tables: str, told: str
) -> None:
    with pytest.raises(UsageError) as caught:
        bring(context, tables)
    assert told in caught.value.message
    assert not schema_exists(filled)


@pytest.mark.parametrize("name", ["pg_back", "x" * 64])
def test_refuses_what_cannot_be_a_schema(context: Context, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a schema"):
        bring(context, "authors", as_schema=name)


def test_refuses_a_schema_that_exists(filled: Target, context: Context) -> None:
    with pytest.raises(Refused, match='schema "Sales Data" exists already'):
        bring(context, "authors", as_schema="Sales Data")


@pytest.mark.parametrize(
    "statement",
    [
        'DROP TYPE "Sales Data"."Mood" CASCADE',
        "ALTER TYPE \"Sales Data\".\"Mood\" RENAME VALUE 'So So' TO 'bad'",
    ],
)
def test_a_type_that_is_not_as_it_was_is_told(
    filled: Target, context: Context, statement: str
) -> None:
    execute(filled, statement)
    with pytest.raises(ServerFailed, match="types are not those of the backup"):
        bring(context, f"authors,{ORDER}")
    assert not schema_exists(filled)


class Broken(Exception):
    pass


@pytest.mark.parametrize("kind", [Broken, KeyboardInterrupt])
@pytest.mark.parametrize(
    "step", ["verifying", "bringing back authors", "bringing back empty", "publishing"]
)
def test_a_failure_changes_nothing(
    filled: Target, context: Context, step: str, kind: type[BaseException]
) -> None:
    def fail(line: str) -> None:
        if line.startswith(step):
            raise kind

    failing = Context(alias="default", settings=context.settings, progress=fail)
    with pytest.raises(kind):
        bring(failing, "authors,empty")
    assert not schema_exists(filled)
    bring(context, "authors,empty")


def test_rows_that_are_not_those_of_the_backup_are_taken_back(
    filled: Target, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = copying.write_rows

    def lose(connection: Any, table: Any, columns: Any, batches: Any) -> None:
        write(
            connection,
            table,
            columns,
            (each.replace(b"name ", b"nome ") for each in batches),
        )

    monkeypatch.setattr(module, "write_rows", lose)
    with pytest.raises(Reverted, match="was not brought back whole"):
        bring(context, "authors")
    assert not schema_exists(filled)


def test_a_damaged_backup_is_refused(copy: Copy[None], context: Context) -> None:
    path = next(copy.directory.glob("*/*/data/*"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Refused, match="is damaged"):
        bring(context, "authors")


def test_two_at_once_do_not_meet_in_one_schema(
    filled: Target, context: Context
) -> None:
    failures: list[DbopsError] = []

    def again(line: str) -> None:
        if line.startswith("bringing back"):
            other.start()

    def run() -> None:
        try:
            with use_database(context, filled):
                bring(context, "empty")
        except DbopsError as error:
            failures.append(error)

    other = threading.Thread(target=run)
    first = Context(alias="default", settings=context.settings, progress=again)
    bring(first, "authors")
    other.join()
    assert len(failures) == 1
    assert isinstance(failures[0], Refused)
    assert fetch_value(filled, "SELECT count(*) FROM back.authors") == 5000
