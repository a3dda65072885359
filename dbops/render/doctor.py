"""The report of `dbops_doctor` as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dbops.core.finding import Finding, Level
from dbops.core.words import count_of
from dbops.operations.doctor.doctor import DoctorReport
from dbops.render.text import build_facts, build_verdict

MOST_OF_A_KIND = 5
STYLES = {Level.ERROR: "bold red", Level.WARNING: "bold yellow", Level.INFO: "cyan"}
NOUNS = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "note"}


def render_doctor(report: DoctorReport) -> RenderableType:
    """Return facts, the findings with their cures, then one line that answers."""
    server = f", {report.server}" if report.server else ""
    facts = build_facts(
        [
            ("Database", f"{report.place}{server}"),
            ("Not checked", ", ".join(report.not_checked)),
            ("Checked", ", ".join(report.checked) if report.not_checked else ""),
        ]
    )
    return Group(facts, _build_findings(report), _build_verdict(report))


def _build_findings(report: DoctorReport) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for _, group in groupby(report.findings, key=lambda each: (each.level, each.id)):
        for mark, name, text in _tell_kind(list(group)):
            table.add_row(mark, name, text)
    return table


def _tell_kind(findings: list[Finding]) -> Iterator[tuple[Text, str, Text]]:
    for each in findings[:MOST_OF_A_KIND]:
        told = each.message + (f"\n  Cure: {each.hint}" if each.hint else "")
        yield Text(each.level, style=STYLES[each.level]), each.id, Text(told)
    if len(findings) > MOST_OF_A_KIND:
        first = findings[0]
        more = f"and {len(findings) - MOST_OF_A_KIND:,} more (--json has all)"
        yield Text(first.level, style=STYLES[first.level]), first.id, Text(more)


def _build_verdict(report: DoctorReport) -> RenderableType:
    counts = Counter(each.level for each in report.findings)
    told = ", ".join(
        count_of(counts[level], NOUNS[level]) for level in Level if counts[level]
    )
    if report.exit_code:
        return build_verdict(told, good=False)
    checks = count_of(len(report.checked), "check")
    return build_verdict(f"Healthy: {checks}, {told or 'nothing found'}", good=True)
