"""How far a non-atomic migration has come, as it was written down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementEntry:
    """A word on one statement of an operation, both numbered from 1.

    A statement 0 says that those of the operation are written down one by one.
    """

    operation: int
    number: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """What is known of a migration's operations, numbered from 1."""

    done: int = 0
    """So many of the first ones are done."""
    cut_off: int | None = None
    """One that was begun, and of which nobody wrote how it ended."""
    statements: int = 0
    """So many statements of the operation after the done ones are done, too."""
    in_doubt: bool = False
    """The statement after those was begun, and nobody wrote how it ended."""

    @property
    def points(self) -> tuple[int, ...]:
        """How many statements of that operation may be done; none: it was not begun.

        >>> Journal(done=1, statements=2, in_doubt=True).points
        (2, 3)
        """
        if not self.statements and not self.in_doubt:
            return ()
        return (self.statements, self.statements + 1)[: 1 + self.in_doubt]


def build_journal(
    entries: Iterable[tuple[int, str]], statements: Iterable[StatementEntry] = ()
) -> Journal:
    """Read (operation, state) entries; the newest word on an operation counts.

    Where its statements are written down, nothing else of it has been done.

    >>> build_journal([(1, "done"), (2, "running")])
    Journal(done=1, cut_off=2, statements=0, in_doubt=False)
    >>> build_journal([(1, "done"), (2, "running"), (2, "failed")]).cut_off
    >>> counted = StatementEntry(operation=1, number=0, state="done")
    >>> build_journal([(1, "running")], [counted])
    Journal(done=0, cut_off=None, statements=0, in_doubt=False)
    """
    states = dict(entries)
    done = 0
    while states.get(done + 1) == "done":
        done += 1
    cut_off = done + 1 if states.get(done + 1) == "running" else None
    words = {
        each.number: each.state for each in statements if each.operation == done + 1
    }
    if 0 not in words:
        return Journal(done=done, cut_off=cut_off)
    count = 0
    while words.get(count + 1) == "done":
        count += 1
    in_doubt = words.get(count + 1) == "running"
    return Journal(
        done=done,
        cut_off=done + 1 if in_doubt else None,
        statements=count,
        in_doubt=in_doubt,
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
