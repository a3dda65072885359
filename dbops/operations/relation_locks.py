"""The strong locks that migrations take in a scratch database, seen there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from django.db import transaction
from django.db.migrations import Migration

from dbops.core.gaps import RelationRow, WantedLock, list_wanted
from dbops.core.migration import MigrationId
from dbops.operations.history import get_id
from dbops.operations.replay import Replay
from dbops.postgres.gaps import fetch_relations


class RelationLocks:
    """Looks before the end of each migration's transaction what it has locked.

    One query a migration: what is there at its end is what is there before the next.
    """

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._relations: Mapping[int, RelationRow] | None = None
        self.taken: dict[MigrationId, Sequence[WantedLock]] = {}

    @contextmanager
    def watch(self, migration: Migration) -> Iterator[None]:
        """Have the migration in one transaction, as a deployment has it."""
        connection = self._replay.connection
        if self._relations is None:
            self._relations = fetch_relations(self._replay.connect())
        with transaction.atomic(using=connection.alias):
            yield
            after = fetch_relations(self._replay.connect())
        self.taken[get_id(migration)] = list_wanted(self._relations, after.values())
        self._relations = {
            oid: row for oid, row in after.items() if row.name is not None
        }

    def forget(self) -> None:
        """Let something else than an atomic migration have changed the database."""
        self._relations = None
