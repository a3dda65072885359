"""Look at the locks again and again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from dbops.core.locks.history import build_moment, compare_moments
from dbops.operations.context import Context
from dbops.operations.locks.locks import Event, LocksOptions, LocksReport, Look
from dbops.postgres.locks import open_look_session

LONGEST_HISTORY = 15


def watch(
    context: Context,
    options: LocksOptions,
    show: Callable[[LocksReport], None],
    *,
    interval_s: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> LocksReport:
    """Show each look until a person interrupts, and return the last one.

    One session does all of it. Each report has what came and went until then.

    Raises:
        ServerFailed: the server cannot be reached.
    """
    history: deque[Event] = deque(maxlen=LONGEST_HISTORY)
    started = clock()
    with open_look_session(context.target) as session:
        look = Look(context, session, options)
        report = look.take()
        moment = build_moment(report.roots, report.migrations)
        while True:
            try:
                show(report)
                sleep(interval_s)
                report = look.take()
            except KeyboardInterrupt:
                return report
            after = build_moment(report.roots, report.migrations)
            at_s = clock() - started
            history.extend(
                Event(at_s=at_s, text=text) for text in compare_moments(moment, after)
            )
            moment = after
            report = replace(report, history=tuple(history))
