"""The text of a backup's report."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType

from dbops.core.exclusions import LeftOut
from dbops.core.words import count_of, format_size
from dbops.operations.backup.report import BackupReport, Engine, Verified
from dbops.render.text import (
    build_facts,
    build_verdict,
    format_duration,
)

MOST_SHOWN = 5
PROOFS = {
    Verified.NONE: "not verified",
    Verified.CHECKSUM: "every file read back",
    Verified.CONTENTS: "every file decoded to its end, all rows counted and summed",
    Verified.RESTORED: "restored, rows and schema compared",
    Verified.DAMAGED: "damaged",
}


SERVER_PROOFS = {
    **PROOFS,
    Verified.CHECKSUM: "every file of the repository read back, its WAL complete",
    Verified.RESTORED: "restored into a server of its own, all rows read",
}


def describe_proof(verified: Verified, engine: Engine) -> str:
    """Return how far a backup of this engine is proven, in words."""
    return (SERVER_PROOFS if engine is Engine.PGBACKREST else PROOFS)[verified]


def render_backup(report: BackupReport) -> RenderableType:
    """Return what was backed up, where it is, and how far it is proven."""
    if report.engine is Engine.PGBACKREST:
        return _render_physical(report)
    rows = sum(table.rows for table in report.tables)
    size = format_size(report.database_size_bytes)
    if not report.dry_run:
        size = f"{format_size(report.size_bytes)} of a database of {size}"
    return Group(
        build_facts(
            [
                ("Backup", report.backup_id),
                ("Location", report.location),
                ("Taken at", f"{report.taken_at:%Y-%m-%d %H:%M:%S} UTC"),
                (
                    "Contents",
                    ", ".join(
                        (
                            count_of(len(report.tables), "table"),
                            count_of(rows, "row"),
                            count_of(len(report.migrations), "applied migration"),
                        )
                    ),
                ),
                ("Left out", describe_left_out(report.left_out)),
                ("Size", size),
                ("Verified", PROOFS[report.verified]),
                ("Tools", f"{report.tools}, {report.compression}"),
            ]
        ),
        _build_verdict(report),
    )


def describe_left_out(left_out: Sequence[LeftOut]) -> str:
    """Return what a backup is without, in one line."""
    more = len(left_out) - MOST_SHOWN
    shown = ", ".join(map(str, left_out[:MOST_SHOWN]))
    return shown + (f" and {more} more" if more > 0 else "")


def _render_physical(report: BackupReport) -> RenderableType:
    size = format_size(report.database_size_bytes)
    if report.dry_run:
        size = f"the database has {size}; all others of the server come with it"
    else:
        size = f"{format_size(report.size_bytes)} of a server of {size}"
    return Group(
        build_facts(
            [
                ("Backup", report.backup_id),
                ("Location", report.location),
                ("Taken at", f"{report.taken_at:%Y-%m-%d %H:%M:%S} UTC"),
                (
                    "Contents",
                    f"the whole server ({report.kind}); here "
                    + count_of(len(report.migrations), "applied migration"),
                ),
                ("Size", size),
                ("Verified", describe_proof(report.verified, report.engine)),
                ("Tools", report.tools),
            ]
        ),
        _build_verdict(report),
    )


def _build_verdict(report: BackupReport) -> RenderableType:
    duration = format_duration(report.duration_s)
    if report.dry_run:
        return build_verdict(
            f"Nothing was written; all is ready for a backup ({duration}).",
            good=True,
            hint="manage.py dbops_backup",
        )
    kind = "Partial backup" if report.left_out else "Backup"
    option = "--into NAME" if report.left_out else "--dry-run"
    return build_verdict(
        f"{kind} {report.backup_id} taken in {duration}.",
        good=True,
        hint=f"manage.py dbops_backups verify {report.backup_id} --level restored"
        if report.engine is Engine.PGBACKREST
        else f"manage.py dbops_restore {report.backup_id} {option}",
    )
