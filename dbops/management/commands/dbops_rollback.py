"""`manage.py dbops_rollback`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from dbops.management.base import (
    DbopsCommand,
    add_change_options,
    add_migration_arguments,
)
from dbops.operations.context import Context
from dbops.operations.deploy.rollback import roll_back
from dbops.operations.deploy.rollback_plan import RollbackReport
from dbops.render.rollback import render_rollback


class Command(DbopsCommand):
    """Go back to an earlier migration."""

    help = (
        "Take back each applied migration after NAME by its down.sql, newest first and "
        "across apps, each in one transaction with its history row and only when the "
        "schema comes out as it was before. Exit codes: 4 refused; 8 put back; 9 some "
        "were taken back."
    )
    destructive = True

    def add_options(self, parser: CommandParser) -> None:
        """Declare the migration to go back to."""
        add_migration_arguments(
            parser, name_help='migration to go back to (or its beginning), or "zero"'
        )
        add_change_options(parser)

    def operate(self, context: Context, options: dict[str, Any]) -> RollbackReport:
        """Take back what came after it."""
        return roll_back(
            context,
            options["app_label"],
            options["migration"],
            dry_run=options["dry_run"],
            lock_wait_s=options["lock_wait"],
        )

    def render(self, report: RollbackReport) -> RenderableType:
        """Return what was taken back."""
        return render_rollback(report)
