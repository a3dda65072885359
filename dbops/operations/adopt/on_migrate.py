"""Let plain `migrate` adopt an existing database, or refuse before it does anything."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError
from django.db import connections, transaction
from django.db.migrations import Migration
from django.db.migrations.operations import SeparateDatabaseAndState

from dbops.core.catalog import Catalog
from dbops.core.migration import MigrationId
from dbops.errors import DbopsError
from dbops.operations.adopt.adoption import (
    Adoption,
    find_existing_tables,
    prove_adoption,
)
from dbops.operations.adopt.baseline import record_adoption
from dbops.operations.context import Context, build_context
from dbops.operations.develop.on_migrate import continue_from_push, is_pushed
from dbops.operations.history import get_id, read_history
from dbops.operations.schema import fetch_live_catalog
from dbops.postgres.ledger_reading import ledger_exists

Plan = list[tuple[Migration, bool]]

_adopted: dict[str, tuple[tuple[MigrationId, ...], Catalog]] = {}


def prepare(*, using: str, plan: Plan, **_: Any) -> None:
    """Receive pre_migrate: prove initial migrations whose tables exist already.

    Those that are proven only change the project's state afterwards, so that `migrate`
    records them without running their SQL; and so do all where the schema was pushed.
    pre_migrate comes before everything that `migrate` writes, its own history table
    included.

    Raises:
        CommandError: the database is not what they would create; nothing was changed.
    """
    forwards = {get_id(each): each for each, backwards in plan if not backwards}
    if not forwards or connections[using].vendor != "postgresql":
        return
    context = build_context(using)
    try:
        if is_pushed(context):
            continue_from_push(context, forwards.values())
            return
        adoption, live = _prove(context, forwards)
    except DbopsError as error:
        text = error.message if error.hint is None else f"{error}\n  Next: {error.hint}"
        raise CommandError(text, returncode=error.exit_code) from error
    if adoption is None:
        return
    mine = tuple(each for each in adoption.migrations if each in forwards)
    if adoption.comparison.differences:
        listed = "\n".join(f"  {each}" for each in adoption.comparison.differences)
        raise CommandError(
            f"the tables of {', '.join(map(str, mine))} exist, and they are not what "
            f"it would create:\n{listed}\nNothing was changed.\n"
            "  Next: manage.py dbops_baseline --dry-run",
            returncode=4,
        )
    for each in mine:
        migration = forwards[each]
        migration.operations = [  # type: ignore[misc]
            SeparateDatabaseAndState(state_operations=list(migration.operations))
        ]
    _adopted[using] = (mine, live)


def _prove(
    context: Context, forwards: dict[MigrationId, Migration]
) -> tuple[Adoption | None, Catalog]:
    history = read_history(context)
    existing = find_existing_tables(context, history)
    apps = frozenset(each.app for each in existing if each in forwards)
    if not apps:
        return None, Catalog(())
    live = fetch_live_catalog(context)
    return prove_adoption(context, history, live, apps), live


def record(*, using: str, **_: Any) -> None:
    """Receive post_migrate: write into the ledger what was adopted."""
    if using not in _adopted:
        return
    migrations, before = _adopted.pop(using)
    context = build_context(using)
    if ledger_exists(context.connect()):
        with transaction.atomic(using=using):
            record_adoption(context, migrations, before)
