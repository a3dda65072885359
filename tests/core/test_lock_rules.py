"""The rule table as data, and what follows from statements without a server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dbops.core.hazards.facts import Column, Facts, Relation
from dbops.core.hazards.judge import Step, judge, judge_sql
from dbops.core.hazards.page import render_page
from dbops.core.hazards.parsing import NotUnderstood, parse_statements
from dbops.core.hazards.predict import predict_locks, predict_statements
from dbops.core.hazards.rules import RULES
from dbops.core.lock_modes import LockMode
from dbops.core.table_name import TableName

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "lock-rules.md"
NEEDS_FACTS = {
    "add-column-constrained-domain", "add-primary-key-nullable", "alter-type-index",
    "alter-type-check", "alter-type-key-rewrite", "check-domain",
    "create-partition-default", "drop-partition",
}  # fmt: skip
"""Rules whose bad example is one by the table alone."""
T = TableName("public", "t")


def test_the_page_is_what_the_table_says() -> None:
    if os.environ.get("REFRESH_DOCS"):
        PAGE.write_text(render_page(), encoding="utf-8")

    assert PAGE.read_text(encoding="utf-8") == render_page()


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda each: each.id)
def test_examples_are_what_they_are_for(rule: object) -> None:
    assert rule in RULES.values()
    one = RULES[getattr(rule, "id", "")]
    parse_statements(one.good)
    assert one.good
    if one.bad:
        told = [each for p in predict_statements(one.bad, Facts()) for each in p.rules]
        assert one.id in told or one.id in NEEDS_FACTS


def test_a_bad_example_is_a_hazard_and_the_good_one_is_not() -> None:
    """Where the good example is one transaction: the others say so in a comment."""
    for rule in RULES.values():
        works = [each for each in rule.effects if each.work and each.mode >= 5]
        if not rule.bad or not works or rule.id in NEEDS_FACTS:
            continue
        found = judge_sql([rule.bad], Facts())
        assert [each for each in found if each.blocks != "none"], rule.id
        first = rule.good.split("-- in another transaction")[0]
        outside = [Step(sql=each.sql, transaction=None)
                   for each in parse_statements(first)]  # fmt: skip
        kept = [each for each in judge(outside) if each.rule == rule.id]
        assert kept == [], rule.id


def test_locks_are_kept_until_the_transaction_ends() -> None:
    steps = ["ALTER TABLE t ADD COLUMN c int", "CREATE INDEX i ON big (a)"]

    together = judge_sql(steps, Facts())
    apart = judge([Step(sql=each, transaction=None) for each in steps])

    assert [each.id for each in together] == ["dbops.W104", "dbops.W106"]
    assert together[1].relations == (T,)
    assert together[1].blocks == "reads"
    assert [each.id for each in apart] == ["dbops.W104"]


def test_not_valid_and_validate_in_one_transaction() -> None:
    found = judge_sql(
        [
            "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
            "ALTER TABLE t VALIDATE CONSTRAINT c",
        ],
        Facts(),
    )

    assert [each.id for each in found] == ["dbops.W106"]


def test_a_new_table_keeps_nobody_waiting() -> None:
    found = judge_sql(
        [
            "CREATE TABLE n (id int PRIMARY KEY, a int)",
            "ALTER TABLE n RENAME TO m",
            "ALTER TABLE m ALTER COLUMN a TYPE bigint",
            "CREATE INDEX i ON m (a)",
            "INSERT INTO m SELECT 1, 2",
        ],
        Facts(),
    )

    assert found == ()


@pytest.mark.parametrize(
    "statement",
    ["ALTER TABLE t DO SOMETHING", "SELEC 1", "\\d t"],
)
def test_what_is_not_understood_is_said(statement: str) -> None:
    with pytest.raises(NotUnderstood):
        predict_locks(statement, Facts())

    [hazard] = judge_sql([statement], Facts())

    assert hazard.id == "dbops.W110"
    assert hazard.reason


def test_a_block_of_code_is_not_understood() -> None:
    [hazard] = judge_sql(["DO $$ BEGIN DROP TABLE t; END $$"], Facts())

    assert hazard.id == "dbops.W110"


def test_concurrently_in_a_transaction() -> None:
    [hazard] = judge_sql(["CREATE INDEX CONCURRENTLY i ON t (a)"], Facts())

    assert hazard.id == "dbops.E112"


def test_without_facts_a_hazard_says_what_it_assumes() -> None:
    [hazard] = judge_sql(["ALTER TABLE t ALTER COLUMN c TYPE text"], Facts())

    assert hazard.id == "dbops.W101"
    assert hazard.assumed


def test_with_facts_it_knows_what_is_harmless() -> None:
    facts = Facts(
        known=True,
        relations={
            T: Relation(
                name=T, columns={"c": Column(name="c", type="varchar", modifier=24)}
            )
        },
    )

    assert judge_sql(["ALTER TABLE t ALTER COLUMN c TYPE text"], facts) == ()


def test_locks_of_several_statements_are_merged() -> None:
    found = predict_locks("SELECT 1; UPDATE t SET a = 1; LOCK TABLE t", Facts())

    assert [(each.relation, each.mode) for each in found] == [
        (T, LockMode.ACCESS_EXCLUSIVE)
    ]
