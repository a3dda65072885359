"""Retention: what the rules keep stays, and so does what a restore needs."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbops.core.manifest import LEVELS
from dbops.core.retention import (
    Candidate,
    Decision,
    Rules,
    decide_retention,
    find_last_verified,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
EVERY_LEVEL = (*LEVELS, "damaged", "unreadable")

limits = st.none() | st.integers(1, 5)
rule_sets = st.builds(
    Rules, last=limits, days=limits, daily=limits, weekly=limits, monthly=limits
)
hours = st.integers(0, 24 * 100)


@st.composite
def candidate_lists(draw: st.DrawFn) -> list[Candidate]:
    """Backups of the last hundred days, in any order; some of one moment."""
    drawn = draw(st.lists(st.tuples(hours, st.sampled_from(EVERY_LEVEL)), max_size=25))
    return [
        Candidate(
            backup_id=f"{9999 - age}-{number:03}",
            taken_at=NOW - timedelta(hours=age),
            level=level,
        )
        for number, (age, level) in enumerate(drawn)
    ]


def decide(
    candidates: list[Candidate], rules: Rules, **needed: str
) -> tuple[Decision, ...]:
    return decide_retention(candidates, rules, now=NOW, needed=needed)


def list_kept(
    candidates: list[Candidate], rules: Rules, **needed: str
) -> list[Candidate]:
    kept = {each.backup_id for each in decide(candidates, rules, **needed) if each.keep}
    return [each for each in candidates if each.backup_id in kept]


def sort(candidates: list[Candidate]) -> list[Candidate]:
    return sorted(candidates, key=lambda c: (c.taken_at, c.backup_id), reverse=True)


def list_sound(candidates: list[Candidate]) -> list[Candidate]:
    return [each for each in sort(candidates) if each.is_sound]


@given(candidate_lists(), rule_sets)
def test_each_is_judged_once_newest_first_with_a_reason(
    candidates: list[Candidate], rules: Rules
) -> None:
    decisions = decide(candidates, rules)
    assert [each.backup_id for each in decisions] == [
        each.backup_id for each in sort(candidates)
    ]
    assert all(each.reasons for each in decisions)


@given(candidate_lists(), rule_sets)
def test_never_removes_the_last_verified_one(
    candidates: list[Candidate], rules: Rules
) -> None:
    kept = list_kept(candidates, rules)
    for least in ("contents", "checksum"):
        proven = [
            each
            for each in list_sound(candidates)
            if LEVELS.index(each.level) >= LEVELS.index(least)
        ]
        if proven:
            assert proven[0] in kept
            break
    assert find_last_verified(list_sound(kept)) == find_last_verified(
        list_sound(candidates)
    )


@given(candidate_lists(), rule_sets)
def test_never_removes_the_newest_or_what_cannot_be_read(
    candidates: list[Candidate], rules: Rules
) -> None:
    kept = list_kept(candidates, rules)
    assert list_sound(candidates)[:1] == list_sound(kept)[:1]
    assert all(each in kept for each in candidates if each.level == "unreadable")


@given(candidate_lists(), rule_sets, st.sets(st.integers(0, 24)))
def test_never_removes_what_is_needed(
    candidates: list[Candidate], rules: Rules, numbers: set[int]
) -> None:
    needed = {f"{number:03}": "a deployment" for number in numbers}
    kept = {each.backup_id for each in list_kept(candidates, rules, **needed)}
    assert needed.keys() & {each.backup_id for each in candidates} <= kept


@given(candidate_lists(), rule_sets)
def test_removes_nothing_when_it_is_done_again(
    candidates: list[Candidate], rules: Rules
) -> None:
    kept = list_kept(candidates, rules)
    assert list_kept(kept, rules) == kept


@given(candidate_lists(), rule_sets, st.randoms(use_true_random=False))
def test_does_not_depend_on_the_order(
    candidates: list[Candidate], rules: Rules, chance: random.Random
) -> None:
    shuffled = candidates.copy()
    chance.shuffle(shuffled)
    assert decide(shuffled, rules) == decide(candidates, rules)


@given(candidate_lists(), rule_sets)
def test_what_is_kept_obeys_the_rules(
    candidates: list[Candidate], rules: Rules
) -> None:
    kept = list_sound(list_kept(candidates, rules))
    sound = list_sound(candidates)
    by_rule = sound[: rules.last or 0]
    if rules.days:
        since = NOW - timedelta(days=rules.days)
        by_rule = by_rule + [each for each in sound if each.taken_at > since]
    for limit, pattern in (
        (rules.daily, "%Y-%m-%d"),
        (rules.weekly, "%G-%V"),
        (rules.monthly, "%Y-%m"),
    ):
        newest: dict[str, Candidate] = {}
        for each in sound:
            newest.setdefault(each.taken_at.strftime(pattern), each)
        by_rule = by_rule + list(newest.values())[: limit or 0]
    always = [*sound[:1], find_last_verified(sound)]
    assert {each.backup_id for each in kept} == {
        each.backup_id for each in [*by_rule, *always] if each
    }


@given(candidate_lists())
def test_a_damaged_one_stays_until_a_newer_one_is_verified(
    candidates: list[Candidate],
) -> None:
    verified = find_last_verified(list_sound(candidates))
    for decision in decide(candidates, Rules(last=1)):
        if decision.level == "damaged":
            ordered = [each.backup_id for each in sort(candidates)]
            assert decision.keep == (
                verified is None
                or ordered.index(decision.backup_id) < ordered.index(verified.backup_id)
            )


def build(*days: float, level: str = "contents") -> list[Candidate]:
    return [
        Candidate(
            backup_id=f"{99999 - round(age * 24)}-{number:03}",
            taken_at=NOW - timedelta(days=age),
            level=level,
        )
        for number, age in enumerate(days)
    ]


def test_what_was_taken_last_is_the_newest_though_a_clock_went_back() -> None:
    late, early = build(0, 1)
    swapped = [replace(early, backup_id="2"), replace(late, backup_id="1")]
    decisions = decide(swapped, Rules(last=1))
    assert [each.taken_at for each in decisions] == [early.taken_at, late.taken_at]
    assert [each.keep for each in decisions] == [True, False]


def test_a_partial_one_takes_nobodys_place() -> None:
    newest, second, third = build(0, 1, 2)
    partial = replace(newest, is_partial=True)
    kept = {
        each.backup_id: each for each in decide([partial, second, third], Rules(last=1))
    }
    assert "the newest" in kept[second.backup_id].reasons
    assert kept[partial.backup_id].reasons == ("one of the last 1",)
    assert not kept[third.backup_id].keep
    assert not decide([third, replace(second, is_partial=True)], Rules(days=1))[0].keep


def test_grandfather_father_and_son() -> None:
    candidates = build(*range(400))
    rules = Rules(daily=7, weekly=4, monthly=12)
    kept = [each.taken_at.date().isoformat() for each in list_kept(candidates, rules)]
    assert kept == [
        # Monday, 23 November 2026, and the days before it; the Sundays of three weeks.
        *(f"2026-11-{day}" for day in range(23, 16, -1)),
        *("2026-11-15", "2026-11-08"),
        *("2026-10-31", "2026-09-30", "2026-08-31", "2026-07-31", "2026-06-30"),
        *("2026-05-31", "2026-04-30", "2026-03-31", "2026-02-28", "2026-01-31"),
        "2025-12-31",
    ]


def test_says_every_reason() -> None:
    first, second = decide(build(0, 1), Rules(last=1, daily=1))
    assert first.reasons == (
        "one of the last 1",
        "the newest of day 2026-11-23",
        "the newest",
        "the last verified one (contents)",
    )
    assert (second.keep, second.reasons) == (False, ("no rule keeps it",))


def test_a_damaged_one_takes_nobodys_place() -> None:
    (damaged,) = build(0, level="damaged")
    sound = build(0.5, 1, 2)[1:]
    decisions = decide([damaged, *sound], Rules(last=1))
    assert [each.keep for each in decisions] == [True, True, False]
    assert decisions[0].reasons == (
        "damaged, and none newer is verified",
        "one of the last 1",
    )


def test_a_damaged_one_stays_as_long_as_if_it_were_sound() -> None:
    newest, damaged, older = build(0, 1, 2)
    candidates = [newest, replace(damaged, level="damaged"), older]
    for last, kept in ((1, [newest]), (2, candidates), (3, candidates)):
        found = list_kept(candidates, Rules(last=last))
        assert found == kept


@pytest.mark.parametrize("name", Rules.__slots__)
def test_knows_when_there_is_no_rule(name: str) -> None:
    assert Rules().are_empty
    assert not Rules(**{name: 1}).are_empty
