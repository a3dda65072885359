"""`manage.py dbops_pull`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from dbops.management.base import DbopsCommand
from dbops.operations.context import Context
from dbops.operations.pull.pull import PullReport, pull
from dbops.operations.pull.source import PullOptions
from dbops.render.pull import render_pull


class Command(DbopsCommand):
    """Models for the database that is there."""

    help = (
        "Write models for the tables and views that no installed app has, and a first "
        "migration that makes the same database. Changes nothing in the database. "
        "Exit code 0: done; 3: the proof found differences."
    )

    def add_options(self, parser: CommandParser) -> None:
        """Declare what is pulled, and where it goes."""
        parser.add_argument(
            "names",
            nargs="*",
            metavar="TABLE",
            help="tables and views, with * and with their schema; default all",
        )
        parser.add_argument(
            "--app",
            metavar="LABEL",
            help="label of the app that the models are for (default: the directory's "
            'name, or "pulled")',
        )
        parser.add_argument("--schema", metavar="NAME", help="only what is in it")
        parser.add_argument(
            "--output",
            metavar="DIR",
            help="write models.py and migrations/0001_initial.py there, proven; "
            "without it models.py goes to stdout",
        )
        parser.add_argument(
            "--check",
            action="store_true",
            help="only prove it: migrate an empty scratch database, and compare",
        )

    def operate(self, context: Context, options: dict[str, Any]) -> PullReport:
        """Write, and prove."""
        output = options["output"]
        usual = Path(output).resolve().name if output else "pulled"
        chosen = PullOptions(
            names=tuple(options["names"]),
            app=options["app"] or usual,
            schema=options["schema"],
            output=output,
            check=options["check"],
        )
        return pull(context, chosen)

    def render(self, report: PullReport) -> RenderableType:
        """Return the models, or the proof."""
        return render_pull(report)
