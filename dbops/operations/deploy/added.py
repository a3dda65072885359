"""Operations that receivers of pre_migrate add to the migrations that will run.

Django's contenttypes follows each RenameModel by one that renames the model's content
type, with the permissions that hang on it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations.base import Operation

from dbops.core.migration import MigrationId


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedOperation:
    """One of them, and its place."""

    after: int
    """How many of the migration's own operations come before it."""
    operation: Operation


Added = Mapping[MigrationId, Sequence[AddedOperation]]


def copy_migration(migration: Migration) -> Migration:
    """Return one that receivers may change, and the original stays as it is on disk."""
    copied = copy.copy(migration)
    copied.operations = list(migration.operations)  # type: ignore[misc]
    return copied


def find_added(original: Migration, changed: Migration) -> tuple[AddedOperation, ...]:
    """Return what was put between the operations; nothing where they were replaced."""
    own = {id(each) for each in original.operations}
    kept = [each for each in changed.operations if id(each) in own]
    if len(kept) != len(original.operations):
        return ()
    added, before = [], 0
    for each in changed.operations:
        if id(each) in own:
            before += 1
        else:
            added.append(AddedOperation(after=before, operation=each))
    return tuple(added)


def insert_added(migration: Migration, added: Sequence[AddedOperation]) -> Migration:
    """Return a migration that has these among its own operations."""
    if not added:
        return migration
    operations = list(migration.operations)
    for each in reversed(added):
        operations.insert(each.after, each.operation)
    copied = copy.copy(migration)
    copied.operations = operations  # type: ignore[misc]
    return copied


def reverse_added(
    connection: BaseDatabaseWrapper,
    migration: Migration,
    added: Iterable[AddedOperation],
) -> None:
    """Take back what was added, once the migration itself was taken back by SQL."""
    operations = [each.operation for each in added if each.operation.reversible]
    if not operations:
        return
    # Of all apps: what was added is about models of others, as content types are.
    state = MigrationExecutor(connection).loader.project_state()
    with connection.schema_editor(atomic=False) as editor:
        for operation in reversed(operations):
            operation.database_backwards(migration.app_label, editor, state, state)
