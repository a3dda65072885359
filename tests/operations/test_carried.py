"""The state that is carried from one migration to the next is one rendered anew."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps.registry import Apps
from django.db import connection, migrations, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from dbops.operations.deploy.carried import Carried

CASCADE = models.CASCADE
KEY = ("id", models.AutoField(primary_key=True))


def build_first() -> list[Operation]:
    """Return fresh ones: a rename changes fields in place."""
    return [
        migrations.CreateModel(
            "Grain", [KEY, ("name", models.CharField(max_length=9))]
        ),
        migrations.CreateModel(
            "Root", [KEY, ("code", models.IntegerField(unique=True))]
        ),
        migrations.CreateModel(
            "Stem",
            [("root", models.OneToOneField("plant.Root", CASCADE, primary_key=True))],
        ),
        migrations.CreateModel(
            "Leaf",
            [
                ("stem", models.OneToOneField("plant.Stem", CASCADE, primary_key=True)),
                (
                    "code",
                    models.ForeignKey("plant.Root", CASCADE, "+", to_field="code"),
                ),
            ],
        ),
        migrations.CreateModel(
            "Vein", [KEY, ("leaves", models.ManyToManyField("plant.Leaf"))]
        ),
        migrations.CreateModel("Oak", [], bases=("plant.leaf",)),
        migrations.CreateModel(
            "Tree", [], options={"proxy": True}, bases=("plant.oak",)
        ),
        migrations.CreateModel(
            "Ring", [KEY, ("tree", models.ForeignKey("plant.Tree", CASCADE))]
        ),
    ]


CHANGES: dict[str, Operation] = {
    "a plain field": migrations.AddField(
        "grain", "weight", models.FloatField(null=True)
    ),
    "a plain field of many relations": migrations.AddField(
        "leaf", "colour", models.TextField(default="green")
    ),
    "the type of a key": migrations.AlterField(
        "root", "id", models.UUIDField(primary_key=True)
    ),
    "a key that is referred to": migrations.AlterField(
        "root", "code", models.CharField(max_length=5, unique=True)
    ),
    "its name": migrations.RenameField("root", "code", "number"),
    "a new relation": migrations.AddField(
        "grain", "ring", models.ForeignKey("plant.Ring", CASCADE, null=True)
    ),
    "many to many": migrations.AddField(
        "root", "grains", models.ManyToManyField("plant.Grain")
    ),
    "a relation that goes": migrations.RemoveField("leaf", "code"),
    "options": migrations.AlterModelOptions("leaf", {"ordering": ["-pk"]}),
    "a table": migrations.AlterModelTable("root", "roots"),
    "managers": migrations.AlterModelManagers("leaf", [("all", models.Manager())]),
    "an index": migrations.AddIndex("root", models.Index(fields=["code"], name="i")),
    "a model": migrations.CreateModel(
        "Bud", [KEY, ("leaf", models.ForeignKey("plant.Leaf", CASCADE))]
    ),
    "the name of a model": migrations.RenameModel("root", "radix"),
    "a model that goes": migrations.DeleteModel("ring"),
}
NEXT = migrations.AddField("stem", "length", models.IntegerField(null=True))


def tell(apps: Apps) -> dict[str, Any]:
    """Say all of the models that DDL can depend on; no class from another place."""
    told = {}
    for model in apps.get_models(include_auto_created=True):
        meta = model._meta
        relations: list[Any] = [
            field.related_model
            for field in meta.get_fields(include_hidden=True)
            if field.is_relation
        ]
        parents = [each for each in model.__mro__ if hasattr(each, "_meta")]
        for each in (*relations, *meta.parents, *parents[1:]):
            known = apps.get_model(each._meta.label) if each._meta.app_label else None
            assert known in (None, each), f"{meta.label} leads to a stale {each}"
        told[meta.label] = {
            "table": meta.db_table,
            "key": meta.pk.name,
            "ordering": meta.ordering,
            "managers": [each.name for each in meta.managers],
            "indexes": [each.deconstruct() for each in meta.indexes],
            "fields": {
                field.name: (field.db_type(connection), field.column)
                for field in meta.local_fields
            },
            "relations": sorted(str(each) for each in meta.related_objects),
        }
    return told


def apply(operation: Operation, state: ProjectState) -> None:
    """Change a state that is rendered, as Django does it."""
    assert state.apps.get_models()
    operation.state_forwards("plant", state)


@pytest.fixture
def executor() -> MigrationExecutor:
    return MigrationExecutor(None)


def start() -> ProjectState:
    state = ProjectState()
    for each in build_first():
        each.state_forwards("plant", state)
    return state


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_it_is_as_rendered_anew(change: Operation, executor: MigrationExecutor) -> None:
    carried = Carried()
    state = start()
    carried.keep(executor, state)
    for each in (change, NEXT):
        found = carried.get_state()
        assert found is not None
        apply(each, found)
        carried.keep(executor, found)
    carried_on = carried.get_state()
    anew = carried.get_state()
    assert carried_on is not None
    assert anew is not None
    assert "apps" in carried_on.__dict__
    assert "apps" not in anew.__dict__
    assert tell(carried_on.apps) == tell(anew.apps)


def test_django_alone_leaves_some_behind() -> None:
    state = start()
    apply(CHANGES["a plain field of many relations"], state)
    with pytest.raises(AssertionError, match="stale"):
        tell(state.apps)


def test_what_has_nothing_to_do_with_it_is_not_rendered(
    executor: MigrationExecutor,
) -> None:
    carried = Carried()
    carried.keep(executor, start())
    state = carried.get_state()
    assert state is not None
    apply(NEXT, state)
    carried.keep(executor, state)
    state = carried.get_state()
    assert state is not None
    before = state.apps.get_model("plant.leaf")
    apply(CHANGES["a plain field"], state)
    carried.keep(executor, state)
    state = carried.get_state()
    assert state is not None
    assert state.apps.get_model("plant.leaf") is before


def test_an_attempt_that_fails_does_not_spoil_the_next(
    executor: MigrationExecutor,
) -> None:
    carried = Carried()
    carried.keep(executor, start())
    state = carried.get_state()
    assert state is not None
    apply(CHANGES["a model that goes"], state)
    again = carried.get_state()
    assert again is not None
    assert ("plant", "ring") in again.models
