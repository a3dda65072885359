"""One number of a scrape."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """A number with its name, as Prometheus gets it; the label is the database."""

    name: str
    help: str
    value: float
