"""The report of `dbops_rehearse` for a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from dbops.core.words import count_of
from dbops.operations.rehearse.report import MigrationRehearsal, RehearseReport
from dbops.render.rehearse import (
    tell_findings,
    tell_ruled_lock,
    tell_rules,
    tell_source,
    tell_worst_lock,
)
from dbops.render.text import format_duration

SIGNS = {"identical": "✅", "equivalent": "✅", "irreversible": "⚠️"}


def render_markdown(report: RehearseReport) -> str:
    """Return Markdown: a table, what was found, and the statements folded away."""
    return "\n".join(_build_lines(report))


def _build_lines(report: RehearseReport) -> Iterator[str]:
    if report.source == "rules":
        yield from _build_ruled_lines(report)
        return
    if not report.migrations:
        yield "### Rehearsal: nothing is pending"
        return
    bad = f", {len(report.bad)} to look at" if report.bad else ""
    yield f"### Rehearsal: {count_of(len(report.migrations), 'migration')}{bad}"
    yield ""
    yield f"On {tell_source(report)}."
    yield ""
    yield "| | Migration | Time | Worst lock | Way back | Rollout |"
    yield "|---|---|---:|---|---|---|"
    for each in report.migrations:
        yield _build_row(each, report)
    findings = [line for each in report.migrations for line in tell_findings(each)]
    if findings or report.left:
        yield ""
    yield from (f"- {_escape(line)}" for line in findings)
    yield from (f"- {_escape(str(each))}: not rehearsed" for each in report.left)
    for each in report.migrations:
        yield from _build_statements(each)


def _build_ruled_lines(report: RehearseReport) -> Iterator[str]:
    bad = sum(each.is_bad for each in report.by_rule)
    told = f", {bad} to look at" if bad else ""
    yield f"### By rule: {count_of(len(report.by_rule), 'migration')}{told}"
    yield ""
    yield f"On {tell_source(report)}."
    yield ""
    yield "| | Migration | Worst lock |"
    yield "|---|---|---|"
    for each in report.by_rule:
        sign = "❌" if each.is_bad else "✅"
        yield f"| {sign} | `{each.id}` | {_escape(tell_ruled_lock(each))} |"
    findings = [line for each in report.by_rule for line in tell_rules(each)]
    yield ""
    yield from (f"- {_escape(line.strip())}" for line in findings)
    yield from (f"- {_escape(str(each))}: no migration.sql" for each in report.left)


def _build_row(each: MigrationRehearsal, report: RehearseReport) -> str:
    sign = "❌" if each in report.bad else SIGNS.get(each.round_trip, "⚠️")
    time = format_duration(each.duration_s) if report.is_measured else "-"
    lock = _escape(tell_worst_lock(each, measured=report.is_measured))
    cells = (sign, f"`{each.id}`", time, lock, each.round_trip, each.effect or "-")
    return f"| {' | '.join(cells)} |"


def _escape(text: str) -> str:
    r"""Return the text as Markdown that shows it.

    >>> _escape("a|b_c <d>")
    'a\\|b\\_c &lt;d>'
    """
    for sign in "\\|_*`":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("<", "&lt;")


def _build_statements(each: MigrationRehearsal) -> Iterator[str]:
    if not each.statements:
        return
    yield ""
    yield f"<details><summary>{each.id}: statements</summary>"
    yield ""
    yield "```sql"
    for one in each.statements:
        locks = ", ".join(f"{lock.relation} {lock.mode}" for lock in one.locks)
        yield f"-- {format_duration(one.duration_s)}; {locks or 'no new lock'}"
        yield f"{one.sql};".replace("```", "` ` `")
    yield "```"
    yield ""
    yield "</details>"
