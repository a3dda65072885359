"""The SQL of one migration, as Django runs it, in both directions.

Django's own `collect_sql` prints statements without running them, so that a later
operation reads names from a database that the earlier ones have not changed. Here the
statements run, in a scratch database, and are taken down on their way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import Migration, RunPython
from django.db.migrations.operations import SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from dbops.core.sql_script import parse_down, split_statements, terminate
from dbops.errors import DbopsError
from dbops.operations.replay import Replay

DEFERRED = "Left by Django for the end"
Run = Callable[..., None]


class Recording:
    """Statements under the headings of their operations, and what is not among them."""

    def __init__(self) -> None:
        self.unwritten: list[str] = []
        """What Django could not write, one reason each."""
        self._sections: list[tuple[str, list[str]]] = []
        self._paused = False

    @property
    def body(self) -> str:
        """The statements with their headings, a blank line after each; or nothing."""
        return "\n\n".join(
            f"-- {heading}\n" + "\n\n".join(pieces)
            for heading, pieces in self._sections
            if pieces
        )

    def open(self, heading: str) -> None:
        """Begin what belongs to one operation."""
        self._sections.append((" ".join(heading.split()), []))

    def add(self, piece: str) -> None:
        """Take down a piece of SQL, as it is laid out if that takes several lines."""
        if self._paused:
            return
        several = "\n" in piece.strip()
        pieces = [piece.strip()] if several else split_statements(piece)
        self._sections[-1][1].extend(map(terminate, pieces))

    def remark(self, comment: str) -> None:
        """Take down a comment."""
        self._sections[-1][1].append(f"-- {comment}")

    def drop(self) -> None:
        """Forget the last section: it was not to be."""
        del self._sections[-1]

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Take nothing down within the block."""
        self._paused = True
        try:
            yield
        finally:
            self._paused = False


class Observer(Protocol):
    """Who else wants to know which operation runs."""

    def watch(
        self, number: str, operation: Operation, editor: BaseDatabaseSchemaEditor
    ) -> AbstractContextManager[None]:
        """Return a block around the run of one operation; `number` is as in `2.1`."""

    def watch_all(self) -> AbstractContextManager[None]:
        """Return a block around the run of the migration."""


def record_forward(
    replay: Replay, migration: Migration, observer: Observer | None = None
) -> Recording:
    """Apply the migration to the scratch database; return the SQL that did it.

    Raises:
        ServerFailed: it fails on an empty database.
    """
    recording = Recording()

    def run(label: str, operation: Operation, original: Run, args: Any) -> None:
        if observer is None:
            take_down(label, operation, original, args)
            return
        with observer.watch(label.split()[1], operation, args[1]):
            take_down(label, operation, original, args)

    def take_down(label: str, operation: Operation, original: Run, args: Any) -> None:
        recording.open(operation.describe())
        if operation.reduces_to_sql:
            original(*args)
        else:
            recording.remark(f"{label} is not in this file: it runs Python.")
            with recording.pause():
                original(*args)
        recording.open(DEFERRED)

    with (
        _record_editor(replay.connection, recording.add),
        _watch_operations(migration, "database_forwards", run),
        observer.watch_all() if observer else nullcontext(),
    ):
        replay.apply([migration])
    return recording


def record_backward(
    replay: Replay, migration: Migration, before: ProjectState
) -> Recording:
    """Return the SQL that takes the migration back; the scratch database stays as is.

    The statements of an atomic migration run, and are rolled back. Those of another
    one are only printed. `before` is the state without the migration.
    """
    recording = Recording()
    alias = replay.connection.alias

    def run(label: str, operation: Operation, original: Run, args: Any) -> None:
        if not operation.reversible:
            recording.unwritten.append(
                f"{label} is irreversible; write the way back, or declare: "
                "-- dbops: irreversible: <reason>"
            )
        elif operation.reduces_to_sql:
            original(*args)
        elif getattr(operation, "reverse_code", None) is not RunPython.noop:
            recording.unwritten.append(f"{label} cannot be written as SQL")

    def record(piece: str) -> None:
        if migration.atomic:
            # A COMMIT would end the transaction that all of this happens in.
            parse_down(piece)
        recording.add(piece)

    with (
        transaction.atomic(using=alias) if migration.atomic else nullcontext(),
        _record_editor(replay.connection, record),
        _watch_operations(migration, "database_backwards", run),
    ):
        _unapply(replay.connection, migration, before, recording)
        if migration.atomic:
            transaction.set_rollback(True, using=alias)
    return recording


def _unapply(
    connection: BaseDatabaseWrapper,
    migration: Migration,
    before: ProjectState,
    recording: Recording,
) -> None:
    def savepoint() -> AbstractContextManager[Any]:
        if migration.atomic:
            return transaction.atomic(using=connection.alias)
        return nullcontext()

    with connection.schema_editor(
        collect_sql=not migration.atomic, atomic=migration.atomic
    ) as editor:
        for number, operation, older, newer in _list_backward(migration, before):
            recording.open(f"Undo: {operation.describe()}")
            try:
                with savepoint():
                    operation.database_backwards(
                        migration.app_label, editor, newer, older
                    )
            except Exception as error:  # noqa: BLE001  Operations are other people's.
                recording.drop()
                recording.unwritten.append(
                    f"{_build_label(str(number), operation, backward=True)} fails: "
                    f"{_tell(error)}"
                )
        recording.open(DEFERRED)
        deferred, editor.deferred_sql = editor.deferred_sql, []
        try:
            with savepoint():
                for statement in deferred:
                    editor.execute(statement, None)
        except Exception as error:  # noqa: BLE001
            recording.drop()
            recording.unwritten.append(f"its last statements fail: {_tell(error)}")


def _list_backward(
    migration: Migration, before: ProjectState
) -> list[tuple[int, Operation, ProjectState, ProjectState]]:
    steps = []
    newer = before
    for number, operation in enumerate(migration.operations, start=1):
        older, newer = newer, newer.clone()
        operation.state_forwards(migration.app_label, newer)
        steps.append((number, operation, older, newer))
    return steps[::-1]


@contextmanager
def _record_editor(
    connection: BaseDatabaseWrapper, record: Callable[[str], None]
) -> Iterator[None]:
    """Let each schema editor of the connection tell the statements that it runs."""
    original = connection.SchemaEditorClass
    assert original is not None  # noqa: S101  PostgreSQL has one.

    class RecordingEditor(original):  # type: ignore[misc, valid-type]
        def execute(self, sql: Any, params: Any = ()) -> None:
            text = str(sql)
            if params is not None:
                text = self.connection.ops.compose_sql(text, params)
            record(text)
            super().execute(sql, params)

    connection.SchemaEditorClass = RecordingEditor
    try:
        yield
    finally:
        connection.SchemaEditorClass = original


@contextmanager
def _watch_operations(
    migration: Migration,
    method: str,
    run: Callable[[str, Operation, Run, Any], None],
) -> Iterator[None]:
    """Have `run` called for this method of each operation, nested ones too."""
    walked = list(_walk(migration.operations))
    for number, operation in walked:
        label = _build_label(number, operation, backward=method.endswith("backwards"))
        setattr(operation, method, _bind(run, label, operation, method))
    try:
        yield
    finally:
        for _, operation in walked:
            delattr(operation, method)


def _bind(
    run: Callable[[str, Operation, Run, Any], None],
    label: str,
    operation: Operation,
    method: str,
) -> Run:
    original = getattr(operation, method)

    def call(
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        run(
            label, operation, original, (app_label, schema_editor, from_state, to_state)
        )

    return call


def _walk(
    operations: Iterable[Operation], prefix: str = ""
) -> Iterator[tuple[str, Operation]]:
    """Number the operations, those inside of others as in `2.1`."""
    for position, operation in enumerate(operations, start=1):
        yield f"{prefix}{position}", operation
        if isinstance(operation, SeparateDatabaseAndState):
            yield from _walk(operation.database_operations, f"{prefix}{position}.")


def _build_label(number: str, operation: Operation, *, backward: bool) -> str:
    name = type(operation).__name__
    if isinstance(operation, RunPython):
        code = (backward and operation.reverse_code) or operation.code
        name += (
            f": {code.__module__}.{getattr(code, '__qualname__', type(code).__name__)}"
        )
    return f"operation {number} ({name})"


def _tell(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, DbopsError) else f"{type(error).__name__}: {text}"
