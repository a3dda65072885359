"""While a migration waits: who is in its way, and whom does it keep waiting itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import psycopg

from dbops.core.locks.migrations import find_migrations
from dbops.core.locks.names import Names
from dbops.core.locks.scene import Scene, build_scene
from dbops.core.locks.standing import (
    Blocked,
    Obstacle,
    find_obstacle,
    measure_blocked,
)
from dbops.core.progress import Progress
from dbops.core.target import Target
from dbops.errors import DbopsError
from dbops.postgres.locks import (
    fetch_names,
    fetch_snapshot,
    fetch_viewer,
    open_look,
    open_look_session,
)
from dbops.postgres.session import Connection

POLL_S = 0.25
TELL_AFTER_S = 0.5
TELL_AGAIN_S = 15.0
"""How long the same obstacle is not told again."""
IDLE_POLLS = 40
"""It looks now and then without need, too: a session that idles may be ended."""
JOIN_S = 15.0


class Watcher:
    """A thread that looks at the locks of the session that applies migrations.

    It has a session of its own, and no failure of it reaches the migration: then
    nothing is told.
    """

    def __init__(self, session: Connection, progress: Progress) -> None:
        self._session = session
        self._progress = progress
        self._viewer = fetch_viewer(session)
        self._names = Names()
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="dbops-watcher", daemon=True
        )
        self._pid = 0
        self._since_us = 0
        self._blocked = Blocked()
        self._obstacle: Obstacle | None = None
        self._told_s: float | None = None

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join(JOIN_S)

    def begin(self, pid: int) -> None:
        """Count anew: from here on it is about this session's next step."""
        with self._guard:
            self._pid, self._since_us = pid, 0
            self._blocked, self._obstacle, self._told_s = Blocked(), None, None

    def end(self) -> None:
        """Look no more until the next step."""
        with self._guard:
            self._pid = 0

    @property
    def blocked(self) -> Blocked:
        """Whom the last step has kept waiting."""
        with self._guard:
            return self._blocked

    @property
    def obstacle(self) -> Obstacle | None:
        """Who was in the way when it waited last."""
        with self._guard:
            return self._obstacle

    def _run(self) -> None:
        idle = 0
        while not self._stop.wait(POLL_S):
            with self._guard:
                pid = self._pid
            idle = 0 if pid else (idle + 1) % IDLE_POLLS
            if idle:
                continue
            try:
                self._look(pid)
            except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
                continue
            except Exception:  # noqa: BLE001  Whatever it is, the migration goes on.
                return

    def _look(self, pid: int) -> None:
        with open_look(self._session):
            snapshot = fetch_snapshot(self._session, self._viewer)
            self._names = fetch_names(self._session, snapshot, self._names)
        if not snapshot.locks:
            self._remember_moment(pid, snapshot.taken_us)
            return
        scene = build_scene(snapshot, self._names)
        self._remember_moment(pid, snapshot.taken_us)
        self._judge(scene, pid)

    def _remember_moment(self, pid: int, moment_us: int) -> None:
        with self._guard:
            if self._pid == pid and not self._since_us:
                self._since_us = moment_us - round(POLL_S * 1_000_000)

    def _judge(self, scene: Scene, pid: int) -> None:
        obstacle = find_obstacle(scene, pid)
        with self._guard:
            if self._pid != pid:
                return
            blocked = measure_blocked(scene, pid, self._since_us)
            self._blocked = self._blocked.combine(blocked)
            tell = obstacle is not None and self._is_news(obstacle)
            if obstacle is not None:
                self._obstacle = obstacle
                if tell:
                    self._told_s = obstacle.waited_s
        if obstacle is not None and tell:
            self._progress(obstacle.text)
            if obstacle.cure:
                self._progress(f"  what to do: {obstacle.cure}")

    def _is_news(self, obstacle: Obstacle) -> bool:
        """Say whether it is another obstacle, or has been one for long since."""
        before = self._obstacle
        if before is None or before.roots != obstacle.roots or self._told_s is None:
            self._told_s = None
            return obstacle.waited_s >= TELL_AFTER_S
        return obstacle.waited_s - self._told_s >= TELL_AGAIN_S


@contextmanager
def open_watcher(target: Target, progress: Progress) -> Iterator[Watcher | None]:
    """Have a watcher within the block; None where it cannot be had.

    Its session is opened here: later on there may be none left.
    """
    with ExitStack() as stack:
        watcher = None
        with suppress(DbopsError, psycopg.Error):
            session = stack.enter_context(open_look_session(target, purpose="watch"))
            watcher = Watcher(session, progress)
            watcher.start()
            stack.callback(watcher.stop)
        yield watcher


def describe_stuck_run(target: Target) -> str:
    """Say what the migration of another run waits for, if it waits; or nothing."""
    try:
        with open_look_session(target, purpose="watch") as session:
            snapshot = fetch_snapshot(session, fetch_viewer(session))
            scene = build_scene(snapshot, fetch_names(session, snapshot, Names()))
    except (DbopsError, psycopg.Error):
        return ""
    told = [
        found.text
        for each in find_migrations(scene)
        if each.application_name and (found := find_obstacle(scene, each.pid))
    ]
    return f"that run {told[0]}" if told else ""
