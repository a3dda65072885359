"""Several sessions that work through one list."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, suppress
from typing import TypeVar

import psycopg

from dbops.postgres.session import Connection

Task = TypeVar("Task")
CANCEL_TIMEOUT_S = 5


def work_through(
    tasks: Iterable[Task],
    work: Callable[[Connection, Task], None],
    *,
    open_session: Callable[[], AbstractContextManager[Connection]],
    jobs: int,
    beside: Callable[[], None] = lambda: None,
) -> None:
    """Give the tasks, in their order, to sessions with a thread each.

    Meanwhile this thread does what is `beside`. The first failure, or an interrupt,
    cancels what the others are at, and is raised when all have ended.
    """
    waiting = deque(tasks)
    stop = threading.Event()
    at_work: set[Connection] = set()

    def run() -> None:
        with open_session() as connection:
            at_work.add(connection)
            try:
                while not stop.is_set():
                    try:
                        task = waiting.popleft()
                    except IndexError:
                        return
                    work(connection, task)
            finally:
                at_work.discard(connection)

    with ThreadPoolExecutor(max_workers=jobs) as executor:
        running = [executor.submit(run) for _ in range(min(jobs, len(waiting)))]
        try:
            beside()
            for each in as_completed(running):
                each.result()
        except BaseException:
            stop.set()
            for connection in tuple(at_work):
                with suppress(psycopg.Error):
                    connection.cancel_safe(timeout=CANCEL_TIMEOUT_S)
            raise
