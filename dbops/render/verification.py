"""What a deployment has verified besides the schema, as text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType

from dbops.core.duration import format_age
from dbops.core.smoke import SmokeResult
from dbops.core.watch import Activity, Source, StatementPace, WatchReport
from dbops.core.words import count_of
from dbops.operations.deploy.report import DeployReport
from dbops.render.text import build_table, format_duration


def list_verified(report: DeployReport) -> list[RenderableType]:
    """Return the smoke checks and the watch, where there were any."""
    parts: list[RenderableType] = []
    if report.smoke_checks:
        parts.append(_build_checks(report.smoke_checks))
    if report.watch is not None:
        parts += _build_watch(report.watch)
    return parts


def _build_checks(results: Sequence[SmokeResult]) -> RenderableType:
    return build_table(
        ("Smoke check", "", "Took"),
        [
            (
                each.name,
                "ok" if each.ok else "failed",
                format_duration(each.duration_s),
            )
            for each in results
        ],
    )


def _build_watch(watch: WatchReport) -> list[RenderableType]:
    before, after = _list_activity(watch.before), _list_activity(watch.after)
    names = (
        "Counted",
        "Transactions",
        "Rolled back",
        "Deadlocks",
        "Fatal sessions",
        "Waiting for locks",
    )
    rows = zip(names, before, after, strict=True)
    parts: list[RenderableType] = [build_table(("Watch", "Before", "After"), rows)]
    if watch.statements:
        parts.append(
            build_table(
                ("Before", "After", "Calls", "Took most of the time"),
                [_list_pace(each) for each in watch.statements],
            )
        )
    return parts


def _list_activity(activity: Activity) -> tuple[str, ...]:
    duration_s = activity.duration_s
    since = "" if duration_s is None else format_age(duration_s)
    if activity.source is Source.SINCE_RESET:
        since = f"{since} (all)".strip()
    share = activity.rollbacks / activity.transactions if activity.transactions else 0.0
    waiting = activity.most_waiting_sessions
    return (
        since,
        f"{activity.transactions:,}",
        f"{activity.rollbacks:,} ({share:.1%})",
        f"{activity.deadlocks:,}",
        f"{activity.fatal_sessions:,}",
        f"{waiting} at most, {count_of(activity.samples, 'moment')}",
    )


def _list_pace(pace: StatementPace) -> tuple[str, ...]:
    before = "-" if pace.mean_before_ms is None else f"{pace.mean_before_ms:.1f} ms"
    return (before, f"{pace.mean_ms:.1f} ms", f"{pace.calls:,}", pace.query)
