"""The migrations of a backup next to those of the project, without a database."""

from __future__ import annotations

from collections.abc import Sequence
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
            self._loader = MigrationLoader(None, ignore_no_migrations=True)
        except (BadMigrationError, CircularDependencyError, NodeNotFoundError):
            self._loader = None

    def compare(self, applied: Sequence[MigrationId]) -> MigrationState:
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
    """Return those on disk that are not recorded; a squash stands for what it replaced.

    A squash of which some are recorded is not applied yet, and neither is the rest.
    """
    disk = loader.disk_migrations
    done = {tuple(each) for each in recorded}
    squashes = [each for each in disk.values() if each.replaces]
    for each in squashes:
        if (each.app_label, each.name) in done:
            done |= {tuple(key) for key in each.replaces}
        elif done >= {tuple(key) for key in each.replaces}:
            done.add((each.app_label, each.name))
    for each in squashes:
        replaced = {tuple(key) for key in each.replaces}
        # Django takes either the squash or its parts, never both.
        done |= {(each.app_label, each.name)} if replaced & done else replaced
    return tuple(sorted(MigrationId(*key) for key in disk if key not in done))
