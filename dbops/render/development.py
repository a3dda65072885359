"""The reports of `dbops_reset` and `dbops_push` as text."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from dbops.core.words import count_of
from dbops.operations.develop.push import PushReport
from dbops.operations.develop.reset import ResetReport
from dbops.render.text import build_facts, build_verdict, format_duration


def render_reset(report: ResetReport) -> RenderableType:
    """Return what was made anew, or would be."""
    if report.marked:
        return build_verdict(
            f"Marked as one for development: {report.place}",
            good=True,
            hint="manage.py dbops_reset --dry-run, or manage.py dbops_push --dry-run",
        )
    verb = "would be " if report.dry_run else ""
    return Group(
        build_facts(
            [
                ("Database", report.place),
                ("Tables", f"{report.dropped_tables:,} {verb}dropped"),
                ("Migrations", f"{report.applied:,} {verb}applied"),
                ("Seed", report.seed),
                ("Took", "" if verb else format_duration(report.duration_s)),
            ]
        ),
        build_verdict("Dry run: nothing was done", good=True)
        if report.dry_run
        else build_verdict("The database is new", good=True),
    )


def render_push(report: PushReport) -> RenderableType:
    """Return the SQL, what it has lost, and what is still to be written."""
    return Group(
        build_facts([("Database", report.place)]),
        *(Text(f"{each};") for each in report.statements),
        build_facts(
            [
                ("Loses" if report.dry_run else "Lost", "\n".join(report.loses)),
                ("No migration", "\n".join(report.unwritten)),
                ("Pending", "\n".join(report.pending)),
            ]
        ),
        _build_verdict(report),
    )


def _build_verdict(report: PushReport) -> RenderableType:
    if not report.statements:
        told = "Nothing to push: the schema is what the models say"
    elif report.dry_run:
        told = f"Dry run: {count_of(len(report.statements), 'statement')} not run"
    else:
        told = "Pushed: the schema is what the models say"
    hint = "manage.py makemigrations --name NAME, then migrate"
    return build_verdict(told, good=True, hint=hint if report.unwritten else None)
