"""`dbops_drift --adopt`: a migration that follows what was changed by hand."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import models
from django.db.migrations.operations import SeparateDatabaseAndState
from django.db.migrations.state import ProjectState

from tests.databases import temporary_database
from tests.keeping import Keeper
from tests.lab import Lab

MODELS = """
migrations.CreateModel(
    "Owner",
    [("id", models.BigAutoField(primary_key=True)),
     ("mail", models.CharField(max_length=50, unique=True))],
),
migrations.CreateModel(
    "Thing",
    [("id", models.BigAutoField(primary_key=True)),
     ("name", models.CharField(max_length=50, db_index=True, help_text="A name")),
     ("note", models.TextField(null=True)),
     ("size", models.IntegerField(db_default=1)),
     ("price", models.IntegerField(default=0)),
     ("owner", models.ForeignKey("Owner", models.CASCADE))],
    options={
        "unique_together": {("name", "owner"), ("name", "note")},
        "indexes": [models.Index(fields=["price"], name="by_price")],
        "constraints": [
            models.CheckConstraint(condition=models.Q(price__gte=0), name="not_below"),
        ],
    },
),
"""


def prepare(lab: Lab) -> None:
    lab.write_migration("0001_initial", MODELS)
    assert lab.run("migrate", "--verbosity", "0").code == 0


@pytest.fixture
def lab(keeper: Keeper) -> Iterator[Lab]:
    with keeper.open_lab(prepare) as lab:
        yield lab


def change(lab: Lab, *statements: str) -> None:
    lab.execute(*(each.replace("thing", f"{lab.app}_thing") for each in statements))


def follow(lab: Lab) -> Any:
    """Write the migration; check that it is the whole truth, here and elsewhere."""
    outcome = lab.run("dbops_drift", "--adopt", "--json")
    assert outcome.code == 0, outcome.err
    report = outcome.json
    name = report["migration"].partition(".")[2]
    lab.names.append(name)
    settled = lab.run("dbops_resolve", lab.app, name, "--applied", "--no-input")
    assert settled.code == 0, settled.err + settled.out
    drift = lab.run("dbops_drift")
    assert drift.code == 0, drift.out
    with temporary_database() as other:
        mine, lab.target = lab.target, other
        assert lab.run("migrate", "--verbosity", "0").code == 0
        there = lab.fetch_catalog()
        lab.target = mine
    assert lab.run("dbops_drift").code == 0
    assert {(each.kind, each.name) for each in there.objects} >= {
        (each.kind, each.name)
        for each in lab.fetch_catalog().objects
        if each.kind == "column"
    }
    return report


def get_fields(lab: Lab, model: str = "thing") -> dict[str, Any]:
    """Return the fields after all of the lab's migrations."""
    state = ProjectState()
    for name in lab.names:
        module = importlib.import_module(f"{lab.app}.migrations.{name}")
        state = module.Migration(name, lab.app).mutate_state(state)
    return dict(state.models[lab.app, model].fields)


def get_operation(lab: Lab) -> Any:
    module = importlib.import_module(f"{lab.app}.migrations.{lab.names[-1]}")
    (operation,) = module.Migration.operations
    return operation


def test_a_new_column_becomes_a_field(lab: Lab) -> None:
    change(lab, "ALTER TABLE thing ADD tag varchar(20) NOT NULL DEFAULT 'it''s'")
    report = follow(lab)
    assert report["migration"] == f"{lab.app}.0002_adopt_{lab.app}_thing_tag"[:99]
    field = get_fields(lab)["tag"]
    assert isinstance(field, models.CharField)
    assert field.deconstruct()[3] == {"max_length": 20, "db_default": "it's"}
    assert report["edits"] == [
        {
            "model": f"{lab.app}.Thing",
            "text": 'tag = models.CharField(db_default="it\'s", max_length=20)',
        }
    ]


def test_an_index_more_is_the_databases_business_alone(lab: Lab) -> None:
    change(lab, "CREATE INDEX by_hand ON thing (lower(name)) WHERE price > 0")
    report = follow(lab)
    assert (report["edits"], report["unsaid"], report["left"]) == ([], [], [])
    assert not isinstance(get_operation(lab), SeparateDatabaseAndState)


def test_columns_of_many_types_become_the_fields_that_fit(lab: Lab) -> None:
    types = {
        "bigint": models.BigIntegerField,
        "boolean": models.BooleanField,
        "numeric(8,2)": models.DecimalField,
        "jsonb": models.JSONField,
        "timestamptz": models.DateTimeField,
        "uuid": models.UUIDField,
        "interval": models.DurationField,
        'text COLLATE "C"': models.TextField,
        "varchar": models.CharField,
    }
    for number, name in enumerate(types):
        change(lab, f"ALTER TABLE thing ADD c{number} {name}")
    change(lab, "ALTER TABLE thing ADD tags varchar(9)[] NOT NULL DEFAULT '{}'")
    report = follow(lab)
    fields = get_fields(lab)
    for number, kind in enumerate(types.values()):
        assert type(fields[f"c{number}"]) is kind
        assert fields[f"c{number}"].null
    assert fields["c2"].deconstruct()[3]["decimal_places"] == 2
    assert fields["c7"].deconstruct()[3]["db_collation"] == "C"
    assert fields["tags"].deconstruct()[3]["base_field"].max_length == 9
    assert report["unsaid"] == []


def test_what_django_has_no_field_for_is_told(lab: Lab) -> None:
    change(
        lab,
        "CREATE TYPE mood AS ENUM ('sad', 'glad')",
        "ALTER TABLE thing ADD mood mood NOT NULL",
        "ALTER TABLE thing ADD number bigint GENERATED ALWAYS AS IDENTITY",
    )
    report = follow(lab)
    table = f"{lab.app}_thing"
    assert report["unsaid"] == [
        f"column {table}.mood: Django has no field for mood, and its inserts will fail",
        f"column {table}.number: Django has no field for bigint",
    ]


def test_a_new_reference_becomes_a_foreign_key(lab: Lab) -> None:
    change(
        lab,
        f"ALTER TABLE thing ADD maker_id bigint REFERENCES {lab.app}_owner"
        " ON DELETE SET NULL",
        "CREATE INDEX makers ON thing (maker_id)",
    )
    follow(lab)
    field = get_fields(lab)["maker"]
    assert isinstance(field, models.ForeignKey)
    assert field.deconstruct()[3] == {
        "blank": True,
        "null": True,
        "on_delete": models.SET_NULL,
        "related_name": "+",
        "to": f"{lab.app}.owner",
    }


def test_an_odd_name_is_kept_as_the_column(lab: Lab) -> None:
    change(lab, 'ALTER TABLE thing ADD "Class" text', 'ALTER TABLE thing ADD "a b" int')
    follow(lab)
    fields = get_fields(lab)
    assert fields["class_field"].db_column == "Class"
    assert fields["a_b"].db_column == "a b"


def test_a_changed_column_changes_its_field(lab: Lab) -> None:
    change(
        lab,
        "ALTER TABLE thing ALTER name TYPE varchar(60)",
        "ALTER TABLE thing ALTER note SET NOT NULL",
        "ALTER TABLE thing ALTER size SET DEFAULT 7",
        "ALTER TABLE thing ALTER price TYPE bigint",
    )
    follow(lab)
    fields = get_fields(lab)
    name = fields["name"].deconstruct()[3]
    assert (name["max_length"], name["db_index"], name["help_text"]) == (
        60,
        True,
        "A name",
    )
    assert not fields["note"].null
    assert fields["size"].db_default == 7
    assert isinstance(fields["price"], models.BigIntegerField)
    assert fields["price"].default == 0


def test_what_went_is_no_longer_declared(lab: Lab) -> None:
    change(
        lab,
        "DROP INDEX by_price",
        "ALTER TABLE thing DROP CONSTRAINT not_below",
        "ALTER TABLE thing DROP COLUMN note",
        f"ALTER TABLE {lab.app}_owner DROP CONSTRAINT {lab.app}_owner_mail_key CASCADE",
    )
    for name in (
        lab.fetch_value(
            "SELECT conname FROM pg_constraint WHERE contype = 'f'"
            f" AND conrelid = '{lab.app}_thing'::regclass"
        ),
        lab.fetch_value(
            "SELECT conname FROM pg_constraint WHERE contype = 'u'"
            f" AND conrelid = '{lab.app}_thing'::regclass"
        ),
    ):
        lab.execute(f'ALTER TABLE {lab.app}_thing DROP CONSTRAINT "{name}"')
    report = follow(lab)
    fields = get_fields(lab)
    assert "note" not in fields
    lost = f"drops column {lab.app}_thing.note with its values"
    assert report["loses"] == [lost]
    path = lab.directory / lab.app / "migrations" / f"{lab.names[-1]}.py"
    assert path.read_text().startswith(f"# Loses, where it is deployed: {lost}\n")
    assert not fields["owner"].deconstruct()[3]["db_constraint"]
    assert not get_fields(lab, "owner")["mail"].unique


def test_functions_triggers_and_tables_come_along(lab: Lab) -> None:
    change(
        lab,
        "CREATE TABLE audit (at timestamptz DEFAULT now(), what text CHECK"
        " (what IN ('a', 'b')))",
        "CREATE FUNCTION note_it() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN\n"
        "  INSERT INTO audit (what) VALUES ('a'); -- 100% %s\n  RETURN NULL;\nEND$$",
        "CREATE TRIGGER noted AFTER INSERT ON thing EXECUTE FUNCTION note_it()",
        "CREATE VIEW named AS SELECT name FROM thing WHERE name IN ('x', 'y')",
    )
    report = follow(lab)
    assert report["edits"] == []
    folder = lab.directory / lab.app / "migrations"
    lines = (folder / f"{lab.names[-1]}.py").read_text().splitlines()
    (trigger,) = [each for each in lines if "CREATE TRIGGER" in each]
    assert trigger.strip().startswith("'CREATE TRIGGER noted"), trigger
    directory = folder / "sql" / lab.names[-1]
    assert "DROP TABLE public.audit" in (directory / "down.sql").read_text()
    undone = lab.run("dbops_rollback", lab.app, "0001", "--no-input")
    assert undone.code == 0, undone.err
    assert lab.run("dbops_drift").code == 0


def test_a_table_that_models_still_have_is_left_to_a_person(lab: Lab) -> None:
    change(lab, "DROP TABLE thing")
    outcome = lab.run("dbops_drift", "--adopt")
    assert outcome.code == 4
    assert "nothing of the drift can be written" in outcome.err
    assert not list((lab.directory / lab.app / "migrations").glob("0002*"))


def test_nothing_differs(lab: Lab) -> None:
    outcome = lab.run("dbops_drift", "--adopt")
    assert (outcome.code, outcome.out) == (0, "No drift: there is nothing to follow\n")


def test_an_app_of_others_is_refused(lab: Lab) -> None:
    change(lab, "ALTER TABLE thing ADD x int")
    outcome = lab.run("dbops_drift", "--adopt", "dbops")
    assert outcome.code == 2
    assert f"use one of: {lab.app}" in outcome.err


def test_pending_migrations_come_first(lab: Lab) -> None:
    change(lab, "ALTER TABLE thing ADD x int")
    lab.write_migration("0002_drop_note", 'migrations.RemoveField("Thing", "note"),')
    outcome = lab.run("dbops_drift", "--adopt")
    assert outcome.code == 4
    assert f"pending: {lab.app}.0002_drop_note" in outcome.err
    assert "dbops_deploy --allow-drift" in outcome.err


def test_a_file_that_cannot_be_written_leaves_none(lab: Lab) -> None:
    change(lab, "ALTER TABLE thing ADD x int")
    folder = lab.directory / lab.app / "migrations"
    (folder / "sql").write_text("in the way")
    outcome = lab.run("dbops_drift", "--adopt")
    assert outcome.code != 0
    assert not list(folder.glob("0002*"))


class TestSql:
    def test_is_played_before_it_is_printed(self, lab: Lab) -> None:
        change(lab, "ALTER TABLE thing ADD x int", "DROP INDEX by_price")
        outcome = lab.run("dbops_drift", "--sql")
        assert outcome.code == 3
        head, *_ = outcome.out.splitlines()
        assert head == (
            "-- played on a scratch database: gives what the migrations build"
        )
        lab.execute(outcome.out)
        assert lab.run("dbops_drift").code == 0

    def test_says_where_it_could_not_be_played(self, lab: Lab) -> None:
        lab.settings["IGNORE"] = ["theirs"]
        change(
            lab,
            "CREATE TABLE theirs (id int PRIMARY KEY)",
            "ALTER TABLE thing ADD x int REFERENCES theirs",
        )
        outcome = lab.run("dbops_drift", "--sql")
        assert outcome.out.startswith(
            "-- NOT PROVEN: the scratch database cannot be made like this one: "
            'relation "public.theirs" does not exist, at: ALTER TABLE'
        )
        assert "DROP COLUMN x" in outcome.out
        refused = lab.run("dbops_drift", "--adopt")
        assert refused.code == 4
        assert "does not lead to the schema that is there" in refused.err
