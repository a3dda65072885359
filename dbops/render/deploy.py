"""The report of `dbops_deploy` as text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from dbops.core.guards import Guard, GuardState
from dbops.core.locks.standing import Blocked, describe_blocked
from dbops.core.words import count_of
from dbops.operations.deploy.report import (
    DeployReport,
    DeployState,
    PlannedMigration,
)
from dbops.operations.pgbackrest.way_back import WayBack
from dbops.render.text import (
    build_facts,
    build_table,
    build_verdict,
    format_duration,
)
from dbops.render.verification import list_verified

MARKS = {
    GuardState.OK: "ok",
    GuardState.ALLOWED: "let pass",
    GuardState.SKIPPED: "-",
    GuardState.FAILED: "no",
}


def render_deploy(report: DeployReport) -> RenderableType:
    """Return the guards, the steps with their times, the facts, and the verdict."""
    parts: list[RenderableType] = []
    if report.guards:
        parts.append(_build_checklist(report.guards))
    if report.plan:
        parts += _list_plan(report.plan)
    if report.steps:
        parts.append(
            build_table(
                ("Step", "", "Took"),
                [
                    (
                        step.name,
                        "ok" if step.ok else "failed",
                        format_duration(step.duration_s),
                    )
                    for step in report.steps
                ],
            )
        )
    parts += list_verified(report)
    parts.append(
        build_facts(
            [
                ("Led by", report.led_by or ""),
                ("Backup", report.backup_id or ""),
                *list_way_back(report.restore_point),
                ("Pending", "" if report.plan else "\n".join(map(str, report.pending))),
                ("Blocked", "\n".join(_list_blocked(report))),
                ("Noted", "\n".join(report.notes)),
                ("Ledger", report.ledger_head),
            ]
        )
    )
    parts += [Text(str(each)) for each in report.differences]
    parts.append(_build_verdict(report))
    return Group(*parts)


def _build_checklist(guards: Sequence[Guard]) -> RenderableType:
    """Return the guards, each with how it stands and why."""
    return build_table(
        ("Guard", "", ""),
        [(each.name.value, MARKS[each.state], each.detail) for each in guards],
    )


def _list_plan(plan: Sequence[PlannedMigration]) -> list[RenderableType]:
    """Return a line for each migration, and the SQL of those that have it."""
    parts: list[RenderableType] = [
        build_table(
            ("Migration", "Phase", "Rehearsed", "Back by"),
            [
                (
                    str(each.id) + ("" if each.atomic else " (not atomic)"),
                    each.phase.value if each.phase else "-",
                    each.round_trip.value if each.round_trip else "-",
                    each.way_back,
                )
                for each in plan
            ],
        )
    ]
    for each in plan:
        if each.sql:
            sql = Padding(Text(each.sql), (0, 0, 0, 2))
            parts += [Text(f"\n{each.id}", style="bold"), sql]
    return parts


def list_way_back(way_back: WayBack | None) -> list[tuple[str, str]]:
    """Return the facts of a restore point: its name, and the way to it."""
    if way_back is None:
        return []
    return [
        ("Restore point", f"{way_back.name} at {way_back.lsn}"),
        ("To go back", f"stop the server, run this, and start it: {way_back.command}"),
    ]


def _list_blocked(report: DeployReport) -> list[str]:
    """Say which steps have kept others waiting."""
    return [
        f"{describe_blocked(blocked)}, by {step.name}"
        for step in report.steps
        if step.blocked_sessions
        for blocked in [
            Blocked(sessions=step.blocked_sessions, longest_s=step.blocked_s)
        ]
    ]


def _build_verdict(report: DeployReport) -> RenderableType:
    match report.state:
        case DeployState.DEPLOYED:
            return build_verdict(
                f"{count_of(len(report.applied), 'migration')} deployed and verified",
                good=True,
            )
        case DeployState.UP_TO_DATE:
            return build_verdict("Database schema is up to date!", good=True)
        case DeployState.DRY_RUN:
            return build_verdict(
                f"{count_of(len(report.pending), 'migration')} would be deployed; "
                "nothing was changed (dry run)",
                good=True,
                hint="manage.py dbops_deploy",
            )
        case DeployState.REVERTED if not report.steps:  # As asked for by --undo.
            return build_verdict(
                f"{', '.join(map(str, report.reverted))} undone", good=True
            )
        case DeployState.REVERTED:
            return build_verdict("Not deployed: everything was put back", good=False)
        case DeployState.FAILED:
            return build_verdict("Not deployed", good=False)
