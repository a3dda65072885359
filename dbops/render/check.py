"""The report of `dbops_check` as text, and as annotations of GitHub's."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from dbops.core.finding import Finding, Level
from dbops.core.words import count_of
from dbops.operations.check.check import CheckReport
from dbops.render.text import build_verdict

STYLES = {Level.ERROR: "bold red", Level.WARNING: "yellow", Level.INFO: "dim"}
GITHUB_WORDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "notice"}


def render_check(report: CheckReport, *, detailed: bool = False) -> RenderableType:
    """Return one finding a line with its cure below, then one line that answers.

    With `detailed` also those that their migrations have a reason for.
    """
    lines = []
    for each in report.findings:
        lines.append(Text(f"{each.id}  ", style=STYLES[each.level]).append(
            _tell(each), style="default"))  # fmt: skip
        if each.hint:
            lines.append(Text(f"  Next: {_indent(each.hint)}"))
    for silenced in report.answered_for if detailed else ():
        finding = silenced.finding
        lines.append(Text(f"{finding.id}  {_tell(finding)}", style="dim"))
        lines.append(Text(f"  Silenced: {silenced.reason}", style="dim"))
    if report.squawk:
        lines.append(Text("squawk has found, in the same SQL:"))
        lines += [Text(f"  {_tell(each)}") for each in report.squawk]
    return Group(*lines, _build_verdict(report))


def _indent(hint: str) -> str:
    """Let the further lines of code to paste stand below the first."""
    return hint.replace("\n", "\n        ")


def render_github(report: CheckReport) -> RenderableType:
    """Return the findings as workflow commands, then the verdict."""
    return Group(
        *(Text(format_annotation(each)) for each in report.findings),
        _build_verdict(report),
    )


def format_annotation(finding: Finding) -> str:
    """Return a workflow command that GitHub shows beside the line.

    Source: https://docs.github.com/actions/reference/workflow-commands-for-github-actions

    >>> format_annotation(Finding(id="dbops.W001", level=Level.WARNING, message="50%"))
    '::warning title=dbops.W001::50%25'
    """
    properties = []
    if finding.path:
        properties.append(f"file={_escape_property(_get_relative(finding.path))}")
        if finding.line:
            properties.append(f"line={finding.line}")
    properties.append(f"title={_escape_property(finding.id)}")
    cure = f"\nNext: {finding.hint}" if finding.hint else ""
    return (
        f"::{GITHUB_WORDS[finding.level]} {','.join(properties)}"
        f"::{_escape(finding.message + cure)}"
    )


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")


def _get_relative(path: str) -> str:
    """Return the path from the working directory, if it is below it."""
    try:
        return Path(path).resolve().relative_to(Path.cwd().resolve()).as_posix()
    except ValueError:
        return path


def _tell(finding: Finding) -> str:
    if not finding.path:
        return finding.message
    line = f":{finding.line}" if finding.line else ""
    return f"{_get_relative(finding.path)}{line}: {finding.message}"


def _build_verdict(report: CheckReport) -> RenderableType:
    silenced = f" ({report.silenced} silenced)" if report.silenced else ""
    looked = count_of(report.migrations, "migration")
    if not report.findings:
        return build_verdict(
            f"Nothing found in {looked}{silenced}",
            good=True,
            hint=None if "history" not in report.checked else "manage.py dbops_status",
        )
    counts = [
        count_of(number, level.value)
        for level in Level
        if (number := sum(each.level is level for each in report.findings))
    ]
    return build_verdict(
        f"{', '.join(counts)} in {looked}{silenced}",
        good=report.exit_code == 0,
        hint="correct them, then manage.py dbops_check",
    )
