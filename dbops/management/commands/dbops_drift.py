"""`manage.py dbops_drift`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from dbops.management.base import DbopsCommand
from dbops.operations.context import Context
from dbops.operations.drift.adopt import FollowReport, follow_drift
from dbops.operations.drift.drift import DriftOptions, DriftReport, find_drift
from dbops.operations.drift.journal import JournalAction, JournalReport, set_up_journal
from dbops.render.drift import render_drift, render_follow, render_journal


class Command(DbopsCommand):
    """Is the live schema what the migrations build?"""

    help = (
        "Compare the live schema with what the applied migrations build in a scratch "
        "database. Changes nothing. Exit code 0: no drift; 3: drift."
    )

    def add_options(self, parser: CommandParser) -> None:
        """Declare what may be chosen."""
        action = parser.add_mutually_exclusive_group()
        action.add_argument(
            "--sql",
            action="store_true",
            help="write the SQL that would put the database back; it is only played on "
            "a scratch database",
        )
        action.add_argument(
            "--adopt",
            nargs="?",
            const="",
            metavar="APP",
            help="write a migration that makes the project follow the database; APP "
            "where it could be that of several apps",
        )
        action.add_argument(
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
    ) -> DriftReport | FollowReport | JournalReport:
        """Compare, write a migration, or look after the journal."""
        if options["journal"]:
            return set_up_journal(context, JournalAction(options["journal"]))
        chosen = DriftOptions(
            use_cache=options["use_cache"],
            sql=options["sql"],
            lock_wait_s=options["lock_wait"],
        )
        if options["adopt"] is not None:
            return follow_drift(context, chosen, options["adopt"] or None)
        return find_drift(context, chosen)

    def render(
        self, report: DriftReport | FollowReport | JournalReport
    ) -> RenderableType:
        """Return facts, differences and verdict."""
        match report:
            case DriftReport():
                return render_drift(report)
            case FollowReport():
                return render_follow(report)
            case JournalReport():
                return render_journal(report)
