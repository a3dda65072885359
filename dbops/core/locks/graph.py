"""Who is at the root of the waiting, and who is freed when it ends.

Everything is linear in the number of waiters: a session does not point at each one
before it in a queue, but at the last one of each mode, which points at the one before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from dbops.core.lock_modes import CONFLICTS, LockMode
from dbops.core.locks.components import find_components
from dbops.core.locks.queues import NEVER, Queue, Waiter, build_queues
from dbops.core.locks.rows import Key, LockRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One process that waits, in its queue."""

    queue: Queue
    waiter: Waiter
    place: int
    """From 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """What can be asked about the waiting at one moment."""

    queues: tuple[Queue, ...]
    waits: Mapping[Key, Sequence[Wait]]
    """Of each session that waits; several only where its parallel workers do."""
    roots: tuple[Key, ...]
    """Those that keep others waiting and wait for nobody, the most blocked first. Of
    a deadlock the first of its sessions."""
    blocked: Mapping[Key, int]
    """Of each root how many wait for it, at any distance."""
    freed: Mapping[Key, int]
    """Of each root how many of them wait for no other root."""
    deadlocks: tuple[tuple[Key, ...], ...]
    """Circles of locks that are held; those of places in a queue dissolve."""
    parents: Mapping[Key, Key]
    """Of each session that waits, except a deadlock's first, the one that it is drawn
    under."""
    _before: Mapping[Key, int] = field(repr=False)
    """Of each session a bit for every one that it waits for, at any distance."""
    _bits: Mapping[Key, int] = field(repr=False)

    def find_blockers(self, session: Key) -> set[Key]:
        """Return whom it waits for directly: what `pg_blocking_pids` says."""
        return {
            blocker
            for wait in self.waits.get(session, ())
            for blocker in chain(
                wait.queue.find_holders(wait.waiter),
                wait.queue.find_earlier(wait.waiter),
            )
        }

    def is_behind(self, session: Key, other: Key) -> bool:
        """Say whether a session waits for another one, at any distance."""
        return bool(self._before.get(session, 0) >> self._bits[other] & 1)

    def find_behind(self, session: Key) -> list[Key]:
        """Return those that wait for it, at any distance."""
        if session not in self._bits:
            return []
        return [
            each
            for each in self.waits
            if each != session and self.is_behind(each, session)
        ]

    def find_roots(self, session: Key) -> list[Key]:
        """Return the roots that a session waits for, the most blocked first."""
        return [root for root in self.roots if self.is_behind(session, root)]


def build_graph(
    rows: Iterable[LockRow],
    leaders: Mapping[int, int],
    since_us: Mapping[Key, int] | None = None,
) -> Graph:
    """Build the queues, and find the roots.

    `leaders`: of each parallel worker its leader. `since_us`: when the transaction of
    a session began; of several holders the oldest is the one to draw a waiter under.
    """
    return _Builder(build_queues(rows, leaders), since_us or {}).build()


class _Builder:
    """Nodes are the sessions, then the links of chains along the queues."""

    def __init__(self, queues: tuple[Queue, ...], since_us: Mapping[Key, int]) -> None:
        self.queues = queues
        self.since_us = since_us
        self.waits: dict[Key, list[Wait]] = {}
        self.numbers: dict[Key, int] = {}
        for queue in queues:
            for key in chain(queue.holders, (each.session for each in queue.waiters)):
                self.numbers.setdefault(key, len(self.numbers))
        self.keys = tuple(self.numbers)
        self.edges: list[list[int]] = [[] for _ in self.keys]
        self.hard: dict[Key, list[Key]] = {}
        for queue in queues:
            self._add(queue)

    def build(self) -> Graph:
        components = find_components(self.edges)
        knots = self._loosen_knots(components)
        if knots:
            components = find_components(self.edges)
        before = self._reach(components)
        deadlocks = self._find_deadlocks(components)
        blocked, freed = self._count(before, deadlocks)
        roots = tuple(sorted(blocked, key=lambda key: (-blocked[key], str(key))))
        return Graph(
            queues=self.queues,
            waits=self.waits,
            roots=roots,
            blocked=blocked,
            freed=freed,
            deadlocks=deadlocks,
            parents=self._find_parents(set(roots), deadlocks, knots),
            _before=dict(zip(self.keys, before, strict=False)),
            _bits=self.numbers,
        )

    def _add(self, queue: Queue) -> None:
        """Point from each waiter at holders, and at the chains of those before it."""
        in_the_way: dict[LockMode, list[Key]] = {}
        last: dict[LockMode, int] = {}
        for place, waiter in enumerate(queue.waiters, start=1):
            mode, session = waiter.mode, waiter.session
            wait = Wait(queue=queue, waiter=waiter, place=place)
            self.waits.setdefault(session, []).append(wait)
            if mode not in in_the_way:
                in_the_way[mode] = self._find_holders(queue, mode)
            hard = [key for key in in_the_way[mode] if key != session]
            self.hard.setdefault(session, []).extend(hard)
            edges = self.edges[self.numbers[session]]
            edges += [self.numbers[key] for key in hard]
            edges += [link for other, link in last.items() if other in CONFLICTS[mode]]
            before = [last[mode]] if mode in last else []
            last[mode] = len(self.edges)
            self.edges.append([self.numbers[session], *before])

    def _find_holders(self, queue: Queue, mode: LockMode) -> list[Key]:
        """Return those that keep this mode from being granted, the oldest first."""
        found = [key for key, held in queue.holders.items() if held & CONFLICTS[mode]]
        if len(found) < 2:  # noqa: PLR2004
            return found
        return sorted(found, key=lambda key: (self.since_us.get(key, NEVER), str(key)))

    def _loosen_knots(self, components: Sequence[Sequence[int]]) -> dict[int, int]:
        """Take the soft edges out of each circle; return of each node its circle.

        A circle that goes by places in a queue is no deadlock: the server puts that
        queue in another order (DeadLockCheck in deadlock.c).
        """
        size = len(self.keys)
        knots: dict[int, int] = {}
        for number, component in enumerate(components):
            if len(component) > 1:
                knots.update(dict.fromkeys(component, number))
        for node in [each for each in knots if each < size]:
            self.edges[node] = [
                other
                for edge in self.edges[node]
                for other in self._leave_knot(node, edge, knots)
            ]
        return knots

    def _leave_knot(self, node: int, edge: int, knots: Mapping[int, int]) -> list[int]:
        size = len(self.keys)
        if edge < size or knots.get(edge) != knots[node]:
            return [edge]
        outside = []
        links = [edge]
        while links:
            session, *previous = self.edges[links.pop()]
            if knots.get(session) != knots[node]:
                outside.append(session)
            links += previous
        return outside

    def _reach(self, components: Sequence[Sequence[int]]) -> list[int]:
        """Return for each node the bits of the sessions that can be reached."""
        size = len(self.keys)
        reached = [0] * len(self.edges)
        for component in components:
            mask = 0
            for node in component:
                for other in self.edges[node]:
                    mask |= reached[other]
                    if other < size:
                        mask |= 1 << other
            for node in component:
                reached[node] = mask
        return reached

    def _find_deadlocks(
        self, components: Iterable[Sequence[int]]
    ) -> tuple[tuple[Key, ...], ...]:
        size = len(self.keys)
        return tuple(
            tuple(self.keys[node] for node in sorted(component) if node < size)
            for component in components
            if len(component) > 1 and sum(node < size for node in component) > 1
        )

    def _count(
        self, before: Sequence[int], deadlocks: Iterable[Sequence[Key]]
    ) -> tuple[dict[Key, int], dict[Key, int]]:
        """Count for each root who waits for it, and who waits for no other one.

        Of a deadlock the first session is the root. One that waits, though nobody is
        in its way any more, is a root, too.
        """
        ends = [number for number in range(len(self.keys)) if not self.edges[number]]
        circles = [self.numbers[each[0]] for each in deadlocks]
        numbers = {1 << number: number for number in (*circles, *ends)}
        every = sum(numbers)
        blocked = dict.fromkeys(numbers.values(), 0)
        freed = dict.fromkeys(numbers.values(), 0)
        masks = Counter(before[self.numbers[key]] & every for key in self.waits)
        for mask, count in masks.items():
            for number in _find_bits(mask):
                blocked[number] += count
            if mask in numbers:
                freed[numbers[mask]] += count
        for number in circles:  # It waits for itself.
            blocked[number] -= 1
            freed[number] = max(freed[number] - 1, 0)
        keys = {number: self.keys[number] for number in blocked}
        kept = [each for each in keys if blocked[each] or keys[each] in self.waits]
        return (
            {keys[each]: blocked[each] for each in kept},
            {keys[each]: freed[each] for each in kept},
        )

    def _find_parents(
        self,
        roots: set[Key],
        deadlocks: Iterable[Sequence[Key]],
        knots: Mapping[int, int],
    ) -> dict[Key, Key]:
        circles = {key: circle[0] for circle in deadlocks for key in circle}
        parents: dict[Key, Key] = {}
        for session in self.waits:
            if session in roots:
                continue
            if session in circles:
                parents[session] = circles[session]
            elif self.hard[session]:
                parents[session] = self.hard[session][0]
            else:
                parents[session] = self._find_first_before(session, knots)
        return parents

    def _find_first_before(self, session: Key, knots: Mapping[int, int]) -> Key:
        """Return who is the first before it in the queue, outside a circle."""
        knot = knots.get(self.numbers[session], -1)
        return next(
            each
            for wait in self.waits[session]
            for each in wait.queue.find_earlier(wait.waiter)
            if knots.get(self.numbers[each]) != knot
        )


def _find_bits(mask: int) -> Iterator[int]:
    """Yield the numbers of the bits that are set.

    >>> list(_find_bits(0b1010))
    [1, 3]
    """
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
