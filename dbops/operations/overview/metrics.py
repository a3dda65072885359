"""The numbers of an overview for monitoring: the same report, not another question."""

from __future__ import annotations

from collections.abc import Iterator

from dbops.core.gauge import Gauge
from dbops.operations.backup.check import list_gauges
from dbops.operations.backup.report import Verified
from dbops.operations.overview.report import (
    BackupsState,
    OverviewReport,
    Run,
    ShownBackup,
)

RESULTS = {"done": 1, "running": 0, "failed": -1, "reverted": -2, "needs_repair": -3}
PROVEN = frozenset({Verified.CONTENTS, Verified.RESTORED})
SCHEMA_KINDS = frozenset({"baseline", "deploy", "rollback", "resolve", "restore"})


def build_gauges(report: OverviewReport) -> tuple[Gauge, ...]:
    """Return what is known; a number that is not known is left out.

    Moments are timestamps, so that an alert notices when nobody looks any more.
    """
    return tuple(_list_gauges(report))


def _list_gauges(report: OverviewReport) -> Iterator[Gauge]:
    status, locks = report.status, report.locks
    yield _gauge("server_up", "1 when the database answers.", int(bool(locks)))
    yield _gauge(
        "deploy_safe",
        "1 when nothing speaks against a deployment.",
        int(report.verdict.safe),
    )
    if status is not None:
        yield _gauge(
            "migrations_unapplied",
            "Migrations on disk, not applied.",
            len(status.pending),
        )
    if report.drift is not None:
        yield _gauge(
            "drift_objects",
            "Objects that are not as the migrations build them; not there when the "
            "schema was not compared since it last changed.",
            report.drift,
        )
    if locks is not None:
        yield _gauge(
            "blocked_sessions", "Sessions that wait for a lock.", locks.waiting
        )
        yield _gauge(
            "longest_lock_wait_seconds",
            "The longest of those waits.",
            locks.longest_wait_s,
        )
    if report.invalid_indexes is not None:
        yield _gauge(
            "invalid_indexes",
            "INVALID indexes that nobody is building.",
            report.invalid_indexes,
        )
        yield _gauge(
            "longest_transaction_seconds",
            "The oldest open transaction of another session.",
            max((each.open_s for each in report.transactions), default=0.0),
        )
    yield from _list_run(report.runs)
    yield from _list_backups(report.backups)


def _list_run(runs: tuple[Run, ...]) -> Iterator[Gauge]:
    last = next((each for each in runs if each.kind in SCHEMA_KINDS), None)
    if last is None:
        return
    yield _gauge(
        "deploy_last_result",
        "How the last run ended: 1 done, 0 running, -1 failed, -2 reverted, -3 needs "
        "repair.",
        RESULTS.get(last.state, -1),
    )
    yield _gauge(
        "deploy_last_timestamp_seconds", "When it began.", last.started_at.timestamp()
    )


def _list_backups(backups: BackupsState | None) -> Iterator[Gauge]:
    if backups is None:
        return
    if backups.check is not None:
        yield from list_gauges(backups.check)
    sound = [each for each in backups.backups if each.verified != Verified.DAMAGED]
    yield from _list_last(sound)
    proven = next((each for each in sound if each.verified in PROVEN), None)
    if proven is not None:
        yield _gauge(
            "backup_last_verified_timestamp_seconds",
            "When the newest backup that is proven by its contents was taken.",
            proven.taken_at.timestamp(),
        )


def _list_last(sound: list[ShownBackup]) -> Iterator[Gauge]:
    if not sound:
        return
    last = sound[0]
    yield _gauge(
        "backup_last_success_timestamp_seconds",
        "When the newest backup was taken, however far it is proven.",
        last.taken_at.timestamp(),
    )
    if last.size_bytes is not None:
        yield _gauge("backup_last_size_bytes", "Its size.", last.size_bytes)
    if last.duration_s is not None:
        yield _gauge(
            "backup_last_duration_seconds", "How long it took.", last.duration_s
        )


def _gauge(name: str, text: str, value: float) -> Gauge:
    return Gauge(name=f"dbops_{name}", help=text, value=float(value))
