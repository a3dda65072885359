"""dbops_check --fix: the same schema and the same models, and nobody waits."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import pytest
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from dbops.core.catalog import Catalog
from dbops.core.compare import compare_catalogs
from dbops.operations.replay import open_replay
from tests.keeping import Keeper
from tests.lab import Lab

INITIAL = """\
migrations.CreateModel("Owner", [("id", models.AutoField(primary_key=True,
    serialize=False)), ("name", models.CharField(max_length=50))]),
migrations.CreateModel("Thing", [("id", models.AutoField(primary_key=True,
    serialize=False)), ("name", models.CharField(max_length=50)),
    ("size", models.IntegerField(null=True))], options={"indexes": [], "constraints":
    []}),
"""
INDEX = 'models.Index(fields=["name"], name="thing_name")'
CHECK = 'models.CheckConstraint(condition=models.Q(size__gt=0), name="size_check")'
UNIQUE = 'models.UniqueConstraint(fields=["name", "size"], name="uq_thing")'
PARTIAL = (
    'models.UniqueConstraint(fields=["name"], condition=models.Q(size__gt=3), '
    'name="uq_part")'
)
KEY = 'models.ForeignKey("Owner", models.CASCADE, null=True)'
AMONG_OTHERS = f"""\
migrations.AddField("thing", "note",
    models.TextField(null=True)),  # a note
migrations.AddIndex(model_name="thing",
    index={INDEX}),
# As it was.
migrations.AlterField("thing", "name", models.CharField(max_length=50)),
"""
OPERATIONS: dict[str, tuple[str, int]] = {
    "index": (
        f'# Searched by name.\nmigrations.AddIndex("thing", {INDEX}),',
        1,
    ),
    "index among others": (
        AMONG_OTHERS,
        3,
    ),
    "check": (f'migrations.AddConstraint("thing", {CHECK}),', 2),
    "unique": (
        f'migrations.AddConstraint("thing", {UNIQUE}),',
        1,
    ),
    "partial unique": (
        f'migrations.AddConstraint("thing", {PARTIAL}),',
        1,
    ),
    "not null": (
        'migrations.AlterField("thing", "size", models.IntegerField()),',
        3,
    ),
    "foreign key": (
        f'migrations.AddField("thing", "owner", {KEY}),',
        2,
    ),
}


def prepare(lab: Lab) -> None:
    """Make a table with many rows."""
    lab.write_migration("0001_initial", INITIAL)
    lab.run("migrate", "--verbosity", "0")
    lab.execute(
        f"INSERT INTO {lab.app}_thing (name, size) "
        "SELECT i::text, i FROM generate_series(1, 20000) AS i",
        f"ANALYZE {lab.app}_thing",
    )


@pytest.fixture
def lab(keeper: Keeper) -> Iterator[Lab]:
    with keeper.open_lab(prepare) as lab:
        yield lab


def build_schema(lab: Lab) -> Catalog:
    """Return what all migrations build."""
    with lab.open() as context, open_replay(context) as replay:
        executor = MigrationExecutor(replay.connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes(), True)
        replay.apply(migration for migration, _ in plan)
        return replay.fetch_catalog()


def list_files(lab: Lab) -> list[str]:
    folder = lab.directory / lab.app / "migrations"
    return sorted(each.stem for each in folder.glob("0*.py"))


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_fixed_migration_is_the_same_and_keeps_nobody_waiting(
    lab: Lab, name: str
) -> None:
    operations, files = OPERATIONS[name]
    lab.write_migration("0002_change", operations)
    before, state = build_schema(lab), read_state(lab)
    alarmed = lab.run("dbops_check", "--json")
    assert [each for each in alarmed.json["findings"] if is_lock(each)]

    fixed = lab.run("dbops_check", "--fix", "--yes", "--json")

    assert fixed.code == 0, fixed.err
    lab._forget_modules()
    assert len(list_files(lab)) == 1 + files, list_files(lab)
    for each in list_files(lab):
        ast.parse((lab.directory / lab.app / "migrations" / f"{each}.py").read_text())
    after = build_schema(lab)
    assert compare_catalogs(before, after).differences == ()
    left = lab.run("dbops_check", "--json")
    assert [each for each in left.json["findings"] if is_lock(each)] == []
    assert read_state(lab) == state
    migrated = lab.run("migrate", "--verbosity", "0")
    assert migrated.code == 0, migrated.err


def read_state(lab: Lab) -> list[str]:
    """Return what the migrations say of the models."""
    lab._forget_modules()
    with lab.open():
        state = MigrationLoader(None).project_state()
        return [
            f"{model.name} {name} {field.deconstruct()[1:]}"
            for model in state.models.values()
            if model.app_label == lab.app
            for name, field in sorted(model.fields.items())
        ] + [
            f"{model.name} {model.options.get('indexes')} "
            f"{model.options.get('constraints')}"
            for model in state.models.values()
            if model.app_label == lab.app
        ]


def is_lock(finding: dict[str, Any]) -> bool:
    id_: str = finding["id"]
    return id_.startswith("dbops.W10") and finding["level"] == "warning"


def test_what_it_writes(lab: Lab) -> None:
    lab.write_migration("0002_change", AMONG_OTHERS)
    folder = lab.directory / lab.app / "migrations"
    shown = lab.run("dbops_check", "--fix", "--dry-run", "--verbosity", "0")
    assert list_files(lab) == ["0001_initial", "0002_change"]

    lab.run("dbops_check", "--fix", "--yes")

    assert "+class Migration" in shown.out
    assert shown.out.endswith(
        "1 migration would be rewritten\nNext: manage.py dbops_check --fix\n"
    )
    added = (folder / "0003_add_thing_name.py").read_text()
    assert "    atomic = False\n" in added
    assert (
        '        AddIndexConcurrently(model_name="thing",\n'
        f"    index={INDEX}),\n    ]" in added
    )
    assert (
        "from django.contrib.postgres.operations import AddIndexConcurrently" in added
    )
    assert "        # As it was.\n" in (folder / "0004_go_on.py").read_text()
    assert "AddIndex" not in (folder / "0002_change.py").read_text()


def test_an_applied_migration_is_left_alone(lab: Lab) -> None:
    lab.write_migration("0002_change", OPERATIONS["index"][0])
    assert lab.run("migrate", "--verbosity", "0").code == 0
    path = lab.directory / lab.app / "migrations" / "0002_change.py"
    text = path.read_text()

    fixed = lab.run("dbops_check", lab.app, "--fix", "--yes", "--json")

    assert fixed.json["fixes"] == []
    assert path.read_text() == text


def test_a_migration_that_another_follows_is_not_split(lab: Lab) -> None:
    lab.write_migration("0002_change", OPERATIONS["check"][0])
    lab.write_migration("0003_later", "")

    fixed = lab.run("dbops_check", "--fix", "--yes", "--json")

    assert fixed.json["fixes"] == []
    [told] = fixed.json["refused"]
    assert told == (
        f'"{lab.app}.0002_change" is left alone: it would have to be split, and '
        f'"{lab.app}.0003_later" follows it'
    )


def test_it_does_not_rewrite_without_being_told(lab: Lab) -> None:
    lab.write_migration("0002_change", OPERATIONS["index"][0])

    fixed = lab.run("dbops_check", "--fix")

    assert fixed.code == 2
    assert "there is no terminal to ask on" in fixed.err


def test_sql_files_follow(lab: Lab) -> None:
    lab.write_migration("0002_check_sizes", OPERATIONS["check"][0])
    assert lab.run("makemigrations", "--sql").code == 0

    assert lab.run("dbops_check", "--fix", "--yes").code == 0

    lab._forget_modules()
    files = lab.directory / lab.app / "migrations" / "sql"
    first = (files / "0002_check_sizes" / "migration.sql").read_text()
    second = (files / "0003_validate_size_check" / "migration.sql").read_text()
    assert "NOT VALID" in first
    assert "VALIDATE CONSTRAINT" in second
    left = lab.run("dbops_check", "--json").json["findings"]
    assert {each["id"] for each in left} <= {"dbops.E010", "dbops.W002", "dbops.W003"}
    assert lab.run("dbops_deploy", "--json").code == 0
    assert lab.run("dbops_rollback", lab.app, "0001", "--yes", "--json").code == 0
