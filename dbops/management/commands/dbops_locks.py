"""`manage.py dbops_locks`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from dbops.management.base import DbopsCommand
from dbops.operations.context import Context
from dbops.operations.locks import MIN_WAIT_S, LocksOptions, LocksReport, look
from dbops.render.locks import render_locks


class Command(DbopsCommand):
    """Who blocks whom?"""

    help = (
        "Tell who waits for whom, since when, and what is safe to do about it. Waits "
        "for nobody itself. Exit code 0: nobody waits as long as --min-wait; 3: "
        "somebody does."
    )

    def add_options(self, parser: CommandParser) -> None:
        """Declare what to look at."""
        parser.add_argument(
            "--table", default="", metavar="NAME", help="only this table"
        )
        parser.add_argument("--pid", type=int, metavar="PID", help="only this session")
        parser.add_argument(
            "--min-wait",
            type=float,
            default=MIN_WAIT_S,
            metavar="SECONDS",
            help=f"waits that count (default: {MIN_WAIT_S:g})",
        )

    def operate(self, context: Context, options: dict[str, Any]) -> LocksReport:
        """Look."""
        return look(
            context,
            LocksOptions(
                table=options["table"],
                pid=options["pid"],
                min_wait_s=options["min_wait"],
            ),
        )

    def render(self, report: LocksReport) -> RenderableType:
        """Return roots, queues and verdict."""
        return render_locks(report)
