"""Run the pending migrations, and their way back, on a copy that is thrown away."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from dbops.core.migration import MigrationId
from dbops.core.words import count_of
from dbops.operations.context import Context
from dbops.operations.guard import require_clean_history
from dbops.operations.history import History, build_ignore, get_id, read_history
from dbops.operations.rehearsal_database import Copy, open_copy
from dbops.operations.rehearsal_forecast import Sizes, forecast, read_lock_budget
from dbops.operations.rehearsal_record import record_report
from dbops.operations.rehearsal_report import (
    MigrationRehearsal,
    RehearseOptions,
    RehearseReport,
)
from dbops.operations.rehearse_one import Expected, Ground, rehearse_migration
from dbops.operations.rollout import Rollout
from dbops.operations.schema import (
    Expectation,
    build_expectation,
    fetch_live_catalog,
)
from dbops.postgres.live_tables import look_at_live_tables
from dbops.postgres.old_statements import fetch_statements
from dbops.postgres.table_contents import fetch_table_sums


def rehearse(
    context: Context,
    options: RehearseOptions,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> RehearseReport:
    """Take each pending migration there and back and there again, on a copy.

    The database itself is only read; what was found goes into the ledger, where there
    is one.

    Raises:
        UsageError: there is no such backup or migration.
        Refused: the history is not clean, the backup is newer than the database, or the
            role may not create databases.
        ToolFailed: pg_restore is missing or failed.
        ServerFailed: the copy could not be made.
    """
    started = clock()
    history = read_history(context)
    require_clean_history(context, history)
    if not history.pending:
        return replace(_build_empty(context), duration_s=round(clock() - started, 3))
    budget = read_lock_budget(context)
    first = look_at_live_tables(context.target)
    statements = fetch_statements(context.connect())
    expectation = None
    if not options.schema_only:
        live = fetch_live_catalog(context)
        expectation = build_expectation(context, history, live)
    with open_copy(context, history, options) as copy:
        report, sizes = _rehearse_all(context, history, copy, expectation, statements)
    if report.is_measured:
        second = look_at_live_tables(context.target)
        report = forecast(report, sizes, second.compare(first), budget)
    report = replace(
        report,
        allowed_over_budget=tuple(sorted(options.allowed_over_budget)),
        allowed_lossy=tuple(sorted(options.allowed_lossy)),
        duration_s=round(clock() - started, 3),
    )
    return replace(report, recorded=record_report(context, history, report))


def _build_empty(context: Context) -> RehearseReport:
    return RehearseReport(
        source="schema",
        backup_id=None,
        taken_at=None,
        server_version=context.connect().info.parameter_status("server_version") or "",
    )


def _rehearse_all(
    context: Context,
    history: History,
    copy: Copy,
    expectation: Expectation | None,
    statements: Sequence[str],
) -> tuple[RehearseReport, Sizes]:
    """Return what was found, and the sizes of the tables before each migration."""
    ground = Ground(
        context=context,
        catalog=fetch_live_catalog(context),
        sums=fetch_table_sums(context.target),
        origins=dict(copy.origins),
        ignore=build_ignore(context, history.loader),
    )
    expected = _build_expected(ground, expectation)
    rollout = Rollout(context, statements)
    found: list[MigrationRehearsal] = []
    left: list[MigrationId] = []
    sizes: Sizes = {}
    for number, migration in enumerate(history.pending, start=1):
        name = get_id(migration)
        if ground.is_broken:
            left.append(name)
            continue
        total = count_of(len(history.pending), "migration")
        context.progress(f"rehearsing {name}, {number} of {total}")
        before = ground.catalog
        seen = rehearse_migration(ground, migration, expected.get(name))
        if not ground.is_broken:
            effect, breaks = rollout.judge(before, ground.catalog, ground.touched)
            seen = replace(seen, effect=effect, breaks=breaks)
        found.append(seen)
        sizes[name] = ground.sizes
    report = RehearseReport(
        source=copy.source,
        backup_id=copy.backup_id,
        taken_at=copy.taken_at,
        server_version=context.connect().info.parameter_status("server_version") or "",
        migrations=tuple(found),
        left=tuple(left),
        breaks=() if ground.is_broken else rollout.finish(),
        notes=copy.notes,
    )
    return report, sizes


def _build_expected(
    ground: Ground, expectation: Expectation | None
) -> dict[MigrationId, Expected]:
    """Return what has to be after each migration; nothing where nobody knows.

    What the copy lacks or has besides before the first of them, it will after them.
    """
    if expectation is None:
        return {}
    base = Expected(rules=expectation.rules, catalog=expectation.applied)
    drift = frozenset(base.find_differences(ground.context, ground.catalog))
    return {
        name: Expected(rules=expectation.rules, catalog=stages[-1], drift=drift)
        for name, stages in expectation.stages.items()
    }
