"""Apply a migration as a deployment does, and write nothing down of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db.migrations import Migration
from django.db.migrations.operations.base import Operation

from dbops.operations.context import Context
from dbops.operations.deploy.apply import StatementLog, apply_migration
from dbops.operations.history import get_id
from dbops.operations.kept.keep import keep_dropped


def apply_plainly(context: Context, migration: Migration) -> None:
    """Apply one pending migration: executor, state and transactions as in a deployment.

    Raises:
        Busy: the locks were not had within the budget.
        django.db.Error, or whatever the migration raises.
    """
    log = keep_dropped(
        context, StatementLog(context), get_id(migration), atomic=migration.atomic
    )
    apply_migration(context, migration, log=log, observe=_look_away)


@contextmanager
def _look_away(_number: int, _operation: Operation) -> Iterator[None]:
    yield
