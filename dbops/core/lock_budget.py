"""How long a migration may keep others out of a table: `DBOPS["LOCK_BUDGET"]`.

    {"reads_s": 1.0, "writes_s": 3.0, "above": {"1GB": {"reads_s": 0.2}}}

Under `above` stands what holds for tables of at least that size.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

READS, WRITES = "reads", "writes"
KEYS = {f"{READS}_s", f"{WRITES}_s"}
UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kKMGT]?B?)\s*", re.ASCII)


class BadBudget(ValueError):
    """The setting cannot be read; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How long nobody may be able to read, and to write, a table. Seconds."""

    reads_s: float = 1.0
    writes_s: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LockBudget:
    """The limit of each table, by its size."""

    limit: Limit = Limit()
    above: tuple[tuple[int, Limit], ...] = ()
    """From this size in bytes on; the smallest first."""

    def find(self, size_bytes: int) -> Limit:
        """Return the limit for a table of this size."""
        found = self.limit
        for least, limit in self.above:
            if size_bytes >= least:
                found = limit
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class OverBudget:
    """A table that would be blocked for longer than it may be."""

    table: str
    blocks: str
    """`reads` (and writes), or `writes`."""
    blocked_s: float
    """As forecast for the real server."""
    allowed_s: float


def read_budget(given: Mapping[str, Any] | None) -> LockBudget:
    """Return the budget that the setting means.

    Raises:
        BadBudget: it cannot be read.

    >>> budget = read_budget({"reads_s": 0.5, "above": {"1 GB": {"reads_s": 0.1}}})
    >>> budget.find(10).reads_s, budget.find(2_000_000_000)
    (0.5, Limit(reads_s=0.1, writes_s=3.0))
    """
    given = dict(given or {})
    sizes = given.pop("above", {})
    limit = _read_limit(Limit(), given)
    if not isinstance(sizes, Mapping):
        raise BadBudget('"above" has to be a mapping of sizes')
    above: list[tuple[int, Limit]] = []
    for size, values in sorted(sizes.items(), key=lambda each: parse_size(each[0])):
        # What a larger size does not say holds as for the smaller ones.
        limit_here = _read_limit(above[-1][1] if above else limit, values)
        above.append((parse_size(size), limit_here))
    return LockBudget(limit=limit, above=tuple(above))


def _read_limit(base: Limit, values: Any) -> Limit:
    if not isinstance(values, Mapping):
        raise BadBudget(f"{values!r} is no mapping")
    for key, value in values.items():
        if key not in KEYS:
            raise BadBudget(f'"{key}" is not one of {", ".join(sorted(KEYS))}, above')
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise BadBudget(f'"{key}" has to be seconds, and is {value!r}')
    return replace(base, **values)


def parse_size(text: str | int) -> int:
    """Return the bytes.

    Raises:
        BadBudget: it is no size.

    >>> parse_size("1.5 GB"), parse_size("100MB")
    (1500000000, 100000000)
    """
    found = SIZE.fullmatch(str(text))
    if not found or found[2].upper() not in UNITS:
        raise BadBudget(f'"{text}" is no size, as in "1GB"')
    return round(float(found[1]) * UNITS[found[2].upper()])


def find_over_budget(
    forecasts: Iterable[tuple[str, int, float, float]], budget: LockBudget
) -> tuple[OverBudget, ...]:
    """Return what is over; the forecasts are table, size_bytes, reads_s, writes_s.

    >>> [each.blocks for each in find_over_budget([("t", 5, 0.0, 4.0)], LockBudget())]
    ['writes']
    """
    found = []
    for table, size_bytes, reads_s, writes_s in forecasts:
        limit = budget.find(size_bytes)
        if reads_s > limit.reads_s:
            found.append(
                OverBudget(
                    table=table,
                    blocks=READS,
                    blocked_s=reads_s,
                    allowed_s=limit.reads_s,
                )
            )
        elif writes_s > limit.writes_s:
            found.append(
                OverBudget(
                    table=table,
                    blocks=WRITES,
                    blocked_s=writes_s,
                    allowed_s=limit.writes_s,
                )
            )
    return tuple(found)
