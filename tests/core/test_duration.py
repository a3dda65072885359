"""Durations, as people type and read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbops.core.duration import UNITS_S, format_age, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90m", 5400), ("26h", 93600), ("7d", 604800), ("2w", 1209600), (" 5s ", 5)],
)
def test_reads_what_people_type(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "26", "h", "1 day", "1.5h", "-1h", "1h30m", "٣h"])
def test_takes_nothing_else(text: str) -> None:
    assert parse_duration(text) is None


@given(st.integers(0, 999), st.sampled_from(sorted(UNITS_S)))
def test_a_whole_unit_is_read_as_it_is(number: int, unit: str) -> None:
    assert parse_duration(f"{number}{unit}") == number * UNITS_S[unit]


@pytest.mark.parametrize(
    ("age_s", "text"),
    [
        (-3, "0 s"),
        (0.4, "0 s"),
        (59.6, "1 min"),
        (3600, "1 h"),
        (3605, "1 h"),
        (5400, "1 h 30 min"),
        (93_784, "1 d 2 h"),
        (86_460, "1 d"),
        (40 * 86400, "40 d"),
    ],
)
def test_says_an_age_in_its_two_largest_units(age_s: float, text: str) -> None:
    assert format_age(age_s) == text
