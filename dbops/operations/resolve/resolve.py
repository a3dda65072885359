"""Settle a migration that was left half done, or recorded wrongly, after a look."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import psycopg
from django.core.management.sql import emit_post_migrate_signal
from django.db import transaction
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations.base import Operation
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState
from django.db.utils import Error

from dbops.core.evidence import Evidence
from dbops.errors import DbopsError, NeedsRepair, Reverted
from dbops.operations.check.digest import digest_down, digest_migration
from dbops.operations.context import Context, watch_locks
from dbops.operations.deploy.apply import StatementLog, hold_turn, open_patient_session
from dbops.operations.deploy.failure import Mismatch, say_unchanged, translate
from dbops.operations.deploy.lock_retry import retry_on_lock_timeout, set_lock_timeout
from dbops.operations.deploy.observing import leave_out_operations, observe_operations
from dbops.operations.deploy.run import (
    close_cut_off_run,
    forget_migration,
    install_ledger,
    open_run,
    record_operation,
    record_step,
    remember_migration,
    tell_operation,
)
from dbops.operations.deploy.turn import open_turn
from dbops.operations.history import History, read_history
from dbops.operations.resolve.judge import (
    ResolveOptions,
    Verdict,
    examine,
    require_sense,
)
from dbops.operations.resolve.plan import (
    Case,
    build_case,
    build_report,
    find_other_repairs,
)
from dbops.operations.resolve.report import (
    Action,
    ResolveReport,
    describe_objects,
    find_invalid_indexes,
)
from dbops.operations.schema import fetch_live_catalog
from dbops.postgres.deploy_lock import fetch_holder
from dbops.postgres.indexes import drop_invalid_indexes
from dbops.postgres.ledger import Ledger
from dbops.postgres.turns import Turn

KIND = "resolve"


def resolve(
    context: Context, app: str, name: str, options: ResolveOptions
) -> ResolveReport:
    """Tell what the database has of a migration, and settle it as asked.

    Raises:
        UsageError: no such app or migration, or options that do not go together.
        Refused: the schema contradicts the claim, or it cannot be done; nothing was
            changed.
        Busy: another run holds the deploy lock, or a lock was not had.
        Reverted: the schema did not come out right, and was left as it was.
        NeedsRepair: a non-atomic migration stopped on the way.
    """
    require_sense(options)
    if options.dry_run or options.action is Action.LOOK:
        return _look(context, app, name, options)
    with open_turn(context, KIND, wait_s=options.lock_wait_s) as (led, turn):
        history = read_history(led)
        case = build_case(led, history, app, name, fetch_live_catalog(led))
        notes = close_cut_off_run(led, history)
        with watch_locks(led) as watched:
            report = _Resolution(watched, turn, history, case, options).run()
        return replace(report, notes=(*notes, *report.notes))


def _look(
    context: Context, app: str, name: str, options: ResolveOptions
) -> ResolveReport:
    history = read_history(context)
    live = fetch_live_catalog(context)
    case = build_case(context, history, app, name, live)
    report = build_report(case, live)
    holder = fetch_holder(context.connect())
    if holder is not None:
        note = f"another run is at work, so this may change: {holder}"
        report = replace(report, notes=(*report.notes, note))
    if options.action is not Action.LOOK:
        verdict = examine(case, report, options)
        note = verdict.needless or _tell(options.action, report, verdict, would=True)
        report = replace(report, notes=(*report.notes, note))
    return replace(report, action=options.action, dry_run=options.dry_run)


def _tell(
    action: Action, report: ResolveReport, verdict: Verdict, *, would: bool = False
) -> str:
    """Say what is done, or what would be."""
    forward = action in (Action.APPLIED, Action.FINISH)
    if action in (Action.APPLIED, Action.ROLLED_BACK):
        flag = "--applied" if forward else "--rolled-back"
        verb = "would be recorded" if would else "recorded"
        message = f"{report.migration}: {verb} by dbops_resolve {flag}"
        if verdict.contradictions:
            message += f" --force, against: {'; '.join(verdict.contradictions)}"
        return message
    numbers = [
        str(each.number)
        for each in report.operations
        if (each.number in verdict.done) != forward
        and each.state is not Evidence.STATE_ONLY
    ]
    verb = "finished" if forward else "undone"
    verb, how = (f"would be {verb}", "to run") if would else (verb, "run")
    return (
        f"{report.migration}: {verb}, operations {how}: {', '.join(numbers) or 'none'}"
    )


class _Resolution:
    """One run under the deploy lock."""

    def __init__(
        self,
        context: Context,
        turn: Turn,
        history: History,
        case: Case,
        options: ResolveOptions,
    ) -> None:
        self.context = context
        self.turn = turn
        self.history = history
        self.case = case
        self.options = options
        self.before = fetch_live_catalog(context)
        self.found = build_report(case, self.before)
        self.others = find_other_repairs(context, case.name)

    def run(self) -> ResolveReport:
        """Do what was asked for, and report what is there then."""
        verdict = examine(self.case, self.found, self.options)
        if verdict.needless:
            return replace(
                self.found,
                action=self.options.action,
                notes=(*self.found.notes, verdict.needless),
            )
        self.turn.check()
        if self.options.action in (Action.APPLIED, Action.ROLLED_BACK):
            message = self._record_claim(verdict)
        else:
            message = self._change(verdict)
        if self.options.action in (Action.APPLIED, Action.FINISH):
            self._emit_post_migrate()
        return self._build_report(message)

    def _build_report(self, message: str) -> ResolveReport:
        forward = self.options.action in (Action.APPLIED, Action.FINISH)
        case = replace(self.case, recorded=forward)
        report = build_report(case, fetch_live_catalog(self.context))
        return replace(
            report,
            action=self.options.action,
            changed=True,
            next=(),
            notes=(*report.notes, message, *self.others),
        )

    def _record_claim(self, verdict: Verdict) -> str:
        """Record it, history and ledger in one transaction; return what was."""
        forward = self.options.action is Action.APPLIED
        flag = "--applied" if forward else "--rolled-back"
        message = _tell(self.options.action, self.found, verdict)
        with transaction.atomic(using=self.context.alias):
            MigrationRecorder(self.context.connection).ensure_schema()
            install_ledger(self.context, self.history)
            self._write_history(forward=forward)
            ledger = Ledger(self.context.connect())
            ledger.start(KIND, before=self.before)
            step = ledger.start_step(
                self.case.name,
                direction="forward" if forward else "backward",
                description=f"recorded by dbops_resolve {flag}",
                before=None,
                digest=digest_migration(self.case.migration) if forward else "",
                down_digest=digest_down(self.case.migration) if forward else "",
            )
            ledger.finish_step(
                step, state="done", sql="", duration_s=0, message=message
            )
            self._finish_record(ledger, message)
        return message

    def _finish_record(self, ledger: Ledger, message: str) -> None:
        # The newest run speaks for the database: it must not hide another's failure.
        # No fingerprint: the rest of the schema was not looked at.
        state = "needs_repair" if self.others else "done"
        ledger.finish(state, message="; ".join((message, *self.others)))

    def _write_history(self, *, forward: bool) -> None:
        if not forward:
            forget_migration(self.context, self.case.migration)
            return
        executor = MigrationExecutor(self.context.connection)
        executor.recorder.ensure_schema()
        if not self.case.recorded:
            remember_migration(self.context, self.case.migration)
            executor.check_replacements()

    def _change(self, verdict: Verdict) -> str:
        """Run what is left of it, or the reverse of what is done."""
        MigrationRecorder(self.context.connection).ensure_schema()
        install_ledger(self.context, self.history)
        migration = self.case.migration
        with open_run(self.context, KIND, self.before) as ledger:
            log = StatementLog(self.context)
            forward = self.options.action is Action.FINISH
            try:
                with record_step(
                    self.context,
                    ledger,
                    migration,
                    direction="forward" if forward else "backward",
                    log=log,
                    before=self.before,
                ):
                    self._drop_invalid_indexes()
                    if migration.atomic:
                        self._change_at_once(verdict, log)
                    else:
                        self._change_one_by_one(verdict, ledger, log)
            except (Exception, KeyboardInterrupt) as error:
                raise self._explain(error) from error
            message = _tell(self.options.action, self.found, verdict)
            self._finish_record(ledger, message)
        return message

    def _drop_invalid_indexes(self) -> None:
        names = find_invalid_indexes(self.found)
        if names:
            self.context.progress(f"dropping {', '.join(names)}, left INVALID")
            drop_invalid_indexes(self.context.connect(), names)

    def _change_at_once(self, verdict: Verdict, log: StatementLog) -> None:
        connection = self.context.connection

        def attempt() -> None:
            log.statements.clear()
            if log.gaps:
                log.gaps.wait()
            with transaction.atomic(using=self.context.alias):
                set_lock_timeout(
                    self.context.connect(),
                    self.context.settings.lock_timeout_s,
                    local=True,
                )
                hold_turn(self.context)
                with connection.execute_wrapper(log):
                    self._run_operations(verdict, leave_out_operations)
                self._write_history(forward=self.options.action is Action.FINISH)
                self._verify()

        retry_on_lock_timeout(attempt, self.context)

    def _change_one_by_one(
        self, verdict: Verdict, ledger: Ledger, log: StatementLog
    ) -> None:
        migration = self.case.migration

        @contextmanager
        def observe(number: int, _operation: Operation) -> Iterator[None]:
            with tell_operation(self.context, ledger, migration, number):
                yield

        def watch(migration: Migration, skip: frozenset[int]) -> Migration:
            return observe_operations(migration, observe, skip=skip)

        forward = self.options.action is Action.FINISH
        if forward:
            # Whoever goes on after another failure shall know these, too.
            for number in sorted(verdict.done):
                with record_operation(ledger, migration, number):
                    pass
        with open_patient_session(self.context, log):
            self._run_operations(verdict, watch if forward else leave_out_operations)
        self._verify()
        with transaction.atomic(using=self.context.alias):
            self._write_history(forward=forward)

    def _run_operations(
        self,
        verdict: Verdict,
        build: Callable[[Migration, frozenset[int]], Migration],
    ) -> None:
        migration = self.case.migration
        state = self._build_state()
        with self.context.connection.schema_editor(atomic=migration.atomic) as editor:
            if self.options.action is Action.FINISH:
                build(migration, verdict.done).apply(state, editor)
            else:
                numbers = range(1, len(migration.operations) + 1)
                build(migration, frozenset(numbers) - verdict.done).unapply(
                    state, editor
                )

    def _build_state(self) -> ProjectState:
        """Return the state before the migration, also when it is recorded."""
        left_out = {self.case.name, *self.case.dependents}
        applied = self.history.applied - left_out
        nodes = [each for each in self.history.loader.graph.nodes if each in applied]
        return self.history.loader.project_state(nodes, at_end=True).clone()

    def _verify(self) -> None:
        forward = self.options.action is Action.FINISH
        live = fetch_live_catalog(self.context)
        unlike = self.case.find_unlike(live, at=-1 if forward else 0)
        if unlike:
            when = "after" if forward else "before"
            raise Mismatch(
                f'the schema is not the one {when} "{self.case.name}": '
                f"{describe_objects(unlike)}",
                hint="put these right by hand, then run the command again",
            )

    def _explain(self, error: BaseException) -> DbopsError:
        cause = translate(error, self.case.migration)
        again = f"manage.py dbops_resolve {self.case.name.app} {self.case.name.name}"
        if not self.case.migration.atomic:
            report = self.found
            with suppress(DbopsError, Error, psycopg.Error):
                report = build_report(self.case, fetch_live_catalog(self.context))
            return NeedsRepair(
                f"{cause.message}; what ran before that is kept",
                hint=f"remove the cause, then look again: {again}",
                report=replace(report, action=self.options.action, changed=True),
            )
        if isinstance(cause, Mismatch):
            return Reverted(
                f"{cause.message}; everything was put back",
                hint=cause.hint,
                report=self.found,
            )
        if not isinstance(error, DbopsError):
            cause.hint = f"remove the cause, then look again: {again}"
        return say_unchanged(cause)

    def _emit_post_migrate(self) -> None:
        """Let content types and permissions be made, as after `migrate`.

        Without pre_migrate: it would adopt, or refuse, an initial migration.
        """
        history = read_history(self.context)
        nodes = [each for each in history.loader.graph.nodes if each in history.applied]
        apps = history.loader.project_state(nodes, at_end=True).apps
        plan = [(self.case.migration, False)]
        emit_post_migrate_signal(0, False, self.context.alias, apps=apps, plan=plan)  # noqa: FBT003
