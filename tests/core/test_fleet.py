"""Which databases go first, when to stop, and what became of them all."""

from __future__ import annotations

import doctest

import pytest

from dbops.core import fleet, words
from dbops.core.fleet import (
    FleetDatabase,
    FleetPlan,
    FleetState,
    find_worst,
    order_waves,
)

WAVES = (("canary",), ("a", "b"), ("c",))


@pytest.mark.parametrize("module", [fleet, words])
def test_doctests(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def build(database: str, exit_code: int = 0) -> FleetDatabase:
    return FleetDatabase(
        database=database,
        exit_code=exit_code,
        state=FleetState.FAILED if exit_code else FleetState.DEPLOYED,
        duration_s=1,
    )


@pytest.mark.parametrize(
    ("failed", "most", "is_over"),
    [
        ([], 1, False),
        (["a"], 1, True),
        (["a"], 2, False),
        (["a", "b"], 2, True),
        (["canary"], 3, True),
    ],
)
def test_no_further_wave_is_begun_when_enough_have_failed(
    failed: list[str], most: int, *, is_over: bool
) -> None:
    done = [build(each, 4 * (each in failed)) for each in ("canary", "a", "b")]
    plan = FleetPlan(waves=WAVES, max_failures=most)
    assert plan.is_over(done) is is_over
    assert not FleetPlan(waves=WAVES, dry_run=True).is_over(done)


@pytest.mark.parametrize("size", range(1, 6))
def test_each_database_is_in_one_wave(size: int) -> None:
    names = [str(each) for each in range(6)]
    waves = order_waves(names, canary="3", wave=size)
    assert waves[0] == ("3",)
    assert all(len(wave) <= size for wave in waves[1:])
    assert [each for wave in waves[1:] for each in wave] == [*"01245"]


def test_try_again_is_said_only_where_nothing_else_is_the_matter() -> None:
    assert find_worst([5, 0, 5]) == 5
    assert all(find_worst([5, each]) == each for each in (1, 2, 4, 6, 7, 8, 9))
    assert find_worst([0, 0]) == 0
