"""What is told of one look at the locks: roots, and under them who waits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dbops.core.locks.kinds import BlockerKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who a session is, as far as the role that looks may see it."""

    pid: int
    """0 for a prepared transaction."""
    gid: str
    """Empty for a session."""
    database: str
    role: str
    application_name: str
    client: str
    caller: str
    """View, path or command of the application, where a comment in the query says."""
    state: str
    transaction_age_s: float | None
    query: str
    """On one line, cut, without secrets."""

    @property
    def name(self) -> str:
        """What to call it in a line."""
        return f'prepared transaction "{self.gid}"' if self.gid else str(self.pid)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingSession(Person):
    """A session that waits, once in the whole report."""

    wants: str
    """The lock mode, as in `pg_locks`."""
    locktype: str
    object: str
    """What the lock is on, in words."""
    relation: str
    """The table or index, with its schema; empty where there is none, or no name."""
    waited_s: float | None
    """None for a moment after the wait has begun."""
    place: int
    """In the object's queue, from 1."""
    behind: str
    """Whom it is drawn under: a pid, or a prepared transaction."""
    hard: bool
    """That one holds the lock; otherwise it only wants it, and is earlier."""
    also_behind: tuple[str, ...]
    """Others that it waits for directly; at most a few."""
    migration: bool
    """It changes the schema."""
    note: str
    """What this wait is, where it is not for a table or a row."""
    waiters: tuple[WaitingSession, ...]
    """Those that wait behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Root(Person):
    """Who keeps others waiting, and waits for nobody."""

    kind: BlockerKind
    state_age_s: float | None
    holds: tuple[str, ...]
    """What others wait for, as `mode on object`."""
    blocks: int
    """Sessions that wait for it, at any distance."""
    frees: int
    """Those of them that wait for no other root."""
    has_written: bool | None
    """None where it is not known."""
    advice: str
    lost: str
    effect: str
    command: str
    waiters: tuple[WaitingSession, ...]
    circle: tuple[int, ...]
    """The sessions of a deadlock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationWait:
    """A migration in a queue."""

    pid: int
    application_name: str
    object: str
    place: int
    behind: int
    """Sessions that wait behind it."""
    waited_s: float | None
    in_the_way: tuple[str, ...]
    """The roots that it waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherWait(Person):
    """A session that seems to hang, and waits for no lock."""

    wait_event_type: str
    wait_event: str
    running_s: float | None
    explanation: str


def walk(waiters: tuple[WaitingSession, ...]) -> Iterator[WaitingSession]:
    """Yield all of a tree, each before those behind it."""
    stack = list(reversed(waiters))
    while stack:
        each = stack.pop()
        yield each
        stack += reversed(each.waiters)
