"""Single statements of a non-atomic migration: write down what is done, and leave it.

A statement that may run in a transaction gets one, which has the word on it, too: it is
done if and only if that is written down. Of another one (CONCURRENTLY) it is written
down that it begins, and that it ended; in between the schema tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
from django.db import transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import Migration
from django.db.migrations.operations import RunPython, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation

from dbops.core.sql_script import may_run_in_transaction
from dbops.core.statement import StatementClass, classify_statement
from dbops.operations.context import Context
from dbops.operations.deploy.apply import hold_turn
from dbops.operations.deploy.lock_retry import retry_on_lock_timeout, set_lock_timeout
from dbops.operations.deploy.observing import ObserveStatements
from dbops.operations.history import get_id
from dbops.postgres.ledger import Ledger

Run = Callable[[str, Callable[[], None]], None]
"""Given a statement and what runs it; may leave that out."""


def shows_statements(operation: Operation) -> bool:
    """Say whether all that it does goes through the schema editor.

    RunPython and operations of others may write by cursors of their own.
    """
    match operation:
        case RunPython():
            return False
        case SeparateDatabaseAndState():
            return all(map(shows_statements, operation.database_operations))
        case _:
            return type(operation).__module__.startswith("django.")


@contextmanager
def intercept(editor: BaseDatabaseSchemaEditor, run: Run) -> Iterator[None]:
    """Let the statements of a schema editor pass `run`."""
    original = editor.execute

    def execute(sql: object, params: object = ()) -> None:
        run(str(sql), lambda: original(sql, params))  # type: ignore[arg-type]

    editor.execute = execute  # type: ignore[method-assign]
    try:
        yield
    finally:
        del editor.execute


@contextmanager
def count_statements(
    editor: BaseDatabaseSchemaEditor, note: Callable[[int], None]
) -> Iterator[None]:
    """Tell after each statement how many there were."""
    count = 0

    def run(_sql: str, execute: Callable[[], None]) -> None:
        nonlocal count
        execute()
        count += 1
        note(count)

    with intercept(editor, run):
        yield


def observe_statements(
    context: Context,
    ledger: Ledger,
    migration: Migration,
    *,
    operation: int,
    done: int,
) -> ObserveStatements:
    """Return what writes down the statements of each operation.

    Of the `operation` with that number, from 1, the first `done` are not run again.
    """

    @contextmanager
    def observe(
        number: int, each: Operation, editor: BaseDatabaseSchemaEditor
    ) -> Iterator[None]:
        if context.connection.in_atomic_block or not shows_statements(each):
            yield
            return
        ledger.record_statement(get_id(migration), number, 0, "")
        skip = done if number == operation else 0
        record = StatementRecord(context, ledger, migration, number, skip)
        with intercept(editor, record.run):
            yield

    return observe


class StatementRecord:
    """The statements of one operation, as they run."""

    def __init__(
        self,
        context: Context,
        ledger: Ledger,
        migration: Migration,
        operation: int,
        skip: int,
    ) -> None:
        self.context = context
        self.ledger = ledger
        self.name = get_id(migration)
        self.operation = operation
        self.skip = skip
        self.number = 0

    def run(self, sql: str, execute: Callable[[], None]) -> None:
        self.number += 1
        if self.number <= self.skip:
            self.context.progress(f"    statement {self.number} is done already")
            self._write(self.ledger, sql)
        else:
            self.run_written(sql, execute)

    def run_written(self, sql: str, execute: Callable[[], None]) -> None:
        """Run a statement, and write down that it is done."""
        if may_run_in_transaction(sql):
            retry_on_lock_timeout(lambda: self._run_within(sql, execute), self.context)
        else:
            self._run_beside(sql, execute)

    def _run_within(self, sql: str, execute: Callable[[], None]) -> None:
        patient = classify_statement(sql) is StatementClass.PATIENT
        with transaction.atomic(using=self.context.alias):
            connection = self.context.connect()
            set_lock_timeout(
                connection,
                0 if patient else self.context.settings.lock_timeout_s,
                local=True,
            )
            if patient:
                connection.execute("SET LOCAL statement_timeout = 0")
            hold_turn(self.context)
            execute()
            self._write(self.ledger.within(connection), sql)

    def _run_beside(self, sql: str, execute: Callable[[], None]) -> None:
        if self.context.turn is not None:
            self.context.turn.check()
        statement = self.ledger.record_statement(
            self.name, self.operation, self.number, sql, state="running"
        )
        state = "failed"
        try:
            execute()
            state = "done"
        finally:
            with suppress(psycopg.Error):
                self.ledger.finish_statement(statement, state=state)

    def _write(self, ledger: Ledger, sql: str) -> None:
        ledger.record_statement(self.name, self.operation, self.number, sql)
