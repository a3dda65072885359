"""The text of a restore's report."""

from __future__ import annotations

from shlex import quote

from rich.console import Group, RenderableType
from rich.text import Text

from dbops.core.words import count_of
from dbops.operations.restore import RestoreReport
from dbops.render.text import build_facts, build_verdict, format_duration


def render_restore(report: RestoreReport) -> RenderableType:
    """Return what was restored, into which database, and whether it is the same."""
    rows = sum(table.rows for table in report.tables)
    differences = len(report.differences)
    return Group(
        build_facts(
            [
                ("Backup", report.backup_id),
                ("Database", report.database),
                (
                    "Contents",
                    f"{count_of(len(report.tables), 'table')}, {count_of(rows, 'row')}",
                ),
                ("Rows", "" if report.dry_run else "as in the manifest, every table"),
                ("Schema", _describe_schema(report)),
                ("Tools", report.tools.replace("pg_dump", "pg_restore")),
            ]
        ),
        *(Text(f"- {each}") for each in report.differences),
        *(Text(f"note: {each}") for each in report.notes),
        _build_verdict(report, differences),
    )


def _describe_schema(report: RestoreReport) -> str:
    if report.dry_run:
        return ""
    if report.schema_matches:
        return "as in the backup"
    return count_of(len(report.differences), "difference")


def _build_verdict(report: RestoreReport, differences: int) -> RenderableType:
    duration = format_duration(report.duration_s)
    if report.dry_run:
        return build_verdict(
            f'Nothing was done; the backup is intact and "{report.database}" is free.',
            good=True,
            hint=f"manage.py dbops_restore {report.backup_id} --into {report.database}",
        )
    if report.schema_matches:
        return build_verdict(
            f"Backup {report.backup_id} restored into "
            f'"{report.database}" in {duration}.',
            good=True,
            hint=f"psql {quote(report.database)}",
        )
    return build_verdict(
        f'All rows are in "{report.database}", but its schema differs in '
        f"{count_of(differences, 'place')}.",
        good=False,
        hint="judge the differences above before using it, or drop it: "
        f"dropdb {quote(report.database)}",
    )
