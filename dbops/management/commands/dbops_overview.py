"""`manage.py dbops_overview`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from dbops.management.base import DbopsCommand
from dbops.operations.backup.backups import open_storage
from dbops.operations.backup.check import write_gauges, write_metrics
from dbops.operations.context import Context
from dbops.operations.overview.metrics import build_gauges
from dbops.operations.overview.overview import read_overview
from dbops.operations.overview.report import OverviewReport
from dbops.render.overview import render_overview


class Command(DbopsCommand):
    """Is it safe to deploy now?"""

    help = (
        "Tell whether it is safe to deploy now, and why not: what the operations page "
        "of the admin site shows. Reads only, makes no scratch database, and waits for "
        "nobody longer than a second. Exit code 0: safe; 3: something stops it."
    )

    def add_options(self, parser: CommandParser) -> None:
        """Declare where the numbers go."""
        parser.add_argument(
            "--prometheus",
            type=Path,
            metavar="FILE",
            help="write metrics for the exporter's text file collector",
        )

    def operate(self, context: Context, options: dict[str, Any]) -> OverviewReport:
        """Look at everything; write the numbers where they are wanted."""
        report = read_overview(context)
        if options["prometheus"]:
            _, database = open_storage(context, None)
            gauges = build_gauges(report)
            write_metrics(options["prometheus"], write_gauges(gauges, database))
        return report

    def render(self, report: OverviewReport) -> RenderableType:
        """Return facts, reasons and verdict."""
        return render_overview(report)
