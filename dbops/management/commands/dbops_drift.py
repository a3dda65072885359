"""`manage.py dbops_drift`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from dbops.management.base import DbopsCommand
from dbops.operations.context import Context
from dbops.operations.drift import DriftOptions, DriftReport, find_drift
from dbops.operations.journal import JournalAction, JournalReport, set_up_journal
from dbops.render.drift import render_drift, render_journal


class Command(DbopsCommand):
    """Is the live schema what the migrations build?"""

    help = (
        "Compare the live schema with what the applied migrations build in a scratch "
        "database. Changes nothing. Exit code 0: no drift; 3: drift."
    )

    def add_options(self, parser: CommandParser) -> None:
        """Declare what may be chosen."""
        parser.add_argument(
            "--sql",
            action="store_true",
            help="write the SQL that would put the database back; nothing is run",
        )
        parser.add_argument(
            "--journal",
            choices=["install", "remove", "sql"],
            help="have the server note who runs DDL, by an event trigger; stop that; "
            "or write the SQL for a superuser to run",
        )
        parser.add_argument(
            "--no-cache",
            action="store_false",
            dest="use_cache",
            help="build what the migrations make anew, whatever is known of them",
        )
        parser.add_argument(
            "--lock-wait",
            type=float,
            default=30.0,
            metavar="SECONDS",
            help="how long to wait for a deployment to finish (default: 30)",
        )

    def operate(
        self, context: Context, options: dict[str, Any]
    ) -> DriftReport | JournalReport:
        """Compare, or look after the journal."""
        if options["journal"]:
            return set_up_journal(context, JournalAction(options["journal"]))
        return find_drift(
            context,
            DriftOptions(
                use_cache=options["use_cache"],
                sql=options["sql"],
                lock_wait_s=options["lock_wait"],
            ),
        )

    def render(self, report: DriftReport | JournalReport) -> RenderableType:
        """Return facts, differences and verdict."""
        if isinstance(report, JournalReport):
            return render_journal(report)
        return render_drift(report)
