"""The rule "locks" of dbops_check: what migrations keep an application waiting for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dbops.errors import ToolFailed
from dbops.operations.check.squawk import find_squawk
from tests.keeping import Keeper
from tests.lab import Lab, Outcome

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


def prepare(lab: Lab) -> None:
    """Make two tables that are in use, with 20,000 rows each."""
    lab.write_migration("0001_initial", OWNER + THING)
    lab.run("migrate", "--verbosity", "0")
    for table in ("owner", "thing"):
        lab.execute(
            f"INSERT INTO {lab.app}_{table} (name) "
            "SELECT 'a' FROM generate_series(1, 20000)",
            f"ANALYZE {lab.app}_{table}",
        )


@pytest.fixture
def lab(keeper: Keeper) -> Iterator[Lab]:
    with keeper.open_lab(prepare) as lab:
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


def test_a_finding_names_the_line_and_the_way_out(lab: Lab) -> None:
    lab.write_migration(
        "0002_change",
        'migrations.AddField("thing", "note", models.TextField(null=True)),\n'
        "migrations.SeparateDatabaseAndState([\n"
        'migrations.RunSQL("CREATE INDEX i ON " + TABLE + " (name)")]),\n',
        helpers=f'TABLE = "{lab.app}_thing"',
    )
    path = lab.directory / lab.app / "migrations" / "0002_change.py"
    lines = path.read_text().splitlines()

    findings = check(lab).json["findings"]

    [finding] = [each for each in findings if each["id"] == "dbops.W104"]
    assert "CREATE INDEX" in lines[finding["line"] - 1]
    assert finding["path"] == str(path)
    assert "AddIndexConcurrently" in finding["hint"]
    assert f'"public.{lab.app}_thing"' in finding["message"]


def test_small_tables_are_notes(lab: Lab) -> None:
    operations, _ = OPERATIONS["index"]
    lab.write_migration("0002_change", operations)

    large = list_locks(check(lab))
    small = check(lab, LOCK_RULES_MIN_ROWS=50_000)

    assert [level for _, level, _ in large] == ["warning"]
    assert [level for _, level, _ in list_locks(small)] == ["info"]


def test_a_table_made_by_a_pending_migration_is_small(lab: Lab) -> None:
    lab.write_migration("0002_make", OWNER.replace('"Owner"', '"Other"', 1))
    lab.write_migration(
        "0003_index",
        'migrations.AddIndex("other", models.Index(fields=["name"], name="i")),',
    )

    assert [level for _, level, _ in list_locks(check(lab))] == ["info"]


def test_a_small_table_that_stays_locked_while_a_large_one_is_worked_on(
    lab: Lab,
) -> None:
    lab.execute(f"DELETE FROM {lab.app}_owner", f"VACUUM (ANALYZE) {lab.app}_owner")
    lab.write_migration(
        "0002_change",
        'migrations.AddField("owner", "note", models.TextField(null=True)),'
        + OPERATIONS["index"][0],
    )

    found = list_locks(check(lab))

    assert [(id_, level) for id_, level, _ in found] == [
        ("dbops.W104", "warning"),
        ("dbops.W106", "warning"),
    ]


@pytest.mark.parametrize("reason", ["'nobody is here at night'", "''", "None"])
def test_a_finding_is_silenced_with_a_reason(lab: Lab, reason: str) -> None:
    operations, _ = OPERATIONS["index"]
    lab.write_migration("0002_change", operations)
    path = lab.directory / lab.app / "migrations" / "0002_change.py"
    silenced = f"    dbops_silenced = {{'dbops.W104': {reason}}}\n    operations ="
    path.write_text(path.read_text().replace("    operations =", silenced))
    lab._forget_modules()

    outcome = check(lab)
    ids = [id_ for id_, _, _ in list_locks(outcome)]

    if reason.startswith("'n"):
        assert ids == []
        assert outcome.json["silenced"] == 1
        assert outcome.json["answered_for"][0]["reason"] == "nobody is here at night"
        told = lab.run("dbops_check", "--verbosity", "2").out
        assert "Silenced: nobody is here at night" in told
        assert "(1 silenced)" in told
    else:
        assert ids == ["dbops.W104", "dbops.W111"]


def test_silencing_is_no_edit_of_an_applied_migration(lab: Lab) -> None:
    assert lab.run("dbops_deploy", "--json").code == 0
    lab.write_migration("0002_more", "")
    assert lab.run("dbops_deploy", "--json").code == 0
    path = lab.directory / lab.app / "migrations" / "0002_more.py"
    path.write_text(
        path.read_text().replace(
            "    operations =",
            "    dbops_silenced = {'dbops.W104': 'why'}\n    operations =",
        )
    )
    lab._forget_modules()

    assert "dbops.W006" not in {each["id"] for each in check(lab).json["findings"]}


def test_named_apps_are_judged_though_they_are_applied(lab: Lab) -> None:
    lab.write_migration("0002_change", OPERATIONS["index"][0])
    assert lab.run("migrate", "--verbosity", "0").code == 0

    assert list_locks(check(lab)) == []
    assert [id_ for id_, _, _ in list_locks(check(lab, lab.app))] == ["dbops.W104"]


def test_an_empty_database_judges_what_has_sql_files_as_if_it_were_large(
    lab: Lab,
) -> None:
    lab.write_migration("0002_old", OPERATIONS["index"][0])
    lab.write_migration(
        "0003_new",
        OPERATIONS["bigint"][0],
        down="-- dbops: nothing to do",
    )
    lab.execute(
        "DELETE FROM django_migrations",
        f"DROP TABLE {lab.app}_thing, {lab.app}_owner",
        "DROP TABLE IF EXISTS dbops_step, dbops_deployment CASCADE",
    )

    found = check(lab)

    assert [(id_, level) for id_, level, _ in list_locks(found)] == [
        ("dbops.W101", "warning")
    ]


def test_without_a_server_the_sql_files_are_judged(lab: Lab) -> None:
    for number, name in enumerate(("text", "bigint", "index", "python"), start=2):
        lab.write_migration(f"000{number}_change", OPERATIONS[name][0])
    assert lab.run("makemigrations", "--sql").code == 0

    outcome = check(lab, "--no-server")

    found = [(id_, level) for id_, level, _ in list_locks(outcome)]
    assert found == [("dbops.W101", "warning"), ("dbops.W104", "warning")]


def test_without_the_parser_it_says_so(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.write_migration("0002_change", OPERATIONS["index"][0])
    monkeypatch.setattr("dbops.core.hazards.parsing.PACKAGE", "no_such_package")

    outcome = check(lab)

    assert "locks" not in outcome.json["checked"]
    [note] = [each for each in outcome.json["findings"] if each["id"] == "dbops.W110"]
    assert note["hint"] == "pip install 'django-dbops[rules]'"


def test_concurrent_operations_keep_nobody_waiting(lab: Lab) -> None:
    index = 'models.Index(fields=["name"], name="i")'
    lab.write_migration(
        "0002_build",
        f'AddIndexConcurrently("thing", {index}),',
        helpers=HELPERS,
        atomic=False,
    )

    assert list_locks(check(lab)) == []


def test_each_statement_of_a_non_atomic_migration_is_by_itself(lab: Lab) -> None:
    lab.write_migration(
        "0002_change",
        OPERATIONS["constant default"][0] + OPERATIONS["index"][0],
        atomic=False,
    )

    assert [id_ for id_, _, _ in list_locks(check(lab))] == ["dbops.W104"]


def test_squawk_is_told_apart(lab: Lab) -> None:
    try:
        find_squawk()
    except ToolFailed:
        pytest.skip("squawk-cli is in requirements/test.txt, and not installed")
    lab.write_migration("0002_change", OPERATIONS["index"][0])

    outcome = check(lab, "--squawk")

    assert "squawk.require-concurrent-index-creation" in {
        each["id"] for each in outcome.json["squawk"]
    }


def test_squawk_that_is_not_there(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbops.operations.check.squawk.PROGRAM", "no-such-squawk")

    outcome = check(lab, "--squawk")

    assert outcome.code == 6
    assert outcome.json["error"]["hint"] == "pip install squawk-cli"


def test_mixed_case_names_in_another_schema(lab: Lab) -> None:
    table = 'CREATE TABLE "Sales"."Order" (id int, "Note" varchar(9))'
    lab.execute(
        'CREATE SCHEMA "Sales"',
        table,
        'INSERT INTO "Sales"."Order" SELECT i FROM generate_series(1, 20000) AS i',
        'ANALYZE "Sales"."Order"',
    )
    made = f'CREATE SCHEMA "Sales"; {table}'
    lab.write_migration("0002_make", f"migrations.RunSQL({made!r}),")
    lab.execute(
        "INSERT INTO django_migrations (app, name, applied) "
        f"VALUES ('{lab.app}', '0002_make', now())"
    )
    longer = 'ALTER TABLE "Sales"."Order" ALTER "Note" TYPE varchar(20)'
    other = 'ALTER TABLE "Sales"."Order" ALTER "Note" TYPE int USING 1'
    lab.write_migration("0003_alter", f"migrations.RunSQL([{longer!r}, {other!r}]),")

    [finding] = [
        each
        for each in check(lab).json["findings"]
        if each["id"].startswith("dbops.W10") and each["level"] == "warning"
    ]

    assert finding["id"] == "dbops.W101"
    assert (
        'rewrites "Sales.Order" while nobody may read or write it'
        in (finding["message"])
    )
