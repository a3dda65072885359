"""What a rehearsal has proven: one of the ledger, or one made now."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.migrations import Migration

from dbops.core.catalog import Catalog, ObjectKind
from dbops.core.compatibility import Break
from dbops.core.migration import MigrationId
from dbops.core.proof import Proofs, build_proof
from dbops.operations.check.digest import digest_down, digest_migration
from dbops.operations.context import Context
from dbops.operations.history import LEDGER_APP, History, get_id
from dbops.operations.rehearse.record import build_plain
from dbops.operations.rehearse.rehearse import rehearse_on_copy
from dbops.operations.rehearse.report import RehearseOptions
from dbops.operations.schema import Expectation
from dbops.postgres.rehearsals import RehearsalRow, fetch_rehearsal

FRESH = timedelta(days=1)
"""For how long a rehearsal counts: data and load are others tomorrow."""


def list_rehearsable(history: History) -> tuple[Migration, ...]:
    """Return what is pending of the project; dbops's own tables are proven by it."""
    return tuple(each for each in history.pending if each.app_label != LEDGER_APP)


def read_proofs(
    context: Context, history: History, live: Catalog, *, now: datetime | None = None
) -> Proofs | None:
    """Return the last rehearsal of the ledger, if it is one of all that is pending.

    It has to be of today, and of the migrations as they are on disk. `live` is the
    schema as it is.
    """
    rows: dict[MigrationId, RehearsalRow] = {}
    plain: dict[MigrationId, Any] = {}
    for migration in list_rehearsable(history):
        row = fetch_rehearsal(
            context.connect(), get_id(migration), digest_migration(migration)
        )
        if row is None or row.down_digest != digest_down(migration):
            return None
        rows[get_id(migration)] = row
        plain[get_id(migration)] = json.loads(row.report)
    if len({row.run for row in rows.values()}) != 1:
        return None
    (first, *_) = rows.values()
    if (now or datetime.now(UTC)) - first.rehearsed_at > FRESH:
        return None
    run = next(iter(plain.values())).get("run")
    if run is None:  # Written by a release that did not keep it.
        return None
    if run.get("keeps", False) != (context.settings.keep_dropped > 0):
        return None  # What was lost there is kept now, or the other way round.
    exposed = () if first.backup_id else _list_holders(live)
    return Proofs(
        migrations=tuple(
            build_proof(name, each, exposed) for name, each in plain.items()
        ),
        breaks=tuple(Break(**each) for each in run["breaks"]),
        rehearsed_at=first.rehearsed_at,
        backup_id=first.backup_id,
    )


def rehearse_now(
    context: Context,
    history: History,
    expectation: Expectation,
    live: Catalog,
    *,
    backup_id: str | None,
) -> Proofs:
    """Rehearse what is pending on a backup, or on the schema alone where none is.

    Raises:
        Refused, ToolFailed, ServerFailed: as `rehearse`.
    """
    # The copy is nobody else's: no turn to lose there, nobody to wait for.
    report = rehearse_on_copy(
        replace(context, turn=None, watcher=None, seeks_gaps=False),
        history,
        RehearseOptions(backup=backup_id or "", schema_only=backup_id is None),
        frozenset(map(get_id, list_rehearsable(history))),
        expectation,
    )
    exposed = () if report.is_measured else _list_holders(live)
    return Proofs(
        migrations=tuple(
            build_proof(each.id, build_plain(each), exposed)
            for each in report.migrations
        ),
        breaks=report.breaks,
        rehearsed_at=datetime.now(UTC),
        backup_id=report.backup_id or "",
        left=report.left,
    )


def _list_holders(live: Catalog) -> tuple[str, ...]:
    """Return what may hold rows or values that a copy without rows does not have."""
    kinds = {ObjectKind.TABLE, ObjectKind.COLUMN}
    return tuple(each.name for each in live.objects if each.kind in kinds)
