"""`manage.py dbops_push`."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from dbops.errors import UsageError
from dbops.management.base import DbopsCommand, add_change_options
from dbops.operations.context import Context
from dbops.operations.develop.push import PushPlan, PushReport, push
from dbops.render.development import render_push


class Command(DbopsCommand):
    """Make the database what the models say."""

    help = (
        "For development alone: change the schema into what the models say, without "
        "migrations; asks before anything that loses data. A later makemigrations and "
        "migrate go on from there. Refuses where DEBUG is off, the server is not on "
        "this machine, or the database is not marked as one for development."
    )

    def add_options(self, parser: CommandParser) -> None:
        """Declare what may be lost."""
        parser.add_argument(
            "--accept-data-loss",
            action="store_true",
            help="do not ask before dropping tables and columns that have rows",
        )
        add_change_options(parser)

    def operate(self, context: Context, options: dict[str, Any]) -> PushReport:
        """Push."""
        return push(
            context,
            agree=partial(self._agree, accepted=options["accept_data_loss"]),
            dry_run=options["dry_run"],
            lock_wait_s=options["lock_wait"],
        )

    def _agree(self, plan: PushPlan, *, accepted: bool) -> None:
        if accepted:
            return
        told = "\n".join(f"  {each}" for each in plan.loses)
        if not sys.stdin.isatty():
            raise UsageError(
                f"this loses data, and there is no terminal to ask on:\n{told}",
                hint="look first with --dry-run, then: manage.py dbops_push "
                "--accept-data-loss",
            )
        self.stderr.write(f"This loses data:\n{told}\n", ending="", style_func=str)
        self.stderr.write("Type yes to go on: ", ending="", style_func=str)
        self.stderr.flush()
        if input().strip() != "yes":
            raise UsageError("nothing was changed", hint="answer yes")

    def render(self, report: PushReport) -> RenderableType:
        """Return the SQL and what it did."""
        return render_push(report)
