"""`manage.py dbops_inspect`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from dbops.management.base import DbopsCommand
from dbops.operations.context import Context
from dbops.operations.develop.inspect import InspectOptions, InspectReport, inspect
from dbops.render.inspect import render_inspect


class Command(DbopsCommand):
    """What is in the database?"""

    help = (
        "Show tables, views, types, sequences, functions and grants; of the tables "
        "named, all their parts and who refers to them. Reads only, and waits for no "
        "lock."
    )

    def add_options(self, parser: CommandParser) -> None:
        """Declare which relations, and how they are shown."""
        parser.add_argument(
            "names",
            nargs="*",
            metavar="TABLE",
            help="tables and views, with * and with their schema; default all",
        )
        parser.add_argument(
            "--mermaid",
            action="store_true",
            help="write a Mermaid ER diagram to stdout; of the tables named, with "
            "their neighbours",
        )
        parser.add_argument(
            "--diagram",
            metavar="FILE.svg",
            help="draw the ER diagram with Graphviz",
        )

    def operate(self, context: Context, options: dict[str, Any]) -> InspectReport:
        """Read, and draw."""
        chosen = InspectOptions(
            names=tuple(options["names"]),
            mermaid=options["mermaid"],
            diagram=options["diagram"],
        )
        return inspect(context, chosen)

    def render(self, report: InspectReport) -> RenderableType:
        """Return the list, or the details."""
        return render_inspect(report)
