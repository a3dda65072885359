"""What has become worse after a deployment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dbops.core.watch import (
    Counters,
    Look,
    Source,
    StatementCount,
    Thresholds,
    build_baseline,
    compare_looks,
    compare_statements,
    find_alarms,
    parse_thresholds,
)
from dbops.errors import Refused

USUAL = Thresholds()


def look(at_s: float, *, waiting: int = 0, **counted: Any) -> Look:
    fields: dict[str, Any] = {
        "reset": "2026-01-01",
        "since_reset_s": 5000.0,
        "commits": 0,
        "rollbacks": 0,
        "deadlocks": 0,
        "fatal_sessions": 0,
    }
    return Look(
        at_s=at_s,
        counters=Counters(**(fields | counted)),
        waiting_sessions=waiting,
    )


def find(
    before: dict[str, int], after: dict[str, int], waiting: tuple[int, ...] = ()
) -> tuple[str, ...]:
    looks = look(0), look(60, **before)
    later = (
        look(100, **before),
        look(160, **{key: value + before.get(key, 0) for key, value in after.items()}),
    )
    return find_alarms(
        build_baseline(looks, USUAL), compare_looks(*later, later), (), waiting, USUAL
    )


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"commits": 90, "rollbacks": 10}, {"commits": 90, "rollbacks": 10}, []),
        ({"commits": 100}, {"commits": 20, "rollbacks": 9}, []),
        (
            {"commits": 100},
            {"commits": 90, "rollbacks": 10},
            ["10.0% of the transactions were rolled back (10), and 0.0% before"],
        ),
        (
            {"commits": 100},
            {"commits": 100, "deadlocks": 1},
            ["1 deadlock in 100 transactions, and 0 in 100 before"],
        ),
        ({"commits": 100, "deadlocks": 2}, {"commits": 100, "deadlocks": 3}, []),
        ({"commits": 100}, {"commits": 100, "fatal_sessions": 5}, []),
        (
            {"commits": 100},
            {"commits": 100, "fatal_sessions": 6},
            ["6 fatal sessions in 100 transactions, and 0 in 100 before"],
        ),
        ({}, {}, []),
    ],
)
def test_counts_are_compared_by_transaction(
    before: dict[str, int], after: dict[str, int], told: list[str]
) -> None:
    assert list(find(before, after)) == told


@pytest.mark.parametrize(
    ("waiting", "is_alarm"),
    [((9, 9), False), ((0, 9, 9), True), ((0, 0, 9), False), ((5, 5, 5), False)],
)
def test_many_that_wait_at_most_moments_are_an_alarm(
    waiting: tuple[int, ...], is_alarm: bool
) -> None:
    assert bool(find({}, {}, waiting)) is is_alarm


def test_a_short_run_is_compared_with_all_that_was_counted() -> None:
    looks = look(0, commits=1000, waiting=3), look(5, commits=1003, rollbacks=1)

    short = build_baseline(looks, USUAL)
    long = build_baseline(looks, replace(USUAL, least_baseline_s=5))

    assert (short.source, short.duration_s) == (Source.SINCE_RESET, 5000.0)
    assert (short.transactions, short.most_waiting_sessions) == (1004, 3)
    assert (long.source, long.duration_s, long.transactions) == (Source.RUN, 5.0, 4)


def test_counters_that_were_reset_begin_at_nothing() -> None:
    first, last = look(0, commits=1000), look(60, commits=7, reset="2026-02-02")

    assert compare_looks(first, last, [first, last]).transactions == 7


def count(calls: int, mean_ms: float, query: str = "SELECT 1") -> StatementCount:
    return StatementCount(key=query, query=query, calls=calls, total_ms=calls * mean_ms)


@pytest.mark.parametrize(
    ("before", "total", "is_alarm"),
    [
        (count(100, 20), count(200, 120), True),
        (count(100, 20), count(200, 40), False),
        (count(100, 0.1), count(200, 2), False),
        (count(19, 20), count(219, 200), False),
        (count(100, 20), count(119, 200), False),
        (count(100, 20), count(50, 200), True),
    ],
)
def test_a_statement_that_became_slow_is_an_alarm(
    before: StatementCount, total: StatementCount, is_alarm: bool
) -> None:
    first = replace(look(0), statements=())
    last = replace(look(60), statements=(before,))
    late = replace(look(200), statements=(total,))

    paces = compare_statements([first, last], [last, late], USUAL)
    alarms = find_alarms(
        build_baseline([first, last], USUAL),
        compare_looks(last, late, [late]),
        paces,
        (),
        USUAL,
    )

    assert bool(alarms) is is_alarm
    assert paces[0].calls_before == before.calls


def test_statements_that_take_the_most_time_come_first() -> None:
    early = replace(look(0), statements=())
    late = replace(
        look(60), statements=(count(10, 1, "SELECT 1"), count(10, 9, "SELECT 2"))
    )

    paces = compare_statements([early, early], [early, late], USUAL)

    assert [each.query for each in paces] == ["SELECT 2", "SELECT 1"]
    assert (paces[0].mean_before_ms, paces[0].mean_ms) == (None, 9.0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "is no mapping"),
        ({"deadlock": 1}, '"deadlock"; known are deadlocks, every_s'),
        ({"deadlocks": "1"}, "[\"deadlocks\"] is '1'"),
        ({"deadlocks": -1}, '["deadlocks"] is -1'),
        ({"every_s": 0}, '["every_s"] is 0'),
    ],
)
def test_says_what_is_wrong_with_a_threshold(given: Any, told: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_thresholds(given)

    assert told in caught.value.message
    assert parse_thresholds({"deadlocks": 3}).deadlocks == 3
