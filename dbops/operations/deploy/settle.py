"""After a failure: look at what is there, and put back what can be put back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import psycopg
from django.db.migrations import Migration
from django.db.migrations.operations.base import Operation
from django.db.utils import Error

from dbops.core.catalog import Catalog
from dbops.core.journal import Journal
from dbops.core.kept import covers
from dbops.core.migration import MigrationId
from dbops.core.proof import find_removed
from dbops.core.words import count_of
from dbops.errors import (
    DbopsError,
    NeedsRepair,
    Reverted,
)
from dbops.operations.context import Context
from dbops.operations.deploy.apply import StatementLog
from dbops.operations.deploy.failure import Mismatch, say_unchanged, translate
from dbops.operations.deploy.lock_retry import set_lock_timeout
from dbops.operations.deploy.observing import describe_operation
from dbops.operations.deploy.report import DeployState, SoFar
from dbops.operations.deploy.run import claim_session, record_step
from dbops.operations.deploy.unapply import find_way_back, unapply_migration
from dbops.operations.history import get_id, read_history
from dbops.operations.schema import (
    Expectation,
    Position,
    fetch_live_catalog,
    find_position,
    read_journal,
)
from dbops.postgres.indexes import drop_invalid_indexes
from dbops.postgres.keeping import fetch_kept
from dbops.postgres.ledger import Ledger
from dbops.postgres.session import tell_error
from dbops.postgres.turns import Superseded


def clean_up(context: Context, position: Position) -> None:
    """Drop the INVALID indexes that a cut-off build of ours has left."""
    if not position.invalid_indexes:
        return
    context.progress(
        f"dropping {', '.join(position.invalid_indexes)}, left INVALID by a build "
        "that was cut off"
    )
    drop_invalid_indexes(context.connect(), position.invalid_indexes)


def build_unrecorded(error: BaseException, so_far: SoFar) -> NeedsRepair:
    """Say that all is applied and verified, and that what came after that failed."""
    cause = translate(error, None)
    return NeedsRepair(
        f"{cause.message}; by then these were applied and verified, and stay: "
        f"{', '.join(map(str, so_far.mine))}",
        hint="manage.py dbops_deploy, which completes the ledger",
        report=so_far.report,
    )


class Settlement:
    """What becomes of a deployment that failed."""

    def __init__(
        self,
        context: Context,
        so_far: SoFar,
        expectation: Expectation,
        ledger: Ledger,
        *,
        regain: Callable[[], None],
        may_revert: bool = True,
    ) -> None:
        self.context = context
        self.so_far = so_far
        self.expectation = expectation
        self.ledger = ledger
        self.regain = regain
        """Makes sure that nobody else is at work, now that something has gone wrong."""
        self.may_revert = may_revert
        self.left_invalid: tuple[str, ...] = ()

    def settle(self, error: BaseException) -> DbopsError:
        """Put back what was applied, and return what the caller shall be told.

        Raises:
            Superseded: another run has taken over, and looks at what is there.
        """
        cause = translate(error, self.so_far.current)
        try:
            self.regain()
            return self._put_back(cause)
        except Superseded:
            raise
        except (Exception, KeyboardInterrupt) as second:  # noqa: BLE001
            if self.so_far.current is None and not self.so_far.before:
                return self._build_unchanged(cause)
            return NeedsRepair(
                f"{cause.message}; and what was done could not be looked at or taken "
                f"back: {' '.join(str(second).split()) or type(second).__name__}",
                hint="manage.py dbops_status; then manage.py dbops_deploy, which "
                "looks at what is done before it goes on",
                report=self.so_far.report,
            )

    def _put_back(self, cause: DbopsError) -> DbopsError:
        current = self.so_far.current
        self._reconnect()
        if (
            current is not None
            and get_id(current) in read_history(self.context).applied
        ):
            # It was committed, and what came after that failed.
            applied = self.so_far.report.applied
            self.so_far.update(applied=(*applied, get_id(current)))
        elif current is not None and not current.atomic:
            half = self._look_at_half(current)
            if half is not None:
                return self._build_half_done(cause, current, half)
        mine = self.so_far.mine
        if not mine:
            return self._build_unchanged(cause)
        stop = self._find_stop(mine)
        return self._stop(cause, mine, stop) if stop else self._revert(cause, mine)

    def _build_unchanged(self, cause: DbopsError) -> DbopsError:
        cause = say_unchanged(cause)
        if isinstance(cause, Mismatch):
            self.so_far.update(state=DeployState.REVERTED)
            cause = Reverted(f"{cause.message}; nothing of it stays", hint=cause.hint)
        cause.report = self.so_far.report
        return cause

    def _find_stop(self, mine: Sequence[MigrationId]) -> str:
        """Return why what was applied is not taken back without a person."""
        if not self.may_revert:
            return "--no-revert"
        proofs = self.so_far.proofs
        for name in reversed(mine):
            proof = proofs.get(name) if proofs else None
            if proof is not None and not proof.leads_back:
                return f'the way back of "{name}" is {proof.round_trip}'
            gone = () if proof else self._find_removed(name)
            if gone:
                return f'the way back of "{name}" cannot give back {", ".join(gone)}'
        return ""

    def _find_removed(self, name: MigrationId) -> tuple[str, ...]:
        after = self.so_far.after.get(name) or fetch_live_catalog(self.context)
        kept = fetch_kept(self.context.connect(), name)
        return tuple(
            each
            for each in find_removed(self.so_far.before[name], after)
            if not covers(kept, *each.split(" ", 1))
        )

    def _stop(
        self, cause: DbopsError, mine: Sequence[MigrationId], why: str
    ) -> NeedsRepair:
        """Leave what was applied, for taking it back is a person's decision."""
        report = self.so_far.report
        restore = (
            f"; or to what was before: manage.py dbops_restore {report.backup_id}"
            if report.backup_id
            else "; no backup was taken"
        )
        return NeedsRepair(
            f"{cause.message}; these stay applied, since {why}: "
            f"{', '.join(map(str, report.applied))}",
            hint="remove the cause, then manage.py dbops_deploy; or go back by SQL: "
            f"manage.py dbops_rollback {mine[0].app} PREVIOUS{restore}",
            report=report,
        )

    def _reconnect(self) -> None:
        connection = self.context.connection
        if not connection.is_usable():
            connection.close()
        claim_session(self.context, "deploy")

    def _look_at_half(self, migration: Migration) -> Position | None:
        """Return how much of a failed non-atomic migration is there, if any is."""
        name = get_id(migration)
        before, stages = self.so_far.before[name], self.expectation.stages[name]
        live = fetch_live_catalog(self.context)
        position = find_position(
            self.expectation.rules,
            before,
            stages,
            live,
            Journal(done=self.so_far.done),
        )
        if not position.is_known:
            # What the schema does not show is written down.
            journal = read_journal(self.context, migration)
            position = replace(position, done=journal.done)
            self.so_far.statements = journal.statements
        if position.is_known:
            self._clean_up(position)
        untouched = position.is_known and not position.done and not self.left_invalid
        if untouched and not _may_leave_data(migration.operations[0], before, stages):
            return None
        return position

    def _clean_up(self, position: Position) -> None:
        """Clean up, but do not wait long for what the migration has waited for."""
        connection = self.context.connect()
        set_lock_timeout(connection, self.context.settings.lock_timeout_s)
        try:
            clean_up(self.context, position)
        except psycopg.errors.LockNotAvailable:
            self.left_invalid = position.invalid_indexes
        finally:
            with suppress(psycopg.Error):
                connection.execute("RESET lock_timeout")

    def _build_half_done(
        self, cause: DbopsError, migration: Migration, position: Position
    ) -> NeedsRepair:
        name = get_id(migration)
        done, left = _split(migration, position.done)
        statements = self.so_far.statements
        rest = (
            f"; of operation {position.done + 1}, "
            f"{count_of(statements, 'statement')} done"
            if statements
            else ""
            if position.is_known
            else "; the schema is at neither of its stages: "
            + "; ".join(map(str, position.comparison.differences[:5]))
        )
        if self.left_invalid:
            rest += (
                f"; index {', '.join(self.left_invalid)} is left INVALID, for other "
                "transactions keep it from being dropped"
            )
        self.so_far.update(
            pending=(name,),
            differences=(
                ()
                if position.is_known or statements
                else position.comparison.differences
            ),
        )
        return NeedsRepair(
            f'migration "{name}" is half applied. Done: {done}. Not done: {left}'
            f"{rest}. Cause: {cause.message}",
            hint="remove the cause, then manage.py dbops_deploy goes on with "
            f"operation {position.done + 1}",
            report=self.so_far.report,
        )

    def _revert(self, cause: DbopsError, mine: Sequence[MigrationId]) -> DbopsError:
        history = read_history(self.context)
        for name in reversed(mine):
            self.context.progress(f"taking back {name}")
            try:
                self._take_back(history.find(name))
            except (DbopsError, Error, psycopg.Error) as second:
                return NeedsRepair(
                    f"{cause.message}; these stay applied: "
                    f"{', '.join(map(str, self.so_far.report.applied))}, since "
                    f'"{name}" could not be taken back: {tell_error(second)}',
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

    def _take_back(self, migration: Migration) -> None:
        log = StatementLog(self.context)
        before = self.so_far.before[get_id(migration)]

        def check() -> None:
            live = fetch_live_catalog(self.context)
            if not self.expectation.rules.is_same(before, live):
                raise Mismatch("its down.sql does not give back the schema before it")

        way = find_way_back(self.context, migration)
        with (
            self.so_far.step(
                f"take back {get_id(migration)}", watcher=self.context.watcher
            ),
            record_step(
                self.context,
                self.ledger,
                migration,
                direction="backward",
                log=log,
                before=fetch_live_catalog(self.context),
            ),
        ):
            unapply_migration(
                self.context,
                migration,
                way,
                log=log,
                check=check,
                added=self.so_far.added.get(get_id(migration), ()),
                ledger=self.ledger,
            )


def _may_leave_data(
    operation: Operation, before: Catalog, stages: Sequence[Catalog]
) -> bool:
    """Say whether it changes data alone, and commits as it goes."""
    return bool(stages) and stages[0] == before and not operation.atomic


def _split(migration: Migration, done: int) -> tuple[str, str]:
    words = [
        f"{number}. {describe_operation(each)}"
        for number, each in enumerate(migration.operations, start=1)
    ]
    return ", ".join(words[:done]) or "nothing", ", ".join(words[done:]) or "nothing"
