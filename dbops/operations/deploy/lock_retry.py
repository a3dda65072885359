"""Bound the wait for a lock, and try again with pauses in which others move on."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import psycopg
from django.db.utils import Error, OperationalError

from dbops.errors import Busy
from dbops.operations.context import Context
from dbops.postgres.session import WHO_IS_AT_WORK, tell_error

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0


def set_lock_timeout(
    connection: psycopg.Connection[Any], timeout_s: float, *, local: bool = False
) -> None:
    """Bound the wait for each single lock, in this transaction or this session."""
    connection.execute(
        "SELECT pg_catalog.set_config('lock_timeout', %s, %s)",
        (f"{round(timeout_s * 1000)}ms", local),
    )


def is_lock_timeout(error: BaseException) -> bool:
    """Say whether a lock was not had, or had led to a deadlock."""
    return isinstance(
        error.__cause__ if isinstance(error, Error) else error,
        (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected),
    )


def retry_on_lock_timeout(
    attempt: Callable[[], Any],
    context: Context,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Any:
    """Call `attempt` until it gets its locks, with pauses in which others move on.

    Raises:
        Busy: it did not get them in `LOCK_BUDGET_S`; it says who was in the way.
    """
    budget_s = context.settings.lock_budget_s
    deadline = clock() + budget_s
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return attempt()
        except (OperationalError, psycopg.OperationalError) as error:
            if not is_lock_timeout(error):
                raise
            if clock() + pause_s > deadline:
                raise _build_busy(context, error) from error
        context.progress("a lock was not had in time; letting the others go first")
        sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


def _build_busy(context: Context, error: BaseException) -> Busy:
    obstacle = context.watcher.obstacle if context.watcher else None
    told = f"; in the way: {obstacle.who}" if obstacle and obstacle.who else ""
    return Busy(
        f"a lock could not be had in {context.settings.lock_budget_s:.0f} s: "
        f"{tell_error(error)}{told}",
        hint=f"{WHO_IS_AT_WORK}; then run the command again",
    )
