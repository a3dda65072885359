"""Run the pending migrations, and their way back, on a copy that is thrown away."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from dbops.core.migration import MigrationId
from dbops.core.words import count_of
from dbops.operations.check.locks import needs_parser
from dbops.operations.context import Context
from dbops.operations.deploy.guard import require_clean_history
from dbops.operations.history import History, build_ignore, get_id, read_history
from dbops.operations.rehearse.by_rule import judge_by_rule
from dbops.operations.rehearse.choice import (
    choose_pending,
    list_until_last,
    require_options,
)
from dbops.operations.rehearse.database import Copy, open_copy
from dbops.operations.rehearse.forecast import Sizes, forecast, read_lock_budget
from dbops.operations.rehearse.ground import Expected, Ground
from dbops.operations.rehearse.makers import name_makers
from dbops.operations.rehearse.one import rehearse_migration
from dbops.operations.rehearse.record import record_report
from dbops.operations.rehearse.report import (
    MigrationRehearsal,
    RehearseOptions,
    RehearseReport,
)
from dbops.operations.rehearse.rollout import Rollout
from dbops.operations.rehearse.run_plainly import apply_plainly
from dbops.operations.schema import (
    Expectation,
    build_expectation,
    fetch_live_catalog,
)
from dbops.postgres.live_tables import look_at_live_tables
from dbops.postgres.old_statements import fetch_statements
from dbops.postgres.scratch import MayNotCreate
from dbops.postgres.table_contents import fetch_table_sums


def rehearse(
    context: Context,
    options: RehearseOptions,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> RehearseReport:
    """Take each pending migration there and back and there again, on a copy.

    The database itself is only read; what was found goes into the ledger, where there
    is one. Where no copy can be had, the rules of locks answer, and are not recorded.

    Raises:
        UsageError: there is no such backup or migration, or options do not fit.
        Refused: the history is not clean, the backup is newer than the database, or
            there is neither the right to create databases nor the rules' parser.
        ToolFailed: pg_restore is missing or failed.
        ServerFailed: the copy could not be made.
    """
    started = clock()
    require_options(options)
    read_lock_budget(context)
    history = read_history(context)
    require_clean_history(context, history)
    chosen = choose_pending(history, options.only)
    if not history.pending:
        report = _build_empty(context)
    else:
        report = _rehearse(context, history, options, chosen)
    return replace(report, duration_s=round(clock() - started, 3))


def _rehearse(
    context: Context,
    history: History,
    options: RehearseOptions,
    chosen: frozenset[MigrationId],
) -> RehearseReport:
    if options.static:
        return _apply_rules(context, history, chosen)
    try:
        return rehearse_on_copy(context, history, options, chosen)
    except MayNotCreate as error:
        if needs_parser():
            raise
        report = _apply_rules(context, history, chosen)
        return replace(report, notes=(f"{error.message}; {error.hint}",))


def _apply_rules(
    context: Context, history: History, chosen: frozenset[MigrationId]
) -> RehearseReport:
    ruled = judge_by_rule(context, history, chosen)
    return replace(
        _build_empty(context),
        source="rules",
        by_rule=ruled.migrations,
        left=ruled.left,
    )


def rehearse_on_copy(
    context: Context,
    history: History,
    options: RehearseOptions,
    chosen: frozenset[MigrationId],
    expectation: Expectation | None = None,
) -> RehearseReport:
    """Rehearse what was chosen of the pending migrations; `rehearse` says the rest.

    `expectation` is what they build, where the caller knows it already.
    """
    first = look_at_live_tables(context.target)
    statements = fetch_statements(context.connect())
    if expectation is None and not options.schema_only:
        live = fetch_live_catalog(context)
        expectation = build_expectation(context, history, live)
    with open_copy(context, history, options) as copy:
        run = _Run(context, history, copy, expectation, statements, chosen)
        report = run.run()
    if report.is_measured:
        second = look_at_live_tables(context.target)
        budget = read_lock_budget(context)
        report = forecast(report, run.sizes, second.compare(first), budget)
    report = replace(
        name_makers(context, history, report),
        allowed_over_budget=tuple(sorted(options.allowed_over_budget)),
        allowed_lossy=tuple(sorted(options.allowed_lossy)),
    )
    return replace(report, recorded=record_report(context, history, report))


def _build_empty(context: Context) -> RehearseReport:
    return RehearseReport(
        source="schema",
        backup_id=None,
        taken_at=None,
        server_version=_fetch_version(context),
    )


def _fetch_version(context: Context) -> str:
    return context.connect().info.parameter_status("server_version") or ""


@dataclass(slots=True)
class _Run:
    """One rehearsal, while the alias means the copy."""

    context: Context
    history: History
    copy: Copy
    expectation: Expectation | None
    statements: list[str]
    """Those that the release that runs now is known to send."""
    chosen: frozenset[MigrationId]
    sizes: Sizes = field(default_factory=dict)

    def run(self) -> RehearseReport:
        """Rehearse what was chosen, and return all but what the real server feels."""
        ground = Ground(
            context=self.context,
            catalog=fetch_live_catalog(self.context),
            sums=fetch_table_sums(self.context.target),
            origins=dict(self.copy.origins),
            ignore=build_ignore(self.context, self.history.loader),
        )
        rollout = Rollout(self.context, self.statements)
        found, left = self._go_through(ground, rollout)
        return RehearseReport(
            source=self.copy.source,
            backup_id=self.copy.backup_id,
            taken_at=self.copy.taken_at,
            sample_percent=self.copy.sample_percent,
            server_version=_fetch_version(self.context),
            migrations=tuple(found),
            left=tuple(left),
            breaks=() if ground.is_broken else rollout.finish(),
            notes=self.copy.notes,
        )

    def _go_through(
        self, ground: Ground, rollout: Rollout
    ) -> tuple[list[MigrationRehearsal], list[MigrationId]]:
        """Return what was seen, and what was left out behind a failure."""
        expected = _build_expected(ground, self.expectation)
        found: list[MigrationRehearsal] = []
        left: list[MigrationId] = []
        wanted = list_until_last(self.history, self.chosen)
        for number, migration in enumerate(wanted, start=1):
            name, before = get_id(migration), ground.catalog
            if ground.is_broken:
                left += [name] if name in self.chosen else []
                continue
            total = count_of(len(wanted), "migration")
            if name not in self.chosen:
                self.context.progress(f"applying {name}, {number} of {total}")
                apply_plainly(self.context, migration)
                ground.refresh(None)
                rollout.judge(before, ground.catalog, None)
                continue
            self.context.progress(f"rehearsing {name}, {number} of {total}")
            seen = rehearse_migration(ground, migration, expected.get(name))
            if not ground.is_broken:
                effect, breaks = rollout.judge(before, ground.catalog, ground.touched)
                seen = replace(seen, effect=effect, breaks=breaks)
            self.sizes[name] = ground.sizes
            found.append(seen)
        return found, left


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
