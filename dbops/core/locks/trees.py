"""The tree of each root: whoever waits is in it once."""

from __future__ import annotations

from dataclasses import replace

from dbops.core.locks.advice import Case, advise, describe_effect
from dbops.core.locks.graph import Wait, build_graph
from dbops.core.locks.kinds import BlockerKind, classify, is_migration
from dbops.core.locks.names import describe_object
from dbops.core.locks.queues import get_session
from dbops.core.locks.report import Root, WaitingSession
from dbops.core.locks.rows import Key, SessionRow
from dbops.core.locks.scene import (
    TRANSACTIONS,
    Scene,
    build_person,
    describe_note,
    describe_wait,
    find_place,
    get_fields,
)

MOST_ALSO_BEHIND = 5
DEEPEST = 40
"""Levels of a tree; what is deeper stands beside its blocker, and names it."""


def build_roots(scene: Scene) -> tuple[Root, ...]:
    """Return the roots with all that wait behind them, the most blocked first."""
    return _Trees(scene).build()


class _Trees:
    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.graph = scene.graph
        self.circles = {each[0]: each for each in self.graph.deadlocks}
        self.below: dict[Key, list[Key]] = {}
        for session in sorted(self.graph.waits, key=self._get_order):
            if session in self.graph.parents:
                parent = self.graph.parents[session]
                self.below.setdefault(parent, []).append(session)
        self.held = self._find_held()

    def build(self) -> tuple[Root, ...]:
        return tuple(self._build_root(each) for each in self.graph.roots)

    def _get_order(self, session: Key) -> tuple[int, int, str]:
        wait = self.graph.waits[session][0]
        since = wait.waiter.since_us
        return wait.place, since if since is not None else 1 << 62, str(session)

    def _find_held(self) -> dict[Key, list[str]]:
        """Return what each root holds that others wait for."""
        held: dict[Key, list[str]] = {}
        roots = set(self.graph.roots)
        for queue in self.graph.queues:
            if queue.tag.locktype in TRANSACTIONS:
                continue
            told = describe_object(
                queue.tag, self.scene.snapshot, self.scene.names, self.scene.databases
            )
            for session in roots & queue.holders.keys():
                mode = max(queue.holders[session])
                held.setdefault(session, []).append(f"{mode.pg_name} on {told}")
        for session in self.graph.waits:
            for wait in self.graph.waits[session]:
                self._add_rows(wait, held, roots)
        return held

    def _add_rows(
        self, wait: Wait, held: dict[Key, list[str]], roots: set[Key]
    ) -> None:
        """Whoever has a row has it by its transaction."""
        if wait.queue.tag.locktype not in TRANSACTIONS:
            return
        told, relation = describe_wait(self.scene, wait)
        text = told if relation else "its own transaction"
        for session in roots & wait.queue.holders.keys():
            if text not in held.setdefault(session, []):
                held[session].append(text)

    def _build_root(self, key: Key) -> Root:
        person = build_person(self.scene, key)
        blocker = self.scene.find(key)
        circle = self.circles.get(key, ())
        kind = BlockerKind.DEADLOCK if circle else classify(blocker)
        blocked, freed = self.graph.blocked[key], self.graph.freed[key]
        case = Case(kind=kind, blocker=blocker, freed=freed, behind=blocked)
        advice = advise(case)
        others = len(self.graph.roots) - 1
        session = case.session
        return Root(
            **get_fields(person),
            kind=kind,
            state_age_s=self.scene.snapshot.age_s(
                session.state_change_us if session else None
            ),
            holds=tuple(sorted(self.held.get(key, ()))),
            blocks=blocked,
            frees=freed,
            has_written=session.has_written if session and not session.hidden else None,
            advice=advice.text,
            lost=advice.lost,
            effect=describe_effect(case, others) if advice.command else "",
            command=advice.command,
            waiters=self._build_tree(key),
            circle=tuple(each for each in circle if isinstance(each, int)),
        )

    def _build_tree(self, root: Key) -> tuple[WaitingSession, ...]:
        """Build from the deepest up, for a chain may be longer than the stack is."""
        order: list[tuple[Key, int]] = []
        stack = [(each, 1) for each in reversed(self.below.get(root, []))]
        kept_by: dict[Key, Key] = {}
        while stack:
            key, depth = stack.pop()
            order.append((key, depth))
            parent = self.graph.parents[key]
            kept_by[key] = kept_by[parent] if depth > DEEPEST else parent
            children = self.below.get(key, [])
            stack += [(each, depth + 1) for each in reversed(children)]
        built: dict[Key, list[WaitingSession]] = {}
        for key, _ in reversed(order):
            waiter = self._build_waiter(key, tuple(reversed(built.pop(key, []))))
            built.setdefault(kept_by[key], []).append(waiter)
        return tuple(reversed(built.get(root, [])))

    def _build_waiter(
        self, key: Key, waiters: tuple[WaitingSession, ...]
    ) -> WaitingSession:
        wait = self.graph.waits[key][0]
        told, relation = describe_wait(self.scene, wait)
        parent = self.graph.parents[key]
        session = self.scene.find(key)
        return WaitingSession(
            **get_fields(build_person(self.scene, key)),
            wants=wait.waiter.mode.pg_name,
            locktype=wait.queue.tag.locktype,
            object=told,
            relation=relation,
            waited_s=self.scene.snapshot.age_s(wait.waiter.since_us),
            place=find_place(self.scene, wait),
            behind=self.scene.name(parent),
            hard=parent in wait.queue.find_holders(wait.waiter),
            also_behind=self._find_others(wait, parent),
            migration=isinstance(session, SessionRow) and is_migration(session),
            note=describe_note(self.scene, wait),
            waiters=waiters,
        )

    def _find_others(self, wait: Wait, parent: Key) -> tuple[str, ...]:
        """Return others that hold the lock, too: all of them have to end."""
        found = []
        for key in wait.queue.find_holders(wait.waiter):
            if key != parent:
                found.append(self.scene.name(key))
                if len(found) == MOST_ALSO_BEHIND:
                    break
        return tuple(found)


def count_freed(scene: Scene, key: Key) -> int:
    """Return how many would go on if a session ended, wherever it is in a queue.

    Those behind it which then wait for nobody, or only for who goes on as well.
    """
    left = [
        each for each in scene.snapshot.locks if get_session(each, scene.leaders) != key
    ]
    after = build_graph(left, scene.leaders)
    return sum(
        all(root in after.waits for root in after.find_roots(each))
        for each in scene.graph.find_behind(key)
    )


def prune(root: Root, pid: int) -> Root | None:
    """Keep of a root's tree what is before a session, and what waits behind it."""
    if root.pid == pid or pid in root.circle:
        return root
    waiters = _prune(root.waiters, pid)
    return replace(root, waiters=waiters) if waiters else None


def _prune(waiters: tuple[WaitingSession, ...], pid: int) -> tuple[WaitingSession, ...]:
    kept = []
    for each in waiters:
        if each.pid == pid:
            kept.append(each)
        elif below := _prune(each.waiters, pid):
            kept.append(replace(each, waiters=below))
    return tuple(kept)
