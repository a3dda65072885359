"""Words for people, in messages and reports."""

from __future__ import annotations


def count_of(number: int, noun: str) -> str:
    """Return the number with its noun.

    >>> count_of(1, "migration"), count_of(1200, "row")
    ('1 migration', '1,200 rows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shorten(text: str, longest: int) -> str:
    """Return the text on one line, cut to so many characters.

    >>> shorten("SELECT 1,\\n  2", 11), shorten("SELECT 1, 2", 8)
    ('SELECT 1, 2', 'SELECT …')
    """
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def in_quotes(name: str) -> str:
    """Return a name in the double quotes of a message, once.

    >>> in_quotes("public.a"), in_quotes('public."A b"')
    ('"public.a"', 'public."A b"')
    """
    return name if '"' in name else f'"{name}"'
