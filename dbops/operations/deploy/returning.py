"""Take back what commits as it goes; a way back that was cut off goes on where it was.

Each statement is written down as on the way there: in its own transaction, or, where
that cannot be, before and after it. What is done already is known by its text, since
what Django writes depends on what is there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from dbops.core.migration import MigrationId
from dbops.core.sql_script import may_run_again
from dbops.core.statement import mask_secrets
from dbops.core.words import shorten
from dbops.errors import NeedsRepair
from dbops.operations.context import Context
from dbops.operations.deploy.apply import hold_turn
from dbops.operations.deploy.observing import describe_operation
from dbops.operations.deploy.statements import (
    StatementRecord,
    intercept,
    shows_statements,
)
from dbops.operations.history import get_id
from dbops.postgres.indexes import drop_index, fetch_validity
from dbops.postgres.ledger import Ledger
from dbops.postgres.ledger_reading import StatementRow, fetch_statements

WHOLE = 0
"""The number of the word on an operation as a whole."""
SCRIPT = 0
"""The number of the operation that a `down.sql` stands for."""
LONGEST_TOLD = 70
ON_INDEX = re.compile(
    r"\s*(?P<verb>CREATE(?=\s)|DROP)\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+"
    r"(?:IF\s+(?:NOT\s+)?EXISTS\s+)?"
    r'(?P<name>(?:"(?:[^"]|"")+"|[\w$]+)(?:\.(?:"(?:[^"]|"")+"|[\w$]+))?)',
    re.IGNORECASE,
)


def is_begun(context: Context, migration: MigrationId) -> bool:
    """Say whether a part of a way back that commits as it goes is done."""
    rows = fetch_statements(context.connect(), migration)
    return any(each.operation <= SCRIPT and each.state == "done" for each in rows)


class Returning:
    """The way back of one migration, and what is written of it."""

    def __init__(self, context: Context, ledger: Ledger, migration: Migration) -> None:
        self.context = context
        self.ledger = ledger
        self.migration = migration
        self._rows = fetch_statements(context.connect(), get_id(migration))

    def observe(self, migration: Migration, prove: Callable[[], None]) -> Migration:
        """Return a copy of which each operation is taken back once.

        `prove` is called when all are, before the history row is removed.
        """
        copied = type(migration)(migration.name, migration.app_label)
        copied.replaces = migration.replaces  # type: ignore[misc]
        copied.operations = [  # type: ignore[misc]
            _Proof(prove),
            *(
                _Returned(each, number, self)
                for number, each in enumerate(migration.operations, start=1)
            ),
        ]
        return copied

    def open_record(self, operation: int) -> ReturnRecord:
        """Return what writes down the statements of an operation."""
        rows = [each for each in self._rows if each.operation == -operation]
        return ReturnRecord(self.context, self.ledger, self.migration, operation, rows)

    def take_back(
        self,
        number: int,
        operation: Operation,
        editor: BaseDatabaseSchemaEditor,
        run: Callable[[], None],
    ) -> None:
        """Take one operation back, unless it is written that this was done.

        Raises:
            NeedsRepair: it was cut off, and nobody knows whether it was done.
        """
        state = self._find_state(number)
        words = f"operation {number}: {describe_operation(operation)}"
        if state == "done":
            self.context.progress(f"  {words}, is taken back already")
            return
        name = get_id(self.migration)
        if self.context.connection.in_atomic_block:
            hold_turn(self.context)
            run()
            within = self.ledger.within(self.context.connect())
            within.record_statement(name, -number, WHOLE, "")
        elif shows_statements(operation):
            with intercept(editor, self.open_record(number).run):
                run()
            self.ledger.record_statement(name, -number, WHOLE, "")
        elif state == "running":
            raise NeedsRepair(
                f'the way back of "{name}" was cut off in {words}, and nobody knows '
                "whether that was done",
                hint="look at the data, and finish it by hand; then manage.py migrate "
                f"--fake {name.app} PREVIOUS",
            )
        else:
            began = self.ledger.record_statement(
                name, -number, WHOLE, "", state="running"
            )
            run()
            self.ledger.finish_statement(began, state="done")

    def _find_state(self, number: int) -> str:
        states = [
            each.state
            for each in self._rows
            if (each.operation, each.number) == (-number, WHOLE)
        ]
        return states[-1] if states else ""


class ReturnRecord(StatementRecord):
    """The statements that take back one operation, as they run."""

    def __init__(
        self,
        context: Context,
        ledger: Ledger,
        migration: Migration,
        operation: int,
        rows: list[StatementRow],
    ) -> None:
        super().__init__(context, ledger, migration, -operation, 0)
        words = {each.number: each for each in rows if each.number != WHOLE}
        self.number = max(words, default=0)
        self._done = Counter(
            each.sql for each in words.values() if each.state == "done"
        )
        self._begun = {each.sql for each in words.values() if each.state == "running"}

    def run(self, sql: str, execute: Callable[[], None]) -> None:
        """Run a statement that is not done yet."""
        text = mask_secrets(sql)
        told = shorten(" ".join(text.split()), LONGEST_TOLD)
        if self._done[text]:
            self._done[text] -= 1
            self.context.progress(f"    done already: {told}")
            return
        self.number += 1
        is_in_doubt = text in self._begun and not may_run_again(sql)
        if is_in_doubt and self._is_done(sql, told):
            self._write(self.ledger, sql)
        else:
            self.run_written(sql, execute)

    def _is_done(self, sql: str, told: str) -> bool:
        """Say whether a statement that was cut off has done its work.

        An index that is INVALID is none: it is dropped here.
        """
        found = ON_INDEX.match(sql)
        if found is None:
            raise NeedsRepair(
                f'the way back of "{self.name}" was cut off in "{told}", and nobody '
                "knows whether that was done",
                hint="look at the database, and finish it by hand; then manage.py "
                f"migrate --fake {self.name.app} PREVIOUS",
            )
        connection = self.context.connect()
        is_valid = fetch_validity(connection, found["name"])
        if is_valid is False:
            drop_index(connection, found["name"])
            is_valid = None
        return (is_valid is not None) == (found["verb"].upper() == "CREATE")


class _Returned(Operation):
    """An operation that is taken back once."""

    def __init__(self, operation: Operation, number: int, returning: Returning) -> None:
        self.operation = operation
        self.number = number
        self.returning = returning
        self.atomic = operation.atomic  # type: ignore[misc]
        self.reversible = operation.reversible  # type: ignore[misc]
        self.reduces_to_sql = operation.reduces_to_sql  # type: ignore[misc]

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Change the state as the operation does."""
        self.operation.state_forwards(app_label, state)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Take it back, deferred SQL included."""

        def run() -> None:
            self.operation.database_backwards(
                app_label, schema_editor, from_state, to_state
            )
            for statement in schema_editor.deferred_sql:
                schema_editor.execute(statement, None)
            schema_editor.deferred_sql.clear()

        self.returning.take_back(self.number, self.operation, schema_editor, run)

    def describe(self) -> str:
        """Return the operation's own words."""
        return self.operation.describe()


class _Proof(Operation):
    """What comes last on the way back."""

    def __init__(self, prove: Callable[[], None]) -> None:
        self.prove = prove

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Change nothing."""

    def database_backwards(self, *_arguments: object, **_named: object) -> None:
        """Have it proven."""
        self.prove()
