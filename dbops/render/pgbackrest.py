"""What `dbops_backups show` says of a backup of pgBackRest's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from dbops.core.duration import format_age
from dbops.core.words import count_of, format_size
from dbops.operations.backup.backups import ShowReport
from dbops.operations.backup.report import Verified
from dbops.render.backup import describe_proof
from dbops.render.text import build_facts, build_verdict, format_duration


def render_physical(report: ShowReport, looks: Sequence[Text]) -> RenderableType:
    """Return facts, looks, and the restore points that follow on it."""
    sizes = map(format_size, (report.size_bytes, report.database_size_bytes))
    taken = f"{_format_moment(report.taken_at)}, {format_age(report.age_s)} ago"
    facts = build_facts(
        [
            ("Backup", f"{report.backup_id}, {report.kind}"),
            ("Location", report.location),
            ("Needs", "\n".join(report.needs)),
            ("Taken at", taken),
            ("Took", format_duration(report.duration_s)),
            ("Size", " of a server of ".join(sizes)),
            ("Encrypted", "yes" if report.encrypted else "no"),
            ("Verified", describe_proof(report.verified, report.engine)),
            ("Server", f"PostgreSQL {report.server_version}"),
            ("Fingerprint", report.fingerprint),
        ]
    )
    points = [
        Text(f"  {each.name}, {_format_moment(each.made_at)}, {each.lsn}")
        for each in report.restore_points
    ]
    last = report.restore_points[-1].name if points else report.backup_id
    return Group(
        facts,
        Text("Verifications", style="bold"),
        *looks,
        *([Text("Restore points", style="bold"), *points] if points else []),
        build_verdict(
            f"{report.database_name} in it: "
            f"{count_of(len(report.migrations), 'applied migration')}.",
            good=report.verified is not Verified.DAMAGED,
            hint=f"manage.py dbops_restore {last} says how to go back to it",
        ),
    )


def _format_moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
