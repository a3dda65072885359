"""Enums from the models to the database and back, by the commands."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db.models import Case, F, Max, Subquery, Value, When
from django.test import override_settings

from tests.databases import temporary_database
from tests.lab import Lab, Outcome, open_lab

MODELS = """\
from django.contrib.postgres.fields import ArrayField
from django.db import models

from dbops.fields import EnumField


class Mood(models.TextChoices):
    SAD = "sad", "Sad"
    OK = "ok", "Okay"
    TOP = "top", "100 %"


class Cat(models.Model):
    name = models.CharField(max_length=20)
    mood = EnumField(enum_type='"Mood"', choices=Mood.choices, default="ok")
    moods = ArrayField(EnumField(enum_type='"Mood"', choices=Mood), default=list)
"""


@pytest.fixture
def lab(tmp_path: Path, django_db_blocker: Any) -> Iterator[Lab]:
    """A model with an enum, in a database that is marked as one for development."""
    with (
        django_db_blocker.unblock(),
        temporary_database() as target,
        open_lab(tmp_path, target) as lab,
        override_settings(DEBUG=True),
    ):
        change_models(lab, MODELS)
        yield lab
        forget(lab)


def forget(lab: Lab) -> None:
    apps.all_models.pop(lab.app, None)
    apps.clear_cache()
    for name in [each for each in sys.modules if each.startswith(f"{lab.app}.")]:
        del sys.modules[name]


def change_models(lab: Lab, text: str) -> None:
    (lab.directory / lab.app / "models.py").write_text(text)
    importlib.invalidate_caches()
    forget(lab)


def run(lab: Lab, command: str, *arguments: str) -> Outcome:
    forget(lab)
    return lab.run(command, *arguments)


def change(lab: Lab, old: str, new: str) -> None:
    text = (lab.directory / lab.app / "models.py").read_text()
    assert old in text
    change_models(lab, text.replace(old, new))


def find_sql(lab: Lab, name: str) -> tuple[str, str]:
    place: Path = lab.directory / lab.app / "migrations" / "sql" / name
    return (place / "migration.sql").read_text(), (place / "down.sql").read_text()


def assert_all_quiet(lab: Lab) -> None:
    checked = run(lab, "dbops_check", lab.app, "--json").json
    ids = {each["id"]: each["message"] for each in checked["findings"]}
    # A table is rewritten where a value goes: that is true.
    ids.pop("dbops.W101", None)
    assert ids == {}
    assert run(lab, "dbops_drift", "--json").json["differences"] == []
    assert "No changes detected" in run(lab, "makemigrations", "--check").out


def test_the_life_of_an_enum(lab: Lab) -> None:
    refused = run(lab, "makemigrations", "--apply", "--no-input")
    assert refused.code == 4
    assert "has no mark that it is for development" in refused.err
    assert not list((lab.directory / lab.app / "migrations").glob("0*.py"))
    assert run(lab, "migrate", "dbops", "-v0").code == 0
    assert run(lab, "dbops_reset", "--mark-development").code == 0

    made = run(lab, "makemigrations", "--apply", "--no-input")
    assert made.code == 0, made.err
    assert '  CREATE TYPE "Mood" AS ENUM' in made.out
    assert "    -- keeps nobody waiting" in made.out
    assert "the way back was tried here and rolled back" in made.out
    assert lab.fetch_history() == ["0001_initial"]
    table = f"{lab.app}_cat"
    lab.execute(
        f"INSERT INTO {table} (name, mood, moods) VALUES ('a', 'top', '{{sad,ok}}')"
    )

    # A value that is used at once comes in a migration of its own.
    change(lab, '    TOP = "top"', '    FINE = "fine", "Fine"\n    TOP = "top"')
    change(lab, 'default="ok"', 'db_default="fine"')
    named = run(lab, "makemigrations", "--name", "wip", "--no-input")
    assert named.code == 2
    assert f"makemigrations {lab.app} --name add_mood_fine" in named.err
    made = run(lab, "makemigrations", "--apply", "--no-input")
    assert made.code == 0, made.err
    assert len(lab.fetch_history()) == 3
    assert "ACCESS EXCLUSIVE on public." in made.out
    assert "ALTER TYPE \"Mood\" ADD VALUE 'fine' AFTER 'ok';" in made.out
    lab.execute(f"INSERT INTO {table} (name, moods) VALUES ('b', '{{}}')")
    assert lab.fetch_value(f"SELECT mood FROM {table} WHERE name = 'b'") == "fine"
    assert_all_quiet(lab)

    # A value that rows hold is not removed.
    change(lab, '    TOP = "top", "100 %"\n', "")
    refused = run(lab, "makemigrations", "--apply", "--no-input")
    assert refused.code == 4
    assert f"'top' is in 1 row of {table}.mood" in refused.err
    name = list_names(lab)[-1]
    assert name == "0004_alter_cat_mood_alter_cat_moods_remove_mood_top"
    forward, back = find_sql(lab, name)
    assert "'top' = ANY (moods)" in forward
    assert 'TYPE "Mood"[] USING moods::text[]::"Mood"[]' in forward
    assert "ADD VALUE 'top' AFTER 'fine'" in back
    assert "gives back the schema exactly" in back
    lab.execute(f"UPDATE {table} SET mood = 'ok' WHERE mood = 'top'")
    assert run(lab, "migrate", "-v0").code == 0
    assert_all_quiet(lab)

    use_every_queryset_method(lab)
    go_back_and_forward_with_rows(lab)
    push_what_changes_types(lab)
    tell_of_a_way_back_that_rows_stand_against(lab)


def list_names(lab: Lab) -> list[str]:
    return sorted(
        each.stem for each in (lab.directory / lab.app / "migrations").glob("0*.py")
    )


def use_every_queryset_method(lab: Lab) -> None:
    lab.execute(f"TRUNCATE {lab.app}_cat")
    forget(lab)
    with lab.open():
        model: Any = apps.get_model(lab.app, "Cat")
        cats = model.objects
        cats.bulk_create(
            model(name=each, mood=each, moods=[each, "ok"])
            for each in ("fine", "sad", "ok")
        )
        # In the order of the type, not of the alphabet.
        ordered = cats.order_by("mood").values_list("mood", flat=True)
        assert list(ordered) == ["sad", "ok", "fine"]
        assert cats.aggregate(top=Max("mood")) == {"top": "fine"}
        assert cats.filter(mood__gt="sad").count() == 2
        assert cats.filter(mood__in=["sad", "fine"]).count() == 2
        chosen = Case(When(name="sad", then=Value("sad")), default=Value("fine"))
        assert cats.filter(mood=chosen).count() == 2
        assert cats.filter(mood__lte=F("mood"), mood__icontains="A").count() == 1
        assert cats.filter(mood=F("name")).count() == 3
        text = cats.filter(pk=F("pk"), name="sad").values("name")[:1]
        assert cats.filter(mood=Subquery(text)).get().name == "sad"
        assert cats.filter(moods__contains=["sad"]).get().moods == ["sad", "ok"]
        assert cats.filter(moods__overlap=["sad", "fine"]).count() == 2
        assert cats.filter(moods__0="fine").get().name == "fine"
        assert set(cats.values_list("moods__1", flat=True)) == {"ok"}
        assert cats.update(mood=chosen) == 3
        assert cats.filter(mood="fine").count() == 2
        rows = list(cats.order_by("name"))
        for row in rows:
            row.mood, row.moods = "ok", []
        assert cats.bulk_update(rows, ["mood", "moods"]) == 3
        assert list(cats.values_list("mood", "moods").distinct()) == [("ok", [])]
        again, _ = cats.update_or_create(name="sad", defaults={"mood": "sad"})
        assert cats.in_bulk([again.pk])[again.pk].mood == "sad"
        assert cats.exclude(mood="ok").get().name == "sad"
        merged = cats.filter(mood="ok").union(cats.filter(mood="sad"))
        assert merged.count() == 3


def go_back_and_forward_with_rows(lab: Lab) -> None:
    there = lab.fetch_catalog()
    lab.execute(f"TRUNCATE {lab.app}_cat")
    lab.execute(
        f"INSERT INTO {lab.app}_cat (name, mood, moods) VALUES ('a', 'fine', '{{ok}}')"
    )
    refused = run(lab, "dbops_rollback", lab.app, "0001_initial", "--yes")
    assert "'fine' is in 1 row" in refused.err
    lab.execute(f"UPDATE {lab.app}_cat SET mood = 'sad'")
    done = run(lab, "dbops_rollback", lab.app, "0001_initial", "--yes")
    assert done.code == 0, done.err
    assert lab.fetch_value(f"SELECT mood FROM {lab.app}_cat") == "sad"
    assert run(lab, "migrate", "-v0").code == 0
    assert lab.fetch_catalog() == there


def push_what_changes_types(lab: Lab) -> None:
    change(lab, '    SAD = "sad", "Sad"\n', '    LOW = "low", "Low"\n')
    change(
        lab,
        "    name = ",
        "    kind = EnumField(enum_type='kind', choices=[('a', 'A')], null=True)\n"
        "    name = ",
    )
    lab.execute(f"UPDATE {lab.app}_cat SET mood = 'ok', moods = '{{}}'")
    pushed = run(lab, "dbops_push", "--accept-data-loss")
    assert pushed.code == 0, pushed.err
    assert "'low', 'ok', 'fine'" in str(
        [each for each in lab.fetch_catalog().objects if each.name == '"Mood"']
    )
    made = run(lab, "makemigrations", "--name", "add_cat_kind", "--no-input")
    assert made.code == 0, made.err
    assert run(lab, "migrate", "-v0").code == 0
    assert_all_quiet(lab)


def tell_of_a_way_back_that_rows_stand_against(lab: Lab) -> None:
    change(lab, "    name = models.CharField(max_length=20)\n", "")
    done = run(lab, "makemigrations", "--apply", "-n", "drop_cat_name", "--no-input")
    assert done.code == 3
    assert lab.fetch_history()[-1].endswith("_drop_cat_name")
    assert "its way back does not work: it fails on the rows that are here" in done.err
    assert 'column "name" of relation' in done.err


def test_what_is_pulled_can_be_changed(lab: Lab) -> None:
    lab.execute(
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE TABLE cats (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,"
        " moods mood[] NOT NULL)",
    )
    folder = lab.directory / lab.app
    shutil.rmtree(folder / "migrations")
    (folder / "models.py").write_text("")
    pulled = run(lab, "dbops_pull", "--app", lab.app, "--output", str(folder))
    assert pulled.code == 0, pulled.err
    assert "No changes detected" in run(lab, "makemigrations", "--check").out
    assert run(lab, "dbops_baseline", "--yes").code == 0
    with lab.open():
        cats = apps.get_model(lab.app, "Cats").objects
        cats.create(moods=["ok", "sad"])
        assert cats.get().moods == ["ok", "sad"]
    change(lab, "    SAD = ", '    LOW = "low", "low"\n    SAD = ')
    made = run(lab, "makemigrations", "-n", "add_low_mood", "--no-input")
    assert made.code == 0, made.err
    forward, back = find_sql(lab, "0002_add_low_mood")
    assert "ALTER TYPE mood ADD VALUE 'low' BEFORE 'sad';" in forward
    assert "gives back the schema exactly" in back


def test_apply_goes_with_making_alone(lab: Lab) -> None:
    for option in ("--check", "--dry-run", "--sql", "--merge"):
        done = run(lab, "makemigrations", "--apply", option)
        assert done.code == 2
        assert f"so {option} does not go with it" in done.err
