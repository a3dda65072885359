"""Which release of the code fits a restored schema."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.migrations.exceptions import BadMigrationError, NodeNotFoundError
from django.db.migrations.loader import MigrationLoader

from dbops.core.migration import MigrationId
from dbops.operations.history import find_unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The migrations that only the code has, and those that only the backup has."""

    pending: tuple[MigrationId, ...] = ()
    unknown: tuple[MigrationId, ...] = ()


def find_fit(applied: Iterable[MigrationId]) -> Fit:
    """Compare a backup's migrations with those on disk; no database is asked.

    Nothing when none are recorded, or when those on disk do not fit together.
    """
    recorded = set(applied)
    if not recorded:
        return Fit()
    try:
        loader = MigrationLoader(None, ignore_no_migrations=True)
    except (BadMigrationError, NodeNotFoundError):
        return Fit()
    return Fit(
        pending=_find_pending(loader, recorded),
        unknown=find_unknown(loader, recorded),
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
