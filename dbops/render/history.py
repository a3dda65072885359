"""The reports of `dbops_history` as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from dbops.core.words import count_of, shorten
from dbops.operations.kept.purge import KeptReport, PurgeReport
from dbops.operations.ledger.report import (
    AcceptReport,
    ExportReport,
    HistoryReport,
    LedgerVerifyReport,
    RunRecord,
    RunReport,
    StepRecord,
)
from dbops.render.kept import render_kept
from dbops.render.text import build_facts, build_verdict, format_duration

WIDTH = 80
INDENT = " " * 10
STYLES = {
    "done": "green",
    "running": "cyan",
    "failed": "yellow",
    "reverted": "yellow",
    "needs_repair": "bold red",
}
WORDS = {"needs_repair": "needs repair"}
HEADINGS = (
    "ID",
    "Began (UTC)",
    "What",
    "Result",
    "Took",
    "Forecast",
    "Blocked",
    "By",
    "Git",
    "Migrations",
    "Guards let pass",
)
MOST_FLAWS = 50
MOST_MIGRATIONS = 5


def render_history(report: Any) -> RenderableType:
    """Return the report's text, whichever subcommand it is of."""
    match report:
        case KeptReport() | PurgeReport():
            return render_kept(report)
        case RunReport():
            return _render_run(report)
        case LedgerVerifyReport():
            return _render_verification(report)
        case ExportReport():
            return _render_export(report)
        case AcceptReport():
            return _render_accepted(report)
        case _:
            return _render_list(report)


def format_moment(moment: datetime | None) -> str:
    """Return a moment in UTC, to the second.

    >>> format_moment(datetime(2026, 11, 23, 6, 30, tzinfo=UTC))
    '2026-11-23 06:30:00'
    """
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if moment else ""


def _render_list(report: HistoryReport) -> RenderableType:
    parts: list[RenderableType] = []
    if report.runs:
        heading = _align("ID", "Began (UTC)", "What", "Result", "Took")
        parts.append(Text(f"{heading}  {'Forecast':>8}  {'Blocked':>7}", style="bold"))
    for run in report.runs:
        parts += _list_run(run)
    count = count_of(len(report.runs), "run")
    if not report.runs:
        told = "Nothing in the ledger" + (" that fits" if report.ledger_head else "")
        parts.append(build_verdict(told, good=True))
    elif report.more:
        hint = f"--limit {len(report.runs) * 2} for more"
        parts.append(build_verdict(f"{count}; there are older ones", good=True))
        parts.append(Text(f"Next: {hint}"))
    else:
        parts.append(build_verdict(count, good=True))
    return Group(*parts)


def _align(name: str, began: str, kind: str, state: str, took: str) -> str:
    return f"{name:<8}  {began:<19}  {kind:<8}  {state:<12} {took:>7}"


def _list_run(run: RunRecord) -> Iterator[Text]:
    state = WORDS.get(run.state, run.state)
    took = format_short(run.duration_s)
    line = _align(str(run.id)[:8], format_moment(run.started_at), run.kind, "", "")
    yield Text.assemble(
        line[:41],
        (f"{state:<12}", STYLES.get(run.state, "")),
        f" {took:>7}  {format_short(run.foretold_blocked_s):>8}"
        f"  {format_short(run.blocked_s if run.migrations else None):>7}",
    )
    for part in _list_details(run):
        for wrapped in textwrap.wrap(part, WIDTH - len(INDENT)):
            yield Text(f"{INDENT}{wrapped}", style="dim")


def format_short(duration_s: float | None) -> str:
    """Return a duration in seven characters at most; a dash for none.

    >>> format_short(None), format_short(0.0421), format_short(300), format_short(4000)
    ('-', '0.04 s', '5 min', '1.1 h')
    """
    if duration_s is None:
        return "-"
    if duration_s < 60:  # noqa: PLR2004
        return format_duration(duration_s)
    return (
        f"{duration_s / 60:.0f} min"
        if duration_s < 3600  # noqa: PLR2004
        else f"{duration_s / 3600:.1f} h"
    )


def _list_details(run: RunRecord) -> Iterator[str]:
    revision = f", at {run.git_revision[:10]}" if run.git_revision else ""
    backup = f", backup {run.backup_id}" if run.backup_id else ""
    yield f"by {run.actor} from {run.host}{revision}{backup}"
    if run.migrations:
        named = ", ".join(map(str, run.migrations[:MOST_MIGRATIONS]))
        left = len(run.migrations) - MOST_MIGRATIONS
        yield named + (f" and {left:,} more" if left > 0 else "")
    if run.allowed:
        yield f"guards let pass: {', '.join(run.allowed)}"
    if run.message:
        yield shorten(" ".join(run.message.split()), 3 * (WIDTH - len(INDENT)))


def _render_run(report: RunReport) -> RenderableType:
    run = report.run
    facts = build_facts(
        [
            ("Run", f"{run.id}, {run.kind}"),
            ("Began", f"{format_moment(run.started_at)} UTC"),
            ("Took", format_duration(run.duration_s) if run.duration_s else ""),
            ("By", f"{run.actor} from {run.host}, as role {run.role}"),
            ("Git", run.git_revision),
            ("dbops", run.dbops_version),
            ("Backup", run.backup_id),
            ("Guards let pass", ", ".join(run.allowed)),
            ("Schema before", run.fingerprint_before[:16]),
            ("Schema after", run.fingerprint_after[:16]),
            ("Noted", run.message),
        ]
    )
    parts: list[RenderableType] = [facts]
    for step in report.steps:
        parts += [Text(""), *_list_step(step)]
    state = WORDS.get(run.state, run.state)
    verdict = f"{run.kind}, {count_of(len(report.steps), 'step')}: {state}"
    return Group(*parts, Text(""), build_verdict(verdict, good=run.state == "done"))


def _list_step(step: StepRecord) -> Iterator[RenderableType]:
    operation = f", operation {step.operation}" if step.operation else ""
    yield Text(
        f"{step.position}. {step.migration}{operation}, {step.direction}: "
        f"{WORDS.get(step.state, step.state)}",
        style="bold",
    )
    yield build_facts(
        [
            ("   What", step.description),
            ("   Took", _tell_time(step)),
            ("   Blocked", _tell_blocked(step)),
            ("   Schema", _tell_schema(step)),
            ("   Noted", step.message),
        ]
    )
    for line in step.sql.splitlines():
        yield Text(f"   {line}")


def _tell_time(step: StepRecord) -> str:
    if step.duration_s is None:
        return ""
    took = format_duration(step.duration_s)
    if step.foretold is None:
        return took if step.operation else f"{took}; not rehearsed"
    return (
        f"{took}; rehearsed {format_moment(step.foretold.rehearsed_at)}: "
        f"{format_duration(step.foretold.duration_s)}, {step.foretold.round_trip}"
    )


def _tell_blocked(step: StepRecord) -> str:
    if step.operation or step.direction == "backward":
        foretold = ""
    elif step.foretold is None or step.foretold.blocked_s is None:
        foretold = "no forecast; "
    else:
        foretold = f"forecast {format_duration(step.foretold.blocked_s)}; "
    if not step.blocked_sessions:
        return f"{foretold}nobody was seen to wait" if foretold else ""
    return (
        f"{foretold}{count_of(step.blocked_sessions, 'session')} at a time, one for "
        f"{format_duration(step.blocked_s)}"
    )


def _tell_schema(step: StepRecord) -> str:
    if not step.fingerprint_before:
        return ""
    return f"{step.fingerprint_before[:16]} -> {step.fingerprint_after[:16] or '?'}"


def _render_verification(report: LedgerVerifyReport) -> RenderableType:
    begun = format_moment(report.begun_at)
    facts = build_facts(
        [
            ("Ledger", report.source),
            ("Entries", f"{report.entries:,}" + (f" since {begun} UTC" * bool(begun))),
            ("Rows", f"{report.rows:,}"),
            ("Newest", report.ledger_head),
        ]
    )
    listed = [Text(str(each)) for each in report.flaws[:MOST_FLAWS]]
    if len(report.flaws) > MOST_FLAWS:
        more = len(report.flaws) - MOST_FLAWS
        listed.append(Text(f"and {more:,} more (--json has all)"))
    if report.flaws:
        told = f"Not as it was written: {count_of(len(report.flaws), 'flaw')}"
        return Group(facts, *listed, build_verdict(told, good=False))
    told = "The ledger is as it was written"
    return Group(facts, build_verdict(told, good=True))


def _render_accepted(report: AcceptReport) -> RenderableType:
    listed = [Text(str(each)) for each in report.accepted]
    count = count_of(len(report.accepted), "row")
    told = f"{count} attested as found" if listed else "Nothing to accept"
    facts = build_facts([("Newest", report.ledger_head)])
    return Group(*listed, facts, build_verdict(told, good=True))


def _render_export(report: ExportReport) -> RenderableType:
    told = (
        f"{_count_entries(report.entries)} and "
        f"{count_of(report.rows, 'row')} written to {report.file}"
    )
    hint = f"manage.py dbops_history verify --file {report.file}"
    facts = build_facts([("Newest", report.ledger_head)])
    return Group(facts, build_verdict(told, good=True, hint=hint))


def render_history_markdown(report: Any) -> str:
    """Return the list, or one run, as Markdown."""
    if isinstance(report, RunReport):
        return "\n".join(_list_run_markdown(report))
    runs = report.runs
    lines = [
        f"| {' | '.join(HEADINGS)} |",
        "|---" * len(HEADINGS) + "|",
    ]
    lines += [f"| {' | '.join(map(_escape, _list_cells(each)))} |" for each in runs]
    return "\n".join(lines)


def _list_cells(run: RunRecord) -> Iterator[str]:
    yield f"`{str(run.id)[:8]}`"
    yield format_moment(run.started_at)
    yield run.kind
    yield WORDS.get(run.state, run.state)
    yield format_short(run.duration_s)
    yield format_short(run.foretold_blocked_s)
    yield format_short(run.blocked_s if run.migrations else None)
    yield f"{run.actor} from {run.host}"
    yield f"`{run.git_revision[:10]}`" if run.git_revision else ""
    yield ", ".join(f"`{each}`" for each in run.migrations)
    yield ", ".join(run.allowed)


def _escape(cell: str) -> str:
    return " ".join(cell.replace("|", "\\|").split())


def _list_run_markdown(report: RunReport) -> Iterator[str]:
    run = report.run
    yield f"### {run.kind} `{str(run.id)[:8]}`: {WORDS.get(run.state, run.state)}"
    yield ""
    revision = f", at `{run.git_revision[:10]}`" if run.git_revision else ""
    yield (
        f"{format_moment(run.started_at)} UTC, {format_short(run.duration_s)}, by "
        f"{_escape(run.actor)} from {_escape(run.host)}{revision}"
    )
    for step in report.steps:
        yield ""
        yield f"**{step.migration}**, {step.direction}, {step.state}"
        told = [_tell_time(step), _tell_blocked(step)]
        yield from (f"- {each}" for each in told if each)
        if step.sql:
            # A fence that no statement can close.
            fence = "`" * (3 + 3 * ("```" in step.sql))
            yield f"\n{fence}sql\n{step.sql}\n{fence}"


def _count_entries(number: int) -> str:
    return "1 entry" if number == 1 else f"{number:,} entries"
