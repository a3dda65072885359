"""`manage.py dbops_baseline`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from dbops.management.base import DbopsCommand, add_change_options
from dbops.operations.adopt.baseline import BaselineReport, run_baseline
from dbops.operations.context import Context
from dbops.render.baseline import render_baseline


class Command(DbopsCommand):
    """Adopt an existing database."""

    help = (
        "Record the initial migrations as applied, without running them, after proof "
        "that everything they would create is there and equal. Exit code 4: something "
        "is missing, extra or different, and nothing was changed."
    )
    destructive = True

    def add_options(self, parser: CommandParser) -> None:
        """Declare --dry-run and --lock-wait."""
        add_change_options(parser)

    def operate(self, context: Context, options: dict[str, Any]) -> BaselineReport:
        """Prove, then record."""
        return run_baseline(
            context, dry_run=options["dry_run"], lock_wait_s=options["lock_wait"]
        )

    def render(self, report: BaselineReport) -> RenderableType:
        """Return what was adopted, or the differences."""
        return render_baseline(report)
