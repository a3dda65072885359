"""Pushing models without history, and what migrations make of it; resetting."""

from __future__ import annotations

import os
import random
import secrets
import sys
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.core.management.commands.makemigrations import Command as MakeMigrations
from django.test import override_settings
from psycopg import sql

from dbops.core.target import Target
from dbops.postgres.marks import Mark, fetch_marks, set_mark
from tests.databases import connect, require_superuser
from tests.lab import Lab, Outcome
from tests.walks import Walk, write_models

WALKS = int(os.environ.get("PUSH_WALKS", "2"))
STEPS = 4

RAISE = """
def raise_shelves(apps, schema_editor):
    apps.get_model("{app}", "Shelf").objects.update(floor=4)
"""

MODELS = """\
from django.db import models


class Shelf(models.Model):
    label = models.CharField(max_length=20)


class Book(models.Model):
    title = models.CharField(max_length=50)
    pages = models.IntegerField(null=True)
    shelf = models.ForeignKey(Shelf, models.CASCADE)
"""


@pytest.fixture
def lab(empty_lab: Lab) -> Iterator[Lab]:
    """Models, migrated, in a database that is marked as one for development."""
    with override_settings(DEBUG=True):
        change_models(empty_lab, MODELS)
        make_migration(empty_lab)
        assert empty_lab.run("migrate", "-v0").code == 0
        assert empty_lab.run("dbops_reset", "--mark-development").code == 0
        yield empty_lab
    forget_models(empty_lab)


def forget_models(lab: Lab) -> None:
    apps.all_models.pop(lab.app, None)
    apps.clear_cache()
    for name in [each for each in sys.modules if each.startswith(f"{lab.app}.")]:
        del sys.modules[name]


def change_models(lab: Lab, text: str) -> None:
    """Write models.py, and let the next command load it."""
    (lab.directory / lab.app / "models.py").write_text(text)
    forget_models(lab)


def change(lab: Lab, old: str, new: str) -> None:
    path = lab.directory / lab.app / "models.py"
    text = path.read_text()
    assert old in text
    change_models(lab, text.replace(old, new))


def make_migration(lab: Lab) -> Outcome:
    """Run Django's own makemigrations: no SQL files are needed here."""
    forget_models(lab)
    done = lab.run(MakeMigrations(), lab.app, "--no-input")  # type: ignore[arg-type]
    lab._forget_modules()
    assert done.code == 0, done.err
    return done


def migrate(lab: Lab) -> None:
    forget_models(lab)
    done = lab.run("migrate", "-v0")
    assert done.code == 0, done.err


def push(lab: Lab, *arguments: str) -> Outcome:
    forget_models(lab)
    return lab.run("dbops_push", *arguments)


def assert_nothing_differs(lab: Lab) -> None:
    """The migrations say what the models and the database have."""
    told = make_migration(lab).out
    assert "No changes detected" in told
    forget_models(lab)
    found = lab.run("dbops_drift", "--json").json
    assert found["differences"] == [], found["differences"]
    assert found["pending"] == []


def test_pushes_and_goes_on_with_a_migration(lab: Lab) -> None:
    lab.execute(f"INSERT INTO {lab.app}_shelf (label) VALUES ('a')")
    change(lab, "pages = ", "year = models.IntegerField(default=1984)\n    pages = ")
    change(lab, "label = ", "floor = models.SmallIntegerField(default=3)\n    label = ")
    done = push(lab)
    assert done.code == 0, done.err
    assert "Pushed: the schema is what the models say" in done.out
    assert lab.fetch_value(f"SELECT floor FROM {lab.app}_shelf") == 3
    assert push(lab).out.count("Nothing to push") == 1

    make_migration(lab)
    migrate(lab)
    assert_nothing_differs(lab)
    assert len(lab.fetch_history()) == 2
    # The way of the migrations is open again.
    change(lab, "year = ", "month = models.IntegerField(null=True)\n    year = ")
    make_migration(lab)
    migrate(lab)
    assert_nothing_differs(lab)


def test_a_deployment_says_that_the_schema_was_pushed(lab: Lab) -> None:
    change(lab, "pages = ", "year = models.IntegerField(null=True)\n    pages = ")
    assert push(lab).code == 0
    done = lab.run("dbops_deploy", "--dry-run")
    assert done.code == 4
    assert "it was pushed: manage.py makemigrations --name NAME" in done.err


def test_operations_on_data_run_where_the_schema_is_there(lab: Lab) -> None:
    lab.execute(f"INSERT INTO {lab.app}_shelf (label) VALUES ('a')")
    change(lab, "label = ", "floor = models.IntegerField(default=1)\n    label = ")
    assert push(lab).code == 0
    make_migration(lab)
    names = (lab.directory / lab.app / "migrations").glob("0*.py")
    lab.names = sorted(each.stem for each in names)
    lab.write_migration(
        "0003_raise_shelves",
        "migrations.RunPython(raise_shelves),",
        helpers=RAISE.format(app=lab.app),
    )
    migrate(lab)
    assert lab.fetch_value(f"SELECT floor FROM {lab.app}_shelf") == 4


def test_asks_before_anything_is_lost(lab: Lab) -> None:
    lab.execute(f"INSERT INTO {lab.app}_shelf (label) VALUES ('a'), ('b')")
    change(lab, "    label = models.CharField(max_length=20)\n", "    pass\n")
    before = lab.fetch_catalog()
    done = push(lab)
    assert done.code == 2
    assert f"drops column public.{lab.app}_shelf.label with its values" in (
        done.err.replace(f"column {lab.app}", f"column public.{lab.app}")
    )
    assert "(2 rows)" in done.err
    assert lab.fetch_catalog() == before

    looked = push(lab, "--dry-run")
    assert (looked.code, lab.fetch_catalog()) == (0, before)
    assert "DROP COLUMN label" in looked.out
    assert push(lab, "--accept-data-loss").code == 0
    assert lab.fetch_catalog() != before


def test_does_not_ask_about_what_has_no_rows(lab: Lab) -> None:
    change(lab, "    pages = models.IntegerField(null=True)\n", "")
    assert push(lab).code == 0


def test_refuses_what_rows_stand_against(lab: Lab) -> None:
    lab.execute(f"INSERT INTO {lab.app}_shelf (label) VALUES ('a long label')")
    before = lab.fetch_catalog()
    change(lab, "label = ", "code = models.UUIDField()\n    label = ")
    done = push(lab)
    assert done.code == 4
    assert "the model has no default for it, and 1 row would need a value" in done.err
    change(lab, "code = models.UUIDField()\n    ", "")
    change(lab, "max_length=20", "max_length=4")
    done = push(lab)
    assert done.code == 4
    assert "value too long" in done.err
    assert lab.fetch_catalog() == before


def test_null_becomes_the_default_where_null_is_no_more(lab: Lab) -> None:
    lab.execute(
        f"INSERT INTO {lab.app}_shelf (label) VALUES ('a')",
        f"INSERT INTO {lab.app}_book (title, shelf_id) VALUES ('x', 1)",
    )
    change(lab, "IntegerField(null=True)", "IntegerField(default=7)")
    assert push(lab).code == 0
    assert lab.fetch_value(f"SELECT pages FROM {lab.app}_book") == 7


def test_migrate_follows_models_that_changed_since_the_push(lab: Lab) -> None:
    change(lab, "pages = ", "year = models.IntegerField(null=True)\n    pages = ")
    assert push(lab).code == 0
    change(lab, "pages = ", "isbn = models.TextField(default='')\n    pages = ")
    make_migration(lab)
    migrate(lab)
    assert_nothing_differs(lab)


def test_migrate_refuses_to_lose_what_was_pushed(lab: Lab) -> None:
    change(lab, "pages = ", "year = models.IntegerField(null=True)\n    pages = ")
    assert push(lab).code == 0
    lab.execute(
        f"INSERT INTO {lab.app}_shelf (label) VALUES ('a')",
        f"INSERT INTO {lab.app}_book (title, year, shelf_id) VALUES ('x', 9, 1)",
    )
    change(lab, "year = models.IntegerField(null=True)\n    ", "")
    change(lab, "pages = ", "isbn = models.TextField(default='')\n    pages = ")
    make_migration(lab)
    forget_models(lab)
    done = lab.run("migrate", "-v0")
    assert done.code == 4
    assert "loses something: drops column" in done.err
    assert lab.fetch_value(f"SELECT year FROM {lab.app}_book") == 9
    assert push(lab, "--accept-data-loss").code == 0
    migrate(lab)
    assert_nothing_differs(lab)


# Guards


@pytest.mark.parametrize("command", [("dbops_push",), ("dbops_reset", "--yes")])
def test_refuses_without_debug(lab: Lab, command: tuple[str, ...]) -> None:
    with override_settings(DEBUG=False):
        done = lab.run(*command)
    assert done.code == 4
    assert "DEBUG is off" in done.err


@pytest.mark.parametrize("command", [("dbops_push",), ("dbops_reset", "--yes")])
def test_refuses_without_a_mark(lab: Lab, command: tuple[str, ...]) -> None:
    with connect(lab.target) as session:
        name = sql.Identifier(session.info.dbname)
        session.execute(sql.SQL("COMMENT ON DATABASE {} IS NULL").format(name))
    done = lab.run(*command)
    assert done.code == 4
    assert "has no mark that it is for development" in done.err
    assert "manage.py dbops_reset --mark-development" in done.err


@pytest.mark.parametrize(
    "command", [("dbops_push",), ("dbops_reset", "--mark-development")]
)
def test_refuses_a_server_elsewhere(lab: Lab, command: tuple[str, ...]) -> None:
    away = {**lab.target.parameters, "host": "db1.example.org"}
    lab.target = Target(alias="default", parameters=away)
    done = lab.run(*command)
    assert done.code == 4
    assert "is not on this machine: db1.example.org" in done.err


def test_leaves_what_else_the_comment_says(lab: Lab) -> None:
    with connect(lab.target) as session:
        name = sql.Identifier(session.info.dbname)
        session.execute(
            sql.SQL("COMMENT ON DATABASE {} IS 'Ada''s [own]'").format(name)
        )
        set_mark(session, Mark.DEVELOPMENT, "on")
        set_mark(session, Mark.PUSHED, "abc")
        assert fetch_marks(session) == {Mark.DEVELOPMENT: "on", Mark.PUSHED: "abc"}
        set_mark(session, Mark.PUSHED, None)
        set_mark(session, Mark.DEVELOPMENT, None)
        assert fetch_marks(session) == {}
    comment = "SELECT shobj_description(oid, 'pg_database') FROM pg_database"
    told = lab.fetch_value(f"{comment} WHERE datname = current_database()")
    assert told == "Ada's [own]"


def test_only_the_owner_may_mark(lab: Lab) -> None:
    require_superuser(lab.target)
    role = f"guest_{secrets.token_hex(4)}"
    name = sql.Identifier(role)
    with connect(lab.target) as session:
        session.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(name))
        try:
            session.execute(sql.SQL("SET ROLE {}").format(name))
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                set_mark(session, Mark.PUSHED, "abc")
        finally:
            session.execute("RESET ROLE")
            session.execute(sql.SQL("DROP ROLE {}").format(name))


# Reset


def test_begins_again(lab: Lab) -> None:
    lab.execute(
        f"INSERT INTO {lab.app}_shelf (label) VALUES ('a')", "CREATE TABLE stray ()"
    )
    before = {each for each in lab.fetch_catalog().objects if each.name != "stray"}
    looked = lab.run("dbops_reset", "--dry-run")
    assert looked.code == 0
    assert "would be dropped" in looked.out
    assert lab.fetch_value("SELECT to_regclass('stray') IS NOT NULL")

    done = lab.run("dbops_reset", "--yes")
    assert done.code == 0, done.err
    assert set(lab.fetch_catalog().objects) == before
    assert lab.fetch_value(f"SELECT count(*) FROM {lab.app}_shelf") == 0
    # The mark is on the new one, too.
    assert lab.run("dbops_reset", "--yes").code == 0


def test_asks_for_the_name_of_what_it_drops(lab: Lab) -> None:
    done = lab.run("dbops_reset")
    assert done.code == 2
    assert f'drops, and makes anew, database "{lab.target.database}"' in done.err


def test_seeds_what_the_settings_name(lab: Lab) -> None:
    done = lab.run("dbops_reset", "--yes", SEED="no_such_thing --x")
    assert done.code == 2
    assert 'names a command that there is not: "no_such_thing"' in done.err
    done = lab.run("dbops_reset", "--yes", "--json", SEED="dbops_status --json")
    assert (done.code, done.json["seed"]) == (0, "dbops_status --json")


def test_says_what_is_left_when_the_seed_fails(lab: Lab) -> None:
    done = lab.run("dbops_reset", "--yes", SEED="dbops_inspect nothing")
    assert done.code == 9
    assert 'was made anew, and then "dbops_inspect nothing" failed' in done.err


# Walks


def fetch_rows(lab: Lab) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the app's tables, by table."""
    with connect(lab.target) as session:
        names = session.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE %s",
            (f"{lab.app}_%",),
        ).fetchall()
        return {
            name: [
                row[0]
                for row in session.execute(
                    sql.SQL("SELECT to_jsonb(t) FROM {} AS t ORDER BY id").format(
                        sql.Identifier(name)
                    )
                ).fetchall()
            ]
            for (name,) in names
        }


def push_with(lab: Lab, asked: Any) -> Outcome:
    return push(lab, *(["--accept-data-loss"] if asked["loses"] else []))


def assert_nothing_lost(
    before: dict[str, list[dict[str, Any]]],
    after: dict[str, list[dict[str, Any]]],
    told: str,
) -> None:
    """Every value is still there, but for what was told."""
    for table, rows in before.items():
        if f"drops table {table} with its rows" in told:
            continue
        assert len(after[table]) == len(rows), table
        for old, new in zip(rows, after[table], strict=True):
            for column, value in old.items():
                if f"drops column {table}.{column} with its values" in told:
                    continue
                if value is not None:
                    assert str(new[column]) == str(value), (table, column)


@pytest.mark.parametrize("seed", range(WALKS))
def test_any_edits_can_be_pushed_and_then_migrated(lab: Lab, seed: int) -> None:
    walk = Walk(random=random.Random(seed))
    change_models(lab, write_models(walk.tables))
    assert push(lab, "--accept-data-loss").code == 0
    for step in range(STEPS):
        for statement in walk.write_rows(lab.app):
            lab.execute(statement)
        walk.edit()
        change_models(lab, write_models(walk.tables))
        before = fetch_rows(lab)
        asked = push(lab, "--dry-run", "--json").json
        if asked["loses"]:
            refused = push(lab)
            assert refused.code == 2
            assert fetch_rows(lab) == before
        done = push_with(lab, asked)
        if "could not create unique index" in done.err:
            # Rows are in the way: all is as before, and the model gives in.
            assert fetch_rows(lab) == before
            walk.give_in()
            change_models(lab, write_models(walk.tables))
            asked = push(lab, "--dry-run", "--json").json
            done = push_with(lab, asked)
        assert done.code == 0, (seed, step, done.err)
        assert_nothing_lost(before, fetch_rows(lab), " ".join(asked["loses"]))
        if walk.random.random() < 0.6:
            kept = fetch_rows(lab)
            make_migration(lab)
            migrate(lab)
            assert fetch_rows(lab) == kept
            assert_nothing_differs(lab)
    make_migration(lab)
    migrate(lab)
    assert_nothing_differs(lab)
