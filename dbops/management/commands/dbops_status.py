"""`manage.py dbops_status`."""

from __future__ import annotations

from typing import Any

from rich.console import RenderableType

from dbops.management.base import DbopsCommand
from dbops.operations.context import Context
from dbops.operations.status import StatusReport, read_status
from dbops.render.status import render_status


class Command(DbopsCommand):
    """Is it safe to deploy?"""

    help = (
        "Tell which migrations are applied, pending, unknown or failed. Reads only. "
        "Exit code 0: up to date; 3: anything else."
    )

    def operate(self, context: Context, options: dict[str, Any]) -> StatusReport:
        """Read the history and the ledger."""
        del options
        return read_status(context)

    def render(self, report: StatusReport) -> RenderableType:
        """Return facts and verdict."""
        return render_status(report)
