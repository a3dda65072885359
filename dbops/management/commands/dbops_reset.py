"""`manage.py dbops_reset`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from dbops.management.base import DbopsCommand
from dbops.operations.context import Context
from dbops.operations.develop.development import require_development
from dbops.operations.develop.reset import ResetReport, mark, reset
from dbops.render.development import render_reset


class Command(DbopsCommand):
    """Begin again."""

    help = (
        "For development alone: drop the database with all that is in it, make it "
        'anew, apply all migrations, and fill it with the command in DBOPS["SEED"]. '
        "Refuses where DEBUG is off, the server is not on this machine, or the "
        "database is not marked as one for development."
    )
    destructive = True
    effect = "drops, and makes anew,"

    def add_options(self, parser: CommandParser) -> None:
        """Declare what may be left out."""
        parser.add_argument(
            "--mark-development",
            action="store_true",
            help="only mark the database as one for development: nobody needs what is "
            "in it",
        )
        parser.add_argument(
            "--no-seed", action="store_false", dest="seed", help="leave it empty"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="the same report, and nothing done"
        )

    def _confirm(self, context: Context, options: dict[str, Any]) -> None:
        """Ask, but not about what will be refused."""
        if options["mark_development"]:
            return
        require_development(context)
        super()._confirm(context, options)

    def operate(self, context: Context, options: dict[str, Any]) -> ResetReport:
        """Mark, or begin again."""
        if options["mark_development"]:
            return mark(context)
        return reset(context, seed=options["seed"], dry_run=options["dry_run"])

    def render(self, report: ResetReport) -> RenderableType:
        """Return what was done."""
        return render_reset(report)
