"""Enum types and their operations, on a server, with rows and other sessions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.db.migrations.state import ProjectState

from dbops.enum_operation import EnumOperation
from dbops.enums import (
    AddEnumValue,
    CreateEnum,
    DropEnum,
    RemoveEnumValues,
    RenameEnum,
    RenameEnumValue,
)
from dbops.errors import Refused
from tests.databases import connect
from tests.lab import Lab
from tests.processes import wait_until

NAME = '"Zoo".mood'
TABLES = """
CREATE SCHEMA "Zoo";
CREATE TYPE "Zoo".mood AS ENUM ('sad', 'ok', '100 %');
COMMENT ON TYPE "Zoo".mood IS 'how it is';
CREATE TABLE cats (
    id bigint PRIMARY KEY,
    "Mood" "Zoo".mood NOT NULL DEFAULT 'ok',
    moods "Zoo".mood[] NOT NULL DEFAULT '{ok}',
    CONSTRAINT not_only CHECK (id < 0 OR "Mood" >= 'sad')
);
COMMENT ON CONSTRAINT not_only ON cats IS 'nothing';
CREATE INDEX cats_ok ON cats (id) WHERE "Mood" = 'ok';
CREATE INDEX cats_mood ON cats ("Mood");
CREATE TABLE dogs (id bigint, mood "Zoo".mood) PARTITION BY RANGE (id);
CREATE TABLE dogs_1 PARTITION OF dogs FOR VALUES FROM (0) TO (1000);
INSERT INTO cats SELECT n, (ARRAY['sad', 'ok'])[1 + n % 2]::"Zoo".mood, '{sad,ok}'
  FROM generate_series(1, 200) AS n;
INSERT INTO dogs SELECT n, 'ok' FROM generate_series(1, 50) AS n;
"""


@pytest.fixture
def lab(empty_lab: Lab) -> Lab:
    empty_lab.execute(TABLES)
    return empty_lab


def run(lab: Lab, operation: EnumOperation, *, back: bool = False) -> None:
    """Run an operation as a migration does, in a transaction."""
    state = ProjectState()
    with lab.open(), connection.schema_editor(atomic=True) as editor:
        go = operation.database_backwards if back else operation.database_forwards
        go("zoo", editor, state, state)


def fetch_rows(lab: Lab) -> list[Any]:
    with connect(lab.target) as session:
        return session.execute(
            'SELECT id, "Mood"::text, moods::text FROM cats'
            " UNION ALL SELECT id, mood::text, '' FROM dogs ORDER BY 1, 3"
        ).fetchall()


@contextmanager
def traffic(lab: Lab) -> Iterator[list[str]]:
    """Let a reader and a writer work within the block; what went wrong for them."""
    stop, wrong, done = threading.Event(), list[str](), [0, 0]

    def work(number: int, statement: str) -> None:
        with connect(lab.target) as session:
            session.prepare_threshold = None
            while not stop.is_set():
                try:
                    session.execute(statement.encode())
                    done[number] += 1
                except psycopg.Error as error:
                    wrong.append(str(error))

    threads = [
        threading.Thread(target=work, args=each)
        for each in (
            (0, "SELECT count(*) FROM cats WHERE \"Mood\" = 'sad'"),
            (1, "UPDATE cats SET \"Mood\" = 'ok' WHERE \"Mood\" = 'ok' AND id < 20"),
        )
    ]
    for each in threads:
        each.start()
    try:
        yield wrong
    finally:
        before = list(done)
        try:  # Both go on after the change.
            wait_until(
                lambda: all(a > b for a, b in zip(done, before, strict=True)),
                "reader and writer",
            )
        finally:
            stop.set()
            for each in threads:
                each.join()


OPERATIONS = [
    CreateEnum('"Zoo"."Kind"', ["a", "it's"]),
    AddEnumValue(NAME, "fine", after="ok"),
    AddEnumValue(NAME, "low", before="sad"),
    RenameEnum(NAME, '"Zoo"."Mood"'),
    RemoveEnumValues(NAME, ["100 %"], order=["sad", "ok", "100 %"]),
]
RENAMING = RenameEnumValue(NAME, "sad", "blue 'n' %s")


def test_each_operation_leads_there_and_back_under_load(lab: Lab) -> None:
    rows = fetch_rows(lab)
    before = lab.fetch_catalog()
    with traffic(lab) as wrong:
        for operation in OPERATIONS:
            go_there_and_back(lab, operation)
    assert wrong == []
    with traffic(lab) as wrong:
        go_there_and_back(lab, RENAMING)
    # The name that they use is gone for a while: that is what renaming means.
    assert all('value for enum "Zoo".mood: "sad"' in each for each in wrong)
    assert fetch_rows(lab) == rows
    assert lab.fetch_catalog() == before


def go_there_and_back(lab: Lab, operation: EnumOperation) -> None:
    before = lab.fetch_catalog()
    run(lab, operation)
    there = lab.fetch_catalog()
    run(lab, operation, back=True)
    assert lab.fetch_catalog() == before, operation
    run(lab, operation)
    assert lab.fetch_catalog() == there != before, operation
    run(lab, operation, back=True)


def test_refuses_with_the_count_what_rows_hold(lab: Lab) -> None:
    before, rows = lab.fetch_catalog(), fetch_rows(lab)
    with pytest.raises(Exception, match="'sad' is in 100 rows of cats") as caught:
        run(lab, RemoveEnumValues(NAME, ["sad"]))
    assert "'sad' is in 200 rows of cats.moods" in str(caught.value)
    assert 'enum "Zoo".mood cannot be removed' in str(caught.value)
    lab.execute("UPDATE dogs SET mood = '100 %' WHERE id = 7")
    with pytest.raises(Exception, match=r"'100 %' is in 1 row of dogs\.mood"):
        run(lab, AddEnumValue(NAME, "100 %"), back=True)
    lab.execute("UPDATE dogs SET mood = 'ok' WHERE id = 7")
    assert (lab.fetch_catalog(), fetch_rows(lab)) == (before, rows)


def test_a_refusal_waits_for_nobody(lab: Lab) -> None:
    """Rows are counted before anything is locked."""
    with connect(lab.target) as other, other.transaction():
        other.execute("LOCK TABLE cats IN ROW EXCLUSIVE MODE")
        with pytest.raises(Exception, match="cannot be removed"):
            run(lab, RemoveEnumValues(NAME, ["sad"]))
        # Adding and renaming wait for no table at all.
        run(lab, AddEnumValue(NAME, "fine"))
        run(lab, RenameEnumValue(NAME, "fine", "good"))


def test_names_what_stands_in_the_way(lab: Lab) -> None:
    lab.execute("CREATE VIEW happy AS SELECT id FROM cats WHERE \"Mood\" = 'ok'")
    before = lab.fetch_catalog()
    with pytest.raises(Refused, match="on view happy"):
        run(lab, RemoveEnumValues(NAME, ["100 %"]))
    with pytest.raises(Refused, match="does not have the value 'gone'"):
        run(lab, RemoveEnumValues(NAME, ["gone"]))
    with pytest.raises(Exception, match="other objects depend on it"):
        run(lab, DropEnum(NAME, ["sad"]))
    assert lab.fetch_catalog() == before


def test_grants_and_owner_come_back(lab: Lab) -> None:
    lab.execute('REVOKE ALL ON TYPE "Zoo".mood FROM PUBLIC')
    query = "SELECT typacl::text FROM pg_type WHERE typname = 'mood'"
    before = lab.fetch_value(query)
    run(lab, RemoveEnumValues(NAME, ["100 %"]))
    assert lab.fetch_value(query) == before


HELPERS = "from dbops import enums\nfrom dbops.fields import EnumField\n"
CREATE = """\
enums.CreateEnum("mood", ["sad", "ok"]),
migrations.CreateModel("Cat", [
    ("id", models.BigAutoField(primary_key=True)),
    ("mood", EnumField(enum_type="mood", choices=[("sad", "Sad"), ("ok", "Ok")])),
]),
"""


def test_a_rehearsal_knows_both_ways(empty_lab: Lab) -> None:
    lab = empty_lab
    lab.write_migration("0001_initial", CREATE, helpers=HELPERS)
    assert lab.run("migrate", "-v0").code == 0
    lab.execute(
        f"INSERT INTO {lab.app}_cat (mood) SELECT 'sad' FROM generate_series(1, 300)"
    )
    for name, operation in (
        ("0002_add_mood_top", 'enums.AddEnumValue("mood", "top", before="ok"),'),
        ("0003_rename_sad", 'enums.RenameEnumValue("mood", "sad", "blue"),'),
        (
            "0004_remove_top",
            'enums.RemoveEnumValues("mood", ["top"], order=["blue", "top", "ok"]),',
        ),
    ):
        lab.write_migration(name, operation, helpers=HELPERS)
    made = lab.run("makemigrations", "--sql", lab.app)
    assert made.code == 0, made.err
    done = lab.run("dbops_rehearse", "--json", "--backup", "new")
    found = {each["id"].partition(".")[2]: each for each in done.json["migrations"]}
    assert found["0004_remove_top"]["losses"] == []
    assert {name: each["round_trip"] for name, each in found.items()} == {
        "0002_add_mood_top": "identical",
        "0003_rename_sad": "identical",
        "0004_remove_top": "identical",
    }
    assert found["0002_add_mood_top"]["rewrites"] == []
    assert found["0003_rename_sad"]["rewrites"] == []
    assert f"{lab.app}_cat" in found["0004_remove_top"]["rewrites"]
