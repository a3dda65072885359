"""Take one migration back, and prove it before it is committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from django.db import transaction
from django.db.migrations import Migration
from psycopg.pq import TransactionStatus

from dbops.core.sql_script import Irreversible, Script, Unwritten
from dbops.errors import Refused
from dbops.operations.context import Context
from dbops.operations.deploy.added import AddedOperation, insert_added, reverse_added
from dbops.operations.deploy.apply import OneMigration, StatementLog, hold_turn
from dbops.operations.deploy.lock_retry import retry_on_lock_timeout, set_lock_timeout
from dbops.operations.deploy.observing import describe_operation
from dbops.operations.deploy.returning import SCRIPT, Returning
from dbops.operations.deploy.run import forget_migration
from dbops.operations.history import get_id
from dbops.operations.kept.give_back import fill_in
from dbops.operations.sql_files.files import (
    get_sql_directory,
    is_project_migration,
    read_down,
)
from dbops.postgres.ledger import Ledger


@dataclass(frozen=True, slots=True)
class DjangoReverse:
    """The reverse that Django derives from the operations; for third-party apps."""


class NoWayBack(Refused):
    """It is declared, or lies in the matter, that there is none."""


Way = Script | DjangoReverse
Check = Callable[[], None]
"""Raises when the schema is not what it must be."""


def find_way_back(context: Context, migration: Migration) -> Way:
    """Return how the migration is taken back.

    Raises:
        Refused: there is no way back, or nobody has written it yet.
    """
    name = get_id(migration)
    if not is_project_migration(migration, context.settings):
        for operation in migration.operations:
            if not operation.reversible:
                raise NoWayBack(
                    f'migration "{name}" is irreversible: '
                    f"{describe_operation(operation)}",
                    hint="restore a backup: manage.py dbops_restore latest --into NAME",
                )
        return DjangoReverse()
    if not migration.operations:  # A merge, for one.
        return Script(text="", statements=(), transactional=True)
    path = get_sql_directory(migration) / "down.sql"
    match read_down(migration):
        case Script() as script:
            return script
        case Irreversible(reason=reason):
            raise NoWayBack(
                f'migration "{name}" is declared irreversible: {reason}',
                hint="restore a backup: manage.py dbops_restore latest --into NAME",
            )
        case Unwritten(reason=reason):
            raise Refused(
                f'the way back of "{name}" is not written: {reason}',
                hint=f"complete {path}, or declare there: "
                "-- dbops: irreversible: <reason>",
            )
        case None:
            raise Refused(
                f'migration "{name}" has no down.sql',
                hint=f"manage.py makemigrations --sql {name.app}",
            )


def unapply_migration(
    context: Context,
    migration: Migration,
    way: Way,
    *,
    log: StatementLog,
    check: Check,
    added: Sequence[AddedOperation] = (),
    ledger: Ledger | None = None,
) -> None:
    """Take one applied migration back, and remove its history row.

    In one transaction, which `check` has the last word on; what cannot run in one
    (CONCURRENTLY) is checked before the row is removed, and, with a `ledger`, is not
    done twice when it was cut off. What was `added` to it is taken back with it.

    Raises:
        Busy: the locks were not had within the budget.
        django.db.Error, psycopg.Error, or what `check` raises.
    """

    def fill_and_check() -> None:
        log.returned = fill_in(context, get_id(migration))
        check()

    case = _Case(context, migration, log, fill_and_check, added, ledger)
    match way:
        case Script(transactional=False):
            _run_one_by_one(case, way)
            return
        case Script():
            attempt = partial(_run_script, case, way)
        case DjangoReverse():
            attempt = partial(_run_reverse, case)
    retry_on_lock_timeout(attempt, context)


@dataclass(frozen=True, slots=True)
class _Case:
    """One migration that is taken back."""

    context: Context
    migration: Migration
    log: StatementLog
    check: Check
    added: Sequence[AddedOperation]
    ledger: Ledger | None

    @property
    def returning(self) -> Returning | None:
        """What writes down the single steps of a way back that commits as it goes."""
        if self.ledger is None:
            return None
        return Returning(self.context, self.ledger, self.migration)

    def forget(self) -> None:
        """Remove its history row, and what was added to it."""
        reverse_added(self.context.connection, self.migration, self.added)
        forget_migration(self.context, self.migration)


def _run_script(case: _Case, script: Script) -> None:
    if case.log.gaps:
        case.log.gaps.expect(script.text)
        case.log.gaps.wait()
    with _open_transaction(case.context):
        case.log.statements[:] = script.statements
        connection = case.context.connect()
        if case.log.gaps:
            case.log.gaps.take()
        if script.statements:
            connection.execute(script.text.encode(), prepare=False)
        if connection.info.transaction_status is not TransactionStatus.INTRANS:
            raise Refused(
                f'the down.sql of "{get_id(case.migration)}" ended its own transaction',
                hint="take BEGIN, COMMIT and ROLLBACK out of it",
            )
        case.forget()
        case.check()


def _run_one_by_one(case: _Case, script: Script) -> None:
    context, log = case.context, case.log
    connection = context.connect()
    log.statements.clear()
    returning = case.returning
    record = returning.open_record(SCRIPT) if returning else None
    try:
        for statement in script.statements:
            log.statements.append(statement)
            run = partial(_run_statement, case, statement)
            attempt = partial(record.run, statement, run) if record else run
            retry_on_lock_timeout(attempt, context)
    finally:
        if not connection.closed:
            connection.execute("RESET lock_timeout")
            connection.execute("RESET statement_timeout")
    case.check()
    with transaction.atomic(using=context.alias):
        case.forget()


def _run_statement(case: _Case, statement: str) -> None:
    if not case.context.connection.in_atomic_block:
        case.log.prepare(statement)
    case.context.connect().execute(statement.encode(), prepare=False)


def _run_reverse(case: _Case) -> None:
    context, migration, log = case.context, case.migration, case.log
    if log.gaps and migration.atomic:
        log.gaps.wait()
    returning = None if migration.atomic else case.returning

    def prepare(found: Migration) -> Migration:
        if returning is not None:
            found = returning.observe(found, case.check)
        return insert_added(found, case.added)

    @contextmanager
    def surround() -> Iterator[None]:
        log.statements.clear()
        if not migration.atomic:
            with context.connection.execute_wrapper(log):
                yield
            if returning is None:
                case.check()
            return
        with _open_transaction(context):
            with context.connection.execute_wrapper(log):
                yield
            case.check()

    executor = OneMigration(context.connection, within=surround, prepare=prepare)
    executor.migrate([get_id(migration)], plan=[(migration, True)])


@contextmanager
def _open_transaction(context: Context) -> Iterator[None]:
    with transaction.atomic(using=context.alias):
        set_lock_timeout(context.connect(), context.settings.lock_timeout_s, local=True)
        hold_turn(context)
        yield
