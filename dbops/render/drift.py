"""The report of `dbops_drift` as text."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

from rich.console import Group, RenderableType
from rich.text import Text

from dbops.core.compare import DifferenceKind
from dbops.core.culprit import JournalEntry
from dbops.core.words import count_of, shorten
from dbops.operations.drift.adopt import FollowReport
from dbops.operations.drift.drift import Drift, DriftReport
from dbops.operations.drift.journal import JournalAction, JournalReport
from dbops.render.text import build_facts, build_verdict

LONGEST_SQL = 100


def render_drift(report: DriftReport) -> RenderableType:
    """Return facts, one difference a paragraph, and the verdict.

    With SQL, the report is a script: all else of it is a comment.
    """
    if report.sql is not None:
        return Text(report.sql)
    return Group(
        build_facts(
            [
                ("Database", f"{report.place}, {report.server}"),
                ("Expected", _tell_expected(report)),
                ("Compared", count_of(report.objects, "object")),
                ("Left out", "\n".join(_tell_left_out(report))),
                ("Unknown", "\n".join(map(str, report.unknown))),
                ("Unfinished", report.unfinished),
                ("Noted", "\n".join(map(str, report.notes))),
            ]
        ),
        *(_tell(each) for each in report.differences),
        _build_verdict(report),
    )


def _tell_expected(report: DriftReport) -> str:
    parts = [count_of(report.applied, "applied migration")]
    if report.from_cache:
        parts.append("known from an earlier run")
    if report.pending:
        parts.append(f"{len(report.pending)} pending left out")
    return ", ".join(parts)


def _tell_left_out(report: DriftReport) -> Iterator[str]:
    for reason, number in report.left_out.items():
        yield f"{count_of(number, 'object')} {reason}"


def _tell(difference: Drift) -> Text:
    text = Text(str(difference))
    text.append(f"\n  {_tell_migration(difference)}", style="dim")
    if difference.by:
        text.append(f"\n  {_tell_culprit(difference.by)}", style="dim")
    return text


def _tell_migration(difference: Drift) -> str:
    if difference.migration is None:
        return "no migration makes it"
    verb = "removed" if difference.kind is DifferenceKind.EXTRA else "last touched"
    return f"{verb} by {difference.migration}"


def _tell_culprit(entry: JournalEntry) -> str:
    who = f"{entry.role} ({entry.application_name or 'no name'}, {entry.client})"
    short = shorten(entry.statement, LONGEST_SQL)
    when = entry.at.astimezone(UTC)
    return f"by {who}, {when:%Y-%m-%d %H:%M:%S} UTC: {short or entry.command}"


def _build_verdict(report: DriftReport) -> RenderableType:
    if not report.differences:
        return build_verdict(
            "No drift: the schema is what the migrations build", good=True
        )
    if report.unfinished:
        hint = "manage.py dbops_status"
    elif report.unknown:
        hint = "run it from the release that has the unknown migrations"
    else:
        hint = (
            "manage.py dbops_drift --sql to put the database back, or --adopt for a "
            "migration that follows it"
        )
    return build_verdict(
        f"Drift: {count_of(len(report.differences), 'difference')}",
        good=False,
        hint=hint,
    )


def render_follow(report: FollowReport) -> RenderableType:
    """Return the files, what is left to a person, and the next command."""
    if report.migration is None:
        return build_verdict("No drift: there is nothing to follow", good=True)
    back = f"none: {report.irreversible}" if report.irreversible else ""
    app, name = report.migration.app, report.migration.name
    return Group(
        build_facts(
            [
                ("Database", report.place),
                ("Written", "\n".join(report.files)),
                ("Way back", back),
                ("Edit", "\n".join(f"{e.model}: {e.text}" for e in report.edits)),
                ("Unsaid", "\n".join(report.unsaid)),
                ("Left", "\n".join(map(str, report.left))),
                ("Loses", "\n".join(report.loses)),
            ]
        ),
        build_verdict(
            f"{report.migration} follows the database, as played on a scratch database",
            good=True,
            hint=("edit the models, then " if report.edits else "")
            + f"manage.py dbops_resolve {app} {name} --applied",
        ),
    )


def render_journal(report: JournalReport) -> RenderableType:
    """Return the SQL, or one line that says what was done."""
    match report.action:
        case JournalAction.SQL:
            return Text(report.sql)
        case JournalAction.INSTALL:
            return build_verdict(
                "The journal is kept: dbops_drift will say who did it, and when",
                good=True,
            )
        case JournalAction.REMOVE:
            return build_verdict("The journal is gone", good=True)
