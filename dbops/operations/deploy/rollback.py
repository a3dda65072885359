"""Go back by SQL to an earlier migration, and prove each step."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import psycopg
from django.db.migrations import Migration
from django.db.utils import Error

from dbops.core.catalog import Catalog
from dbops.core.compare import Comparison, Difference
from dbops.core.locks.standing import describe_blocked
from dbops.core.migration import MigrationId
from dbops.core.rules import Rules
from dbops.core.words import count_of
from dbops.errors import (
    DbopsError,
    Interrupted,
    NeedsRepair,
    Reverted,
    ServerFailed,
)
from dbops.operations.context import Context, watch_locks
from dbops.operations.deploy.added import AddedOperation
from dbops.operations.deploy.apply import StatementLog
from dbops.operations.deploy.evidence import add_evidence
from dbops.operations.deploy.failure import Mismatch, say_unchanged
from dbops.operations.deploy.goal import Goal, find_half_app
from dbops.operations.deploy.half_applied import (
    HalfApplied,
    find_half_applied,
    take_back_half,
)
from dbops.operations.deploy.loss_quote import add_losses
from dbops.operations.deploy.returning import is_begun
from dbops.operations.deploy.rollback_plan import (
    Plan,
    RollbackReport,
    build_plan,
    build_report,
)
from dbops.operations.deploy.run import (
    close_cut_off_run,
    emit_signals,
    install_ledger,
    open_run,
    record_step,
)
from dbops.operations.deploy.turn import open_turn
from dbops.operations.deploy.unapply import Way, unapply_migration
from dbops.operations.history import (
    History,
    get_id,
    read_history,
)
from dbops.operations.pgbackrest.engine import uses_pgbackrest
from dbops.operations.pgbackrest.way_back import ensure_backup, make_way_back
from dbops.operations.replay import open_replay
from dbops.operations.schema import fetch_live_catalog, learn_rules
from dbops.postgres.applications import ApplicationRow, fetch_application
from dbops.postgres.ledger import Ledger
from dbops.postgres.ledger_reading import fetch_known_catalog
from dbops.postgres.session import tell_error
from dbops.postgres.turns import Superseded, Turn


def roll_back(
    context: Context,
    goal: Goal,
    *,
    dry_run: bool = False,
    lock_wait_s: float = 30.0,
) -> RollbackReport:
    """Take back each applied migration that is beyond the goal.

    Newest first, across apps; each in one transaction with its history row, committed
    only when the schema is the one that was there before it was applied.

    Raises:
        UsageError: no such app, migration or run, or it is not applied.
        Refused: one of them has no way back; nothing was changed.
        Reverted: the schema did not come out right, and was left as it was.
        NeedsRepair: some were taken back, and the next could not be.
    """
    if dry_run:
        history = read_history(context)
        plan = build_plan(context, history, goal)
        half = find_half_applied(context, history, find_half_app(history, goal))
        report = add_evidence(context, history, build_report(goal, plan, half))
        return add_losses(context, history, plan, report)
    with (
        open_turn(context, "rollback", wait_s=lock_wait_s) as (led, turn),
        watch_locks(led) as watched,
    ):
        return _roll_back(watched, turn, goal)


def _roll_back(context: Context, turn: Turn, goal: Goal) -> RollbackReport:
    history = read_history(context)
    notes = close_cut_off_run(context, history)
    plan = build_plan(context, history, goal)
    half = find_half_applied(context, history, find_half_app(history, goal))
    report = add_evidence(context, history, build_report(goal, plan, half))
    report = replace(report, dry_run=False, notes=notes)
    report = add_losses(context, history, plan, report)
    if not report.steps:
        return report
    install_ledger(context, history)
    turn.take(context.connect())
    return _Rollback(
        context=context, turn=turn, history=history, plan=plan, half=half, report=report
    ).run()


class _Rollback:
    """One run under the deploy lock."""

    def __init__(
        self,
        *,
        context: Context,
        turn: Turn,
        history: History,
        plan: Plan,
        half: HalfApplied | None,
        report: RollbackReport,
    ) -> None:
        self.context = context
        self.turn = turn
        self.history = history
        self.plan = plan
        self.half = half
        self.report = report
        self.replayed: dict[MigrationId, Catalog] | None = None
        self.rules = Rules(ignore=context.settings.ignore)
        self.drift: frozenset[Difference] = frozenset()
        self.live: Catalog | None = None
        """The schema as it was proven last."""

    def run(self) -> RollbackReport:
        """Take back all of the plan, and return or raise with the report."""
        try:
            return self._run()
        except (NeedsRepair, Superseded):
            raise
        except (DbopsError, Error, psycopg.Error, KeyboardInterrupt) as error:
            if not self.report.unapplied:
                raise
            raise self._build_stopped(_translate(error)) from error

    def _run(self) -> RollbackReport:
        before = fetch_live_catalog(self.context)
        migrations = [migration for migration, _ in self.plan]
        with open_run(self.context, "rollback", before) as ledger:
            self._make_way_back(ledger)
            if self.half is not None:
                self._take_back_half(self.half, ledger, before)
            with emit_signals(self.context, migrations, backwards=True) as added:
                for migration, way in self.plan:
                    self._take_back(migration, way, ledger, added[get_id(migration)])
            ledger.finish("done", after=fetch_live_catalog(self.context))
            self.report = replace(self.report, ledger_head=ledger.head)
        return self.report

    def _make_way_back(self, ledger: Ledger) -> None:
        """Make a restore point where it can be had: a rollback does not wait for it."""
        if not uses_pgbackrest(self.context.settings):
            return
        try:
            label, _ = ensure_backup(self.context)
            ledger.name_backup(label)
            way_back = make_way_back(self.context, ledger, label)
        except DbopsError as error:
            note = f"no restore point was made: {error.message}"
            self.report = replace(self.report, notes=(*self.report.notes, note))
        else:
            self.report = replace(self.report, restore_point=way_back)

    def _take_back_half(
        self, half: HalfApplied, ledger: Ledger, before: Catalog
    ) -> None:
        name = get_id(half.migration)
        self.context.progress(f"taking back what is done of {name}")
        log = StatementLog(self.context)
        with record_step(
            self.context,
            ledger,
            half.migration,
            direction="backward",
            log=log,
            before=before,
        ):
            take_back_half(self.context, self.history, half, log)
        self.report = replace(
            self.report, unapplied=(*self.report.unapplied, name), schema_matches=True
        )

    def _take_back(
        self,
        migration: Migration,
        way: Way,
        ledger: Ledger,
        added: Sequence[AddedOperation],
    ) -> None:
        name = get_id(migration)
        self.turn.check()
        self.turn.tell(f"take back {name}")
        live = self.live or fetch_live_catalog(self.context)
        expected = self._find_expected(migration, live)
        self.context.progress(f"taking back {name}")
        log = StatementLog(self.context)

        def check() -> None:
            self.live = fetch_live_catalog(self.context)
            self._judge(name, self.rules.compare(expected, self.live))

        try:
            with record_step(
                self.context,
                ledger,
                migration,
                direction="backward",
                log=log,
                before=live,
            ) as recorded:
                unapply_migration(
                    self.context,
                    migration,
                    way,
                    log=log,
                    check=check,
                    added=added,
                    ledger=ledger,
                )
                recorded.after = self.live or live
            self._note_blocked(name)
            self._note_returned(log)
        except (DbopsError, Error, psycopg.Error, KeyboardInterrupt) as error:
            raise self._explain(name, live, error) from error
        self.report = replace(self.report, unapplied=(*self.report.unapplied, name))

    def _note_blocked(self, name: MigrationId) -> None:
        watcher = self.context.watcher
        if watcher is not None and (blocked := watcher.blocked).sessions:
            note = f'"{name}" kept {describe_blocked(blocked)}'
            self.report = replace(self.report, notes=(*self.report.notes, note))

    def _note_returned(self, log: StatementLog) -> None:
        notes = [f"brought back what was kept of {each.name}" for each in log.returned]
        self.report = replace(self.report, notes=(*self.report.notes, *notes))

    def _judge(self, name: MigrationId, found: Comparison) -> None:
        differences = tuple(
            each for each in found.differences if each not in self.drift
        )
        matches = not differences
        self.report = replace(
            self.report,
            schema_matches=matches,
            differences=differences,
            notes=(*self.report.notes, *map(str, found.notes)),
        )
        if not matches:
            raise Mismatch(
                f'the way back of "{name}" does not give back the schema that was '
                f"there before it: {count_of(len(differences), 'difference')}",
                hint="correct its down.sql, then run the command again",
            )

    def _find_expected(self, migration: Migration, live: Catalog) -> Catalog:
        """Return the schema before the migration: as recorded, or else as built.

        What was recorded counts as long as nothing else was applied since.
        """
        connection = self.context.connect()
        step = fetch_application(connection, get_id(migration))
        if step is not None and self._is_as_recorded(step, live):
            known = fetch_known_catalog(connection, step.fingerprint_before)
            if known is not None:
                return known
        if self.replayed is None:
            self._replay(live)
        assert self.replayed is not None  # noqa: S101  Just built.
        return self.replayed[get_id(migration)]

    def _is_as_recorded(self, step: ApplicationRow, live: Catalog) -> bool:
        """Say whether the schema is what the migration made, but for order and names.

        A later one that was taken back may have put a column at the end.
        """
        if step.fingerprint_after == live.fingerprint:
            return True
        after = fetch_known_catalog(self.context.connect(), step.fingerprint_after)
        return after is not None and self.rules.is_same(after, live)

    def _replay(self, live: Catalog) -> None:
        """Build the schema before each migration that is left; learn the rules."""
        left = [migration for migration, _ in self.plan]
        done = set(self.report.unapplied)
        remaining = [
            each
            for each in self.history.applied_plan
            if each not in left and get_id(each) not in done
        ]
        self.context.progress(
            f"building the schema of {len(remaining)} migrations in a scratch database"
        )
        self.replayed = {}
        with open_replay(self.context) as replay:
            replay.apply(remaining)
            for migration in reversed(left):
                if get_id(migration) not in done:
                    self.replayed[get_id(migration)] = replay.fetch_catalog()
                    replay.apply([migration])
            head = replay.fetch_catalog()
            self.rules = learn_rules(self.context, self.history, replay, head, live)
        self.drift = frozenset(self.rules.compare(head, live).differences)

    def _explain(
        self, name: MigrationId, live: Catalog, error: BaseException
    ) -> DbopsError:
        """Say what was taken back, after a look at the database."""
        cause = _translate(error, name)
        changed = True
        with suppress(DbopsError, Error, psycopg.Error):
            if name not in read_history(self.context).applied:
                # It was committed, and what came after that failed.
                taken = (*self.report.unapplied, name)
                self.report = replace(self.report, unapplied=taken)
            else:
                changed = is_begun(self.context, name) or (
                    fetch_live_catalog(self.context) != live
                )
        if not self.report.unapplied and not changed:
            return self._build_unchanged(cause)
        half = f'; "{name}" may be half taken back' if changed else ""
        return self._build_stopped(cause, half)

    def _build_stopped(self, cause: DbopsError, half: str = "") -> NeedsRepair:
        done = ", ".join(map(str, self.report.unapplied)) or "none"
        return NeedsRepair(
            f"{cause.message}. Taken back: {done}{half}",
            hint="remove the cause, then run the command again; or go forward: "
            "manage.py dbops_deploy",
            report=self.report,
        )

    def _build_unchanged(self, cause: DbopsError) -> DbopsError:
        cause = say_unchanged(cause)
        cause.report = self.report
        if not isinstance(cause, Mismatch):
            return cause
        return Reverted(
            f"{cause.message}; everything was put back",
            hint=cause.hint,
            report=self.report,
        )


def _translate(error: BaseException, name: MigrationId | None = None) -> DbopsError:
    way = f'the way back of "{name}"' if name else "the way back"
    match error:
        case DbopsError():
            return error
        case KeyboardInterrupt():
            return Interrupted(f"interrupted in {way}", hint="run the command again")
        case _:
            return ServerFailed(
                f"{way} failed: {tell_error(error)}",
                hint="correct its down.sql, then run the command again",
            )
