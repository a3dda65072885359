"""`manage.py dbops_check`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from dbops.errors import UsageError
from dbops.management.base import DbopsCommand
from dbops.operations.check import CheckReport, check_migrations
from dbops.operations.context import Context
from dbops.render.check import render_check, render_github


class Command(DbopsCommand):
    """Are the migrations fit to be deployed?"""

    help = (
        "Check the project's migrations: names, SQL files, edits after they were "
        "applied, enums, indexes, models without a migration. Changes nothing; plays "
        "the migrations on a scratch database. Exit code 0: nothing found; 3: "
        "errors or warnings."
    )

    def add_options(self, parser: CommandParser) -> None:
        """Declare what to look at, and how to tell."""
        parser.add_argument(
            "labels",
            nargs="*",
            metavar="app_label",
            help="only these apps (default: all of the project)",
        )
        parser.add_argument(
            "--no-server",
            action="store_true",
            help="only what needs no connection to the database",
        )
        parser.add_argument(
            "--github",
            action="store_true",
            help="write annotations for GitHub Actions",
        )

    def operate(self, context: Context, options: dict[str, Any]) -> CheckReport:
        """Apply the rules."""
        self.github: bool = options["github"]
        if self.github and options["json"]:
            raise UsageError("--github does not go with --json", hint="choose one")
        return check_migrations(
            context, options["labels"], server=not options["no_server"]
        )

    def render(self, report: CheckReport) -> RenderableType:
        """Return the findings and the verdict."""
        return render_github(report) if self.github else render_check(report)
