"""The report of `dbops_rollback` as text."""

from __future__ import annotations

from datetime import UTC

from rich.console import Group, RenderableType
from rich.text import Text

from dbops.core.words import count_of
from dbops.operations.deploy.evidence import NOT_REHEARSED, list_commits
from dbops.operations.deploy.rollback_plan import (
    RollbackRehearsal,
    RollbackReport,
    RollbackStep,
)
from dbops.render.deploy import list_way_back
from dbops.render.text import build_facts, build_verdict, format_duration


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
                ("Proof", "\n".join(map(_tell_proof, report.steps))),
                (
                    "Would go" if report.dry_run else "Gone",
                    "\n".join(map(str, report.losses)),
                ),
                ("Rehearsed now", _tell_rehearsal(report.rehearsal)),
                *list_way_back(report.restore_point),
                ("Noted", "\n".join(report.notes)),
                ("Ledger", report.ledger_head),
            ]
        )
    )
    parts += [Text(str(each)) for each in report.differences]
    parts.append(_build_verdict(report))
    if report.steps:
        parts += _list_code(report)
    return Group(*parts)


def _tell_proof(step: RollbackStep) -> str:
    """Return what a rehearsal has shown of it, and what is to be said besides."""
    when = ""
    if step.rehearsed_at and step.proof != NOT_REHEARSED:
        when = f", rehearsed {step.rehearsed_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return "; ".join([f"{step.migration}: {step.proof}{when}", *step.notes])


def _tell_rehearsal(rehearsal: RollbackRehearsal | None) -> str:
    if rehearsal is None:
        return ""
    count = count_of(len(rehearsal.unapplied), "migration")
    return (
        f"{count} taken back on a copy of backup {rehearsal.backup_id} in "
        f"{format_duration(rehearsal.duration_s)}"
    )


def _list_code(report: RollbackReport) -> list[Text]:
    """Say which code goes with the schema, as far as git and the ledger know."""
    commits = list_commits(report.steps)
    lines = []
    if commits:
        told = " ".join(commit for commit, _ in commits)
        lines.append(Text(f"Code for this schema: git revert {told}"))
        lines += [
            Text(f"  {commit}  {', '.join(map(str, migrations))}")
            for commit, migrations in commits
        ]
    if report.release:
        lines.append(
            Text(f"Last deployed with this schema: release {report.release[:10]}")
        )
    return lines


def _list_sql(step: RollbackStep) -> list[Text]:
    if not step.statements:
        how = "Django's reverse" if step.way == "reverse" else step.way
        return [Text(f"-- by {how}")]
    return [Text(f"{each.rstrip().rstrip(';')};") for each in step.statements]


def _build_verdict(report: RollbackReport) -> RenderableType:
    if not report.steps:
        return build_verdict(_tell_nothing(report), good=True)
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


def _tell_nothing(report: RollbackReport) -> str:
    if report.target.startswith("before "):
        return "Nothing that it has applied, or that came after it, is applied now"
    return f"Nothing after {report.target} is applied"
