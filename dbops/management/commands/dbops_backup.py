"""`manage.py dbops_backup`: see `dbops.operations.backup.backup`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from dbops.core.exclusions import Exclusions
from dbops.core.manifest import LEVELS
from dbops.core.single_tables import split_table_names
from dbops.errors import UsageError
from dbops.management.base import DbopsCommand, add_archive_options
from dbops.operations.backup.back_up import back_up
from dbops.operations.backup.notify import tell_failure, tell_outcome
from dbops.operations.backup.report import BackupReport, Verified
from dbops.operations.context import Context
from dbops.operations.pgbackrest.engine import uses_pgbackrest
from dbops.operations.pgbackrest.take import Kind, back_up_physically
from dbops.render.backup import render_backup

EXCLUSIONS = {
    "exclude-schema": "a schema with all that is in it (* stands for anything)",
    "exclude-table": "a table, view or sequence with all that belongs to it",
    "exclude-table-data": "the rows of a table, and keep it empty",
}


class Command(DbopsCommand):
    help = "Take a backup of the database, verified and published whole or not at all."

    def add_options(self, parser: CommandParser) -> None:
        """Declare where it goes, and how patient it is."""
        add_archive_options(parser, jobs_help="tables dumped at a time (default: 2)")
        parser.add_argument(
            "--lock-wait-timeout",
            type=float,
            default=30.0,
            metavar="S",
            help="seconds to wait for tables that others have locked (default: 30)",
        )
        parser.add_argument(
            "--level",
            choices=LEVELS,
            help="how far to prove it before it is published (default: "
            'DBOPS["BACKUP_LEVEL"], which is contents)',
        )
        for option, what in EXCLUSIONS.items():
            parser.add_argument(
                f"--{option}",
                action="append",
                default=[],
                metavar="NAME",
                help=f"leave out {what}; may be given several times",
            )
        parser.add_argument(
            "--type",
            choices=[str(each) for each in Kind],
            help="with pgBackRest: how much of the server (default: incr, and full "
            "where there is none)",
        )
        parser.add_argument(
            "--moved",
            action="store_true",
            help="the database has moved to this server: go on where the backups of "
            "the server before are",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="lock, count and check everything, but write nothing",
        )

    def operate(self, context: Context, options: dict[str, Any]) -> BackupReport:
        """Take the backup; tell those who want to know when it fails."""
        if options["dry_run"]:
            return self._take(context, options)
        with tell_failure(context, "backup", warn=self.stderr.write):
            report = self._take(context, options)
        tell_outcome(context, "backup", None, warn=self.stderr.write)
        return report

    def _take(self, context: Context, options: dict[str, Any]) -> BackupReport:
        level = Verified(options["level"]) if options["level"] else None
        kind = Kind(options["type"]) if options["type"] else None
        exclusions = Exclusions(
            schemas=_split(options, "exclude-schema"),
            tables=_split(options, "exclude-table"),
            rows=_split(options, "exclude-table-data"),
        )
        if uses_pgbackrest(context.settings, options["storage"]):
            if exclusions:
                raise UsageError(
                    "pgBackRest takes the whole server: nothing can be left out",
                    hint="take a dump with --storage DIR",
                )
            return back_up_physically(
                context,
                kind=kind,
                level=level,
                lock_wait_timeout_s=options["lock_wait_timeout"],
                dry_run=options["dry_run"],
            )
        if kind:
            raise UsageError(
                "--type is pgBackRest's: a dump is always full",
                hint='DBOPS["BACKUP_ENGINE"] = "pgbackrest", without --storage',
            )
        return back_up(
            context,
            storage=options["storage"],
            level=level,
            lock_wait_timeout_s=options["lock_wait_timeout"],
            jobs=options["jobs"],
            exclusions=exclusions,
            moved=options["moved"],
            dry_run=options["dry_run"],
        )

    def render(self, report: BackupReport) -> RenderableType:
        """Return the report's text."""
        return render_backup(report)


def _split(options: dict[str, Any], option: str) -> tuple[str, ...]:
    names: list[str] = []
    for given in options[option.replace("-", "_")]:
        listed = split_table_names(given)
        if not listed:
            raise UsageError(
                f"--{option} {given!r} names nothing",
                hint=f"leave the option out, or --{option} NAME",
            )
        names += listed
    return tuple(names)
