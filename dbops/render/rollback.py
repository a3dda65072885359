"""The report of `dbops_rollback` as text."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from dbops.core.words import count_of
from dbops.operations.deploy.rollback_plan import RollbackReport, RollbackStep
from dbops.render.deploy import list_way_back
from dbops.render.text import build_facts, build_verdict


def render_rollback(report: RollbackReport) -> RenderableType:
    """Return the SQL of a dry run, or what was taken back, and the verdict."""
    parts: list[RenderableType] = []
    if report.dry_run:
        for step in report.steps:
            parts += [Text(f"-- {step.migration}", style="bold"), *_list_sql(step)]
    parts.append(
        build_facts(
            [
                ("Taken back", "\n".join(map(str, report.unapplied))),
                *list_way_back(report.restore_point),
                ("Noted", "\n".join(report.notes)),
                ("Ledger", report.ledger_head),
            ]
        )
    )
    parts += [Text(str(each)) for each in report.differences]
    parts.append(_build_verdict(report))
    return Group(*parts)


def _list_sql(step: RollbackStep) -> list[Text]:
    if not step.statements:
        how = "Django's reverse" if step.way == "reverse" else step.way
        return [Text(f"-- by {how}")]
    return [Text(f"{each.rstrip().rstrip(';')};") for each in step.statements]


def _build_verdict(report: RollbackReport) -> RenderableType:
    if not report.steps:
        return build_verdict(f"Nothing after {report.target} is applied", good=True)
    count = count_of(len(report.steps), "migration")
    if report.dry_run:
        return build_verdict(
            f"{count} would be taken back; nothing was changed (dry run)", good=True
        )
    if len(report.unapplied) < len(report.steps):
        return build_verdict(
            f"{len(report.unapplied)} of {count} taken back", good=False
        )
    return build_verdict(
        f"{count} taken back, and the schema is the one before", good=True
    )
