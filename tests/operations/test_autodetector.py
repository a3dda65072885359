"""What makemigrations makes of a change of choices: no server is asked."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.contrib.postgres.fields import ArrayField
from django.core.management.base import OutputWrapper
from django.db import models
from django.db.migrations import Migration
from django.db.migrations.graph import MigrationGraph
from django.db.migrations.operations import RunPython, RunSQL
from django.db.migrations.operations.base import Operation
from django.db.migrations.questioner import (
    InteractiveMigrationQuestioner,
    MigrationQuestioner,
)
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter

from dbops.enums import (
    AddEnumValue,
    CreateEnum,
    DropEnum,
    RemoveEnumValues,
    RenameEnum,
    RenameEnumValue,
)
from dbops.fields import EnumField
from dbops.operations.autodetector import Autodetector
from dbops.operations.check.enums import find_early_uses

Fields = dict[str, Any]


def mood(*values: str, **options: Any) -> EnumField:
    choices = [(each, each.title()) for each in values]
    return EnumField(enum_type="mood", choices=choices, **options)


def build_state(tables: dict[str, Fields]) -> ProjectState:
    state = ProjectState()
    for name, given in tables.items():
        app, _, model = name.rpartition(".")
        fields = {"id": models.BigAutoField(primary_key=True), **given}
        state.add_model(ModelState(app or "zoo", model, list(fields.items())))
    return state


def migrate(app: str, *operations: Operation) -> Migration:
    parts = {"operations": list(operations), "dependencies": []}
    kind: type[Migration] = type("Migration", (Migration,), parts)
    return kind("0001_initial", app)


def detect(
    old: dict[str, Fields],
    new: dict[str, Fields],
    *made: Migration,
    **answers: bool,
) -> dict[str, list[Migration]]:
    graph = MigrationGraph()
    for each in made:
        graph.add_node((each.app_label, each.name), each)
    questioner = MigrationQuestioner(
        specified_apps={"zoo", "farm"}, defaults={"ask_initial": True, **answers}
    )
    detector = Autodetector(build_state(old), build_state(new), questioner)
    found: dict[str, list[Migration]] = detector.changes(graph)
    return found


def tell(migrations: list[Migration]) -> list[list[str]]:
    """Return what each migration does, one line an operation."""
    for each in migrations:
        assert not list(find_early_uses(each)), each.operations
        # What is written can be read.
        MigrationWriter(each, include_header=False).as_string()
    return [
        [operation.describe() for operation in each.operations] for each in migrations
    ]


def test_makes_a_type_before_its_first_table() -> None:
    found = detect({}, {"Cat": {"mood": mood("sad", "ok")}})
    assert tell(found["zoo"]) == [["Create enum mood", "Create model Cat"]]
    (made, _) = found["zoo"][0].operations
    assert isinstance(made, CreateEnum)
    assert made.values == ["sad", "ok"]


def test_makes_a_type_before_a_new_column() -> None:
    found = detect({"Cat": {}}, {"Cat": {"mood": mood("sad", null=True)}})
    assert tell(found["zoo"]) == [["Create enum mood", "Add field mood to cat"]]


def test_makes_a_type_for_an_array() -> None:
    field = ArrayField(mood("sad"))
    found = detect({"Cat": {}}, {"Cat": {"moods": field}})
    assert tell(found["zoo"])[0][0] == "Create enum mood"


def test_makes_a_type_before_text_becomes_of_it() -> None:
    found = detect(
        {"Cat": {"mood": models.TextField()}}, {"Cat": {"mood": mood("sad")}}
    )
    assert tell(found["zoo"]) == [["Create enum mood", "Alter field mood on cat"]]


def test_does_not_make_what_a_migration_has_made() -> None:
    made = migrate("zoo", RunSQL("CREATE TYPE mood AS ENUM ('sad')"))
    found = detect({"Cat": {}}, {"Cat": {"mood": mood("sad", null=True)}}, made)
    assert tell(found["zoo"]) == [["Add field mood to cat"]]


def test_makes_again_what_was_dropped() -> None:
    for each in (
        [CreateEnum("mood", ["sad"]), DropEnum("mood", ["sad"])],
        [RunSQL("CREATE TYPE public.mood AS ENUM ('sad'); DROP TYPE public.mood")],
        [CreateEnum("mood", ["sad"]), RenameEnum("mood", "spirit")],
    ):
        made = migrate("zoo", *each)
        found = detect({"Cat": {}}, {"Cat": {"mood": mood("sad")}}, made)
        assert tell(found["zoo"])[0][0] == "Create enum mood"


def test_one_app_makes_a_type_for_two() -> None:
    fields = {"mood": mood("sad")}
    found = detect({}, {"Cat": fields, "farm.Cow": {"mood": mood("sad")}})
    assert tell(found["farm"]) == [["Create enum mood", "Create model Cow"]]
    assert tell(found["zoo"]) == [["Create model Cat"]]
    assert ("farm", "0001_initial") in found["zoo"][0].dependencies


def test_a_second_app_waits_for_the_one_that_has_the_type() -> None:
    made = Migration("0001_initial", "zoo")
    old = {"Cat": {"mood": mood("sad")}}
    new = old | {"farm.Cow": {"mood": mood("sad")}}
    found = detect(old, new, made)
    assert tell(found["farm"]) == [["Create model Cow"]]
    assert found["farm"][0].dependencies == [("zoo", "0001_initial")]


def test_adds_values_where_they_stand() -> None:
    old = {"Cat": {"mood": mood("sad", "ok")}}
    found = detect(old, {"Cat": {"mood": mood("low", "sad", "fine", "ok", "top")}})
    (migration,) = found["zoo"]
    added = [each for each in migration.operations if isinstance(each, AddEnumValue)]
    assert [(each.value, each.before, each.after) for each in added] == [
        ("low", "sad", None),
        ("fine", None, "sad"),
        ("top", None, "ok"),
    ]
    assert tell([migration])[0][-1] == "Alter field mood on cat"


def test_a_value_that_is_used_at_once_comes_in_a_migration_of_its_own() -> None:
    old = {"Cat": {"mood": mood("sad")}}
    new = {"Cat": {"mood": mood("sad", "ok", default="ok")}}
    found = detect(old, new, Migration("0001_initial", "zoo"))["zoo"]
    assert tell(found) == [
        ["Add value 'ok' to enum mood"],
        ["Alter field mood on cat"],
    ]
    assert found[1].dependencies == [("zoo", found[0].name)]
    assert found[0].name == "0002_add_mood_ok"


def test_asks_whether_a_value_was_renamed() -> None:
    old, new = ({"Cat": {"mood": mood(*each)}} for each in (["sad"], ["blue"]))
    renamed = detect(old, new, ask_rename_enum_value=True)["zoo"]
    assert tell(renamed) == [
        ["Rename value 'sad' of enum mood to 'blue'", "Alter field mood on cat"]
    ]
    assert tell(detect(old, new)["zoo"]) == [
        [
            "Add value 'blue' to enum mood",
            "Alter field mood on cat",
            "Remove value 'sad' from enum mood",
        ]
    ]


def test_asks_a_person_the_likeliest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    told = StringIO()
    questioner = InteractiveMigrationQuestioner(
        specified_apps={"zoo"}, prompt_output=OutputWrapper(told)
    )
    answers = iter(["", "y"])
    monkeypatch.setattr("builtins.input", lambda: next(answers))
    old, new = ({"Cat": {"mood": mood(*each)}} for each in ("ab", "cd"))
    detector = Autodetector(build_state(old), build_state(new), questioner)
    found = detector.changes(MigrationGraph())
    assert told.getvalue() == (
        "Was the value 'a' of enum mood renamed to 'c'? [y/N] "
        "Was the value 'b' of enum mood renamed to 'd'? [y/N] "
    )
    assert tell(found["zoo"])[0][:2] == [
        "Rename value 'b' of enum mood to 'd'",
        "Add value 'c' to enum mood",
    ]


def test_removes_values_after_all_else_and_by_themselves() -> None:
    old = {"Cat": {"mood": mood("sad", "mad", "ok", db_default="sad")}}
    new = {"Cat": {"mood": mood("ok", db_default="ok"), "age": models.IntegerField()}}
    new["Cat"]["age"].null = True
    found = detect(old, new)["zoo"]
    told = tell(found)
    assert sorted(told[0]) == ["Add field age to cat", "Alter field mood on cat"]
    assert told[1] == ["Remove values 'sad', 'mad' from enum mood"]
    (removal,) = found[1].operations
    assert isinstance(removal, RemoveEnumValues)
    assert removal.order == ["sad", "mad", "ok"]
    assert found[1].dependencies == [("zoo", found[0].name)]


def test_drops_a_type_after_its_last_column() -> None:
    old = {"Cat": {"mood": mood("sad")}, "Dog": {"mood": mood("sad")}}
    found = detect(old, {"Dog": {}})["zoo"]
    (told,) = tell(found)
    assert told[-1] == "Drop enum mood"
    assert isinstance(found[0].operations[-1], DropEnum)
    assert sorted(told[:-1]) == ["Delete model Cat", "Remove field mood from dog"]


def test_keeps_a_type_that_another_table_has() -> None:
    old = {"Cat": {"mood": mood("sad")}, "Dog": {"mood": mood("sad")}}
    assert tell(detect(old, {"Dog": old["Dog"]})["zoo"]) == [["Delete model Cat"]]


def test_renames_a_type_and_its_fields_with_it() -> None:
    spirit = EnumField(enum_type="spirit", choices=[("sad", "Sad")])
    old, new = {"Cat": {"mood": mood("sad")}}, {"Cat": {"mood": spirit}}
    (migration,) = detect(old, new, ask_rename_enum=True)["zoo"]
    assert tell([migration]) == [["Rename enum mood to spirit"]]
    state = build_state(old)
    migration.mutate_state(state, preserve=False)
    assert state == build_state(new)


def test_another_order_or_another_label_is_no_change_of_the_type() -> None:
    other = EnumField(enum_type="mood", choices=[("ok", "Fine"), ("sad", "Sad")])
    found = detect({"Cat": {"mood": mood("sad", "ok")}}, {"Cat": {"mood": other}})
    assert tell(found["zoo"]) == [["Alter field mood on cat"]]
    same = detect({"Cat": {"mood": mood("sad")}}, {"Cat": {"mood": mood("sad")}})
    assert same == {}


def test_values_are_those_of_all_fields_of_the_type() -> None:
    old = {"Cat": {"mood": mood("sad", "ok")}, "Dog": {"mood": mood("sad")}}
    found = detect(old, {"Cat": old["Cat"], "Dog": {"mood": mood("ok")}})
    assert tell(found["zoo"]) == [["Alter field mood on dog"]]


def test_a_value_that_code_may_use_is_told() -> None:
    fill = RunPython(RunPython.noop, RunPython.noop)
    added = [AddEnumValue("mood", "ok"), fill]
    found = list(find_early_uses(migrate("neuroagent", *added)))
    assert [each.id for each in found] == ["dbops.W009"]
    created = CreateEnum("mood", ["sad"])
    assert not list(find_early_uses(migrate("neuroagent", created, *added)))


def test_operations_can_be_written_and_read() -> None:
    for each in (
        CreateEnum("mood", ["it's", "100 %"]),
        DropEnum('"Mood"', ["a"]),
        RenameEnum("a.mood", "a.spirit"),
        AddEnumValue("mood", "b", before="a"),
        RenameEnumValue("mood", "a", "b"),
        RemoveEnumValues("mood", ["b"], order=["a", "b"]),
    ):
        name, positional, named = each.deconstruct()
        again = getattr(__import__("dbops.enums", fromlist=[name]), name)
        assert again(*positional, **named).deconstruct() == each.deconstruct()
        assert each.migration_name_fragment
