"""Apply what is pending: guarded, backed up, verified, recorded, or put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from django.db.migrations import Migration
from django.db.migrations.operations.base import Operation

from dbops.core.catalog import Catalog
from dbops.core.compatibility import Effect
from dbops.core.guards import GuardName
from dbops.errors import DbopsError, NeedsRepair, Reverted
from dbops.operations.context import Context, watch_locks
from dbops.operations.deploy.aftercare import read_aftercare
from dbops.operations.deploy.apply import StatementLog, apply_migration
from dbops.operations.deploy.back_up import back_up_first
from dbops.operations.deploy.carried import Carried
from dbops.operations.deploy.checklist import Checklist, require_names, tell_guards
from dbops.operations.deploy.failure import Mismatch
from dbops.operations.deploy.guard import finish_up_to_date
from dbops.operations.deploy.guarding import (
    Guarded,
    judge_guards,
    rehearse_guarded,
)
from dbops.operations.deploy.plan import plan_deployment
from dbops.operations.deploy.pods import announce, lead_or_follow
from dbops.operations.deploy.report import (
    DeployOptions,
    DeployReport,
    DeployState,
    SoFar,
)
from dbops.operations.deploy.resume import (
    describe_resumption,
    require_sense,
    undo,
)
from dbops.operations.deploy.run import (
    close_cut_off_run,
    emit_signals,
    install_ledger,
    open_run,
    record_operation,
    record_step,
    tell_operation,
)
from dbops.operations.deploy.settle import Settlement, build_unrecorded, clean_up
from dbops.operations.deploy.statements import observe_statements
from dbops.operations.deploy.verify import require_rows_kept, require_verified
from dbops.operations.history import get_id, read_history
from dbops.operations.kept.keep import keep_dropped
from dbops.operations.kept.purge import purge_when_due
from dbops.operations.pgbackrest.engine import uses_pgbackrest
from dbops.operations.schema import fetch_live_catalog
from dbops.postgres.ledger import Ledger
from dbops.postgres.turns import Superseded, Turn


def deploy(context: Context, options: DeployOptions) -> DeployReport:
    """Bring the database to the last migration on disk, or leave it as it was.

    Raises:
        Refused: the history or the schema is not what the migrations build.
        Busy: another run holds the deploy lock, or a lock was not had.
        ToolFailed: the backup failed; nothing was changed.
        ServerFailed: a migration failed; nothing was changed.
        Reverted: something failed after a change, which was taken back.
        NeedsRepair: a non-atomic migration is half applied, or could not be taken
            back; or what was applied could not be looked at, or not be recorded.
    """
    if options.undo:
        return undo(context, options)
    allowed = options.allowed | require_names(context.settings.deploy_allow)
    if options.phase is Effect.CONTRACT:  # It says that the old release is gone.
        allowed |= {GuardName.OLD_RELEASE}
    options = replace(options, allowed=allowed)
    if options.dry_run:
        return plan_deployment(context, options)
    return lead_or_follow(context, options, _lead)


def _lead(context: Context, options: DeployOptions, turn: Turn) -> DeployReport:
    with watch_locks(context) as watched:
        deployment = _Deployment(watched, options, turn)
        try:
            return _purge(watched, deployment.run())
        except (NeedsRepair, Reverted, Superseded):
            raise
        except (Exception, KeyboardInterrupt) as error:
            if not deployment.so_far.mine:
                raise
            raise build_unrecorded(error, deployment.so_far) from error


def _purge(context: Context, report: DeployReport) -> DeployReport:
    """Drop what was kept of earlier deployments and is over its time."""
    purged = purge_when_due(context)
    if not purged.purged:
        return report
    names = ", ".join(each.name for each in purged.purged)
    note = f"dropped for good, as its time was over: {names}"
    return replace(report, notes=(*report.notes, note), ledger_head=purged.ledger_head)


class _Deployment:
    """One run under the deploy lock."""

    def __init__(self, context: Context, options: DeployOptions, turn: Turn) -> None:
        self.context = context
        self.options = options
        self.turn = turn
        self.so_far = SoFar(tell=turn.tell)
        self.so_far.update(phase=options.phase)
        self.checklist = Checklist(options.allowed, context.progress)
        self.carried = Carried()

    def run(self) -> DeployReport:
        """Do all of it, and return or raise with the report."""
        history = read_history(self.context)
        announce(self.turn, history, self.options)
        notes = close_cut_off_run(self.context, history)
        self.so_far.update(notes=notes)
        if not history.pending:
            require_sense(self.options, history, None)
            report = finish_up_to_date(self.context, history, self.options)
            return replace(report, notes=notes)
        with self.so_far.step("guard"), tell_guards(self.checklist, self.so_far):
            self.aftercare = read_aftercare(
                self.context, history.pending, watch_s=self.options.watch_s
            )
            self.aftercare.look_before()
            guarded = judge_guards(self.context, history, self.options, self.checklist)
            require_sense(self.options, guarded.history, guarded.position)
            self.checklist.require()
        for line in describe_resumption(guarded.history, guarded.position):
            self.context.progress(line)
        self.turn.check()
        installed = install_ledger(self.context, history)
        self.turn.take(self.context.connect())
        announce(self.turn, history, self.options)
        self.so_far.update(applied=installed)
        applied = read_history(self.context)
        history = replace(applied, left=guarded.history.left)
        if not history.pending:
            return self._finish_phase(notes)
        return self._run_recorded(replace(guarded, history=history))

    def _finish_phase(self, notes: tuple[str, ...]) -> DeployReport:
        """Report that nothing is pending of this phase but dbops's own tables."""
        self.so_far.update(state=DeployState.UP_TO_DATE, notes=notes)
        return self.so_far.report

    def _run_recorded(self, guarded: Guarded) -> DeployReport:
        expectation, position = guarded.expectation, guarded.position
        with open_run(
            self.context, "deploy", guarded.live, allowed=self.checklist.passed
        ) as ledger:
            self.so_far.update(deployment_id=ledger.deployment_id)
            try:
                back_up_first(self.context, self.options, self.so_far, ledger)
                guarded = self._rehearse(guarded, ledger)
                self.so_far.proofs = guarded.proofs
                self.aftercare.begin(self.so_far)
                clean_up(self.context, position)
                with emit_signals(
                    self.context, guarded.history.pending, backwards=False
                ) as self.so_far.added:
                    self._apply_all(guarded, ledger)
                    self._verify(guarded)
                self.aftercare.finish(self.so_far, lambda: self._keep_alive(ledger))
            except (Exception, KeyboardInterrupt) as error:
                settlement = Settlement(
                    self.context,
                    self.so_far,
                    expectation,
                    ledger,
                    regain=self.turn.regain,
                    may_revert=self.options.revert,
                )
                failure = self._point_back(settlement.settle(error))
                self.aftercare.fail(self.so_far, failure)
                raise failure from error
            # A schema that was only put up with does not count as proven later.
            accepted = self.options.allow_drift and position.comparison.differences
            after = None if accepted else fetch_live_catalog(self.context)
            ledger.finish("done", after=after)
        self.so_far.update(state=DeployState.DEPLOYED, ledger_head=ledger.head)
        return self.so_far.report

    def _keep_alive(self, ledger: Ledger) -> None:
        """Let no session of this run seem idle for so long that it is ended."""
        self.context.connect().execute("SELECT 1")
        ledger.ping()
        self.turn.check()

    def _rehearse(self, guarded: Guarded, ledger: Ledger) -> Guarded:
        if not guarded.needs_rehearsal:
            return guarded
        dumped = self.options.backup and not uses_pgbackrest(self.context.settings)
        with (
            self.so_far.step("rehearse"),
            tell_guards(self.checklist, self.so_far),
        ):
            guarded = rehearse_guarded(
                self.context,
                guarded,
                self.options,
                self.checklist,
                backup_id=self.so_far.report.backup_id if dumped else None,
            )
            self.checklist.require()
        ledger.record_allowed(self.checklist.passed)
        return guarded

    def _point_back(self, failure: DbopsError) -> DbopsError:
        """Tell whoever has to repair it how to go back in time."""
        way_back = self.so_far.report.restore_point
        if way_back and isinstance(failure, NeedsRepair):
            failure.hint = (
                f"{failure.hint}; or stop the server, go back in time with "
                f"{way_back.command}, and start it"
            )
        return failure

    def _apply_all(self, guarded: Guarded, ledger: Ledger) -> None:
        history, position = guarded.history, guarded.position
        live = fetch_live_catalog(self.context)
        for index, migration in enumerate(history.pending):
            inside = index == 0 and not migration.atomic
            done = position.done if inside else 0
            self.so_far.before[get_id(migration)] = (
                guarded.expectation.applied if done else live
            )
            if index == 0 and position.unsure == done:
                # A person has said so; the journal shall know it, too.
                with record_operation(ledger, migration, done):
                    pass
            self.so_far.current = migration
            statements = (position.statements or 0) if inside else 0
            live = self._apply(
                migration, guarded, ledger, done=done, statements=statements
            )
            self.so_far.after[get_id(migration)] = live
            self.so_far.current = None
            self.so_far.update(applied=(*self.so_far.report.applied, get_id(migration)))

    def _apply(
        self,
        migration: Migration,
        guarded: Guarded,
        ledger: Ledger,
        *,
        done: int,
        statements: int,
    ) -> Catalog:
        """Apply one migration, and return the schema after it."""
        name = get_id(migration)
        self.turn.check()
        self.context.progress(
            f"applying {name}" + (f", from operation {done + 1}" if done else "")
        )
        log = keep_dropped(
            self.context,
            StatementLog(self.context),
            name,
            deployment=ledger.deployment_id,
            atomic=migration.atomic,
        )
        self.so_far.done = done
        proofs = self.so_far.proofs
        proof = proofs.get(name) if proofs else None

        @contextmanager
        def observe(number: int, _operation: Operation) -> Iterator[None]:
            with (
                tell_operation(self.context, ledger, migration, number),
                require_rows_kept(self.context, migration, proof),
            ):
                yield
            self.so_far.done = number

        with (
            self.so_far.step(f"apply {name}", watcher=self.context.watcher),
            record_step(
                self.context,
                ledger,
                migration,
                direction="forward",
                log=log,
                before=self.so_far.before[name],
            ) as recorded,
        ):
            apply_migration(
                self.context,
                migration,
                log=log,
                observe=observe,
                done=done,
                added=self.so_far.added.get(name, ()),
                locks=guarded.expectation.locks.get(name),
                carried=self.carried,
                statements=observe_statements(
                    self.context,
                    ledger,
                    migration,
                    operation=done + 1,
                    done=statements,
                ),
                verify=partial(require_verified, self.context, migration, proof),
            )
        if log.keeper is not None:
            notes = (*self.so_far.report.notes, *log.keeper.notes)
            self.so_far.update(notes=notes)
        return recorded.after

    def _verify(self, guarded: Guarded) -> None:
        """Prove that the schema is what the migrations build, and nothing is left.

        Raises:
            Mismatch: it is not.
        """
        with self.so_far.step("verify"):
            self.context.progress("verifying the schema")
            left = replace(
                read_history(self.context), left=guarded.history.left
            ).pending
            live = fetch_live_catalog(self.context)
            expectation = guarded.expectation
            comparison = expectation.rules.compare(expectation.final, live)
            accepted = set(
                guarded.position.comparison.differences
                if self.options.allow_drift
                else ()
            )
            differences = tuple(
                each for each in comparison.differences if each not in accepted
            )
            notes = (*self.so_far.report.notes, *map(str, comparison.notes))
            self.so_far.update(notes=notes, differences=differences)
            if left or differences:
                raise Mismatch(
                    f"verification found {len(differences)} differences and "
                    f"{len(left)} pending migrations"
                )
