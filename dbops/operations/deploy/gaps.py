"""Ask for the strong locks of a migration only when nobody would queue behind it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from django.db.migrations.operations.base import Operation

from dbops.core.gaps import (
    Conflict,
    Look,
    Sightings,
    WantedLock,
    choose_gap_s,
    describe_conflicts,
    find_conflicts,
    find_cure,
    is_vacuum,
    merge_wanted,
)
from dbops.core.lock_modes import LockMode
from dbops.core.table_name import TableName
from dbops.errors import Busy
from dbops.operations.context import Context
from dbops.operations.deploy.wanted_locks import (
    changes_rows,
    predict_locks,
    takes_time,
)
from dbops.postgres.gaps import (
    fetch_deadlock_timeout_s,
    fetch_look,
    lock_table,
)
from dbops.postgres.session import WHO_IS_AT_WORK, Connection

POLL_S = 0.05
SLOW_POLL_S = 0.25
SLOW_AFTER_S = 5.0
TELL_AFTER_S = 0.5
TELL_AGAIN_S = 15.0
"""How long the same transactions in the way are not told again."""
FRESH_S = 0.02
LEAST_TRY_S = 0.1
VACUUM_GRACE_S = 0.5
"""Beyond deadlock_timeout, for an autovacuum that is cancelled to end."""


class Gaps:
    """The strong locks of one migration, in one direction.

    What is known beforehand is waited for before its transaction begins, and locked at
    the start of it, each table in the order of their names; unless something in it
    takes its time before the locks are needed. Then, and for what is not known, each
    statement is looked at just before it runs.
    """

    def __init__(
        self,
        context: Context,
        wanted: Sequence[WantedLock] | None = None,
        *,
        at_once: bool = True,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._context = context
        self._wanted = merge_wanted(wanted or ())
        self._at_once = at_once and wanted is not None
        self._sleep = sleep
        self._clock = clock
        self._began_s = clock()
        self._seen = Sightings()
        self._last = Look(now_us=0, targets=())
        self._found: tuple[Sequence[WantedLock], float] = (), 0.0
        """For what a gap was found last, and when."""
        self._held: dict[TableName, LockMode] = {}
        self._told: tuple[frozenset[object], float] = (frozenset(), 0.0)
        self._stubborn: set[object] = set()
        """What looked like an autovacuum and did not give way."""

    def expect(self, text: str) -> None:
        """Know beforehand what a script will need, by rule."""
        self._wanted = merge_wanted(predict_locks(self._context, text))
        self._at_once = not takes_time(text)

    def wait(self) -> None:
        """Wait outside of a transaction until there is a gap for all that is known.

        Raises:
            Busy: there was none in `LOCK_BUDGET_S`; it says who was in the way.
        """
        self._held = {}
        self._wait_for(self._wanted)

    def take(self) -> None:
        """At the start of a transaction, lock what is known.

        Raises:
            psycopg.errors.LockNotAvailable: somebody came first; roll back, and wait.
        """
        if self._at_once and self._wanted:
            self._take(self._wanted)

    def ask(self, text: str, parameters: Any = None) -> None:
        """Within a transaction, lock what a statement needs that is not locked yet.

        Raises:
            psycopg.errors.LockNotAvailable: there was no gap for as long as a statement
                may wait; roll back, and wait with nothing held.
        """
        if self._at_once:
            return
        wanted = [
            each
            for each in predict_locks(self._context, text, parameters)
            if self._held.get(each.relation, 0) < each.mode
        ]
        if wanted:
            self._wanted = merge_wanted([*self._wanted, *wanted])
            self._take(wanted)

    def wait_for(self, text: str, parameters: Any = None) -> float | None:
        """Outside of a transaction, wait until there is a gap for a statement.

        Returns how long it may wait for its locks in that gap, in seconds; None: as
        long as any.

        Raises:
            Busy: there was none in `LOCK_BUDGET_S`.
        """
        wanted = merge_wanted(predict_locks(self._context, text, parameters))
        if not wanted:
            return None
        self._wait_for(wanted)
        return self._try_s

    @property
    def _left_s(self) -> float:
        """What is left of the budget."""
        budget_s = self._context.settings.lock_budget_s
        return self._began_s + budget_s - self._clock()

    @property
    def _gap_s(self) -> float:
        settings = self._context.settings
        return choose_gap_s(
            settings.lock_gap_s,
            settings.lock_timeout_s,
            self._clock() - self._began_s,
            settings.lock_budget_s,
        )

    @property
    def _try_s(self) -> float:
        """How long to wait for who came a moment ago; readers may queue for so long."""
        longest_s = self._context.settings.lock_timeout_s
        try_s = max(2 * self._gap_s, LEAST_TRY_S)
        return min(try_s, longest_s) if longest_s else try_s

    def _wait_for(self, wanted: Sequence[WantedLock]) -> None:
        if not wanted:
            return
        while conflicts := self._look(wanted):
            vacuums = self._find_vacuums(conflicts)
            if self._left_s <= 0:
                raise self._build_busy(wanted, conflicts)
            if len(vacuums) == len(conflicts):
                self._push_aside(vacuums)
            else:
                self._tell(conflicts)
                self._pause()
        self._found = wanted, self._clock()

    def _look(self, wanted: Sequence[WantedLock]) -> list[Conflict]:
        """Return those in the way that are older than a moment."""
        look = fetch_look(self._context.connect(), wanted)
        self._last = look
        self._seen.note(look)
        gap_s = self._gap_s
        return [
            each
            for each in find_conflicts(look, self._seen)
            if each.age_s >= gap_s or self._seen.is_unsure(each.holder)
        ]

    def _find_vacuums(self, conflicts: Sequence[Conflict]) -> list[Conflict]:
        return [
            each
            for each in conflicts
            if is_vacuum(each) and each.target.may_lock and not self._is_stubborn(each)
        ]

    def _is_stubborn(self, conflict: Conflict) -> bool:
        return conflict.holder.key in self._stubborn

    def _push_aside(self, vacuums: Sequence[Conflict]) -> None:
        """Wait for autovacuum as one that nobody queues behind, until it gives way.

        The server cancels it for whoever has waited for deadlock_timeout, whatever the
        mode; and its own mode stops neither readers nor writers.
        """
        connection = self._context.connect()
        timeout_s = min(
            fetch_deadlock_timeout_s(connection) + VACUUM_GRACE_S, max(self._left_s, 0)
        )
        for each in vacuums:
            names = describe_conflicts([each])
            self._context.progress(f"waits until autovacuum gives way: {names}")
            try:
                with connection.transaction():
                    lock_table(
                        connection,
                        each.target.relation,
                        LockMode.SHARE_UPDATE_EXCLUSIVE,
                        timeout_s,
                    )
            except psycopg.errors.LockNotAvailable:
                self._stubborn.add(each.holder.key)

    def _take(self, wanted: Sequence[WantedLock]) -> None:
        """Lock all of them in a gap, or none."""
        connection = self._context.connect()
        deadline = self._clock() + self._context.settings.lock_timeout_s
        while True:
            conflicts = [] if self._has_found(wanted) else self._look(wanted)
            if not conflicts and self._lock_all(connection):
                break
            if self._clock() > deadline:
                told = describe_conflicts(conflicts) or "many short ones"
                raise psycopg.errors.LockNotAvailable(
                    f"no gap on {_name(wanted)}; in the way: {told}"
                )
            self._tell(conflicts)
            self._pause()
        self._held |= {
            each.relation: max(each.mode, self._held.get(each.relation, each.mode))
            for each in wanted
        }
        lock_timeout_s = self._context.settings.lock_timeout_s
        connection.execute(
            "SELECT pg_catalog.set_config('lock_timeout', %s, true)",
            [f"{round(lock_timeout_s * 1000)}ms"],
        )

    def _has_found(self, wanted: Sequence[WantedLock]) -> bool:
        """Tell once whether the last look has found a gap for all of this just now."""
        (found_for, found_s), self._found = self._found, ((), 0.0)
        return found_for == wanted and self._clock() - found_s < FRESH_S

    def _lock_all(self, connection: Connection) -> bool:
        """Lock them one after the other, in as much time as one may wait."""
        deadline = self._clock() + self._try_s
        try:
            # Within a transaction this is a savepoint: what was had is given back.
            with connection.transaction():
                for target in self._last.targets:
                    if target.may_lock:
                        left_s = max(deadline - self._clock(), 0.01)
                        lock_table(connection, target.relation, target.mode, left_s)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            return False
        return True

    def _pause(self) -> None:
        late = self._clock() - self._began_s > SLOW_AFTER_S
        pause_s = SLOW_POLL_S if late else POLL_S
        self._sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311

    def _tell(self, conflicts: Sequence[Conflict]) -> None:
        """Say for whom it waits, and what could be done; the same not too often."""
        if not conflicts or conflicts[0].age_s < TELL_AFTER_S:
            return
        keys, told_s = self._told
        now_s = self._clock()
        old = frozenset(
            each.holder.key for each in conflicts if each.age_s >= TELL_AFTER_S
        )
        if old <= keys and now_s - told_s < TELL_AGAIN_S:
            return
        self._told = old | (keys if now_s - told_s < TELL_AGAIN_S else set()), now_s
        names = ", ".join(dict.fromkeys(map(_tell_target, conflicts)))
        self._context.progress(
            f"waits for a gap on {names}, and nobody queues behind it; in the way: "
            f"{describe_conflicts(conflicts)}"
        )
        self._context.progress(f"  what to do: {find_cure(conflicts[0])}")

    def _build_busy(
        self, wanted: Sequence[WantedLock], conflicts: Sequence[Conflict]
    ) -> Busy:
        budget_s = self._context.settings.lock_budget_s
        return Busy(
            f"a lock could not be had in {budget_s:.0f} s: no gap on {_name(wanted)}; "
            f"in the way: {describe_conflicts(conflicts)}",
            hint=f"{WHO_IS_AT_WORK}; then run the command again",
        )


def _name(wanted: Sequence[WantedLock]) -> str:
    return ", ".join(".".join(each.relation) for each in wanted)


def _tell_target(conflict: Conflict) -> str:
    return f"{'.'.join(conflict.target.relation)} ({conflict.target.mode.pg_name})"


def build_gaps(
    context: Context,
    operations: Sequence[Operation] = (),
    wanted: Sequence[WantedLock] | None = None,
) -> Gaps | None:
    """Return what finds the gaps for these operations; None where nobody looks."""
    if not context.seeks_gaps:
        return None
    return Gaps(context, wanted, at_once=not changes_rows(operations))
