"""The report of `dbops_check --fix` as text."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from dbops.core.words import count_of
from dbops.operations.check.fix_locks import FixReport
from dbops.render.text import build_verdict


def render_fix(report: FixReport) -> RenderableType:
    """Return what became of each migration, the changes, and the next command."""
    lines: list[Text] = []
    for fix in report.fixes:
        lines.append(Text(f"{fix.migration}: {'; '.join(fix.operations)}"))
        lines += [Text(f"  {path}") for path in fix.files]
        if not report.written:
            lines.append(Text(fix.diff))
    lines += [Text(each, style="yellow") for each in report.refused]
    if not report.fixes:
        return Group(*lines, build_verdict("Nothing to fix", good=True, hint=None))
    told = count_of(len(report.fixes), "migration")
    if report.written:
        verdict = build_verdict(
            f"{told} rewritten", good=True, hint="manage.py dbops_check"
        )
    else:
        verdict = build_verdict(
            f"{told} would be rewritten", good=True, hint="manage.py dbops_check --fix"
        )
    return Group(*lines, verdict)
