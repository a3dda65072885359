"""`manage.py dbops_doctor`."""

from __future__ import annotations

from typing import Any

from rich.console import RenderableType

from dbops.management.base import DbopsCommand
from dbops.operations.context import Context
from dbops.operations.doctor.doctor import DoctorReport, examine
from dbops.render.doctor import render_doctor


class Command(DbopsCommand):
    """What will break later?"""

    help = (
        "Look for what breaks a deployment, a backup or the server later, and tell the "
        "cure. Reads only, and waits for nobody. "
        "Exit code 0: nothing but notes; 3: errors or warnings."
    )

    def operate(self, context: Context, options: dict[str, Any]) -> DoctorReport:
        """Look at everything."""
        del options
        return examine(context)

    def render(self, report: DoctorReport) -> RenderableType:
        """Return findings, cures and verdict."""
        return render_doctor(report)
