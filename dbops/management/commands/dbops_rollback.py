"""`manage.py dbops_rollback`."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from dbops.errors import UsageError
from dbops.management.base import DbopsCommand, add_change_options
from dbops.operations.context import Context
from dbops.operations.deploy.goal import Goal, ToDeployment, ToMigration
from dbops.operations.deploy.loss_quote import quote_goal
from dbops.operations.deploy.rollback import roll_back
from dbops.operations.deploy.rollback_plan import RollbackReport
from dbops.operations.rehearse.rollback import rehearse_rollback
from dbops.render.rollback import render_rollback


class Command(DbopsCommand):
    """Go back to an earlier migration, or to before a deployment."""

    help = (
        "Take back each applied migration after NAME, or all that were applied in a "
        "deployment and after it, by its down.sql, newest first and across apps, each "
        "in one transaction with its history row and only when the schema comes out as "
        "it was before. Exit codes: 4 refused; 8 put back; 9 some were taken back."
    )
    destructive = True

    def add_options(self, parser: CommandParser) -> None:
        """Declare where to go back to."""
        parser.add_argument(
            "app_label", metavar="APP", nargs="?", help="label of the app"
        )
        parser.add_argument(
            "migration",
            metavar="NAME",
            nargs="?",
            help='migration to go back to (or its beginning), or "zero"',
        )
        parser.add_argument(
            "--to-deployment",
            metavar="ID",
            help="instead: undo this deployment and what was applied after it (see "
            "dbops_history; the beginning of the id will do)",
        )
        parser.add_argument(
            "--rehearse",
            action="store_true",
            help="first take the same back on a restored backup, and go on only when "
            "that went well",
        )
        parser.add_argument(
            "--backup",
            metavar="ID",
            help="the backup to rehearse on: its id, latest, or new (default: latest)",
        )
        add_change_options(parser)

    def _run(self, options: dict[str, Any]) -> object:
        # Before anybody is asked.
        self.goal = _read_goal(options)
        return super()._run(options)

    def _confirm(self, context: Context, options: dict[str, Any]) -> None:
        if not options["yes"] and sys.stdin.isatty():
            quote = quote_goal(context, self.goal)
            for line in (*quote.losses, *quote.notes):
                self.stderr.write(str(line), style_func=str)
        super()._confirm(context, options)

    def operate(self, context: Context, options: dict[str, Any]) -> RollbackReport:
        """Take back what came after it."""
        rehearsal = None
        if options["rehearse"]:
            rehearsal = rehearse_rollback(
                context, self.goal, backup=options["backup"] or "latest"
            )
        report = roll_back(
            context,
            self.goal,
            dry_run=options["dry_run"],
            lock_wait_s=options["lock_wait"],
        )
        return replace(report, rehearsal=rehearsal)

    def render(self, report: RollbackReport) -> RenderableType:
        """Return what was taken back."""
        return render_rollback(report)


def _read_goal(options: dict[str, Any]) -> Goal:
    if options["backup"] and not options["rehearse"]:
        raise UsageError(
            "--backup names what --rehearse is done on",
            hint="add --rehearse, or take a backup: manage.py dbops_backup",
        )
    app, name = options["app_label"], options["migration"]
    run = options["to_deployment"]
    if run and not app:
        return ToDeployment(run=run)
    if app and name and not run:
        return ToMigration(app=app, name=name)
    raise UsageError(
        "say where to go back to: APP and NAME, or --to-deployment ID",
        hint="manage.py dbops_rollback APP zero, or see manage.py dbops_history",
    )
