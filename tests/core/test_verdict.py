"""When it is safe to deploy, and what is told."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dbops.core.finding import Finding, Level
from dbops.core.known_rehearsal import build_known_rehearsal
from dbops.core.verdict import PendingFacts, Situation, judge_situation

CALM = Situation(state="up_to_date", schema="matches")
OPEN = Finding(id="dbops.D011", level=Level.WARNING, message="open for long", hint="x")
INVALID = Finding(id="dbops.D014", level=Level.WARNING, message="INVALID", hint="y")
REHEARSED = PendingFacts(
    name="a.0001_b", findings=(), rehearsed="identical", rehearsal_is_bad=False
)


def pend(**changes: object) -> Situation:
    facts = {"findings": (), "rehearsed": "identical", "rehearsal_is_bad": False}
    pending = PendingFacts(name="a.0001_b", **facts | changes)  # type: ignore[arg-type]
    return Situation(state="pending", schema="matches", pending=(pending,))


@pytest.mark.parametrize(
    ("situation", "safe", "text"),
    [
        (CALM, True, "Nothing is pending, and nothing stands in the way"),
        (pend(), True, "1 migration pending, and nothing stands in the way"),
        (pend(rehearsed=""), True, "1 migration pending, and 1 thing to know"),
        (pend(rehearsed="lossy"), True, "1 migration pending, and 1 thing to know"),
        (pend(rehearsed="failed", rehearsal_is_bad=True), False, "Not now"),
        (Situation(state="failed"), False, "Not now"),
        (Situation(state="diverged"), False, "Not now"),
        (Situation(state="not_adopted"), False, "Not now"),
        (Situation(state="up_to_date", running="deploy by ada"), False, "Not now"),
        (Situation(state="up_to_date", is_standby=True), False, "Not now"),
        (
            Situation(state="up_to_date", waiting=3, longest_wait_s=2.0),
            False,
            "Not now",
        ),
        (
            Situation(
                state="up_to_date", schema="matches", waiting=3, longest_wait_s=0.2
            ),
            True,
            "Nothing is pending, and nothing stands in the way",
        ),
        (Situation(state="up_to_date", findings=(OPEN,)), False, "Not now"),
        (
            Situation(state="up_to_date", schema="matches", findings=(INVALID,)),
            True,
            "Nothing is pending, and 1 thing to know",
        ),
        (
            Situation(unknown=("status could not be looked at",), is_known=False),
            False,
            "Not now",
        ),
        (
            Situation(unreachable="cannot connect"),
            False,
            "Cannot connect",
        ),
    ],
)
def test_the_answer_depends_on_what_would_go_wrong(
    situation: Situation, safe: bool, text: str
) -> None:
    verdict = judge_situation(situation)
    assert (verdict.safe, verdict.text) == (safe, text)
    assert safe or verdict.reasons[0].stops


def test_what_stops_it_is_told_first() -> None:
    verdict = judge_situation(
        Situation(
            state="pending",
            schema="not_compared",
            findings=(INVALID, OPEN),
            backup_failures=("there is no backup",),
            pending=(
                PendingFacts(
                    name="a.0001_b",
                    findings=(
                        Finding(id="dbops.E004", level=Level.ERROR, message="no down"),
                        Finding(id="dbops.W101", level=Level.WARNING, message="locks"),
                        Finding(id="dbops.W110", level=Level.INFO, message="small"),
                    ),
                    rehearsed="",
                    rehearsal_is_bad=False,
                ),
            ),
        )
    )
    assert [(each.stops, each.text) for each in verdict.reasons] == [
        (True, "open for long"),
        (True, "no down (dbops.E004)"),
        (False, "INVALID"),
        (False, '"a.0001_b" was not rehearsed as it is now'),
        (False, "locks (dbops.W101)"),
        (False, "the schema was not compared since it last changed"),
        (False, "there is no backup"),
    ]


@pytest.mark.parametrize(
    "report", ["", "null", "[]", '{"forecasts": 3, "over_budget": [1, null]}']
)
def test_a_rehearsal_of_another_release_is_read_as_far_as_it_goes(report: str) -> None:
    found = build_known_rehearsal(
        rehearsed_at=datetime(2026, 11, 23, tzinfo=UTC),
        round_trip="identical",
        duration_s=1.0,
        with_rows=True,
        report=report,
    )
    assert found.forecasts == ()
    assert not found.is_bad
