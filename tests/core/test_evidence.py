"""What the schema says of operations, and where it says nothing."""

from __future__ import annotations

import itertools

import pytest

from dbops.core.catalog import Catalog, ObjectKind, SchemaObject, build_catalog
from dbops.core.evidence import (
    Evidence,
    ObjectState,
    find_unlike,
    weigh_operations,
)


def build(**objects: str) -> Catalog:
    """Return a catalog of the columns, tables and indexes with these definitions."""
    return build_catalog(map(build_object, objects.items()))


def build_object(item: tuple[str, str]) -> SchemaObject:
    name, definition = item
    kinds = {"t": ObjectKind.TABLE, "c": ObjectKind.COLUMN, "i": ObjectKind.INDEX}
    return SchemaObject(
        kind=kinds[name[0]],
        name=name,
        definition=definition,
        parent=None if name[0] == "t" else f"t{name[1:2]}",
    )


EMPTY = build()
TABLE = build(t1="table", c1a="text")
COLUMN = build(t1="table", c1a="text", c1b="text")
INDEX = build(t1="table", c1a="text", c1b="text", i1="btree (a)")
STAGES = (EMPTY, TABLE, COLUMN, INDEX)


def get_states(live: Catalog, *stages: Catalog, **more: object) -> list[Evidence]:
    weighed = weigh_operations(stages or STAGES, live, **more)  # type: ignore[arg-type]
    return [each.state for each in weighed]


@pytest.mark.parametrize("done", range(len(STAGES)))
def test_at_each_stage_the_first_operations_are_done(done: int) -> None:
    assert get_states(STAGES[done]) == [
        Evidence.DONE if number <= done else Evidence.NOT_DONE for number in (1, 2, 3)
    ]
    assert find_unlike(STAGES, STAGES[done], at=done) == ()


def test_any_subset_of_independent_operations_is_found() -> None:
    names = ("t1", "t2", "t3")
    stages = [build(**dict.fromkeys(names[:count], "table")) for count in range(4)]
    for chosen in itertools.product((True, False), repeat=3):
        live = build(
            **{
                name: "table"
                for name, there in zip(names, chosen, strict=True)
                if there
            }
        )
        assert get_states(live, *stages) == [
            Evidence.DONE if there else Evidence.NOT_DONE for there in chosen
        ]


def test_an_operation_of_two_objects_is_half_done_with_one() -> None:
    both = build(t1="table", t2="table")

    (operation,) = weigh_operations([EMPTY, both], build(t1="table"))

    assert operation.state is Evidence.HALF_DONE
    assert [str(each) for each in operation.objects] == [
        "table t1 is there",
        "table t2 is not there",
    ]
    assert not operation.is_cut_off_build


def test_an_invalid_index_is_a_build_that_was_cut_off() -> None:
    live = build(t1="table", c1a="text", c1b="text", i1="btree (a) INVALID")

    *_, operation = weigh_operations(STAGES, live)

    assert operation.state is Evidence.HALF_DONE
    assert operation.is_cut_off_build
    assert [str(each) for each in operation.objects] == ["index i1 is INVALID"]


def test_what_is_neither_before_nor_after_is_different_and_is_told() -> None:
    live = build(t1="table", c1a="text", c1b="integer")

    _, operation, _ = weigh_operations(STAGES, live)

    assert operation.state is Evidence.DIFFERENT
    assert [str(each) for each in operation.objects] == [
        "column c1b is different: expected text, found integer"
    ]


def test_a_table_stands_for_its_parts() -> None:
    (operation,) = weigh_operations([EMPTY, INDEX], TABLE)

    assert [str(each) for each in operation.objects] == [
        "column c1b is not there",
        "index i1 is not there",
        "table t1 is there",
    ]


def test_what_is_dropped_or_altered_is_told_so() -> None:
    after = build(t1="table", c1a="integer")

    (before,) = weigh_operations([COLUMN, after], COLUMN)
    (later,) = weigh_operations([COLUMN, after], after)

    assert [str(each) for each in before.objects] == [
        "column c1a is as before",
        "column c1b is still there",
    ]
    assert [str(each) for each in later.objects] == [
        "column c1a is there",
        "column c1b is gone",
    ]


def test_what_is_the_same_before_and_after_says_nothing() -> None:
    assert get_states(TABLE, TABLE, COLUMN, TABLE) == [Evidence.NO_TRACE] * 2
    assert get_states(COLUMN, TABLE, COLUMN, TABLE) == [
        Evidence.DONE,
        Evidence.NOT_DONE,
    ]


def test_an_operation_on_data_leaves_no_trace() -> None:
    assert get_states(TABLE, TABLE, TABLE) == [Evidence.NO_TRACE]
    assert get_states(TABLE, TABLE, TABLE, silent={1}) == [Evidence.STATE_ONLY]
    assert get_states(TABLE, EMPTY, TABLE, silent={1}) == [Evidence.DONE]


def test_what_a_later_migration_has_changed_counts_as_done() -> None:
    altered = build(t1="table", c1a="integer")

    assert get_states(altered, EMPTY, TABLE, later=[altered]) == [Evidence.DONE]
    assert find_unlike([EMPTY, TABLE], altered, at=1, later=[altered]) == ()


def test_other_objects_are_not_its_business() -> None:
    live = build(t1="table", c1a="text", t9="table", i9="btree (x)")

    assert get_states(live, EMPTY, TABLE) == [Evidence.DONE]
    assert find_unlike([EMPTY, TABLE], live, at=1) == ()
    assert {each.state for each in find_unlike([EMPTY, TABLE], live, at=0)} == {
        ObjectState.DIFFERENT
    }
