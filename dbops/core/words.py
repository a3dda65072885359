"""Words for people, in messages and reports."""

from __future__ import annotations


def count_of(number: int, noun: str) -> str:
    """Return the number with its noun.

    >>> count_of(1, "migration"), count_of(1200, "row")
    ('1 migration', '1,200 rows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
