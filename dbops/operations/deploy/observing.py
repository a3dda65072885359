"""The operations of a non-atomic migration, told one by one as they run."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import Migration
from django.db.migrations.operations import (
    RunPython,
    RunSQL,
    SeparateDatabaseAndState,
)
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from dbops.core.statement import (
    mask_secrets,
)
from dbops.core.words import shorten

LONGEST_SQL = 70

Observe = Callable[[int, Operation], AbstractContextManager[None]]
"""Wraps the database's part of the operation with that number, from 1."""

ObserveStatements = Callable[
    [int, Operation, BaseDatabaseSchemaEditor], AbstractContextManager[None]
]
"""The same, for whoever wants to see the statements that go through the editor."""


class ObservedOperation(Operation):
    """An operation of a non-atomic migration, told before and after it runs.

    Its deferred SQL runs with it: a non-atomic migration commits as it goes, and what
    is left for the end would be lost when it is cut off.
    """

    def __init__(
        self,
        operation: Operation,
        number: int,
        observe: Observe,
        statements: ObserveStatements | None = None,
    ) -> None:
        self.operation = operation
        self.number = number
        self.observe = observe
        self.statements = statements
        self.atomic = operation.atomic  # type: ignore[misc]
        self.reversible = operation.reversible  # type: ignore[misc]
        self.reduces_to_sql = operation.reduces_to_sql  # type: ignore[misc]

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Change the state as the operation does."""
        self.operation.state_forwards(app_label, state)

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Change the database as the operation does, deferred SQL included."""
        with (
            self.observe(self.number, self.operation),
            self.statements(self.number, self.operation, schema_editor)
            if self.statements
            else nullcontext(),
        ):
            self.operation.database_forwards(
                app_label, schema_editor, from_state, to_state
            )
            for statement in schema_editor.deferred_sql:
                schema_editor.execute(statement, None)
            schema_editor.deferred_sql.clear()

    def describe(self) -> str:
        """Return the operation's own words."""
        return self.operation.describe()


def observe_operations(
    migration: Migration,
    observe: Observe,
    *,
    skip: Collection[int] = (),
    statements: ObserveStatements | None = None,
) -> Migration:
    """Return a copy of the migration with its operations observed.

    Those numbered in `skip`, from 1, only change the state: the database has them
    already.
    """
    copied = leave_out_operations(migration, skip)
    copied.operations = [  # type: ignore[misc]
        each if number in skip else ObservedOperation(each, number, observe, statements)
        for number, each in enumerate(copied.operations, start=1)
    ]
    return copied


def leave_out_operations(migration: Migration, skip: Collection[int]) -> Migration:
    """Return a copy of which the operations in `skip` only change the state."""
    copied = type(migration)(migration.name, migration.app_label)
    copied.replaces = migration.replaces  # type: ignore[misc]
    copied.operations = [  # type: ignore[misc]
        SeparateDatabaseAndState(state_operations=[each]) if number in skip else each
        for number, each in enumerate(migration.operations, start=1)
    ]
    return copied


def describe_operation(operation: Operation) -> str:
    """Return the operation's own words, or the beginning of its SQL.

    Django's words for all RunSQL and RunPython are the same.
    """
    match operation:
        case RunSQL(sql=str(text)):
            return f"SQL {_shorten(text)}"
        case RunSQL(sql=[*parts]):
            first = parts[0] if parts else ""
            return f"SQL {_shorten(first if isinstance(first, str) else first[0])}"
        case RunPython():
            return f"Python {getattr(operation.code, '__qualname__', operation.code)}"
        case _:
            return operation.describe()


def _shorten(text: str) -> str:
    return shorten(mask_secrets(" ".join(text.split())), LONGEST_SQL)
