"""What the ledger's JSON says of a rehearsed migration, whatever release wrote it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

BAD = frozenset({"failed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TableTime:
    """For how long a table was forecast to be blocked on the real server. Seconds."""

    table: str
    reads_s: float
    writes_s: float
    least_s: float
    most_s: float
    """Of the longer of the two, as far off as a forecast may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRehearsal:
    """How the last rehearsal of a migration, as it is now, went."""

    rehearsed_at: datetime
    round_trip: str
    duration_s: float
    with_rows: bool
    """Whether rows were copied: without them no time means anything."""
    forecasts: tuple[TableTime, ...]
    """The longest first."""
    over_budget: tuple[str, ...]
    """Tables that would be blocked for longer than they may be."""

    @property
    def is_bad(self) -> bool:
        """Whether it failed, or would block for too long."""
        return self.round_trip in BAD or bool(self.over_budget)


def build_known_rehearsal(
    *,
    rehearsed_at: datetime,
    round_trip: str,
    duration_s: float,
    with_rows: bool,
    report: str,
) -> KnownRehearsal:
    """Read what is kept of it; what cannot be read is left out.

    >>> from datetime import UTC
    >>> found = build_known_rehearsal(
    ...     rehearsed_at=datetime(2026, 11, 23, tzinfo=UTC),
    ...     round_trip="identical", duration_s=1.0, with_rows=True,
    ...     report='{"forecasts": [{"table": "t", "reads_s": 0, "writes_s": 2,'
    ...     ' "low": 0.5, "high": 3}], "over_budget": [{"table": "t"}]}',
    ... )
    >>> found.forecasts[0].most_s, found.over_budget, found.is_bad
    (6.0, ('t',), True)
    """
    try:
        told = json.loads(report)
    except ValueError:
        told = {}
    fields = told if isinstance(told, dict) else {}
    times = [_build_time(each) for each in _list(fields, "forecasts")]
    return KnownRehearsal(
        rehearsed_at=rehearsed_at,
        round_trip=round_trip,
        duration_s=duration_s,
        with_rows=with_rows,
        forecasts=tuple(
            sorted(times, key=lambda each: (-each.most_s, each.table)),
        ),
        over_budget=tuple(
            str(each.get("table", "")) for each in _list(fields, "over_budget")
        ),
    )


def _list(fields: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = fields.get(name)
    rows = found if isinstance(found, list) else []
    return [each for each in rows if isinstance(each, dict)]


def _build_time(fields: Mapping[str, Any]) -> TableTime:
    reads_s = _read_number(fields.get("reads_s"), 0.0)
    writes_s = _read_number(fields.get("writes_s"), 0.0)
    longest_s = max(reads_s, writes_s)
    return TableTime(
        table=str(fields.get("table", "")),
        reads_s=reads_s,
        writes_s=writes_s,
        least_s=longest_s * _read_number(fields.get("low"), 1.0),
        most_s=longest_s * _read_number(fields.get("high"), 1.0),
    )


def _read_number(value: object, default: float) -> float:
    return float(value) if isinstance(value, int | float) else default
