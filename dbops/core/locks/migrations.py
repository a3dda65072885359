"""The migrations in the queues."""

from __future__ import annotations

from dbops.core.locks.graph import Wait
from dbops.core.locks.kinds import is_migration
from dbops.core.locks.report import MigrationWait
from dbops.core.locks.rows import Key, SessionRow
from dbops.core.locks.scene import Scene, describe_wait, find_place


def describe_place(place: int) -> str:
    """Return a place in a queue in words.

    >>> [describe_place(each) for each in (1, 2, 11, 23, 112)]
    ['1st', '2nd', '11th', '23rd', '112th']
    """
    teens = place // 10 % 10 == 1
    ending = "th" if teens else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place:,}{ending}"


def find_migrations(scene: Scene) -> tuple[MigrationWait, ...]:
    """Return the migrations that wait, with their places and who waits behind them."""
    found = []
    for key, waits in scene.graph.waits.items():
        session = scene.find(key)
        if isinstance(session, SessionRow) and is_migration(session):
            found.append(_build_migration(scene, key, session, waits[0]))
    return tuple(sorted(found, key=lambda each: (-each.behind, each.pid)))


def _build_migration(
    scene: Scene, key: Key, session: SessionRow, wait: Wait
) -> MigrationWait:
    told, _ = describe_wait(scene, wait)
    roots = scene.graph.find_roots(key)
    return MigrationWait(
        pid=session.pid,
        application_name=session.application_name,
        object=told,
        place=find_place(scene, wait),
        behind=len(scene.graph.find_behind(key)),
        waited_s=scene.snapshot.age_s(wait.waiter.since_us),
        in_the_way=tuple(scene.name(each) for each in roots),
    )
