"""The reports of what is kept of dropped tables and columns, as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.text import Text

from dbops.core.words import count_of, format_size
from dbops.operations.kept.purge import KeptRecord, KeptReport, PurgeReport
from dbops.render.text import build_verdict


def render_kept(report: KeptReport | PurgeReport) -> RenderableType:
    """Return what is kept and how large it is, or what is not kept any more."""
    if isinstance(report, PurgeReport):
        return _render_purge(report)
    if not report.kept:
        return build_verdict("Nothing is kept of what was dropped", good=True)
    due = sum(each.is_over for each in report.kept)
    told = f"{len(report.kept)} kept, {format_size(report.size_bytes)}"
    if due:
        told += f"; {due} over their time: manage.py dbops_history purge"
    return Group(*_list(report.kept), build_verdict(told, good=True))


def _render_purge(report: PurgeReport) -> RenderableType:
    if not report.purged:
        return build_verdict(f"Nothing is over its time; {report.left} kept", good=True)
    how = "would be dropped for good" if report.dry_run else "dropped for good"
    told = (
        f"{len(report.purged)} {how}, {format_size(report.size_bytes)}; "
        f"{report.left} kept"
    )
    return Group(*_list(report.purged), build_verdict(told, good=True))


def _list(records: Sequence[KeptRecord]) -> list[Text]:
    lines = []
    for each in records:
        about = "about " if each.is_estimate else ""
        noun = "row" if each.kind == "table" else "value"
        lines.append(
            Text(
                f"{each.kind} {each.name}: {about}{count_of(each.rows, noun)}, "
                f"{format_size(each.size_bytes)}, dropped "
                f"{_tell(each.dropped_at)} by {each.migration}, kept until "
                f"{_tell(each.until)}"
                f"{', which is over' if each.is_over else ''}"
            )
        )
        lines.append(Text(f"  in {each.place}", style="dim"))
    return lines


def _tell(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
