"""`manage.py dbops_restore`: see `dbops.operations.restore`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from dbops.management.base import DbopsCommand, add_archive_options
from dbops.operations.context import Context
from dbops.operations.restore import RestoreReport, restore_backup
from dbops.render.restore import render_restore


class Command(DbopsCommand):
    help = "Restore a backup into a new database, and prove that it is the original."
    destructive = True
    effect = "creates"

    def find_subject(self, context: Context, options: dict[str, Any]) -> str:
        """Return the name of the new database."""
        del context
        return str(options["into"])

    def add_options(self, parser: CommandParser) -> None:
        """Declare which backup, and where it goes."""
        parser.add_argument(
            "backup", metavar="BACKUP", help="its id, the beginning of it, or latest"
        )
        parser.add_argument(
            "--into",
            required=True,
            metavar="NAME",
            help="name of the new database; it must not exist",
        )
        add_archive_options(
            parser, jobs_help="tables and indexes restored at a time (default: 2)"
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="verify the backup and the way, but create nothing",
        )

    def operate(self, context: Context, options: dict[str, Any]) -> RestoreReport:
        """Restore the backup."""
        return restore_backup(
            context.target,
            storage=options["storage"] or context.settings.backup_directory,
            backup_id=options["backup"],
            into=options["into"],
            pg_bin=context.settings.pg_bin,
            progress=context.progress,
            jobs=options["jobs"],
            dry_run=options["dry_run"],
        )

    def render(self, report: RestoreReport) -> RenderableType:
        """Return the report's text."""
        return render_restore(report)
