"""Progress of many small steps is told at a person's pace."""

from __future__ import annotations

from dbops.operations.backup.pace import INTERVAL_S, Pace


def test_tells_one_line_in_an_interval_and_counts_the_others() -> None:
    told: list[str] = []
    now = 0.0
    pace = Pace(told.append, clock=lambda: now)
    for name in "abcd":
        pace(name)
        now += INTERVAL_S / 3
    pace("e")
    assert told == ["a", "d (2 more before it)"]
