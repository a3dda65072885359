"""The migrations of a backup next to those of the project, without a database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.migrations.exceptions import (
    BadMigrationError,
    CircularDependencyError,
    NodeNotFoundError,
)
from django.db.migrations.loader import MigrationLoader

from dbops.core.migration import MigrationId
from dbops.operations.history import find_unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationState:
    """The migrations of a backup, next to those of the project."""

    applied: int
    newest: MigrationId | None
    pending: tuple[MigrationId, ...]
    """On disk, and not in the backup."""
    unknown: tuple[MigrationId, ...]
    """In the backup, and not on disk."""


class Project:
    """The migrations on disk, or nothing where they cannot be read."""

    def __init__(self) -> None:
        self._loader: MigrationLoader | None
        try:
            self._loader = MigrationLoader(None)
        except (BadMigrationError, CircularDependencyError, NodeNotFoundError):
            self._loader = None

    def compare(self, applied: tuple[MigrationId, ...]) -> MigrationState:
        """Return how the migrations of a backup stand to those on disk."""
        recorded = set(applied)
        loader = self._loader
        return MigrationState(
            applied=len(applied),
            newest=applied[-1] if applied else None,
            pending=_find_pending(loader, recorded) if loader else (),
            unknown=find_unknown(loader, recorded) if loader else (),
        )


def _find_pending(
    loader: MigrationLoader, recorded: set[MigrationId]
) -> tuple[MigrationId, ...]:
    def is_applied(key: tuple[str, str]) -> bool:
        replaced: Iterable[tuple[str, str]] = ()
        if key in loader.disk_migrations:
            replaced = loader.disk_migrations[key].replaces
        return MigrationId(*key) in recorded or (
            bool(replaced) and all(map(is_applied, replaced))
        )

    # Without a database the graph has a squashed migration in place of its parts.
    names = sorted(loader.graph.nodes)
    return tuple(MigrationId(*key) for key in names if not is_applied(key))
