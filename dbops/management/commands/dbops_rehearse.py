"""`manage.py dbops_rehearse`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType
from rich.text import Text

from dbops.management.base import DbopsCommand, add_archive_options
from dbops.operations.context import Context
from dbops.operations.rehearse.rehearse import rehearse
from dbops.operations.rehearse.report import RehearseOptions, RehearseReport
from dbops.render.rehearse import render_rehearsal
from dbops.render.rehearse_markdown import render_markdown


class Command(DbopsCommand):
    """Is the next deployment boring?"""

    help = (
        "Run each pending migration forward, back and forward again on a scratch "
        "database, with the rows of a backup: what it locks and for how long, and "
        "whether its way back loses anything. The database itself is only read. "
        "Exit code 0: all lead there and back; 3: one fails, loses something, or "
        "blocks for longer than the budget."
    )

    def add_options(self, parser: CommandParser) -> None:
        """Declare what is copied, and what is put up with."""
        parser.add_argument(
            "--backup",
            default="latest",
            metavar="ID",
            help="backup to restore: an id or its beginning, latest (default), or new",
        )
        parser.add_argument(
            "--schema-only",
            action="store_true",
            help="copy no rows: build the schema from the migrations",
        )
        parser.add_argument(
            "--static",
            action="store_true",
            help="run nothing: say by rule what the SQL files of the migrations lock",
        )
        parser.add_argument(
            "--sample",
            type=float,
            metavar="PERCENT",
            help="copy only so much of the large tables; times are scaled",
        )
        parser.add_argument(
            "--migration",
            nargs=2,
            action="append",
            default=[],
            metavar=("APP", "NAME"),
            help="rehearse only this one of the pending migrations; may be repeated",
        )
        add_archive_options(
            parser, jobs_help="sessions that restore at a time (default: 2)"
        )
        parser.add_argument(
            "--markdown", action="store_true", help="write Markdown for a pull request"
        )
        parser.add_argument(
            "--allow-over-budget",
            action="append",
            default=[],
            metavar="APP.NAME",
            help='a migration that may block for longer than DBOPS["LOCK_BUDGET"]',
        )
        parser.add_argument(
            "--allow-lossy",
            action="append",
            default=[],
            metavar="APP.NAME",
            help="a migration whose way back may lose something",
        )

    def operate(self, context: Context, options: dict[str, Any]) -> RehearseReport:
        """Rehearse."""
        self.verbosity = options["verbosity"]
        self.markdown = options["markdown"]
        return rehearse(
            context,
            RehearseOptions(
                backup=options["backup"],
                schema_only=options["schema_only"],
                static=options["static"],
                sample_percent=options["sample"],
                only=tuple((app, name) for app, name in options["migration"]),
                storage=options["storage"],
                jobs=options["jobs"],
                allowed_over_budget=frozenset(options["allow_over_budget"]),
                allowed_lossy=frozenset(options["allow_lossy"]),
            ),
        )

    def render(self, report: RehearseReport) -> RenderableType:
        """Return a line a migration, what was found, and the verdict."""
        if self.markdown:
            return Text(render_markdown(report))
        return render_rehearsal(report, long=self.verbosity > 1)
