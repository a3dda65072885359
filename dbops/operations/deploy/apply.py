"""Apply one migration, so that a kill at any moment leaves a state that can be told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState

from dbops.core.gaps import WantedLock
from dbops.core.kept import Kept
from dbops.core.statement import (
    StatementClass,
    classify_statement,
)
from dbops.operations.context import Context
from dbops.operations.deploy.added import AddedOperation, insert_added
from dbops.operations.deploy.carried import Carried
from dbops.operations.deploy.gaps import build_gaps
from dbops.operations.deploy.lock_retry import (
    retry_on_lock_timeout,
    set_lock_timeout,
)
from dbops.operations.deploy.observing import (
    Observe,
    ObserveStatements,
    observe_operations,
)
from dbops.operations.history import get_id
from dbops.operations.kept.keep import Keeper


class OneMigration(MigrationExecutor):
    """Django's executor, around each migration something of ours.

    `within` opens what surrounds the schema change and its history row; `prepare`
    may put another migration in the place of the one on disk. With a `loader` of
    before, the migrations are not loaded again.
    """

    def __init__(
        self,
        connection: BaseDatabaseWrapper,
        *,
        within: Callable[[], AbstractContextManager[None]],
        prepare: Callable[[Migration], Migration] = lambda migration: migration,
        loader: MigrationLoader | None = None,
    ) -> None:
        if loader is None:
            super().__init__(connection)
        else:
            self.connection = connection
            self.loader = loader
            self.recorder = MigrationRecorder(connection)
            self.progress_callback = None
        self._within = within
        self._prepare = prepare

    def apply_migration(
        self,
        state: ProjectState,
        migration: Migration,
        fake: bool = False,  # noqa: FBT001, FBT002  Django's signature.
        fake_initial: bool = False,  # noqa: FBT001, FBT002
    ) -> ProjectState:
        """Apply it, and record it within the same surroundings."""
        with self._within():
            return super().apply_migration(
                state, self._prepare(migration), fake, fake_initial
            )

    def unapply_migration(
        self,
        state: ProjectState,
        migration: Migration,
        fake: bool = False,  # noqa: FBT001, FBT002
    ) -> ProjectState:
        """Unapply it, and remove its row within the same surroundings."""
        with self._within():
            return super().unapply_migration(state, self._prepare(migration), fake)


class StatementLog:
    """A Django execute wrapper that keeps the statements and bounds their waiting."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.statements: list[str] = []
        self.gaps = build_gaps(context)
        self.keeper: Keeper | None = None
        """Keeps what is dropped; None where nothing is kept."""
        self.returned: tuple[Kept, ...] = ()
        """What was filled in again on the way back."""

    def begin(self) -> None:
        """Forget an attempt that was rolled back."""
        self.statements.clear()
        if self.keeper is not None:
            self.keeper.begin()

    def __call__(
        self,
        execute: Any,
        sql: Any,
        params: Any,
        many: bool,  # noqa: FBT001  Django's signature.
        within: Any,
    ) -> Any:
        """Run one statement; alone in its transaction, again when it got no lock."""
        text = sql if isinstance(sql, str) else str(sql)
        self.statements.append(text)
        values = None if many else params

        def run(what: Any = sql) -> Any:
            return execute(what, params, many, within)

        attempt = run
        if self.keeper is not None and self.keeper.concerns(text, params):
            attempt = partial(self.keeper.run, text, run)
        if self._context.connection.in_atomic_block:
            if self.gaps:
                self.gaps.ask(text, values)
            return attempt()

        def attempt_alone() -> Any:
            self.prepare(text, values)
            return attempt()

        return retry_on_lock_timeout(attempt_alone, self._context)

    def prepare(self, text: str, params: Any = None) -> None:
        """Outside of a transaction, choose how a statement waits for its locks."""
        patient = classify_statement(text) is StatementClass.PATIENT
        connection = self._context.connect()
        timeout_s = 0 if patient else self._context.settings.lock_timeout_s
        if self.gaps and not patient:
            set_lock_timeout(connection, timeout_s)
            timeout_s = self.gaps.wait_for(text, params) or timeout_s
        set_lock_timeout(connection, timeout_s)
        if patient:
            connection.execute("SET statement_timeout = 0")
        else:
            connection.execute("RESET statement_timeout")


def apply_migration(
    context: Context,
    migration: Migration,
    *,
    log: StatementLog,
    observe: Observe,
    done: int = 0,
    added: Sequence[AddedOperation] = (),
    locks: Sequence[WantedLock] | None = None,
    carried: Carried | None = None,
    statements: ObserveStatements | None = None,
    verify: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> None:
    """Apply one pending migration to the database as `migrate` would.

    An atomic one gets its locks or is rolled back and tried again as a whole; its
    history row is written in the transaction of its DDL, which Django alone does only
    where no SQL was deferred. A non-atomic one is observed operation by operation,
    and its first `done` operations are not run again. What was `added` to it runs with
    it. Its strong `locks`, where they are known, are asked for in a gap. What is
    `carried` from one to the next spares loading all migrations for each. `verify` is
    around all that, and has the last word on an atomic one before it is committed.

    Raises:
        Busy: the locks were not had within the budget.
        django.db.Error, or whatever the migration raises.
    """

    log.gaps = build_gaps(context, migration.operations, locks)

    def attempt() -> None:
        log.begin()
        if log.gaps and migration.atomic:
            log.gaps.wait()
        executor = OneMigration(
            context.connection,
            within=lambda: _open_surroundings(context, migration, log, verify),
            prepare=lambda found: insert_added(
                found
                if migration.atomic
                else observe_operations(
                    found, observe, skip=range(1, done + 1), statements=statements
                ),
                added,
            ),
            loader=carried.loader if carried else None,
        )
        state = executor.migrate(
            [get_id(migration)],
            plan=[(migration, False)],
            state=carried.get_state() if carried else None,
        )
        if carried:
            carried.keep(executor, state)

    if migration.atomic:
        retry_on_lock_timeout(attempt, context)
    else:
        attempt()


@contextmanager
def _open_surroundings(
    context: Context,
    migration: Migration,
    log: StatementLog,
    verify: Callable[[], AbstractContextManager[object]],
) -> Iterator[None]:
    connection = context.connection
    if not migration.atomic:
        with verify(), open_patient_session(context, log):
            yield
        return
    with transaction.atomic(using=context.alias):
        set_lock_timeout(context.connect(), context.settings.lock_timeout_s, local=True)
        hold_turn(context)
        if log.gaps:
            log.gaps.take()
        with verify():
            with connection.execute_wrapper(log):
                yield
            if log.keeper is not None:
                log.keeper.finish()


def hold_turn(context: Context) -> None:
    """Make sure, within a transaction, that no other run has taken over.

    Raises:
        Superseded: one has.
    """
    if context.turn is not None:
        context.turn.hold(context.connect())


@contextmanager
def open_patient_session(context: Context, log: StatementLog) -> Iterator[None]:
    """Let each statement outside a transaction wait for its locks by its class."""
    connection = context.connection
    with connection.execute_wrapper(log):
        try:
            yield
        finally:
            _reset_timeouts(connection)


def _reset_timeouts(connection: BaseDatabaseWrapper) -> None:
    raw = connection.connection
    if raw is None or raw.closed:
        return
    raw.execute("RESET lock_timeout")
    raw.execute("RESET statement_timeout")
