"""List what is kept, and drop what is over its time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import psycopg

from dbops.core.kept import SCHEMA, Kept
from dbops.core.migration import MigrationId
from dbops.errors import Busy
from dbops.operations.context import Context
from dbops.operations.ledger.report import HistoryAction
from dbops.postgres.chain import chain_exists, fetch_head
from dbops.postgres.keeping import drop_kept, fetch_kept
from dbops.postgres.session import WHO_IS_AT_WORK, Connection, open_session

LOCK_TIMEOUT_S = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRecord:
    """One thing that is kept."""

    id: UUID
    kind: str
    name: str
    place: str
    migration: MigrationId
    rows: int
    """Of a column, its values."""
    is_estimate: bool
    size_bytes: int
    dropped_at: datetime
    until: datetime
    is_over: bool
    """Whether the next deployment, or `dbops_history purge`, drops it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReport:
    """What is kept of dropped tables and columns, the oldest first."""

    action: HistoryAction = HistoryAction.KEPT
    kept: tuple[KeptRecord, ...] = ()
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeReport:
    """What was over its time, and dropped."""

    action: HistoryAction = HistoryAction.PURGE
    purged: tuple[KeptRecord, ...] = ()
    size_bytes: int = 0
    left: int = 0
    """How many are kept on."""
    dry_run: bool = False
    ledger_head: str = ""


def list_kept(context: Context) -> KeptReport:
    """Return what is kept now, with its size on disk."""
    with open_session(context.target, purpose="history") as session:
        records = tuple(map(_build_record, fetch_kept(session)))
    return KeptReport(kept=records, size_bytes=_sum(records))


def purge(context: Context, *, dry_run: bool = False) -> PurgeReport:
    """Drop what is over its time, each in a transaction with its entry in the ledger.

    Raises:
        Busy: somebody reads it, or a rollback brings it back right now.
    """
    with open_session(context.target, purpose="history") as session:
        kept = fetch_kept(session)
        due = [each for each in kept if _build_record(each).is_over]
        if not dry_run:
            _drop(session, due)
        head = fetch_head(session) if chain_exists(session) else None
    records = tuple(map(_build_record, due))
    return PurgeReport(
        purged=records,
        size_bytes=_sum(records),
        left=len(kept) - len(due),
        dry_run=dry_run,
        ledger_head=head.hash if head and not dry_run else "",
    )


def purge_when_due(context: Context) -> PurgeReport:
    """Do the same at the end of a deployment, which never fails for it."""
    try:
        return purge(context)
    except (Busy, psycopg.Error) as error:
        context.progress(f"what is kept was not purged: {error}")
        return PurgeReport()


def _drop(session: Connection, due: Sequence[Kept]) -> None:
    session.execute(
        "SELECT pg_catalog.set_config('lock_timeout', %s, false)",
        [f"{LOCK_TIMEOUT_S}s"],
    )
    for each in due:
        try:
            # Another run may have dropped it since.
            with suppress(psycopg.errors.UndefinedTable), session.transaction():
                drop_kept(session, each, "purged")
        except psycopg.errors.LockNotAvailable as error:
            raise Busy(
                f'{SCHEMA}."{each.place}" is in use, and stays',
                hint=WHO_IS_AT_WORK,
            ) from error


def _build_record(kept: Kept) -> KeptRecord:
    return KeptRecord(
        id=kept.id,
        kind=kept.kind.value,
        name=kept.name,
        place=f"{SCHEMA}.{kept.place}",
        migration=kept.migration,
        rows=kept.rows,
        is_estimate=kept.is_estimate,
        size_bytes=kept.size_bytes,
        dropped_at=kept.dropped_at,
        until=kept.until,
        is_over=kept.until <= datetime.now(UTC),
    )


def _sum(records: Sequence[KeptRecord]) -> int:
    return sum(each.size_bytes for each in records)
