"""Who waits for whom, since when, and what is safe to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from dbops.core.locks.graph import Graph
from dbops.core.locks.migrations import find_migrations
from dbops.core.locks.names import Names
from dbops.core.locks.other_waits import find_other_waits
from dbops.core.locks.report import MigrationWait, OtherWait, Root, walk
from dbops.core.locks.rows import Snapshot
from dbops.core.locks.scene import Scene, build_scene
from dbops.core.locks.trees import build_roots, prune
from dbops.errors import UsageError
from dbops.operations.context import Context
from dbops.postgres.locks import (
    Viewer,
    fetch_blockers,
    fetch_names,
    fetch_snapshot,
    fetch_viewer,
    open_look,
    open_look_session,
)
from dbops.postgres.session import Connection

MIN_WAIT_S = 1.0
"""Shorter waits are everyday life: the server looks for deadlocks after a second."""
CHANGED = (
    "the waiting changed while it was looked at: the server said another moment's order"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocksOptions:
    """What may be chosen for one look."""

    table: str = ""
    """Only what waits for this table or index; with or without its schema."""
    pid: int | None = None
    """Only what this session waits for, and what waits for it."""
    min_wait_s: float = MIN_WAIT_S
    own_database: bool = False
    """Only where a session of this database takes part: others share the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActReport:
    """What was done, or would be, to one session."""

    pid: int
    act: str
    """`cancel` or `terminate`."""
    who: str
    effect: str
    lost: str
    outcome: str
    """`planned`, `done`, `moved_on` or `still_there`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that came or went between two looks."""

    at_s: float
    """Seconds since the watch began."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocksReport:
    """The waiting at one moment, the worst first."""

    taken_at: datetime
    place: str
    server: str
    standby: bool
    waiting: int
    """Sessions that wait for a lock, in all databases that were looked at."""
    longest_wait_s: float
    min_wait_s: float
    roots: tuple[Root, ...]
    migrations: tuple[MigrationWait, ...]
    other_waits: tuple[OtherWait, ...]
    missing_rights: tuple[str, ...]
    """What to grant so that more can be seen."""
    notes: tuple[str, ...] = ()
    acts: tuple[ActReport, ...] = ()
    history: tuple[Event, ...] = ()

    @property
    def exit_code(self) -> int:
        """3 when somebody waits too long, or what was signalled is still there."""
        if self.acts:
            return 3 if any(each.outcome == "still_there" for each in self.acts) else 0
        return 3 if self.roots and self.longest_wait_s >= self.min_wait_s else 0


def look(context: Context, options: LocksOptions) -> LocksReport:
    """Look once, on a session of its own that waits for nobody.

    Raises:
        UsageError: there is no session with that pid.
    """
    with open_look_session(context.target) as session:
        return Look(context, session, options).take()


class Look:
    """A session that looks, once or again and again; it remembers names."""

    def __init__(
        self, context: Context, session: Connection, options: LocksOptions
    ) -> None:
        self.context = context
        self.session = session
        self.options = options
        self.viewer = fetch_viewer(session)
        self.names = Names()

    def take(self) -> LocksReport:
        """Return what is there now."""
        scene, notes = self._fetch_checked()
        asked = self.options.pid
        if asked is not None:
            self._require_session(scene, asked)
        return build_report(
            scene,
            self.viewer,
            self.options,
            place=self.context.target.place,
            notes=notes,
        )

    def fetch_scene(self) -> Scene:
        """Return one look, put together."""
        with open_look(self.session):
            snapshot = fetch_snapshot(self.session, self.viewer, asked=self.options.pid)
            self.names = fetch_names(self.session, snapshot, self.names)
        return build_scene(snapshot, self.names)

    def _fetch_checked(self) -> tuple[Scene, tuple[str, ...]]:
        """Look, and ask the server about the one session that a person asked for."""
        scene = self.fetch_scene()
        if self.options.pid is None or self.agrees(scene, self.options.pid):
            return scene, ()
        scene = self.fetch_scene()
        return scene, () if self.agrees(scene, self.options.pid) else (CHANGED,)

    def agrees(self, scene: Scene, pid: int) -> bool:
        """Say whether the server names the same blockers of a session.

        Of the process that replays on a standby it names none, whoever is in the way.
        """
        row = scene.sessions.get(pid)
        if row is not None and row.backend_type == "startup":
            return True
        said = fetch_blockers(self.session, pid)
        return said == name_blockers(scene.graph, scene.leaders.get(pid, pid))

    def _require_session(self, scene: Scene, pid: int) -> None:
        known = pid in scene.sessions or pid in scene.graph.waits
        if not known and pid != 0:
            raise UsageError(
                f"there is no session {pid} on this server",
                hint="manage.py dbops_locks",
            )


def name_blockers(graph: Graph, pid: int) -> frozenset[int]:
    """Return whom a session waits for as the server says it: prepared ones are 0."""
    return frozenset(
        each if isinstance(each, int) else 0 for each in graph.find_blockers(pid)
    )


def build_report(
    scene: Scene,
    viewer: Viewer,
    options: LocksOptions,
    *,
    place: str,
    notes: tuple[str, ...] = (),
) -> LocksReport:
    """Tell what one look gave, as far as it was asked for."""
    if options.pid is not None:
        leader = scene.leaders.get(options.pid, options.pid)
        options = replace(options, pid=leader)
    found = build_roots(scene)
    waiting = len(scene.graph.waits)
    if options.own_database:
        found = tuple(each for each in found if is_near(each, viewer.database))
        waiting = sum(_count_waiting(each) for each in found)
    roots = _choose(found, options)
    waits = [
        each.waited_s or 0.0
        for root in roots
        for each in walk(root.waiters)
        if _concerns(each.relation, options.table)
    ]
    migrations = find_migrations(scene)
    if options.pid is not None:
        migrations = tuple(each for each in migrations if each.pid == options.pid)
    if options.own_database:
        near = {each.pid for root in found for each in walk(root.waiters)}
        migrations = tuple(each for each in migrations if each.pid in near)
    return LocksReport(
        taken_at=datetime.fromtimestamp(scene.snapshot.taken_us / 1e6, UTC),
        place=place,
        server=f"PostgreSQL {viewer.server_version}",
        standby=viewer.in_recovery,
        waiting=waiting,
        longest_wait_s=max(waits, default=0.0),
        min_wait_s=options.min_wait_s,
        roots=roots,
        migrations=migrations,
        other_waits=_find_others(scene, viewer, options),
        missing_rights=_find_missing_rights(viewer, scene.snapshot),
        notes=(*notes, *_explain_calm(scene, roots, options)),
    )


def is_near(root: Root, database: str) -> bool:
    """Say whether a session of a database waits for it, or it is one itself.

    Whose database cannot be seen is near.
    """
    return any(each.database in (database, "") for each in (root, *walk(root.waiters)))


def _count_waiting(root: Root) -> int:
    """Return how many wait in its tree; one in a deadlock waits, too."""
    return sum(1 for _ in walk(root.waiters)) + (not root.blocks or bool(root.circle))


def _choose(roots: Iterable[Root], options: LocksOptions) -> tuple[Root, ...]:
    """Keep the roots that were asked for and that keep somebody waiting so long."""
    kept = []
    for root in roots:
        waits = [
            each
            for each in walk(root.waiters)
            if _concerns(each.relation, options.table)
        ]
        asked = options.pid is not None
        longest_s = max((each.waited_s or 0.0 for each in waits), default=0.0)
        if not waits or (longest_s < options.min_wait_s and not asked):
            continue
        found = prune(root, options.pid) if options.pid is not None else root
        if found is not None:
            kept.append(found)
    return tuple(kept)


def _concerns(relation: str, table: str) -> bool:
    """Say whether it is the table that was asked for."""
    if not table:
        return True
    wished = table.replace('"', "").lower()
    found = relation.replace('"', "").lower()
    return found == wished or found.partition(".")[2] == wished


def _find_others(
    scene: Scene, viewer: Viewer, options: LocksOptions
) -> tuple[OtherWait, ...]:
    if options.table:
        return ()
    found = find_other_waits(
        scene, least_s=max(options.min_wait_s, MIN_WAIT_S), asked=options.pid
    )
    if options.own_database:
        found = tuple(each for each in found if each.database in (viewer.database, ""))
    if options.pid is None:
        return found
    return tuple(each for each in found if each.pid == options.pid)


def _find_missing_rights(viewer: Viewer, snapshot: Snapshot) -> tuple[str, ...]:
    """Return the GRANT without which some of these sessions cannot be seen."""
    if viewer.may_read_statistics or not any(each.hidden for each in snapshot.sessions):
        return ()
    return (f"GRANT pg_read_all_stats TO {viewer.role}",)


def _explain_calm(
    scene: Scene, roots: tuple[Root, ...], options: LocksOptions
) -> tuple[str, ...]:
    """Say of the session that was asked for that it is in nobody's way."""
    if options.pid is None or roots or options.table:
        return ()
    row = scene.sessions.get(options.pid)
    state = f"; it is {row.state}" if row is not None and row.state else ""
    return (f"session {options.pid} waits for no lock, and nobody waits for it{state}",)
