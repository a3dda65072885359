"""How far a non-atomic migration has come, as it was written down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """What is known of a migration's operations, numbered from 1."""

    done: int = 0
    """So many of the first ones are done."""
    cut_off: int | None = None
    """One that was begun, and of which nobody wrote how it ended."""


def build_journal(entries: Iterable[tuple[int, str]]) -> Journal:
    """Read (operation, state) entries; the newest word on an operation counts.

    >>> build_journal([(1, "done"), (2, "running")])
    Journal(done=1, cut_off=2)
    >>> build_journal([(1, "done"), (2, "running"), (2, "failed")])
    Journal(done=1, cut_off=None)
    """
    states = dict(entries)
    done = 0
    while states.get(done + 1) == "done":
        done += 1
    return Journal(
        done=done, cut_off=done + 1 if states.get(done + 1) == "running" else None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a migration is to be continued."""

    done: int
    unsure: int | None = None
    """An operation that was cut off, and whose effect the schema does not show."""


def find_place(stages: Sequence[int], journal: Journal) -> Place:
    """Choose among the stages that the live schema may be at.

    `stages` are numbers of done operations, in order, at least one: several where
    operations on data alone lie between them.

    >>> find_place([0, 1], Journal())
    Place(done=0, unsure=None)
    >>> find_place([0, 1], Journal(done=1))
    Place(done=1, unsure=None)
    >>> find_place([0, 1], Journal(cut_off=1))
    Place(done=0, unsure=1)
    >>> find_place([1], Journal(cut_off=1))
    Place(done=1, unsure=None)
    """
    cut_off = journal.cut_off
    if cut_off is not None and {cut_off - 1, cut_off} <= set(stages):
        return Place(done=cut_off - 1, unsure=cut_off)
    return Place(
        done=next((each for each in stages if each >= journal.done), stages[0])
    )
