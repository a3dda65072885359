"""The digest of a migration as it is on disk, and the SQL that its operations hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from django.db.migrations import Migration, RunSQL
from django.db.migrations.operations import SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation
from django.db.migrations.writer import MigrationWriter

from dbops.core.migration_digest import digest_source, digest_sql


def get_path(migration: Migration) -> Path:
    """Return where the migration's Python file is."""
    return Path(MigrationWriter(migration).path)


def digest_migration(migration: Migration) -> str:
    """Return the digest of what is on disk; empty where there is no source to read."""
    try:
        source = get_path(migration).read_text(encoding="utf-8")
        return digest_source(
            source, (text for text, _ in list_sql(migration.operations))
        )
    except (OSError, SyntaxError, ValueError):
        return ""


def digest_down(migration: Migration) -> str:
    """Return the digest of its `down.sql` as it is on disk; empty without a file."""
    directory = Path(MigrationWriter(migration).basedir) / "sql" / migration.name
    try:
        return digest_sql((directory / "down.sql").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""


def read_sql(operation: RunSQL) -> Iterator[tuple[str, object]]:
    """Yield the operation's texts with their parameters, as Django would run them."""
    parts = operation.sql
    for part in [parts] if isinstance(parts, str) else parts or ():
        if isinstance(part, str):
            yield part, None
        else:
            text, parameters = part
            yield text, parameters


def list_sql(operations: Iterable[Operation]) -> Iterator[tuple[str, object]]:
    """Yield the texts of all RunSQL operations, nested ones too, and parameters."""
    for operation in operations:
        if isinstance(operation, RunSQL):
            yield from read_sql(operation)
        elif isinstance(operation, SeparateDatabaseAndState):
            # An adopted migration has all of its operations on the state's side.
            yield from list_sql(operation.database_operations)
            yield from list_sql(operation.state_operations)
