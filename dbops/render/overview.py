"""The report of `dbops_overview` as text: the screen is the page's first half."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dbops.core.duration import format_age
from dbops.core.verdict import Reason
from dbops.core.words import count_of, format_size
from dbops.operations.overview.report import OverviewReport
from dbops.render.text import build_facts, build_verdict


def render_overview(report: OverviewReport) -> RenderableType:
    """Return the facts, the reasons, and whether it is safe to deploy."""
    facts = build_facts(list(_list_facts(report)))
    verdict = report.verdict
    told = f"Safe to deploy: {verdict.text[0].lower()}{verdict.text[1:]}"
    return Group(
        facts,
        _build_reasons(verdict.reasons),
        build_verdict(
            told if verdict.safe else "Not safe to deploy", good=verdict.safe
        ),
    )


def _build_reasons(reasons: tuple[Reason, ...]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for each in reasons:
        mark = Text("stops it", "bold red") if each.stops else Text("to know", "cyan")
        told = each.text + (f"\n  Next: {each.command}" if each.command else "")
        table.add_row(mark, Text(told))
    return table


def _list_facts(report: OverviewReport) -> Iterator[tuple[str, str]]:
    status, locks = report.status, report.locks
    yield "Database", f"{report.place}, {status.server}" if status else report.place
    if status is not None:
        told = f"{status.applied:,} applied, {len(status.pending):,} pending"
        yield "Migrations", told
    if report.drift is not None:
        yield "Drift", count_of(report.drift, "object") if report.drift else "none"
    if locks is not None:
        yield "Waiting", _tell_waiting(locks.waiting, locks.longest_wait_s)
    if report.transactions:
        oldest = report.transactions[0]
        number = count_of(len(report.transactions), "transaction")
        yield "Open", f"{number}, the oldest for {format_age(oldest.open_s)}"
    if report.backups and report.backups.backups:
        last = report.backups.backups[0]
        size = (
            format_size(last.size_bytes) if last.size_bytes is not None else "damaged"
        )
        age = format_age(last.age_s)
        yield "Last backup", f"{last.backup_id}, {age} ago, {size}, {last.verified}"
    if report.runs:
        run = report.runs[0]
        when = f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC"
        state = run.state.replace("_", " ")
        yield "Last run", f"{run.kind} {state}, {when} by {run.actor} on {run.host}"


def _tell_waiting(waiting: int, longest_s: float) -> str:
    if not waiting:
        return "nobody"
    return f"{count_of(waiting, 'session')}, the longest for {format_age(longest_s)}"
