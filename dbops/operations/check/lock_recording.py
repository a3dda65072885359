"""The statements of a migration as they run, with what the catalog says before each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunPython
from django.db.migrations.operations.base import Operation

from dbops.core.hazards.facts import Facts
from dbops.core.hazards.judge import Step
from dbops.core.hazards.parsing import NotUnderstood, list_names, parse_statements
from dbops.operations.replay import Replay
from dbops.postgres.lock_facts import fetch_lock_facts

HARMLESS = (
    "SELECT", "SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO", "SET CONSTRAINTS ALL",
)  # fmt: skip
"""How statements begin that Django runs for itself, in RunPython too."""
OWN_TABLE = '"django_migrations"'


class LockRecorder:
    """Takes down each statement of the migrations that a replay applies.

    It stands where all statements pass, so that it sees what Python code runs as well.
    """

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._steps: list[Step] = []
        self._operation = ""
        self._owners: dict[int, str] = {}
        self._editor: BaseDatabaseSchemaEditor | None = None
        self._single = 0

    def take_steps(self) -> list[Step]:
        """Return the steps since the last call."""
        steps, self._steps = self._steps, []
        return steps

    @property
    def _connection(self) -> BaseDatabaseWrapper:
        return self._replay.connection

    @contextmanager
    def watch_all(self) -> Iterator[None]:
        """Take down what runs inside the block."""
        self._operation, self._owners, self._editor = "", {}, None
        with self._connection.execute_wrapper(self._take_down):
            yield

    @contextmanager
    def watch(
        self, number: str, operation: Operation, editor: BaseDatabaseSchemaEditor
    ) -> Iterator[None]:
        """Put what runs inside the block down to this operation, the innermost."""
        outer, self._operation = self._operation, number
        self._editor = editor
        if isinstance(operation, RunPython) and not _is_noop(operation):
            self._add(Step(
                sql=f"RunPython({getattr(operation.code, '__qualname__', '...')})",
                transaction=self._name_transaction(),
                operation=number,
                is_python=True,
            ))  # fmt: skip
        self._single += 1
        try:
            yield
        finally:
            for each in editor.deferred_sql:
                self._owners.setdefault(id(each), number)
            self._operation = outer

    def _add(self, step: Step) -> None:
        self._steps.append(step)

    def _name_transaction(self) -> str | None:
        """Return a name of the transaction; None where each statement is one."""
        if not self._connection.in_atomic_block:
            return None
        editor = self._editor
        if editor is None or editor.atomic_migration:
            return ""
        return f"operation {self._single}"

    def _take_down(
        self,
        execute: Callable[..., Any],
        sql: Any,
        parameters: Any,
        many: bool,  # noqa: FBT001  Django's signature.
        context: Any,
    ) -> Any:
        text = str(sql)
        head = text.lstrip()[:30].upper()
        if not head.startswith(HARMLESS) and OWN_TABLE not in text:
            if parameters is not None and not many:
                text = self._connection.ops.compose_sql(text, parameters)  # type: ignore[attr-defined]
            self._add(
                Step(
                    sql=text.replace("%s", "NULL") if many else text,
                    facts=self._fetch_facts(text),
                    transaction=self._name_transaction(),
                    operation=self._operation or self._find_owner(text),
                )
            )
        return execute(sql, parameters, many, context)

    def _fetch_facts(self, text: str) -> Facts:
        try:
            statements = parse_statements(text)
        except NotUnderstood:
            return Facts()
        names: frozenset[str] = frozenset()
        return fetch_lock_facts(
            self._replay.connect(),
            names.union(*(list_names(each.node) for each in statements)),
            every_hop=any(each.kind == "TruncateStmt" for each in statements),
        )

    def _find_owner(self, text: str) -> str:
        """Return the operation that left the statement for the end."""
        for each in self._editor.deferred_sql if self._editor else ():
            if str(each) == text:
                return self._owners.get(id(each), "")
        return ""


def _is_noop(operation: RunPython) -> bool:
    return operation.code is RunPython.noop
