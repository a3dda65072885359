"""Many sessions that hold and want locks: one event loop, and one connection each."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg

from dbops.core.locks.names import Names
from dbops.core.locks.scene import Scene, build_scene
from dbops.core.target import Target
from dbops.postgres.locks import fetch_names, fetch_snapshot, fetch_viewer
from dbops.postgres.session import Connection
from tests.databases import connect

Result = TypeVar("Result")
PATIENCE_S = 60.0
WAITS = "SELECT count(*) FROM pg_locks WHERE pid = ANY (%s) AND NOT granted"
FOR_EVER = "-c deadlock_timeout=1h"
"""No deadlock is ended, and no queue is put in another order."""


class Crowd:
    """Sessions by number; each does one thing after the other, or waits."""

    def __init__(self, target: Target, observer: Connection, options: str) -> None:
        self.target = target
        self.observer = observer
        self.options = options
        self.sessions: list[psycopg.AsyncConnection[Any]] = []
        self.pids: list[int] = []
        self.tasks: dict[int, asyncio.Task[Any]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    def add(self, number: int = 1, **parameters: str) -> list[int]:
        """Open sessions, and return their numbers."""
        first = len(self.sessions)
        self._run(self._open(number, parameters))
        return list(range(first, len(self.sessions)))

    async def _open(self, number: int, changes: dict[str, str]) -> None:
        given: dict[str, Any] = {
            **self.target.parameters,
            "options": self.options,
            **changes,
        }
        for _ in range(number):
            session = await psycopg.AsyncConnection.connect(**given, autocommit=True)
            self.sessions.append(session)
            self.pids.append(session.info.backend_pid)

    def execute(self, number: int, *statements: str) -> None:
        """Run statements that do not wait."""
        self._run(self._execute(number, statements))

    async def _execute(self, number: int, statements: tuple[str, ...]) -> None:
        for statement in statements:
            await self.sessions[number].execute(statement.encode())

    def start(self, *numbers: int, statement: str) -> None:
        """Let sessions run a statement, whether it waits or not."""
        self._run(self._start(numbers, statement))

    async def _start(self, numbers: tuple[int, ...], statement: str) -> None:
        for number in numbers:
            work = self.sessions[number].execute(statement.encode())
            self.tasks[number] = asyncio.create_task(work)

    def wait(self, number: int, statement: str) -> None:
        """Let a session run a statement, and see it wait."""
        self.start(number, statement=statement)
        assert not self.settle(number), f"it did not wait: {statement}"

    def settle(self, number: int) -> bool:
        """Return whether a session's statement is over; it may have failed."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if self.tasks[number].done():
                self.tasks.pop(number)
                return True
            if self.count_waiting([self.pids[number]]):
                return False
        raise TimeoutError("neither done nor waiting")

    def count_waiting(self, pids: list[int] | None = None) -> int:
        """Return how many processes wait for a lock."""
        row = self.observer.execute(WAITS, [pids or self.pids]).fetchone()
        assert row is not None
        return int(row[0])

    def wait_until_waiting(self, number: int) -> None:
        """Wait until so many processes wait."""
        self.wait_until(lambda: self.count_waiting() >= number, f"{number} to wait")

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Poll with a bound."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {PATIENCE_S} s for {what}")
            time.sleep(0.005)

    def fetch_scene(self, asked: int | None = None) -> Scene:
        """Look at the locks as dbops does."""
        viewer = fetch_viewer(self.observer)
        snapshot = fetch_snapshot(self.observer, viewer, asked=asked)
        return build_scene(snapshot, fetch_names(self.observer, snapshot, Names()))

    def close(self) -> None:
        """End all sessions, whatever they wait for."""
        with suppress(psycopg.Error):
            self.observer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid = ANY (%s)",
                [self.pids],
            )
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    async def _close(self) -> None:
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        for session in self.sessions:
            with suppress(psycopg.Error):
                await session.close()


@contextmanager
def open_crowd(target: Target, *, options: str = FOR_EVER) -> Iterator[Crowd]:
    """Have sessions on a database; in the end they are gone."""
    with connect(target) as observer:
        crowd = Crowd(target, observer, options)
        try:
            yield crowd
        finally:
            crowd.close()
