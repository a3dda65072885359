"""The rule "locks" of dbops_check: what migrations keep an application waiting for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.databases import temporary_database
from tests.lab import Lab, Outcome, open_lab

HELPERS = """\
from django.contrib.postgres.operations import (
    AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint)
from django.contrib.postgres.functions import RandomUUID
from django.db.models.functions import Now
"""
OWNER = """\
migrations.CreateModel("Owner", [("id", models.AutoField(primary_key=True)),
    ("name", models.CharField(max_length=50))]),
"""
THING = """\
migrations.CreateModel("Thing", [("id", models.AutoField(primary_key=True)),
    ("name", models.CharField(max_length=50)),
    ("size", models.IntegerField(null=True)),
    ("owner", models.ForeignKey("Owner", models.CASCADE, null=True))]),
"""


@pytest.fixture
def lab(tmp_path: Path, django_db_blocker: Any) -> Iterator[Lab]:
    """Two tables that are in use, with 20,000 rows each."""
    with (
        django_db_blocker.unblock(),
        temporary_database() as target,
        open_lab(tmp_path, target) as lab,
    ):
        lab.write_migration("0001_initial", OWNER + THING)
        lab.run("migrate", "--verbosity", "0")
        for table in ("owner", "thing"):
            lab.execute(
                f"INSERT INTO {lab.app}_{table} (name) "
                "SELECT 'a' FROM generate_series(1, 20000)",
                f"ANALYZE {lab.app}_{table}",
            )
        yield lab


def check(lab: Lab, *arguments: str, **settings: Any) -> Outcome:
    return lab.run("dbops_check", "--json", *arguments, **settings)


def list_locks(outcome: Outcome) -> list[tuple[str, str, int | None]]:
    """Return id, level and line of what the rule has found."""
    assert "locks" in outcome.json["checked"], outcome.out + outcome.err
    return [
        (each["id"], each["level"], each["line"])
        for each in outcome.json["findings"]
        if each["id"].startswith(("dbops.W1", "dbops.E1"))
        and each["id"] not in ("dbops.E010", "dbops.W011", "dbops.E012", "dbops.E013")
    ]


def alter(field: str, kind: str) -> str:
    return f'migrations.AlterField("thing", "{field}", models.{kind}),'


def add(kind: str) -> str:
    return f'migrations.AddField("thing", "new", models.{kind}),'


OPERATIONS = {
    "bigint": (alter("size", "BigIntegerField(null=True)"), ["W101"]),
    "not null": (alter("size", "IntegerField(default=1)"), ["W102"]),
    "unique": (
        # Django adds an index for LIKE: after the constraint, so under its lock.
        alter("name", "CharField(max_length=50, unique=True)"),
        ["W103", "W104", "W106"],
    ),
    "index": (
        'migrations.AddIndex("thing", models.Index(fields=["name"], name="i")),',
        ["W104"],
    ),
    "longer": (alter("name", "CharField(max_length=90)"), []),
    "text": (alter("name", "TextField()"), []),
    "shorter": (alter("name", "CharField(max_length=9)"), ["W101"]),
    "constant default": (add("IntegerField(db_default=1)"), []),
    "now": (add("DateTimeField(db_default=Now())"), []),
    "volatile default": (add("UUIDField(db_default=RandomUUID())"), ["W101"]),
    "new unique": (add("IntegerField(unique=True, null=True)"), ["W103"]),
    "foreign key": (
        # The index of the foreign key is built in the transaction of ADD COLUMN.
        add('ForeignKey("Owner", models.CASCADE, null=True)'),
        ["W108", "W104", "W106"],
    ),
    "new table": (
        OWNER.replace('"Owner"', '"Other"', 1).replace(
            '("name"', '("owner", models.ForeignKey("Owner", models.CASCADE)), ("name"'
        ),
        ["W108"],
    ),
    "drop table": ('migrations.DeleteModel("Thing"),', ["W108"]),
    "drop foreign key": ('migrations.RemoveField("thing", "owner"),', ["W108"]),
    "python": ("migrations.RunPython(print),", []),
    "python after DDL": (
        add("IntegerField(null=True)") + "migrations.RunPython(print),",
        ["W107"],
    ),
    "opaque": ('migrations.RunSQL("DO $$ BEGIN NULL; END $$"),', ["W110"]),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_operations_are_told_of(lab: Lab, name: str) -> None:
    operations, expected = OPERATIONS[name]
    lab.write_migration("0002_change", operations, helpers=HELPERS)

    found = list_locks(check(lab))

    assert [id_ for id_, _, _ in found] == [f"dbops.{each}" for each in expected]
