"""The report of `dbops_baseline` as text."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from dbops.core.words import count_of
from dbops.operations.adopt.baseline import BaselineReport
from dbops.render.text import build_facts, build_verdict


def render_baseline(report: BaselineReport) -> RenderableType:
    """Return the differences one a line, or what was adopted."""
    facts = build_facts(
        [
            ("Compared", count_of(report.objects, "object") if report.objects else ""),
            ("Left out", count_of(report.ignored, "object") if report.ignored else ""),
            ("Adopted", "\n".join(map(str, report.adopted))),
            ("Noted", "\n".join(map(str, report.notes))),
        ]
    )
    lines = [Text(str(each)) for each in report.differences]
    return Group(facts, *lines, _build_verdict(report))


def _build_verdict(report: BaselineReport) -> RenderableType:
    if report.differences:
        return build_verdict(
            f"{count_of(len(report.differences), 'difference')}; nothing was changed",
            good=False,
        )
    if not report.adopted:
        return build_verdict(
            "Nothing to adopt: no table of a pending initial migration exists",
            good=True,
            hint="manage.py dbops_deploy" if report.pending else None,
        )
    if report.dry_run:
        return build_verdict(
            "The database matches; nothing was changed (dry run)",
            good=True,
            hint="manage.py dbops_baseline",
        )
    return build_verdict(
        "The database matches, and was adopted",
        good=True,
        hint="manage.py dbops_deploy" if report.pending else None,
    )
