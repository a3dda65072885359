"""One queue for each object that somebody waits for: who holds it, who comes next.

Contention is kept as queues, and never as a list of who blocks whom: 500 sessions
that want one row are one queue, and 124,000 pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dbops.core.lock_modes import CONFLICTS, LockMode
from dbops.core.locks.rows import Key, LockRow, LockTag

NEVER = 1 << 63
"""Later than any moment: a wait whose beginning is not known yet comes last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiter:
    """One process that waits; a session with parallel workers may have several."""

    session: Key
    process: Key
    mode: LockMode
    since_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Who holds an object, and who waits for it, in the order in which they get it."""

    tag: LockTag
    holders: Mapping[Key, frozenset[LockMode]]
    waiters: tuple[Waiter, ...]

    def find_place(self, session: Key) -> int | None:
        """Return a session's place among those that wait, from 1."""
        places = (
            place
            for place, each in enumerate(self.waiters, start=1)
            if each.session == session
        )
        return next(places, None)

    def find_holders(self, waiter: Waiter) -> Iterator[Key]:
        """Yield those whose locks are in its way: hard blocks."""
        for session, modes in self.holders.items():
            if session != waiter.session and modes & CONFLICTS[waiter.mode]:
                yield session

    def find_earlier(self, waiter: Waiter) -> Iterator[Key]:
        """Yield those before it that want what it cannot share: soft blocks."""
        for each in self.waiters:
            if each is waiter:
                return
            if each.session != waiter.session and each.mode in CONFLICTS[waiter.mode]:
                yield each.session


def build_queues(
    rows: Iterable[LockRow], leaders: Mapping[int, int]
) -> tuple[Queue, ...]:
    """Return a queue for each object that somebody waits for.

    `leaders`: of each parallel worker its leader. The rows may be all of `pg_locks`,
    or those of contended objects alone.
    """
    by_tag: dict[LockTag, list[LockRow]] = {}
    for row in rows:
        by_tag.setdefault(row.tag, []).append(row)
    return tuple(
        _build_queue(tag, found, leaders)
        for tag, found in by_tag.items()
        if any(not each.granted for each in found)
    )


def get_session(row: LockRow, leaders: Mapping[int, int]) -> Key:
    """Return the session that a lock belongs to."""
    if row.pid is None:
        return row.virtualtransaction
    return leaders.get(row.pid, row.pid)


def _build_queue(
    tag: LockTag, rows: Iterable[LockRow], leaders: Mapping[int, int]
) -> Queue:
    held: dict[Key, set[LockMode]] = {}
    waiting = []
    for row in rows:
        session = get_session(row, leaders)
        if row.granted:
            held.setdefault(session, set()).add(row.mode)
        else:
            waiter = Waiter(
                session=session,
                process=row.process,
                mode=row.mode,
                since_us=row.wait_start_us,
            )
            waiting.append(waiter)
    holders = {session: frozenset(modes) for session, modes in held.items()}
    return Queue(tag=tag, holders=holders, waiters=_sort(waiting, holders))


def _sort(
    waiting: Iterable[Waiter], holders: Mapping[Key, frozenset[LockMode]]
) -> tuple[Waiter, ...]:
    """Return them in the order of the server's queue.

    By the beginning of the wait, with one exception: who holds a lock on the object
    that somebody in the queue has to wait for goes in front of that one.
    Source: JoinWaitQueue in src/backend/storage/lmgr/proc.c.
    """
    queue: list[Waiter] = []
    arrived = sorted(waiting, key=lambda each: (_get_moment(each), str(each.process)))
    for waiter in arrived:
        held = holders.get(waiter.session)
        queue.insert(_find_jump(queue, waiter, held) if held else len(queue), waiter)
    return tuple(queue)


def _get_moment(waiter: Waiter) -> int:
    return NEVER if waiter.since_us is None else waiter.since_us


def _find_jump(queue: list[Waiter], waiter: Waiter, held: frozenset[LockMode]) -> int:
    for place, other in enumerate(queue):
        if other.session != waiter.session and held & CONFLICTS[other.mode]:
            return place
    return len(queue)
