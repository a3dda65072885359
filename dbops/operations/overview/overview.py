"""All that one wants to know before a deployment, in one look that changes nothing.

Nothing here takes long or needs a scratch database: drift is what is known already, and
rehearsals are those of the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg
from django.db import Error

from dbops.core import doctor as judge
from dbops.core.finding import Finding
from dbops.core.verdict import PendingFacts, Situation, judge_situation
from dbops.errors import DbopsError
from dbops.operations.context import Context
from dbops.operations.history import read_history
from dbops.operations.locks.locks import LocksOptions, LocksReport, Look
from dbops.operations.overview.backups import look_at_backups
from dbops.operations.overview.pending import list_applied, list_pending
from dbops.operations.overview.report import (
    AppliedMigration,
    BackupsState,
    OpenTransaction,
    OverviewReport,
    PendingMigration,
    Problem,
    Run,
)
from dbops.operations.overview.runs import list_runs
from dbops.operations.status import StatusReport, read_status
from dbops.postgres import doctor as ask
from dbops.postgres.ledger_reading import ledger_exists
from dbops.postgres.locks import open_look_session
from dbops.postgres.overview import TableState, fetch_tables
from dbops.postgres.session import Connection, tell_error

PURPOSE = "overview"
LOCK_TIMEOUT_S = 1.0
MOST_TABLES = 20
MOST_TRANSACTIONS = 20


@dataclass(slots=True)
class _Parts:
    """What was seen until now; each part stands by itself."""

    status: StatusReport | None = None
    applied: tuple[AppliedMigration, ...] = ()
    pending: tuple[PendingMigration, ...] = ()
    runs: tuple[Run, ...] = ()
    findings: list[Finding] = field(default_factory=list)
    transactions: tuple[OpenTransaction, ...] = ()
    invalid_indexes: int | None = None
    tables: tuple[TableState, ...] = ()
    locks: LocksReport | None = None
    backups: BackupsState | None = None
    has_ledger: bool = False
    unreachable: str = ""
    problems: list[Problem] = field(default_factory=list)

    @contextmanager
    def look(self, part: str) -> Iterator[None]:
        """Keep a failure of the block from the other parts."""
        try:
            yield
        except DbopsError as error:
            self._note(part, error.message, error.hint or "")
        except (psycopg.Error, Error) as error:
            self._note(part, tell_error(error), "manage.py dbops_doctor")

    def _note(self, part: str, message: str, hint: str) -> None:
        self.problems.append(Problem(part=part, message=message, hint=hint))


Backups = Callable[[Context, Connection | None, datetime], BackupsState | None]
"""How the backups are looked at."""


def read_overview(
    context: Context,
    *,
    details: bool = True,
    backups: Backups = look_at_backups,
    now: datetime | None = None,
) -> OverviewReport:
    """Look at everything; what fails is told, and keeps nothing else from being seen.

    Without `details` what pending migrations say, tables and past runs' steps are left
    out.
    """
    now = now or datetime.now(UTC)
    parts = _Parts()
    try:
        with open_look_session(context.target, purpose=PURPOSE) as session:
            _look_at_server(context, session, parts, details=details)
            with parts.look("backups"):
                parts.backups = backups(context, session, now)
    except DbopsError as error:
        parts.unreachable = error.message
        with parts.look("backups"):
            parts.backups = backups(context, None, now)
    return _build_report(context, parts, now)


def _look_at_server(
    context: Context, session: Connection, parts: _Parts, *, details: bool
) -> None:
    with parts.look("locks"):
        look = Look(context, session, LocksOptions(min_wait_s=0, own_database=True))
        parts.locks = look.take()
    with parts.look("ledger"), ask.open_look(session):
        parts.has_ledger = ledger_exists(session)
        parts.runs = list_runs(session)
    with parts.look("server"), ask.open_look(session):
        _examine(session, parts)
    with parts.look("status"):
        parts.status = read_status(context, lock_timeout_s=LOCK_TIMEOUT_S)
    if not details:
        return
    with parts.look("tables"), ask.open_look(session):
        parts.tables = tuple(fetch_tables(session, MOST_TABLES))
    with parts.look("migrations"), ask.open_look(session):
        history = read_history(context)
        parts.applied = list_applied(context, history)
        parts.pending = list_pending(context, history, session)


def _examine(session: Connection, parts: _Parts) -> None:
    """Do those of the doctor's checks that speak for or against a deployment."""
    transactions = ask.fetch_transactions(session)
    indexes = ask.fetch_indexes(session)
    parts.transactions = tuple(
        OpenTransaction(
            pid=each.pid,
            role=each.role,
            application=each.application,
            idle=each.idle,
            open_s=each.open_s,
        )
        for each in transactions[:MOST_TRANSACTIONS]
    )
    parts.invalid_indexes = len(indexes)
    parts.findings += judge.judge_transactions(transactions)
    parts.findings += judge.judge_prepared(ask.fetch_prepared(session))
    parts.findings += judge.judge_indexes(indexes)
    parts.findings += judge.judge_constraints(ask.fetch_constraints(session))


def _build_report(context: Context, parts: _Parts, now: datetime) -> OverviewReport:
    return OverviewReport(
        verdict=judge_situation(_build_situation(parts)),
        taken_at=now,
        place=context.target.place,
        status=parts.status,
        applied=parts.applied,
        pending=parts.pending,
        drift=parts.status.differences if parts.status else None,
        backups=parts.backups,
        runs=parts.runs,
        findings=tuple(parts.findings),
        transactions=parts.transactions,
        invalid_indexes=parts.invalid_indexes,
        tables=parts.tables,
        locks=parts.locks,
        has_ledger=parts.has_ledger,
        problems=tuple(parts.problems),
    )


def _build_situation(parts: _Parts) -> Situation:
    status, locks = parts.status, parts.locks
    check = parts.backups.check if parts.backups else None
    return Situation(
        unreachable=parts.unreachable,
        state=str(status.state) if status else "",
        schema=str(status.schema) if status else "",
        running=(status.running or "") if status else "",
        is_standby=bool(locks and locks.standby),
        pending=tuple(map(_build_facts, parts.pending)),
        findings=tuple(parts.findings),
        waiting=locks.waiting if locks else 0,
        longest_wait_s=locks.longest_wait_s if locks else 0.0,
        backup_failures=check.failures if check else (),
        unknown=_tell_unknown(parts.problems),
        is_known=bool(status),
    )


def _build_facts(each: PendingMigration) -> PendingFacts:
    found = each.rehearsal
    told = ""
    if found is not None:
        over = ", ".join(found.over_budget)
        told = f"blocks {over} for too long" if over else found.round_trip
    return PendingFacts(
        name=str(each.id),
        findings=each.findings,
        rehearsed=told,
        rehearsal_is_bad=found is not None and found.is_bad,
    )


def _tell_unknown(problems: Sequence[Problem]) -> tuple[str, ...]:
    return tuple(
        f"{each.part} could not be looked at: {each.message}" for each in problems
    )
