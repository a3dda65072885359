"""Statements: how they wait, and what of them is written down."""

from __future__ import annotations

import doctest

import pytest

from dbops.core import journal, statement
from dbops.core.statement import StatementClass, classify_statement, mask_secrets


@pytest.mark.parametrize("module", [statement, journal])
def test_examples(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (a)", StatementClass.PATIENT),
        ("create unique index concurrently i on t (a)", StatementClass.PATIENT),
        ("DROP INDEX CONCURRENTLY IF EXISTS i", StatementClass.PATIENT),
        ("REINDEX TABLE CONCURRENTLY t", StatementClass.PATIENT),
        ("ALTER TABLE t VALIDATE CONSTRAINT c", StatementClass.PATIENT),
        ("/* why */ VACUUM t", StatementClass.PATIENT),
        ("CREATE INDEX i ON t (a)", StatementClass.STRONG),
        ("ALTER TABLE t ADD COLUMN concurrently int", StatementClass.STRONG),
        ("INSERT INTO t VALUES ('CREATE INDEX CONCURRENTLY')", StatementClass.STRONG),
        ("LOCK TABLE t", StatementClass.STRONG),
    ],
)
def test_classifies(sql: str, expected: StatementClass) -> None:
    assert classify_statement(sql) is expected


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE ROLE a PASSWORD 's3cret'",
        "CREATE USER MAPPING FOR a SERVER b OPTIONS (user 'a', password 's3cret')",
        "CREATE SUBSCRIPTION s CONNECTION 'dbname=a password=s3cret'",
        "alter role a password E's3cret'",
    ],
)
def test_writes_no_password_down(sql: str) -> None:
    assert "s3cret" not in mask_secrets(sql)


def test_leaves_columns_of_that_name_alone() -> None:
    sql = 'ALTER TABLE "user" ADD COLUMN "password" varchar(128) NOT NULL'
    assert mask_secrets(sql) == sql
