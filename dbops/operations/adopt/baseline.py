"""Adopt an existing database, after proof that it matches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from django.db import transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from dbops.core.catalog import Catalog
from dbops.core.compare import Difference, Note
from dbops.core.migration import MigrationId
from dbops.core.words import count_of
from dbops.errors import Refused
from dbops.operations.adopt.adoption import find_existing_tables, prove_adoption
from dbops.operations.check.digest import digest_down, digest_migration
from dbops.operations.context import Context
from dbops.operations.deploy.run import install_ledger
from dbops.operations.deploy.turn import open_turn
from dbops.operations.history import LEDGER_APP, History, get_id, read_history
from dbops.operations.schema import fetch_live_catalog
from dbops.postgres.ledger import ADOPTED, Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineReport:
    """What was adopted, or what stands against it."""

    adopted: tuple[MigrationId, ...]
    differences: tuple[Difference, ...] = ()
    notes: tuple[Note, ...] = ()
    objects: int = 0
    """Schema objects that were compared."""
    ignored: int = 0
    pending: tuple[MigrationId, ...] = ()
    dry_run: bool = False


def run_baseline(
    context: Context, *, dry_run: bool = False, lock_wait_s: float = 30.0
) -> BaselineReport:
    """Record as applied what the database already has, and only that.

    Runs no SQL of the adopted migrations. The ledger's own tables are created, in the
    same transaction as the history rows.

    Raises:
        Refused: something is missing, extra or different; nothing was changed.
        Busy: another run holds the deploy lock.
    """
    if dry_run:
        return _prove(context, read_history(context), dry_run=True)
    with open_turn(context, "baseline", wait_s=lock_wait_s) as (led, turn):
        history = read_history(led)
        report = _prove(led, history, dry_run=False)
        turn.check()
        if report.adopted:
            _record(led, history, report)
            report = replace(report, pending=_leave_out_ledger(report.pending))
        return report


def _prove(context: Context, history: History, *, dry_run: bool) -> BaselineReport:
    pending = tuple(map(get_id, history.pending))
    existing = find_existing_tables(context, history)
    if not existing:
        return BaselineReport(adopted=(), pending=pending, dry_run=dry_run)
    live = fetch_live_catalog(context)
    adoption = prove_adoption(
        context, history, live, frozenset(each.app for each in existing)
    )
    report = BaselineReport(
        adopted=() if adoption.comparison.differences else adoption.migrations,
        differences=adoption.comparison.differences,
        notes=adoption.comparison.notes,
        objects=len(live.objects),
        ignored=adoption.comparison.ignored,
        pending=tuple(each for each in pending if each not in adoption.migrations),
        dry_run=dry_run,
    )
    if report.differences:
        raise Refused(
            f'database "{context.target.database}" does not match '
            f'"{adoption.migrations[-1]}": '
            f"{count_of(len(report.differences), 'difference')}; "
            "nothing was changed",
            hint="correct the database or the migration, or name what belongs to "
            'somebody else in DBOPS["IGNORE"]; then manage.py dbops_baseline --dry-run',
            report=report,
        )
    return report


def _record(context: Context, history: History, report: BaselineReport) -> None:
    before = fetch_live_catalog(context)
    with transaction.atomic(using=context.alias):
        recorder = MigrationRecorder(context.connection)
        recorder.ensure_schema()
        install_ledger(context, history)
        for migration in report.adopted:
            recorder.record_applied(*migration)
        record_adoption(context, report.adopted, before)


def _leave_out_ledger(pending: Iterable[MigrationId]) -> tuple[MigrationId, ...]:
    return tuple(each for each in pending if each.app != LEDGER_APP)


def record_adoption(
    context: Context, adopted: Sequence[MigrationId], before: Catalog
) -> None:
    """Write an adoption into the ledger, in the transaction that is open."""
    ledger = Ledger(context.connect())
    ledger.start("baseline", before=before)
    after = fetch_live_catalog(context)
    on_disk = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    for migration in adopted:
        found = on_disk.get(migration)
        step = ledger.start_step(
            migration,
            direction="forward",
            description=ADOPTED,
            before=None,
            digest=digest_migration(found) if found else "",
            down_digest=digest_down(found) if found else "",
        )
        ledger.finish_step(step, state="done", sql="", duration_s=0)
    ledger.finish(
        "done", after=after, message=f"adopted {', '.join(map(str, adopted))}"
    )
