"""The arithmetic of rehearsals: locks, holds, sums of rows, budgets, forecasts."""

from __future__ import annotations

import doctest
from types import ModuleType
from typing import Any

import pytest

from dbops.core import (
    compatibility,
    forecast,
    hold_times,
    lock_budget,
    lock_modes,
    rehearsal,
    row_contents,
    sampling,
)
from dbops.core.catalog import ObjectKind, SchemaObject, build_catalog
from dbops.core.compatibility import Answer, Effect, Probe, find_breaks, name_effect
from dbops.core.forecast import LiveTable, build_forecasts
from dbops.core.hold_times import LockTaken, TableBlocked, find_blocked, find_holds
from dbops.core.lock_budget import BadBudget, read_budget
from dbops.core.lock_modes import LockMode, conflicts_with
from dbops.core.measurement import MeasuredStatement, RelationRows
from dbops.core.row_contents import TableSums, compare_sums, find_made_again

MODULES = (
    compatibility,
    forecast,
    hold_times,
    lock_budget,
    lock_modes,
    rehearsal,
    row_contents,
    sampling,
)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_doctests(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


def test_conflicts_are_those_of_the_manual() -> None:
    for one in LockMode:
        assert LockMode.parse(one.pg_name) is one
        for other in LockMode:
            assert conflicts_with(one, other) == conflicts_with(other, one)
    assert [
        sum(conflicts_with(one, other) for other in LockMode) for one in LockMode
    ] == [1, 2, 4, 5, 5, 6, 7, 8]


def take(relation: str, mode: LockMode, taken_s: float, released_s: float) -> LockTaken:
    table, _, _ = relation.partition(".")
    return LockTaken(
        relation=relation,
        table=table,
        mode=mode,
        taken_s=taken_s,
        released_s=released_s,
        statement=1,
    )


def test_holds_without_a_break_are_one() -> None:
    locks = [
        take("t", LockMode.SHARE, 0, 4),
        take("t", LockMode.ACCESS_EXCLUSIVE, 3, 5),
        take("t", LockMode.SHARE, 7, 8),
    ]
    [hold] = find_holds(locks)
    assert (hold.mode, hold.held_s) == ("AccessExclusiveLock", 2)
    [blocked] = find_blocked(locks)
    assert (blocked.reads_s, blocked.writes_s) == (2, 5)


def test_an_index_is_told_only_where_its_table_is_not_locked_as_strongly() -> None:
    index = take("t.index", LockMode.ACCESS_EXCLUSIVE, 0, 1)
    assert [
        each.relation for each in find_holds([index, take("t", LockMode.SHARE, 0, 1)])
    ] == ["t.index", "t"]
    [hold] = find_holds([index, take("t", LockMode.ACCESS_EXCLUSIVE, 0, 1)])
    assert hold.relation == "t"
    [blocked] = find_blocked([index])
    assert (blocked.table, blocked.reads_s) == ("t", 1)


def build_sums(rows: int, row_sum: int, **columns: int) -> TableSums:
    return TableSums(
        rows=rows,
        row_sum=row_sum,
        columns=columns,
        identities={name: (1, place) for place, name in enumerate(columns)},
    )


def test_values_that_change_places_are_noticed() -> None:
    [found] = compare_sums(
        {"t": build_sums(2, 7, a=1, b=2)}, {"t": build_sums(2, 8, a=1, b=2)}
    )
    assert found.text == "table t: values went to other rows"


def test_a_table_with_other_columns_is_compared_by_the_common_ones() -> None:
    before = {"t": build_sums(2, 7, a=1, b=2)}
    assert not [*compare_sums(before, {"t": build_sums(2, 9, a=1)})]
    assert [*compare_sums(before, {"t": build_sums(2, 9, a=3)})]


def test_what_came_back_with_its_values_is_not_lost() -> None:
    before = {"t": build_sums(2, 7, a=1, b=2)}
    after = {"t": build_sums(2, 7, b=2, a=1)}
    assert not [*find_made_again(before, after)]
    empty = {"t": build_sums(0, 0, a=0, b=0)}
    [found] = find_made_again(empty, {"t": build_sums(0, 0, b=0, a=0)})
    assert found.columns == ("a", "b")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"reads": 1}, '"reads" is not one of'),
        ({"reads_s": "1"}, "has to be seconds"),
        ({"reads_s": True}, "has to be seconds"),
        ({"above": 3}, "has to be a mapping"),
        ({"above": {"big": {}}}, '"big" is no size'),
        ({"above": {"1GB": 3}}, "is no mapping"),
    ],
)
def test_says_what_is_wrong_with_a_budget(given: Any, told: str) -> None:
    with pytest.raises(BadBudget, match=told):
        read_budget(given)


def build_statement(duration_s: float, *scans: str) -> MeasuredStatement:
    return MeasuredStatement(
        number=1,
        sql="",
        times=1,
        duration_s=duration_s,
        operation=1,
        file="",
        line=None,
        locks=(),
        rewrites=(),
        scans=tuple(RelationRows(relation=each, rows=1) for each in scans),
        changes=(),
        wal_bytes=0,
        words=(),
        in_transaction=True,
    )


def test_only_what_reads_a_table_grows_with_it() -> None:
    live = LiveTable(
        name="t",
        size_bytes=1000,
        reads_per_s=50.0,
        writes_per_s=10.0,
        oldest_transaction_s=None,
        oldest_transaction="",
        is_vacuumed=True,
    )
    [found] = build_forecasts(
        [TableBlocked(table="t", reads_s=2, writes_s=2)],
        [],
        [build_statement(1, "t"), build_statement(1)],
        {"t": 100},
        {"t": live},
    )
    assert found.scaled_by == 5.5
    assert found.reads_s == 11
    assert found.requests == 660
    assert "autovacuum" in found.waits_for[0]


def test_what_never_worked_is_no_break() -> None:
    probe, other = (Probe(subject="a", action=each) for each in ("select", "insert"))
    works, fails = Answer(works=True), Answer(works=False, message="no")
    assert find_breaks({probe: fails, other: works}, {probe: fails, other: works}) == ()
    [found] = find_breaks({probe: works}, {probe: fails, other: fails})
    assert str(found) == "a: select: no"


def test_an_index_is_nothing_that_a_release_sees() -> None:
    def build(kind: ObjectKind, definition: str) -> Any:
        return build_catalog([SchemaObject(kind=kind, name="x", definition=definition)])

    nothing = build_catalog([])
    assert name_effect(nothing, build(ObjectKind.INDEX, "a"), ()) is Effect.NEUTRAL
    table = build(ObjectKind.TABLE, "table")
    assert name_effect(nothing, table, ()) is Effect.EXPAND
    noted = build(ObjectKind.TABLE, "table comment 'a'")
    assert name_effect(table, noted, ()) is Effect.NEUTRAL
