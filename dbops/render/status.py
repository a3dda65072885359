"""The report of `dbops_status` as text."""

from __future__ import annotations

from rich.console import Group, RenderableType

from dbops.core.migration import MigrationId
from dbops.core.words import count_of
from dbops.operations.status import LastRun, Schema, State, StatusReport
from dbops.render.text import build_facts, build_verdict

MOST_LISTED = 12


def render_status(report: StatusReport) -> RenderableType:
    """Return facts, then one line that answers, then the next command."""
    facts = build_facts(
        [
            ("Database", f"{report.place}, {report.server}"),
            ("Applied", count_of(report.applied, "migration")),
            ("Pending", _list(report.pending)),
            ("Unknown", "\n".join(map(str, report.unknown))),
            ("Failed", "\n".join(map(str, report.failed))),
            ("Running", report.running or ""),
            ("Last run", _tell(report.last) if report.last else ""),
        ]
    )
    return Group(facts, _build_verdict(report))


def _list(migrations: tuple[MigrationId, ...]) -> str:
    lines = [str(each) for each in migrations[:MOST_LISTED]]
    if len(migrations) > MOST_LISTED:
        lines.append(f"and {len(migrations) - MOST_LISTED} more")
    return "\n".join(lines)


def _tell(last: LastRun) -> str:
    when = f"{last.started_at:%Y-%m-%d %H:%M:%S} UTC"
    state = last.state.replace("_", " ")
    parts = [f"{last.kind} {state}, {when} by {last.actor} on {last.host}"]
    if last.backup_id:
        parts.append(f"backup {last.backup_id}")
    if last.message:
        parts.append(last.message)
    return "\n".join(parts)


def _build_verdict(  # noqa: PLR0911  One answer a state.
    report: StatusReport,
) -> RenderableType:
    match report.state:
        case State.UP_TO_DATE if report.schema is Schema.MATCHES:
            return build_verdict("Database schema is up to date!", good=True)
        case State.UP_TO_DATE:
            return build_verdict(
                "All migrations are applied; the schema itself was not compared",
                good=True,
                hint="manage.py dbops_drift",
            )
        case State.PENDING:
            return build_verdict(
                f"{count_of(len(report.pending), 'migration')} pending",
                good=False,
                hint="manage.py dbops_deploy",
            )
        case State.NOT_ADOPTED:
            return build_verdict(
                f"Not adopted: {', '.join(report.existing_tables)} exist, and no "
                "migration is recorded for them",
                good=False,
                hint="manage.py dbops_baseline --dry-run",
            )
        case State.DIVERGED if report.schema is Schema.DIFFERS:
            return build_verdict(
                "The schema is not what the applied migrations build",
                good=False,
                hint="manage.py dbops_drift",
            )
        case State.DIVERGED:
            return build_verdict(
                "The database has migrations that are not on disk",
                good=False,
                hint="use the release that has them",
            )
        case State.FAILED:
            return build_verdict(
                "The last run did not finish",
                good=False,
                hint="manage.py dbops_deploy looks at what is done, and goes on",
            )
