"""The reports of `dbops_backups` as text."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from dbops.core.duration import format_age
from dbops.core.words import count_of, format_size
from dbops.operations.backup.backups import (
    BackupRow,
    ListReport,
    RolesReport,
    ShowReport,
)
from dbops.operations.backup.check import BackupCheckReport
from dbops.operations.backup.prune import PruneReport
from dbops.operations.backup.report import Engine, Verified
from dbops.operations.backup.verify import VerifyReport
from dbops.operations.project_migrations import MigrationState
from dbops.render.backup import PROOFS, describe_left_out, describe_proof
from dbops.render.pgbackrest import render_physical
from dbops.render.text import (
    build_facts,
    build_table,
    build_verdict,
    format_duration,
)

STILL_WRITTEN = "kept, it may still be written"
CUT_OFF_HINT = "unless a backup is running, the next one or prune removes it"


def render_backups(
    report: ListReport
    | ShowReport
    | RolesReport
    | VerifyReport
    | PruneReport
    | BackupCheckReport,
) -> RenderableType:
    """Return the text of any of the reports."""
    match report:
        case ListReport():
            return render_list(report)
        case ShowReport():
            return render_show(report)
        case RolesReport():
            return Text(report.sql, no_wrap=True)
        case VerifyReport():
            return render_verify(report)
        case PruneReport():
            return render_prune(report)
        case BackupCheckReport():
            return render_check(report)


def render_list(report: ListReport) -> RenderableType:
    """Return a row a backup, the newest first, and what is wrong with them."""
    if not report.backups:
        return Group(
            *_list_drafts(report),
            build_verdict(
                f'There is no backup in "{report.place}".',
                good=False,
                hint="manage.py dbops_backup",
            ),
        )
    table = _build_list(
        ("Backup", "Age", "Size", "Ratio", "Verified", "Migrations"),
        (
            (
                each.backup_id,
                format_age(each.age_s),
                _format_size(each.size_bytes),
                _format_ratio(each.ratio),
                f"{each.verified}, partial" if each.left_out else each.verified,
                _describe_state(each.migrations),
            )
            for each in report.backups
        ),
    )
    bad = [each for each in report.backups if each.verified is Verified.DAMAGED]
    problems = [_tell_problems(each) for each in bad]
    return Group(
        table,
        *(Text(line) for line in problems),
        *_list_drafts(report),
        build_verdict(
            f"{count_of(len(report.backups), 'backup')}, "
            f"{format_size(report.size_bytes)}, in {report.place}"
            + (f"; {len(bad)} damaged" if bad else ""),
            good=not bad,
            hint=f"manage.py dbops_backups show {report.backups[0].backup_id}",
        ),
    )


def render_show(report: ShowReport) -> RenderableType:
    """Return facts, verifications, migrations and tables."""
    if report.engine is Engine.PGBACKREST:
        return render_physical(report, _list_looks(report))
    rows = sum(each.rows for each in report.tables)
    facts = build_facts(
        [
            ("Backup", report.backup_id),
            ("Location", report.location),
            ("Database", report.database_name),
            ("Taken at", f"{_format_moment(report.taken_at)}, {_ago(report.age_s)}"),
            ("Took", format_duration(report.duration_s)),
            ("Size", _describe_size(report)),
            ("Left out", describe_left_out(report.left_out)),
            ("Files", count_of(report.files, "file")),
            ("Encrypted", "yes" if report.encrypted else "no"),
            ("Verified", PROOFS[report.verified]),
            ("Server", _describe_server(report)),
            ("Locale", f"{report.encoding}, {report.collation}"),
            ("Written by", _describe_tools(report)),
            ("Fingerprint", report.fingerprint),
        ]
    )
    looks = _list_looks(report)
    migrations = [Text(f"  {each}") for each in report.migrations]
    tables = build_table(
        ("Table", "Rows", "Size"),
        (
            (each.name, f"{each.rows:,}", format_size(each.size_bytes))
            for each in report.tables
        ),
    )
    return Group(
        facts,
        Text("Verifications", style="bold"),
        *looks,
        Text("Migrations", style="bold"),
        *migrations,
        *(
            Text(f"  {each} is on disk, and not in the backup")
            for each in report.pending
        ),
        *(Text(f"  {each} is not on disk") for each in report.unknown),
        tables,
        build_verdict(
            f"{count_of(len(report.tables), 'table')}, {count_of(rows, 'row')}, "
            f"{count_of(len(report.migrations), 'applied migration')}.",
            good=report.verified is not Verified.DAMAGED,
            hint=f"manage.py dbops_restore {report.backup_id} "
            + ("--into NAME" if report.left_out else "--dry-run"),
        ),
    )


def render_verify(report: VerifyReport) -> RenderableType:
    """Return what was looked at, each problem, and what the backup counts as."""
    facts = build_facts(
        [
            ("Backup", report.backup_id),
            ("Location", report.location),
            (
                "Looked at",
                ", ".join(
                    (
                        count_of(report.files, "file")
                        if report.engine is Engine.DUMP
                        else "the whole repository",
                        format_size(report.size_bytes),
                        f"to level {report.level}",
                    )
                ),
            ),
            ("Verified", describe_proof(report.verified, report.engine)),
        ]
    )
    duration = format_duration(report.duration_s)
    if report.problems:
        verdict = build_verdict(
            f"Backup {report.backup_id} is damaged in "
            f"{count_of(len(report.problems), 'place')} ({duration}).",
            good=False,
            hint="manage.py dbops_backup, or put its copy from elsewhere in its place",
        )
    else:
        verdict = build_verdict(
            f"Nothing is wrong with backup {report.backup_id} ({duration}).",
            good=True,
        )
    return Group(
        facts,
        *(Text(f"- {each}") for each in report.problems),
        *(Text(f"note: {each}") for each in report.notes),
        verdict,
    )


def render_prune(report: PruneReport) -> RenderableType:
    """Return what becomes of each backup, and why."""
    table = _build_list(
        ("Backup", "Age", "Size", "Level", "", "Why"),
        (
            (
                each.backup_id,
                format_age(each.age_s),
                _format_size(each.size_bytes),
                each.level,
                _tell_fate(each.backup_id, report, keep=each.keep),
                ", ".join(each.reasons),
            )
            for each in report.backups
        ),
    )
    gone = "would be removed" if report.dry_run else "removed"
    drafts = [
        Text(
            f"draft {each.backup_id}, begun {_ago(each.age_s)}: "
            + (STILL_WRITTEN if each.keep else f"cut off, {gone}")
        )
        for each in report.drafts
    ]
    kept = len(report.backups) - len(report.removed)
    what = count_of(len(report.removed), "backup")
    if report.dry_run:
        verdict = build_verdict(
            f"Nothing was removed; {what} would be, {format_size(report.freed_bytes)}, "
            f"and {kept} kept.",
            good=True,
            hint="the same command without --dry-run" if report.removed else None,
        )
    else:
        verdict = build_verdict(
            f"{what} removed, {format_size(report.freed_bytes)}; {kept} kept.",
            good=True,
        )
    return Group(
        *([table] if report.backups else []),
        *drafts,
        *(Text(f"note: {each}") for each in report.notes),
        verdict,
    )


def render_check(report: BackupCheckReport) -> RenderableType:
    """Return the backup that counts, and what is wrong."""
    facts = build_facts(
        [
            ("Backup", report.backup_id or ""),
            ("Location", report.place),
            ("Age", "" if report.age_s is None else format_age(report.age_s)),
            ("Size", _format_size(report.size_bytes)),
            (
                "Verified",
                describe_proof(report.verified, report.engine)
                if report.backup_id
                else "",
            ),
        ]
    )
    if not report.failures:
        verdict = build_verdict("The backups are as they have to be.", good=True)
    else:
        verdict = build_verdict(
            f"{count_of(len(report.failures), 'problem')} with the backups.",
            good=False,
            hint="manage.py dbops_backup",
        )
    return Group(facts, *(Text(f"- {each}") for each in report.failures), verdict)


def _list_looks(report: ShowReport) -> list[Text]:
    return [
        Text(
            f"{_format_moment(each.at)}  {each.level}: "
            + ("; ".join(each.problems) or "nothing wrong")
        )
        for each in report.verifications
    ]


def _build_list(
    headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]
) -> RenderableType:
    """Return a table whose first column, the ids, is never broken."""
    table = build_table(headings, rows)
    table.columns[0].no_wrap = True
    return table


def _list_drafts(report: ListReport) -> list[Text]:
    return [
        Text(
            f"draft {each.backup_id}, begun {_ago(each.age_s)}: being written, or cut "
            f"off; {CUT_OFF_HINT}"
        )
        for each in report.drafts
    ]


def _tell_fate(backup_id: str, report: PruneReport, *, keep: bool) -> str:
    if keep:
        return "keep"
    if report.dry_run or backup_id in report.removed:
        return "remove"
    return "not removed"


def _tell_problems(row: BackupRow) -> str:
    return f"- {row.backup_id}: {'; '.join(row.problems)}"


def _describe_state(state: MigrationState | None) -> str:
    if state is None:
        return ""
    parts = [f"{state.applied}"]
    if state.pending:
        parts.append(f"{len(state.pending)} pending")
    if state.unknown:
        parts.append(f"{len(state.unknown)} unknown")
    if len(parts) == 1:
        parts.append("all of the project's")
    return ", ".join(parts)


def _describe_size(report: ShowReport) -> str:
    return (
        f"{format_size(report.size_bytes)} of a database of "
        f"{format_size(report.database_size_bytes)} ({_format_ratio(report.ratio)})"
    )


def _describe_server(report: ShowReport) -> str:
    which = f", system {report.system_identifier}" if report.system_identifier else ""
    return f"PostgreSQL {report.server_version}{which}"


def _describe_tools(report: ShowReport) -> str:
    return f"dbops {report.dbops_version}, pg_dump {report.pg_dump_version}"


def _format_size(size_bytes: int | None) -> str:
    return "" if size_bytes is None else format_size(size_bytes)


def _format_ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.0%}" if ratio >= 0.1 else f"{ratio:.1%}"  # noqa: PLR2004


def _format_moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _ago(age_s: float) -> str:
    return f"{format_age(age_s)} ago"
