"""The report of `dbops_deploy --databases` as text."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from dbops.core.fleet import WORDS, FleetDatabase, tell_verdict
from dbops.operations.deploy.fleet import FleetReport
from dbops.render.text import build_table, build_verdict, format_duration


def render_fleet(report: FleetReport) -> RenderableType:
    """Return a line a database, what is the matter with each, and the verdict."""
    rows = [_build_row(each) for each in report.databases]
    rows += [(alias, "not reached", "", "", "") for alias in report.left]
    parts: list[RenderableType] = [
        build_table(("Database", "", "Applied", "Pending", "Took"), rows)
    ]
    parts += [Text(line) for each in report.databases for line in _tell_error(each)]
    parts.append(_build_verdict(report))
    return Group(*parts)


def _build_row(each: FleetDatabase) -> tuple[str, ...]:
    code = f" ({each.exit_code})" if each.exit_code else ""
    # One that was refused does not say what it would have done.
    is_known = bool(each.pending) or not each.exit_code
    return (
        each.database,
        WORDS[each.state] + code,
        str(len(each.applied)),
        str(len(each.pending)) if is_known else "",
        format_duration(each.duration_s),
    )


def _tell_error(each: FleetDatabase) -> Iterator[str]:
    if each.error is None:
        return
    yield f"{each.database}: {each.error.type}: {each.error.message}"
    if each.error.hint:
        yield f"  Next: {each.error.hint}"


def _build_verdict(report: FleetReport) -> RenderableType:
    failed = any(each.exit_code for each in report.databases) or bool(report.left)
    verdict = tell_verdict(report.databases, report.left, dry_run=report.dry_run)
    hint = report.again if report.dry_run and not failed else None
    return build_verdict(verdict, good=not failed, hint=hint)
