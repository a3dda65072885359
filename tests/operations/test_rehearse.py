"""Rehearsals: what runs, what leads back, what is locked, and what stays untouched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.databases import temporary_database
from tests.lab import Lab, open_lab

FIRST = """\
migrations.CreateModel(
    "Thing",
    [("id", models.BigAutoField(primary_key=True)),
     ("name", models.CharField(max_length=50, db_index=True)),
     ("slug", models.CharField(max_length=50, null=True)),
     ("size", models.IntegerField(default=0)),
     ("seen_at", models.DateTimeField(null=True))],
),
"""

GONE = "{} is dropped and made again: values would be gone; there are none here"
MOVED = "table {}: other values in column seen_at, with TimeZone Asia/Kathmandu"


@pytest.fixture
def lab(tmp_path: Path, django_db_blocker: Any) -> Iterator[Lab]:
    with (
        django_db_blocker.unblock(),
        temporary_database() as target,
        open_lab(tmp_path, target) as lab,
    ):
        lab.write_migration("0001_initial", FIRST)
        yield lab


@pytest.fixture
def filled(lab: Lab) -> Lab:
    """The lab with its first migration applied, and rows in its table."""
    assert lab.run("migrate", "-v", "0").code == 0
    lab.execute(
        f"INSERT INTO {lab.app}_thing (name, slug, size, seen_at)"
        " SELECT 'thing ' || n, 'slug ' || n, n, '2026-01-01 10:00+00'::timestamptz"
        " FROM generate_series(1, 500) AS n"
    )
    return lab


def rehearse(lab: Lab, *arguments: str, code: int = 0) -> dict[str, Any]:
    """Rehearse on a new backup, and return what was found by the migration's name."""
    if "--schema-only" not in arguments:
        arguments = ("--backup", "new", *arguments)
    outcome = lab.run("dbops_rehearse", "--json", *arguments)
    assert outcome.code == code, outcome.out + outcome.err
    found = outcome.json["migrations"]
    return {each["id"].removeprefix(f"{lab.app}."): each for each in found}


def get_verdicts(found: dict[str, Any]) -> dict[str, str]:
    return {name: each["round_trip"] for name, each in found.items()}


def tell_losses(found: Any) -> list[tuple[str, str]]:
    return [(each["kind"], each["text"]) for each in found["losses"]]


def test_tells_each_kind_of_verdict_apart(filled: Lab) -> None:
    table = f"{filled.app}_thing"
    filled.write_migration(
        "0002_add_color",
        'migrations.AddField("Thing", "color",'
        ' models.CharField(max_length=9, default="")),',
    )
    filled.write_migration(
        "0003_widen_name",
        'migrations.AlterField("Thing", "name",'
        " models.CharField(max_length=80, db_index=True)),",
        down=f"ALTER TABLE {table} ALTER COLUMN name TYPE varchar(50);",
    )
    filled.write_migration(
        "0004_remove_size",
        'migrations.RemoveField("Thing", "size"),',
        down="-- dbops: irreversible: sizes are of no use",
    )
    filled.write_migration(
        "0005_note", "migrations.RunSQL('COMMENT ON SCHEMA public IS NULL'),"
    )
    filled.write_migration(
        "0006_remove_color",
        'migrations.RemoveField("Thing", "color"),',
        down=f"ALTER TABLE {table} ADD COLUMN color varchar(9) NOT NULL DEFAULT '';"
        f"ALTER TABLE {table} ALTER COLUMN color DROP DEFAULT;",
    )
    filled.write_migration(
        "0007_remove_slug",
        'migrations.RemoveField("Thing", "slug"),',
    )
    filled.write_migration(
        "0008_count_rows",
        'migrations.RunSQL("SELECT 1", "SELECT 1 / 0"),',
    )

    found = rehearse(filled, code=3)

    assert get_verdicts(found) == {
        "0002_add_color": "identical",
        "0003_widen_name": "identical",
        "0004_remove_size": "irreversible",
        "0005_note": "irreversible",
        "0006_remove_color": "identical",
        "0007_remove_slug": "lossy",
        "0008_count_rows": "failed",
    }
    assert found["0004_remove_size"]["reason"] == "declared: sizes are of no use"
    assert found["0005_note"]["reason"].startswith("operation 1 (SQL COMMENT ON")
    assert tell_losses(found["0007_remove_slug"]) == [
        ("values", f"table {table}: other values in column slug")
    ]
    failure = found["0008_count_rows"]["failure"]
    assert failure["stage"] == "back"
    assert failure["message"] == "division by zero"
    assert failure["number"] == 1
    assert failure["file"].endswith("0008_count_rows.py")


def test_says_equivalent_where_only_the_order_of_columns_is_another(
    filled: Lab,
) -> None:
    filled.execute(f"UPDATE {filled.app}_thing SET slug = NULL")
    filled.write_migration(
        "0002_remove_and_keep",
        """
        migrations.RunSQL(
            'ALTER TABLE {app}_thing DROP COLUMN slug, ADD COLUMN old text',
            'ALTER TABLE {app}_thing DROP COLUMN old, ADD COLUMN slug varchar(50)'),
        """.replace("{app}", filled.app),
    )

    found = rehearse(filled, code=3)["0002_remove_and_keep"]

    # There were no values that could have been kept: nobody knows, and says so.
    assert tell_losses(found) == [
        ("values", GONE.format(f"column slug of {filled.app}_thing")),
    ]
    assert [note for note in found["notes"] if "column order" in note]


def test_notices_the_index_of_another_migration_that_a_reverse_drops(
    filled: Lab,
) -> None:
    filled.write_migration(
        "0002_make_names_unique",
        'migrations.AddConstraint("Thing", models.UniqueConstraint('
        'fields=["name"], condition=models.Q(size__gt=0), name="once")),',
    )
    filled.write_migration(
        "0003_drop_index",
        'migrations.AlterField("Thing", "name", models.CharField(max_length=50)),',
    )

    found = rehearse(filled, code=3)

    assert get_verdicts(found) == {
        "0002_make_names_unique": "identical",
        "0003_drop_index": "lossy",
    }
    [loss] = found["0003_drop_index"]["losses"]
    assert loss["kind"] == "index"
    assert loss["migration"] == f"{filled.app}.0002_make_names_unique"


def test_notices_the_same_schema_with_other_instants(filled: Lab) -> None:
    column = f"{filled.app}_thing ALTER COLUMN seen_at TYPE"
    filled.write_migration(
        "0002_drop_zone",
        f"""
        migrations.RunSQL(
            "ALTER TABLE {column} timestamp USING seen_at AT TIME ZONE 'UTC'",
            "ALTER TABLE {column} timestamptz"),
        """,
    )

    found = rehearse(filled, code=3)["0002_drop_zone"]

    assert found["round_trip"] == "lossy"
    assert tell_losses(found) == [("values", MOVED.format(f"{filled.app}_thing"))]


def test_notices_rows_that_a_reverse_leaves(filled: Lab) -> None:
    filled.write_migration(
        "0002_add_rows",
        "migrations.RunPython(add, migrations.RunPython.noop),",
        helpers="def add(apps, editor):\n"
        f'    apps.get_model("{filled.app}", "Thing").objects.create(name="new")\n',
    )

    found = rehearse(filled, code=3)["0002_add_rows"]

    assert found["round_trip"] == "lossy"
    assert tell_losses(found) == [
        ("rows", f"table {filled.app}_thing: 501 rows, 500 before")
    ]
    [statement] = found["statements"]
    assert statement["line"] == 4
    assert statement["changes"] == [{"relation": f"{filled.app}_thing", "rows": 1}]
