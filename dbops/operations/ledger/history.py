"""The ledger for people: what ran, by whom, from where, how long, and how it ended."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dbops.core.duration import parse_duration
from dbops.core.migration import MigrationId
from dbops.errors import UsageError
from dbops.operations.backup.choosing import read_moment
from dbops.operations.context import Context
from dbops.operations.ledger.report import (
    Foretold,
    HistoryReport,
    RunRecord,
    RunReport,
    StepRecord,
)
from dbops.postgres.chain import chain_exists, fetch_head
from dbops.postgres.history import (
    ForetoldRow,
    RunRow,
    RunStepRow,
    fetch_foretold,
    fetch_run_steps,
    fetch_runs,
)
from dbops.postgres.ledger_reading import ledger_exists
from dbops.postgres.session import Connection, open_session

LIST = "manage.py dbops_history"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFilter:
    """Which runs are listed."""

    kinds: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    since: datetime | None = None
    app: str | None = None
    limit: int = 20


def read_since(text: str, *, now: datetime | None = None) -> datetime:
    """Return the moment that `7d` or an ISO 8601 text means.

    Raises:
        UsageError: it is neither.
    """
    age_s = parse_duration(text)
    if age_s is not None:
        return (now or datetime.now(UTC)) - timedelta(seconds=age_s)
    try:
        return read_moment(text)
    except UsageError as error:
        raise UsageError(
            f'"{text}" is neither a duration nor a time',
            hint="--since 7d, or --since 2026-11-23T06:30:00Z",
        ) from error


def list_history(context: Context, wanted: HistoryFilter) -> HistoryReport:
    """Return the runs that fit, newest first; none where there is no ledger.

    Raises:
        UsageError: the limit is not a positive number.
    """
    if wanted.limit < 1:
        raise UsageError("--limit needs a positive number", hint="--limit 20")
    with open_session(context.target, purpose="history") as session:
        if not ledger_exists(session):
            return HistoryReport()
        rows = fetch_runs(
            session,
            kinds=wanted.kinds,
            states=wanted.states,
            since=wanted.since,
            app=wanted.app,
            most=wanted.limit + 1,
        )
        shown = rows[: wanted.limit]
        runs = [run for run, _ in _build_runs(session, shown)]
        head = fetch_head(session) if chain_exists(session) else None
    return HistoryReport(
        runs=tuple(runs),
        more=len(rows) > wanted.limit,
        ledger_head=head.hash if head else "",
    )


def show_run(context: Context, prefix: str) -> RunReport:
    """Return everything about one run, with each statement as it was executed.

    Raises:
        UsageError: the id is the beginning of no run's, or of several.
    """
    with open_session(context.target, purpose="history") as session:
        row = find_run(session, prefix)
        [(run, steps)] = _build_runs(session, [row])
    return RunReport(run=run, steps=tuple(steps))


def find_run(connection: Connection, prefix: str) -> RunRow:
    """Return the one run whose id begins so.

    Raises:
        UsageError: there is none, or several.
    """
    wanted = prefix.lower()
    found: list[RunRow] = []
    if re.fullmatch(r"[0-9a-f-]{1,36}", wanted) and ledger_exists(connection):
        found = fetch_runs(connection, prefix=wanted, most=6)
    if not found:
        raise UsageError(f'the ledger has no run "{prefix}"', hint=f"see all: {LIST}")
    if len(found) > 1:
        ids = ", ".join(str(each.id)[: len(wanted) + 8] for each in found[:5])
        raise UsageError(
            f'"{prefix}" is the beginning of several: {ids}',
            hint="give more of the id",
        )
    return found[0]


def _build_runs(
    connection: Connection, rows: Sequence[RunRow]
) -> list[tuple[RunRecord, list[StepRecord]]]:
    ids = [each.id for each in rows]
    steps = fetch_run_steps(connection, ids)
    foretold = fetch_foretold(connection, ids)
    built = []
    for row in rows:
        of_run = [_build_step(each, foretold.get(each.id)) for each in steps[row.id]]
        built.append((_build_run(row, of_run), of_run))
    return built


def _build_run(row: RunRow, steps: Sequence[StepRecord]) -> RunRecord:
    finished = row.finished_at
    return RunRecord(
        id=row.id,
        kind=row.kind,
        state=row.state,
        started_at=row.started_at,
        finished_at=finished,
        duration_s=(finished - row.started_at).total_seconds() if finished else None,
        actor=row.actor,
        role=row.role,
        host=row.host,
        git_revision=row.git_revision,
        dbops_version=row.dbops_version,
        backup_id=row.backup_id,
        allowed=_read_names(row.allowed),
        migrations=tuple(dict.fromkeys(each.migration for each in steps)),
        foretold_blocked_s=max(
            (
                each.foretold.blocked_s
                for each in steps
                if each.foretold and each.foretold.blocked_s is not None
            ),
            default=None,
        ),
        blocked_sessions=max((each.blocked_sessions for each in steps), default=0),
        blocked_s=max((each.blocked_s for each in steps), default=0.0),
        fingerprint_before=row.fingerprint_before,
        fingerprint_after=row.fingerprint_after,
        message=row.message,
    )


def _build_step(row: RunStepRow, foretold: ForetoldRow | None) -> StepRecord:
    return StepRecord(
        position=row.position,
        migration=MigrationId(row.app, row.migration),
        operation=row.operation,
        description=row.description,
        direction=row.direction,
        state=row.state,
        started_at=row.started_at,
        duration_s=row.duration_s,
        foretold=_build_foretold(foretold) if foretold else None,
        blocked_sessions=row.blocked_sessions,
        blocked_s=row.blocked_s,
        sql=row.sql,
        fingerprint_before=row.fingerprint_before,
        fingerprint_after=row.fingerprint_after,
        digest=row.digest,
        down_digest=row.down_digest,
        message=row.message,
    )


def _build_foretold(row: ForetoldRow) -> Foretold:
    return Foretold(
        rehearsed_at=row.rehearsed_at,
        round_trip=row.round_trip,
        duration_s=row.duration_s,
        blocked_s=find_blocked(row.report),
    )


def find_blocked(report: str) -> float | None:
    """Return the longest that a rehearsal says a table will be blocked.

    Its forecast for the real server, or else what was measured on the copy.

    >>> find_blocked('{"forecasts": [], "blocked": [{"reads_s": 0.5, "writes_s": 2}]}')
    2.0
    >>> find_blocked("not from here")
    """
    try:
        told: dict[str, Any] = json.loads(report)
        tables: Iterable[dict[str, float]] = (
            told.get("forecasts") or told.get("blocked") or ()
        )
        return max(
            (float(max(each["reads_s"], each["writes_s"])) for each in tables),
            default=0.0,
        )
    except (ValueError, AttributeError, KeyError, TypeError):
        return None


def _read_names(text: str) -> tuple[str, ...]:
    try:
        names = json.loads(text)
    except ValueError:
        return (text,)
    return tuple(map(str, names)) if isinstance(names, list) else (text,)
