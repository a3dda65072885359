"""Differences that are the printer's alone."""

from __future__ import annotations

import doctest
from collections.abc import Iterator

import pytest

from dbops.core.catalog import Catalog
from dbops.core.compare import Comparison, Verdict, compare_catalogs
from dbops.core.target import Target
from dbops.postgres import normalise
from dbops.postgres.catalog import fetch_catalog
from dbops.postgres.normalise import drop_equal_expressions
from tests.databases import (
    connect,
    dump_schema,
    execute,
    restore_schema,
    temporary_database,
)

# What prints differently after one dump and restore.
UNSTABLE = """
CREATE TYPE mood AS ENUM ('ok');
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE DOMAIN colour AS varchar CONSTRAINT known CHECK (VALUE IN ('red', 'blue'));
CREATE TABLE item (
    kind varchar(10) NOT NULL CONSTRAINT item_kind_check CHECK (kind IN ('a', 'b')),
    done boolean DEFAULT ('x'::varchar IN ('x', 'y')),
    feeling mood DEFAULT 'ok',
    late boolean GENERATED ALWAYS AS (kind IN ('c', 'd%')) STORED
);
COMMENT ON CONSTRAINT item_kind_check ON item IS 'two kinds';
CREATE INDEX item_kind ON item (kind) WHERE kind IN ('a', 'b');
CREATE VIEW known AS SELECT kind FROM item WHERE kind IN ('a', 'b');
CREATE MATERIALIZED VIEW kept AS SELECT kind FROM item WHERE kind NOT IN ('a', 'b');
CREATE POLICY seen ON item USING (kind IN ('a', 'b'));
CREATE TRIGGER touched BEFORE UPDATE ON item FOR EACH ROW
    WHEN (NEW.kind IN ('a', 'b')) EXECUTE FUNCTION touch();
CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON item FOR EACH ROW
    WHEN (NEW.kind IN ('a', 'b')) EXECUTE FUNCTION touch();
CREATE RULE keep AS ON DELETE TO item WHERE OLD.kind IN ('a', 'b') DO INSTEAD NOTHING;
CREATE STATISTICS spread ON (kind IN ('a', 'b')), feeling FROM item;
"""


@pytest.fixture
def original(database: Target) -> Target:
    execute(database, UNSTABLE)
    return database


@pytest.fixture
def restored(original: Target) -> Iterator[Target]:
    with temporary_database() as target:
        restore_schema(dump_schema(original), target)
        yield target


def read(target: Target) -> Catalog:
    with connect(target) as session:
        return fetch_catalog(session)


def settle(expected: Target, actual: Target, scratch: Target) -> Comparison:
    left, right = read(expected), read(actual)
    with connect(scratch) as session:
        return drop_equal_expressions(
            compare_catalogs(left, right), left, right, session
        )


def test_doctests() -> None:
    assert doctest.testmod(normalise).failed == 0


def test_a_dump_restored_elsewhere_is_identical(
    original: Target, restored: Target
) -> None:
    before = compare_catalogs(read(original), read(restored))
    assert {str(each.object) for each in before.differences} == {
        "column",
        "constraint",
        "domain",
        "index",
        "policy",
        "rule",
        "statistics",
        "trigger",
        "view",
    }
    scratch = read(original)
    assert settle(original, restored, original).differences == ()
    assert settle(restored, original, restored).verdict == Verdict.IDENTICAL
    assert read(original) == scratch


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            """ALTER TABLE item DROP CONSTRAINT item_kind_check,
            ADD CONSTRAINT item_kind_check CHECK (kind IN ('a', 'c'))""",
            "constraint item.item_kind_check",
        ),
        (
            "COMMENT ON CONSTRAINT item_kind_check ON item IS 'more'",
            "constraint item.item_kind_check",
        ),
        (
            "CREATE OR REPLACE VIEW known AS SELECT kind FROM item WHERE kind = 'a'",
            "view known",
        ),
        (
            "ALTER TABLE item ALTER COLUMN done SET DEFAULT ('x'::varchar IN ('z'))",
            "column item.done",
        ),
        (
            """DROP INDEX item_kind;
            CREATE UNIQUE INDEX item_kind ON item (kind) WHERE kind IN ('a', 'b')""",
            "index item_kind",
        ),
        ("ALTER TABLE item DISABLE TRIGGER touched", "trigger item.touched"),
        ("ALTER TABLE item ALTER COLUMN feeling SET NOT NULL", "column item.feeling"),
        ("ALTER TABLE item ADD COLUMN more text", "column item.more"),
    ],
)
def test_a_real_change_among_them_stays(
    original: Target, restored: Target, change: str, told: str
) -> None:
    execute(restored, change)
    differences = settle(original, restored, original).differences
    assert [f"{each.object} {each.name}" for each in differences] == [told]


def test_what_cannot_be_parsed_in_the_scratch_database_stays(
    original: Target, restored: Target
) -> None:
    before = compare_catalogs(read(original), read(restored))
    with temporary_database() as empty:
        differences = settle(original, restored, empty).differences
    # The domain alone needs no table.
    assert [each for each in before.differences if each not in differences] == [
        each for each in before.differences if each.object == "domain"
    ]
