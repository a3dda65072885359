"""The conflict table, as the manual prints it."""

from __future__ import annotations

import pytest

from dbops.core.lock_modes import CONFLICTS, LockMode, conflicts_with

# https://www.postgresql.org/docs/current/explicit-locking.html, table 13.2
MANUAL = """\
.......X
......XX
....XXXX
...XXXXX
..XX.XXX
..XXXXXX
.XXXXXXX
XXXXXXXX
"""


def test_the_conflicts_are_those_of_the_manual() -> None:
    table = "".join(
        "".join("X" if conflicts_with(a, b) else "." for b in LockMode) + "\n"
        for a in LockMode
    )

    assert table == MANUAL


def test_conflicts_go_both_ways_and_grow_with_the_mode() -> None:
    for a in LockMode:
        assert all(conflicts_with(b, a) for b in CONFLICTS[a])
    assert len({each.pg_name for each in LockMode}) == len(LockMode)


@pytest.mark.parametrize("mode", LockMode)
def test_names_lead_back(mode: LockMode) -> None:
    assert LockMode.parse(mode.pg_name) is LockMode.parse(mode.sql_name) is mode


def test_a_name_that_is_none() -> None:
    with pytest.raises(ValueError, match='"ShareLok" is not a lock mode'):
        LockMode.parse("ShareLok")


def test_what_each_blocks() -> None:
    assert [each.blocks for each in LockMode] == [
        "none", "none", "none", "none", "writes", "writes", "writes", "reads",
    ]  # fmt: skip
