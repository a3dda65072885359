"""`manage.py dbops_deploy`."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import CommandParser
from django.db import DEFAULT_DB_ALIAS
from rich.console import RenderableType

from dbops.core.compatibility import Effect
from dbops.core.duration import parse_duration
from dbops.management.base import (
    DbopsCommand,
    add_change_options,
    add_yes_option,
)
from dbops.management.fleet import (
    add_fleet_options,
    read_fleet_options,
    require_no_fleet,
)
from dbops.operations.context import Context
from dbops.operations.deploy.checklist import require_names
from dbops.operations.deploy.deploy import deploy
from dbops.operations.deploy.fleet import FleetReport, deploy_fleet
from dbops.operations.deploy.phase import PHASES
from dbops.operations.deploy.report import CutOff, DeployOptions, DeployReport
from dbops.render.deploy import render_deploy
from dbops.render.fleet import render_fleet


def read_duration(text: str) -> float:
    """Return the seconds of an option.

    Raises:
        ArgumentTypeError: it is no duration.
    """
    duration_s = parse_duration(text)
    if not duration_s:
        raise argparse.ArgumentTypeError(f'"{text}" is no time such as 90s, 5m or 1h')
    return duration_s


class Command(DbopsCommand):
    """Apply what is pending."""

    help = (
        "Back up, apply the pending migrations, verify the schema and record it; put "
        "everything back when that fails. Exit codes: 0 deployed or up to date; 4 "
        "refused; 5 busy; 6 backup failed; 7 failed, nothing changed; 8 failed, put "
        "back; 9 needs repair. With --databases: that of the one that matters most."
    )

    def add_options(self, parser: CommandParser) -> None:
        """Declare what may be chosen for one deployment."""
        add_change_options(parser)
        parser.add_argument(
            "--no-backup",
            action="store_false",
            dest="backup",
            help="do without the backup: nothing to restore when all else fails",
        )
        parser.add_argument(
            "--no-rehearse",
            action="store_false",
            dest="rehearse",
            help="do not run on a copy what was not rehearsed today",
        )
        parser.add_argument(
            "--no-revert",
            action="store_false",
            dest="revert",
            help="when verification fails, stop and leave it to a person",
        )
        parser.add_argument(
            "--plan",
            action="store_true",
            dest="dry_run",
            help="the same as --dry-run",
        )
        parser.add_argument(
            "--phase",
            choices=[each.value for each in PHASES],
            help="only what expands the schema, before the release; or the rest, after",
        )
        parser.add_argument(
            "--allow",
            action="append",
            default=[],
            metavar="GUARD",
            help="let a guard pass that does not hold: checks, doctor, drift, "
            "rehearsal, way-back, lock-budget, old-release; the ledger keeps it",
        )
        parser.add_argument(
            "--allow-drift",
            action="append_const",
            const="drift",
            dest="allow",
            help="the same as --allow drift",
        )
        parser.add_argument(
            "--cut-off",
            choices=[each.value for each in CutOff if each is not CutOff.ASK],
            default=CutOff.ASK.value,
            help="what to do with an operation on data that was cut off, once a person "
            "has looked",
        )
        way = parser.add_mutually_exclusive_group()
        way.add_argument(
            "--resume",
            action="store_true",
            help="finish a migration that was cut off, and go on; refused where none "
            "was (with --dry-run: say what is done of it)",
        )
        way.add_argument(
            "--undo",
            action="store_true",
            help="take back what is done of a migration that was cut off, and deploy "
            "nothing (with --dry-run: say what that is)",
        )
        add_fleet_options(parser)
        parser.add_argument(
            "--watch",
            type=read_duration,
            dest="watch_s",
            metavar="TIME",
            help="look at the server for so long afterwards (90s, 5m), and go back "
            "when it fares worse",
        )
        add_yes_option(
            parser, help_text="accepted for scripts; a deployment asks nothing"
        )

    def create_parser(
        self, prog_name: str, subcommand: str, **kwargs: Any
    ) -> CommandParser:
        """Keep it: what is passed on to each database is told by its options."""
        self.parser = super().create_parser(prog_name, subcommand, **kwargs)
        return self.parser

    def handle(self, *args: Any, **options: Any) -> None:
        """Name what is deployed: one database, or all of a fleet."""
        named = options["database"]
        subject = options["databases"] or named or DEFAULT_DB_ALIAS
        super().handle(*args, **options | {"named": named, "database": subject})

    def _run(self, options: dict[str, Any]) -> object:
        if options["databases"] is None:
            require_no_fleet(self.parser, options)
            return super()._run(options)
        fleet = read_fleet_options(
            self.parser,
            options,
            from_command_line=bool(self.parser.called_from_command_line),
        )
        return deploy_fleet(fleet, self._build_progress(options))

    def operate(self, context: Context, options: dict[str, Any]) -> DeployReport:
        """Deploy."""
        return deploy(
            context,
            DeployOptions(
                dry_run=options["dry_run"],
                backup=options["backup"],
                rehearse=options["rehearse"],
                revert=options["revert"],
                allowed=require_names(options["allow"]),
                phase=Effect(options["phase"]) if options["phase"] else None,
                cut_off=CutOff(options["cut_off"]),
                lock_wait_s=options["lock_wait"],
                resume=options["resume"],
                undo=options["undo"],
                watch_s=options["watch_s"],
            ),
        )

    def render(self, report: DeployReport | FleetReport) -> RenderableType:
        """Return steps and verdict, or a line a database."""
        if isinstance(report, FleetReport):
            return render_fleet(report)
        return render_deploy(report)
