"""`manage.py dbops_deploy`."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from dbops.core.compatibility import Effect
from dbops.core.duration import parse_duration
from dbops.management.base import (
    DbopsCommand,
    add_change_options,
    add_yes_option,
)
from dbops.operations.context import Context
from dbops.operations.deploy.checklist import require_names
from dbops.operations.deploy.deploy import deploy
from dbops.operations.deploy.phase import PHASES
from dbops.operations.deploy.report import CutOff, DeployOptions, DeployReport
from dbops.render.deploy import render_deploy


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
        "back; 9 needs repair."
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
                watch_s=options["watch_s"],
            ),
        )

    def render(self, report: DeployReport) -> RenderableType:
        """Return steps and verdict."""
        return render_deploy(report)
