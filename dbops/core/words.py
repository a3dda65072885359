"""Words for people, in messages and reports."""

from __future__ import annotations

from collections.abc import Sequence


def count_of(number: int, noun: str) -> str:
    """Return the number with its noun.

    >>> count_of(1, "migration"), count_of(1200, "row")
    ('1 migration', '1,200 rows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def name_few(names: Sequence[str], noun: str, *, most: int = 3) -> str:
    """Return all names where they are few; else how many, the first and the last.

    >>> name_few(["a", "b", "c"], "migration"), name_few("abcd", "migration")
    ('a, b, c', '4 migrations, a to d')
    """
    if len(names) <= most:
        return ", ".join(names)
    return f"{count_of(len(names), noun)}, {names[0]} to {names[-1]}"


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


def format_size(size_bytes: int) -> str:
    """Return a size for people.

    >>> format_size(999), format_size(2_519_000_000)
    ('999 B', '2.5 GB')
    """
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
