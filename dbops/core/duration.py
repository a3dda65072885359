"""Durations as people type them: 90m, 26h, 7d."""

from __future__ import annotations

import re

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

_DURATION = re.compile(r"(\d+)([smhdw])", re.ASCII)


def parse_duration(text: str) -> float | None:
    """Return the seconds; None where it is no duration.

    >>> parse_duration("90m"), parse_duration("26h"), parse_duration("1 day")
    (5400.0, 93600.0, None)
    """
    hit = _DURATION.fullmatch(text.strip())
    return float(hit[1]) * UNITS_S[hit[2]] if hit else None


def format_age(age_s: float) -> str:
    """Return an age for people, in its two largest units.

    >>> format_age(59), format_age(93_784), format_age(3600)
    ('59 s', '1 d 2 h', '1 h')
    """
    left = max(round(age_s), 0)
    parts: list[tuple[int, str]] = []
    for unit, name in (("d", "d"), ("h", "h"), ("m", "min"), ("s", "s")):
        number, left = divmod(left, UNITS_S[unit])
        if number or parts:
            parts.append((number, name))
    return " ".join(f"{number} {name}" for number, name in parts[:2] if number) or "0 s"
