"""Apply what is pending: guarded, backed up, verified, recorded, or put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from django.db.migrations import Migration
from django.db.migrations.operations.base import Operation

from dbops.core.catalog import Catalog
from dbops.errors import DbopsError, NeedsRepair
from dbops.operations.backup.back_up import read_level, record_backup
from dbops.operations.backup.backup import require_means, take_backup
from dbops.operations.backup.sealing import build_seal
from dbops.operations.context import Context, watch_locks
from dbops.operations.deploy.apply import StatementLog, apply_migration
from dbops.operations.deploy.guard import (
    finish_up_to_date,
    require_clean_history,
    require_known_schema,
)
from dbops.operations.deploy.pods import announce, lead_or_follow
from dbops.operations.deploy.report import (
    DeployOptions,
    DeployReport,
    DeployState,
    SoFar,
)
from dbops.operations.deploy.resume import (
    describe_resumption,
    expect,
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
from dbops.operations.deploy.settle import Mismatch, Settlement, clean_up
from dbops.operations.deploy.statements import observe_statements
from dbops.operations.history import History, get_id, read_history
from dbops.operations.pgbackrest.engine import uses_pgbackrest
from dbops.operations.pgbackrest.way_back import (
    ensure_backup,
    make_way_back,
    require_way_back,
)
from dbops.operations.replay import get_scratch_server
from dbops.operations.schema import (
    Expectation,
    Position,
    fetch_live_catalog,
)
from dbops.postgres.ledger import Ledger
from dbops.postgres.turns import Turn


def deploy(context: Context, options: DeployOptions) -> DeployReport:
    """Bring the database to the last migration on disk, or leave it as it was.

    Raises:
        Refused: the history or the schema is not what the migrations build.
        Busy: another run holds the deploy lock, or a lock was not had.
        ToolFailed: the backup failed; nothing was changed.
        ServerFailed: a migration failed; nothing was changed.
        Reverted: something failed after a change, which was taken back.
        NeedsRepair: a non-atomic migration is half applied, or could not be taken
            back.
    """
    if options.undo:
        return undo(context, options)
    if options.dry_run:
        history = read_history(context)
        return _plan(context, history, options)
    return lead_or_follow(context, options, _lead)


def _lead(context: Context, options: DeployOptions, turn: Turn) -> DeployReport:
    with watch_locks(context) as watched:
        return _Deployment(watched, options, turn).run()


def _plan(context: Context, history: History, options: DeployOptions) -> DeployReport:
    if not history.pending:
        require_sense(options, history, None)
        return finish_up_to_date(context, history, options)
    require_clean_history(context, history)
    _require_backup(context, options)
    live = fetch_live_catalog(context)
    expectation = expect(context, history, live)
    position = require_known_schema(context, history, expectation, live, options)
    require_sense(options, history, position)
    return DeployReport(
        state=DeployState.DRY_RUN,
        pending=tuple(map(get_id, history.pending)),
        notes=describe_resumption(history, position),
    )


def _require_backup(context: Context, options: DeployOptions) -> None:
    if not options.backup:
        return
    if uses_pgbackrest(context.settings):
        require_way_back(context)
    else:
        require_means(
            context.target,
            storage=context.settings.backup_directory,
            pg_bin=context.settings.pg_bin,
            dry_run=options.dry_run,
        )


class _Deployment:
    """One run under the deploy lock."""

    def __init__(self, context: Context, options: DeployOptions, turn: Turn) -> None:
        self.context = context
        self.options = options
        self.turn = turn
        self.so_far = SoFar(tell=turn.tell)

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
        with self.so_far.step("guard"):
            require_clean_history(self.context, history)
            _require_backup(self.context, self.options)
            live = fetch_live_catalog(self.context)
            expectation = expect(self.context, history, live)
            position = require_known_schema(
                self.context, history, expectation, live, self.options
            )
            require_sense(self.options, history, position)
        for line in describe_resumption(history, position):
            self.context.progress(line)
        self.turn.check()
        installed = install_ledger(self.context, history)
        self.turn.take(self.context.connect())
        announce(self.turn, history, self.options)
        self.so_far.update(applied=installed)
        history = read_history(self.context)
        return self._run_recorded(history, expectation, live, position)

    def _run_recorded(
        self,
        history: History,
        expectation: Expectation,
        live: Catalog,
        position: Position,
    ) -> DeployReport:
        with open_run(self.context, "deploy", live) as ledger:
            self.so_far.update(deployment_id=ledger.deployment_id)
            try:
                self._back_up(ledger)
                clean_up(self.context, position)
                with emit_signals(
                    self.context, history.pending, backwards=False
                ) as self.so_far.added:
                    self._apply_all(history, expectation, position, ledger)
                    self._verify(expectation, position)
            except (Exception, KeyboardInterrupt) as error:
                self.turn.regain()
                settlement = Settlement(self.context, self.so_far, expectation, ledger)
                raise self._point_back(settlement.settle(error)) from error
            # A schema that was only put up with does not count as proven later.
            accepted = self.options.allow_drift and position.comparison.differences
            after = None if accepted else fetch_live_catalog(self.context)
            ledger.finish("done", after=after)
        self.so_far.update(state=DeployState.DEPLOYED)
        return self.so_far.report

    def _point_back(self, failure: DbopsError) -> DbopsError:
        """Tell whoever has to repair it how to go back in time."""
        way_back = self.so_far.report.restore_point
        if way_back and isinstance(failure, NeedsRepair):
            failure.hint = (
                f"{failure.hint}; or stop the server, go back in time with "
                f"{way_back.command}, and start it"
            )
        return failure

    def _back_up(self, ledger: Ledger) -> None:
        if not self.options.backup:
            return
        if uses_pgbackrest(self.context.settings):
            self._make_way_back(ledger)
            return
        with self.so_far.step("backup"):
            report = take_backup(
                self.context.target,
                storage=self.context.settings.backup_directory,
                seal=build_seal(self.context.settings),
                level=read_level(self.context.settings),
                scratch_server=get_scratch_server(self.context),
                pg_bin=self.context.settings.pg_bin,
                progress=self.context.progress,
            )
        self.so_far.update(backup_id=report.backup_id)
        record_backup(ledger, report)
        ledger.name_backup(report.backup_id)

    def _make_way_back(self, ledger: Ledger) -> None:
        with self.so_far.step("backup"):
            label, taken = ensure_backup(self.context)
        self.so_far.update(backup_id=label)
        if taken:
            record_backup(ledger, taken)
        ledger.name_backup(label)
        with self.so_far.step("restore point"):
            way_back = make_way_back(self.context, ledger, label)
        self.so_far.update(restore_point=way_back)

    def _apply_all(
        self,
        history: History,
        expectation: Expectation,
        position: Position,
        ledger: Ledger,
    ) -> None:
        live = fetch_live_catalog(self.context)
        for index, migration in enumerate(history.pending):
            inside = index == 0 and not migration.atomic
            done = position.done if inside else 0
            self.so_far.before[get_id(migration)] = (
                expectation.applied if done else live
            )
            if index == 0 and position.unsure == done:
                # A person has said so; the journal shall know it, too.
                with record_operation(ledger, migration, done):
                    pass
            self.so_far.current = migration
            statements = (position.statements or 0) if inside else 0
            live = self._apply(migration, ledger, done=done, statements=statements)
            self.so_far.current = None
            self.so_far.update(applied=(*self.so_far.report.applied, get_id(migration)))

    def _apply(
        self, migration: Migration, ledger: Ledger, *, done: int, statements: int
    ) -> Catalog:
        """Apply one migration, and return the schema after it."""
        name = get_id(migration)
        self.turn.check()
        self.context.progress(
            f"applying {name}" + (f", from operation {done + 1}" if done else "")
        )
        log = StatementLog(self.context)
        self.so_far.done = done

        @contextmanager
        def observe(number: int, _operation: Operation) -> Iterator[None]:
            with tell_operation(self.context, ledger, migration, number):
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
                statements=observe_statements(
                    self.context,
                    ledger,
                    migration,
                    operation=done + 1,
                    done=statements,
                ),
            )
        return recorded.after

    def _verify(self, expectation: Expectation, position: Position) -> None:
        """Prove that the schema is what the migrations build, and nothing is left.

        Raises:
            Mismatch: it is not.
        """
        with self.so_far.step("verify"):
            self.context.progress("verifying the schema")
            left = read_history(self.context).pending
            live = fetch_live_catalog(self.context)
            comparison = expectation.rules.compare(expectation.final, live)
            accepted = set(
                position.comparison.differences if self.options.allow_drift else ()
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
