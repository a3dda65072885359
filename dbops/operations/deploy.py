"""Apply what is pending: guarded, backed up, verified, recorded, or put back."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from uuid import UUID

import psycopg
from django.db.migrations import Migration
from django.db.migrations.operations.base import Operation
from django.db.utils import Error

from dbops.core.catalog import Catalog
from dbops.core.compare import Difference
from dbops.core.migration import MigrationId
from dbops.core.rules import Rules
from dbops.errors import (
    DbopsError,
    Interrupted,
    NeedsRepair,
    Refused,
    Reverted,
    ServerFailed,
)
from dbops.operations.adoption import find_existing_tables
from dbops.operations.apply import StatementLog, apply_migration
from dbops.operations.back_up import record_backup
from dbops.operations.backup import take_backup
from dbops.operations.context import Context
from dbops.operations.history import History, get_id, read_history
from dbops.operations.run import (
    claim_session,
    close_cut_off_run,
    emit_signals,
    install_ledger,
    open_run,
    record_step,
)
from dbops.operations.schema import (
    Expectation,
    Position,
    build_expectation,
    fetch_live_catalog,
    find_position,
)
from dbops.operations.unapply import find_way_back, unapply_migration
from dbops.postgres.deploy_lock import DeployLock, open_deploy_lock
from dbops.postgres.indexes import drop_invalid_indexes
from dbops.postgres.ledger import Ledger, fetch_last_deployment, ledger_exists


class DeployState(StrEnum):
    """How a deployment ended."""

    DEPLOYED = "deployed"
    UP_TO_DATE = "up_to_date"
    REVERTED = "reverted"
    FAILED = "failed"
    DRY_RUN = "dry_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployStep:
    """One thing that a deployment did."""

    name: str
    ok: bool
    duration_s: float
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployReport:
    """What was done, in order."""

    state: DeployState
    applied: tuple[MigrationId, ...] = ()
    reverted: tuple[MigrationId, ...] = ()
    pending: tuple[MigrationId, ...] = ()
    """What is left to do: all of it in a dry run."""
    backup_id: str | None = None
    deployment_id: UUID | None = None
    steps: tuple[DeployStep, ...] = ()
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployOptions:
    """What a person may choose for one deployment."""

    dry_run: bool = False
    backup: bool = True
    allow_drift: bool = False
    lock_wait_s: float = 30.0


@dataclass(slots=True)
class _Progress:
    """What has happened so far; becomes the report."""

    report: DeployReport = field(
        default_factory=lambda: DeployReport(state=DeployState.FAILED)
    )
    current: Migration | None = None

    def update(self, **fields: object) -> None:
        self.report = replace(self.report, **fields)  # type: ignore[arg-type]

    @contextmanager
    def step(self, name: str, detail: str = "") -> Iterator[None]:
        started = time.monotonic()
        ok = False
        try:
            yield
            ok = True
        finally:
            done = DeployStep(
                name=name, ok=ok, duration_s=time.monotonic() - started, detail=detail
            )
            self.update(steps=(*self.report.steps, done))


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
    if options.dry_run:
        history = read_history(context)
        return _plan(context, history, options)
    with open_deploy_lock(
        context.target,
        command="deploy",
        wait_s=options.lock_wait_s,
        progress=context.progress,
    ) as lock:
        return _Deployment(context, options, lock).run()


def _plan(context: Context, history: History, options: DeployOptions) -> DeployReport:
    if not history.pending:
        return _finish_up_to_date(context, history, options)
    _require_clean_history(context, history)
    live = fetch_live_catalog(context)
    expectation = build_expectation(context, history, live)
    _require_known_schema(context, history, expectation, live, options)
    return DeployReport(
        state=DeployState.DRY_RUN, pending=tuple(map(get_id, history.pending))
    )


def _finish_up_to_date(
    context: Context, history: History, options: DeployOptions
) -> DeployReport:
    """Report that nothing is pending, once the schema is known to be the right one."""
    _require_clean_history(context, history)
    live = fetch_live_catalog(context)
    connection = context.connect()
    last = fetch_last_deployment(connection) if ledger_exists(connection) else None
    proven = (
        last is not None
        and last.state == "done"
        and last.fingerprint_after == live.fingerprint
    )
    if not proven and not options.allow_drift:
        expectation = build_expectation(context, history, live)
        _require_known_schema(context, history, expectation, live, options)
    return DeployReport(state=DeployState.UP_TO_DATE)


def _require_clean_history(context: Context, history: History) -> None:
    for migration, tables in find_existing_tables(context, history).items():
        raise Refused(
            f'database "{context.target.database}" was not adopted: '
            f'"{migration}" is not recorded, and its '
            f"table{'s' if len(tables) > 1 else ''} {', '.join(tables)} "
            f"exist{'' if len(tables) > 1 else 's'}",
            hint="manage.py dbops_baseline --dry-run",
        )
    if history.unknown:
        raise Refused(
            "the database has migrations that are not on disk: "
            f"{', '.join(map(str, history.unknown))}",
            hint="deploy the release that has them, or roll them back with it first",
        )


def _require_known_schema(
    context: Context,
    history: History,
    expectation: Expectation,
    live: Catalog,
    options: DeployOptions,
) -> Position:
    """Return how far the first pending migration has come; normally not at all.

    Raises:
        Refused: the schema is at no point of the way.
    """
    first = history.pending[0] if history.pending else None
    stages = expectation.stages[get_id(first)] if first and not first.atomic else ()
    # The last operation's schema without the history row counts too.
    position = find_position(expectation.rules, expectation.applied, stages, live)
    if position.is_known or options.allow_drift:
        return position
    differences = position.comparison.differences
    raise Refused(
        f'the schema of database "{context.target.database}" is not what its '
        f"migrations build: {len(differences)} "
        f"difference{'s' if len(differences) > 1 else ''}",
        hint="put the schema right, or name what belongs to somebody else in "
        "DBOPS_IGNORE, or accept it with --allow-drift",
        report=DeployReport(state=DeployState.FAILED, differences=differences),
    )


class _Deployment:
    """One run under the deploy lock."""

    def __init__(
        self, context: Context, options: DeployOptions, lock: DeployLock
    ) -> None:
        self.context = context
        self.options = options
        self.lock = lock
        self.so_far = _Progress()
        self.before: dict[MigrationId, Catalog] = {}

    def run(self) -> DeployReport:
        """Do all of it, and return or raise with the report."""
        claim_session(self.context, "deploy")
        history = read_history(self.context)
        notes = close_cut_off_run(self.context, history)
        for note in notes:
            self.context.progress(note)
        self.so_far.update(notes=notes)
        if not history.pending:
            report = _finish_up_to_date(self.context, history, self.options)
            return replace(report, notes=notes)
        with self.so_far.step("guard"):
            _require_clean_history(self.context, history)
            live = fetch_live_catalog(self.context)
            expectation = build_expectation(self.context, history, live)
            position = _require_known_schema(
                self.context, history, expectation, live, self.options
            )
        self.lock.check()
        installed = install_ledger(self.context, history)
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
                self._clean_up(position)
                with emit_signals(self.context, history.pending, backwards=False):
                    self._apply_all(history, expectation, position, ledger)
                    self._verify(expectation, position)
            except (Exception, KeyboardInterrupt) as error:
                raise self._settle(error, expectation, ledger) from error
            after = fetch_live_catalog(self.context)
            ledger.finish("done", after=after)
        self.so_far.update(state=DeployState.DEPLOYED)
        return self.so_far.report

    def _back_up(self, ledger: Ledger) -> None:
        if not self.options.backup:
            return
        with self.so_far.step("backup"):
            report = take_backup(
                self.context.target,
                storage=self.context.settings.backup_directory,
                pg_bin=self.context.settings.pg_bin,
                progress=self.context.progress,
            )
        self.so_far.update(backup_id=report.backup_id)
        record_backup(ledger, report)
        ledger.name_backup(report.backup_id)

    def _clean_up(self, position: Position) -> None:
        if position.invalid_indexes:
            self.context.progress(
                f"dropping {', '.join(position.invalid_indexes)}, left INVALID by a "
                "build that was cut off"
            )
            drop_invalid_indexes(self.context.connect(), position.invalid_indexes)

    def _apply_all(
        self,
        history: History,
        expectation: Expectation,
        position: Position,
        ledger: Ledger,
    ) -> None:
        for index, migration in enumerate(history.pending):
            done = position.done if index == 0 and not migration.atomic else 0
            live = fetch_live_catalog(self.context)
            self.before[get_id(migration)] = expectation.applied if done else live
            self.so_far.current = migration
            self._apply(migration, ledger, done=done)
            self.so_far.current = None
            self.so_far.update(applied=(*self.so_far.report.applied, get_id(migration)))

    def _apply(self, migration: Migration, ledger: Ledger, *, done: int) -> None:
        name = get_id(migration)
        self.lock.check()
        self.context.progress(
            f"applying {name}" + (f", from operation {done + 1}" if done else "")
        )
        log = StatementLog(self.context)

        @contextmanager
        def observe(number: int, operation: Operation) -> Iterator[None]:
            self.context.progress(
                f"  operation {number} of {len(migration.operations)}: "
                f"{operation.describe()}"
            )
            yield

        with (
            self.so_far.step(f"apply {name}"),
            record_step(
                self.context,
                ledger,
                migration,
                direction="forward",
                log=log,
                before=self.before[name],
            ),
        ):
            apply_migration(
                self.context, migration, log=log, observe=observe, done=done
            )

    def _verify(self, expectation: Expectation, position: Position) -> None:
        """Prove that the schema is what the migrations build, and nothing is left.

        Raises:
            _Mismatch: it is not.
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
                raise _Mismatch(
                    f"verification found {len(differences)} differences and "
                    f"{len(left)} pending migrations"
                )

    def _settle(
        self, error: BaseException, expectation: Expectation, ledger: Ledger
    ) -> DbopsError:
        """Put back what was applied, and return what the caller shall be told."""
        cause = _translate(error, self.so_far.current)
        try:
            return self._put_back(cause, expectation, ledger)
        except (Exception, KeyboardInterrupt) as second:  # noqa: BLE001
            return NeedsRepair(
                f"{cause.message}; and what was done could not be looked at or taken "
                f"back: {' '.join(str(second).split()) or type(second).__name__}",
                hint="manage.py dbops_status; then manage.py dbops_deploy, which "
                "looks at what is done before it goes on",
                report=self.so_far.report,
            )

    def _put_back(
        self, cause: DbopsError, expectation: Expectation, ledger: Ledger
    ) -> DbopsError:
        current = self.so_far.current
        self._reconnect()
        if current is not None and not current.atomic:
            half = self._look_at_half(current, expectation)
            if half is not None:
                return self._build_half_done(cause, current, half)
        mine = [each for each in self.so_far.report.applied if each in self.before]
        if not mine:
            cause.report = self.so_far.report
            return cause
        return self._revert(cause, mine, expectation, ledger)

    def _reconnect(self) -> None:
        connection = self.context.connection
        if not connection.is_usable():
            connection.close()
        claim_session(self.context, "deploy")

    def _look_at_half(
        self, migration: Migration, expectation: Expectation
    ) -> Position | None:
        """Return how much of a failed non-atomic migration is there, if any is."""
        name = get_id(migration)
        before, stages = self.before[name], expectation.stages[name]
        live = fetch_live_catalog(self.context)
        position = find_position(expectation.rules, before, stages, live)
        if position.is_known and position.invalid_indexes:
            self._clean_up(position)
        return None if position.is_known and position.done == 0 else position

    def _build_half_done(
        self, cause: DbopsError, migration: Migration, position: Position
    ) -> NeedsRepair:
        name = get_id(migration)
        done, left = _split(migration, position.done)
        rest = (
            ""
            if position.is_known
            else "; the schema is at neither of its stages: "
            + "; ".join(map(str, position.comparison.differences[:5]))
        )
        self.so_far.update(
            pending=(name,),
            differences=() if position.is_known else position.comparison.differences,
        )
        return NeedsRepair(
            f'migration "{name}" is half applied. Done: {done}. Not done: {left}'
            f"{rest}. Cause: {cause.message}",
            hint="remove the cause, then manage.py dbops_deploy goes on with "
            f"operation {position.done + 1}",
            report=self.so_far.report,
        )

    def _revert(
        self,
        cause: DbopsError,
        mine: Sequence[MigrationId],
        expectation: Expectation,
        ledger: Ledger,
    ) -> DbopsError:
        history = read_history(self.context)
        for name in reversed(mine):
            self.context.progress(f"taking back {name}")
            try:
                self._take_back(history.find(name), expectation.rules, ledger)
            except (DbopsError, Error, psycopg.Error) as second:
                why = " ".join(str(second).split())
                return NeedsRepair(
                    f"{cause.message}; these stay applied: "
                    f"{', '.join(map(str, self.so_far.report.applied))}, since "
                    f'"{name}" could not be taken back: {why}',
                    hint="remove the cause, then manage.py dbops_deploy; or go back: "
                    f"manage.py dbops_rollback {name.app} PREVIOUS",
                    report=self.so_far.report,
                )
            self.so_far.update(
                applied=tuple(
                    each for each in self.so_far.report.applied if each != name
                ),
                reverted=(*self.so_far.report.reverted, name),
            )
        self.so_far.update(state=DeployState.REVERTED)
        return Reverted(
            f"{cause.message}; what had been applied was taken back: "
            f"{', '.join(map(str, mine))}",
            hint=cause.hint or "correct the migration, then manage.py dbops_deploy",
            report=self.so_far.report,
        )

    def _take_back(self, migration: Migration, rules: Rules, ledger: Ledger) -> None:
        log = StatementLog(self.context)
        before = self.before[get_id(migration)]

        def check() -> None:
            live = fetch_live_catalog(self.context)
            if not rules.is_same(before, live):
                raise _Mismatch("its down.sql does not give back the schema before it")

        way = find_way_back(self.context, migration)
        with (
            self.so_far.step(f"take back {get_id(migration)}"),
            record_step(
                self.context,
                ledger,
                migration,
                direction="backward",
                log=log,
                before=fetch_live_catalog(self.context),
            ),
        ):
            unapply_migration(self.context, migration, way, log=log, check=check)


class _Mismatch(DbopsError):
    """The schema after a change is not the one that the migrations build."""

    exit_code = 8


def _split(migration: Migration, done: int) -> tuple[str, str]:
    words = [
        f"{number}. {each.describe()}"
        for number, each in enumerate(migration.operations, start=1)
    ]
    return ", ".join(words[:done]) or "nothing", ", ".join(words[done:]) or "nothing"


def _translate(error: BaseException, current: Migration | None) -> DbopsError:
    where = f' in migration "{get_id(current)}"' if current else ""
    match error:
        case DbopsError():
            return error
        case KeyboardInterrupt():
            return Interrupted(
                f"interrupted{where}; nothing was changed",
                hint="manage.py dbops_deploy",
            )
        case _:
            text = " ".join(str(error).split())
            return ServerFailed(
                f"failed{where}: {text or type(error).__name__}",
                hint="correct the migration or the data, then manage.py dbops_deploy",
            )
