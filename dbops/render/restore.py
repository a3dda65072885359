"""The text of a restore's report."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from rich.console import Group, RenderableType
from rich.text import Text

from dbops.core.words import count_of
from dbops.operations.restore.restore import RestoreReport
from dbops.render.backup import describe_left_out
from dbops.render.text import build_facts, build_verdict, format_duration

MOST_SHOWN = 5


def render_restore(report: RestoreReport) -> RenderableType:
    """Return what was restored, where to, and what to do next."""
    rows = sum(table.rows for table in report.tables)
    return Group(
        build_facts(
            [
                ("Backup", report.backup_id),
                ("Taken at", f"{report.taken_at:%Y-%m-%d %H:%M:%S} UTC"),
                ("Database", report.database),
                ("New schema", report.as_schema or ""),
                (
                    "Contents",
                    f"{count_of(len(report.tables), 'table')}, {count_of(rows, 'row')}",
                ),
                ("Left out", describe_left_out(report.left_out)),
                ("Rows", "" if report.dry_run else "as in the backup, every table"),
                ("Schema", _describe_schema(report)),
                ("Replaced", _describe_previous(report)),
                ("Clients", _describe_clients(report)),
                ("Ledger", _describe_ledger(report)),
                ("Release", _describe_release(report)),
                ("Tools", report.tools.replace("pg_dump", "pg_restore")),
            ]
        ),
        *(Text(f"- {each}") for each in report.differences),
        *(Text(f"note: {each}") for each in report.notes),
        *_build_verdict(report),
    )


def _describe_schema(report: RestoreReport) -> str:
    if report.dry_run or report.as_schema is not None:
        return ""
    if report.schema_matches:
        return "as in the backup"
    return count_of(len(report.differences), "difference")


def _describe_previous(report: RestoreReport) -> str:
    if report.previous_database is None:
        return ""
    name = report.previous_database
    if report.dry_run:
        kept = "it would be dropped" if report.previous_dropped else f"kept as {name}"
        return f"{report.database}; {kept}"
    if report.previous_dropped:
        return "dropped, with what was written after the backup"
    return f"kept as {name}, with what was written after the backup"


def _describe_clients(report: RestoreReport) -> str:
    if report.sessions_terminated is None or report.downtime_s is None:
        return ""
    return (
        f"{count_of(report.sessions_terminated, 'session')} ended, none let in for "
        f"{format_duration(report.downtime_s)}"
    )


def _describe_ledger(report: RestoreReport) -> str:
    if report.ledger_entries is None:
        return ""
    return (
        f"{report.ledger_entries:,} later "
        f"{'entry' if report.ledger_entries == 1 else 'entries'} kept, and this restore"
    )


def _describe_release(report: RestoreReport) -> str:
    """Say how the code on disk and the restored schema fit."""
    parts = []
    if report.unknown:
        listed = ", ".join(map(str, report.unknown[:MOST_SHOWN]))
        more = len(report.unknown) - MOST_SHOWN
        parts.append(
            f"it has migrations that this release does not know: {listed}"
            + (f" and {more} more" if more > 0 else "")
        )
    if report.pending:
        number = count_of(len(report.pending), "migration")
        verb = "is" if len(report.pending) == 1 else "are"
        parts.append(f"{number} of this release {verb} not in it")
    if parts:
        return "; ".join(parts)
    return "" if report.as_schema else "this one, as far as its migrations tell"


def _build_verdict(report: RestoreReport) -> Iterator[RenderableType]:
    duration = format_duration(report.duration_s)
    name, backup = report.database, report.backup_id
    if report.dry_run:
        yield build_verdict(
            "Nothing was done; the backup is intact and the way is free.",
            good=True,
            hint=f"the same command without --dry-run, for backup {backup}",
        )
    elif report.as_schema is not None:
        yield build_verdict(
            f'Brought back from backup {backup} into schema "{report.as_schema}" of '
            f'"{name}" in {duration}.',
            good=True,
            hint="take from them what is missing; then "
            f'DROP SCHEMA "{report.as_schema}" CASCADE;',
        )
    elif report.schema_matches:
        replaced = report.previous_database is not None
        done = (
            f'"{name}" replaced by backup {backup} in {duration}.'
            if replaced
            else f'Backup {backup} restored into "{name}" in {duration}.'
        )
        yield build_verdict(done, good=True, hint=_find_next(report))
        if replaced and not report.previous_dropped:
            yield Text(
                "Later: when nothing of it is needed any more: "
                f"dropdb {quote(report.previous_database or '')}"
            )
    else:
        yield build_verdict(
            f'All rows are in "{name}", but its schema differs in '
            f"{count_of(len(report.differences), 'place')}.",
            good=False,
            hint="judge the differences above before using it, or drop it: "
            f"dropdb {quote(name)}",
        )


def _find_next(report: RestoreReport) -> str:
    if report.previous_database is None:
        return f"psql {quote(report.database)}"
    if report.unknown:
        return (
            f"deploy the release that has {report.unknown[0]}: this one does not know "
            "the restored schema"
        )
    if report.pending:
        return "manage.py dbops_deploy, or the release from before these migrations"
    return "manage.py dbops_status"
