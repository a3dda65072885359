"""`manage.py dbops_backup`: see `dbops.operations.backup`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from dbops.management.base import DbopsCommand, add_archive_options
from dbops.operations.back_up import back_up
from dbops.operations.backup import BackupReport
from dbops.operations.context import Context
from dbops.render.backup import render_backup


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
            "--dry-run",
            action="store_true",
            help="lock, count and check everything, but write nothing",
        )

    def operate(self, context: Context, options: dict[str, Any]) -> BackupReport:
        """Take the backup."""
        return back_up(
            context,
            storage=options["storage"],
            lock_wait_timeout_s=options["lock_wait_timeout"],
            jobs=options["jobs"],
            dry_run=options["dry_run"],
        )

    def render(self, report: BackupReport) -> RenderableType:
        """Return the report's text."""
        return render_backup(report)
