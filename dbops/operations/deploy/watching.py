"""`--watch`: compare what the server shows before a deployment and after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import psycopg

from dbops.core.duration import format_age
from dbops.core.progress import Progress
from dbops.core.target import Target
from dbops.core.watch import (
    Activity,
    Look,
    Thresholds,
    WatchReport,
    build_baseline,
    compare_looks,
    compare_statements,
    find_alarms,
)
from dbops.errors import DbopsError
from dbops.postgres.activity import look_at_activity
from dbops.postgres.session import open_session

TELL_EVERY_S = 30.0
MOST_STATEMENTS = 10

Check = Callable[[], str]
"""Runs the smoke checks, and returns what is wrong."""


class Watch:
    """Looks before the first change, and for some time after the last one."""

    def __init__(
        self,
        target: Target,
        thresholds: Thresholds,
        *,
        planned_s: float,
        progress: Progress,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._target = target
        self._thresholds = thresholds
        self._planned_s = planned_s
        self._progress = progress
        self._clock = clock
        self._sleep = sleep
        self._before: list[Look] = []
        self._after: list[Look] = []

    def look_before(self) -> None:
        """Note what the server shows, as long as nothing was changed."""
        self._before.append(self._look(statements=True))

    def _look(self, *, statements: bool) -> Look:
        # A session for a moment: one that idles for minutes may be ended.
        with open_session(self._target, purpose="watch") as connection:
            return look_at_activity(
                connection, statements=statements, clock=self._clock
            )

    def run(self, check: Check) -> WatchReport:
        """Watch until the time is over, an alarm, or an interruption.

        A server that does not answer is an alarm, too. What `check` raises is not: it
        is about this run, and not about the server.
        """
        interrupted = False
        alarms: tuple[str, ...] = ()
        self._progress(f"watching for {format_age(self._planned_s)}; Ctrl-C ends it")
        try:
            alarms = self._watch(check)
        except KeyboardInterrupt:
            interrupted = True
            self._progress("the watch was ended; the deployment stands")
        self._look_last()
        return self._build_report(alarms, interrupted=interrupted)

    def _look_last(self) -> None:
        """Look at the statements, too, where the watch ended before its time."""
        readable = self._before[-1].statements is not None
        if readable and self._after and self._after[-1].statements is None:
            self._look_after(statements=True)

    def _watch(self, check: Check) -> tuple[str, ...]:
        problem = self._look_after(statements=True)
        if problem:
            return (problem,)
        started = told = self._after[0].at_s
        while True:
            left_s = started + self._planned_s - self._clock()
            if left_s > 0:
                self._sleep(min(self._thresholds.every_s, left_s))
            is_last = self._clock() >= started + self._planned_s
            problem = self._look_after(statements=is_last) or check()
            look = self._after[-1]
            alarms = (*self._find_alarms(), *([problem] if problem else []))
            if alarms or is_last:
                for each in alarms:
                    self._progress(f"alarm: {each}")
                return alarms
            if look.at_s - told >= TELL_EVERY_S:
                told = look.at_s
                self._progress(self._tell(look.at_s - started))

    def _look_after(self, *, statements: bool) -> str:
        """Note what the server shows now; return why it shows nothing."""
        try:
            self._after.append(self._look(statements=statements))
        except (DbopsError, psycopg.Error) as error:
            return f"the server does not answer: {' '.join(str(error).split())}"
        return ""

    def _find_alarms(self) -> tuple[str, ...]:
        return find_alarms(
            build_baseline(self._before, self._thresholds),
            self._compare(),
            compare_statements(self._before, self._after, self._thresholds)
            if self._after[-1].statements is not None
            else (),
            [each.waiting_sessions for each in self._after],
            self._thresholds,
        )

    def _compare(self) -> Activity:
        return compare_looks(self._after[0], self._after[-1], self._after)

    def _tell(self, passed_s: float) -> str:
        seen = self._compare()
        return (
            f"  {format_age(passed_s)}: {seen.transactions} transactions, "
            f"{seen.rollbacks} rolled back, {seen.deadlocks} deadlocks, "
            f"{self._after[-1].waiting_sessions} waiting for locks"
        )

    def _build_report(
        self, alarms: tuple[str, ...], *, interrupted: bool
    ) -> WatchReport:
        after: Sequence[Look] = self._after or self._before[-1:]
        return WatchReport(
            planned_s=self._planned_s,
            before=build_baseline(self._before, self._thresholds),
            after=compare_looks(after[0], after[-1], after),
            statements=compare_statements(self._before, after, self._thresholds)[
                :MOST_STATEMENTS
            ],
            statements_readable=self._before[-1].statements is not None,
            alarms=alarms,
            interrupted=interrupted,
        )
