"""Rehearse a way back: all of it, as it will be, on a copy."""

from __future__ import annotations

import time
from dataclasses import replace

from dbops.errors import DbopsError, Refused
from dbops.operations.context import Context
from dbops.operations.deploy.goal import Exactly, Goal, list_backwards
from dbops.operations.deploy.rollback import roll_back
from dbops.operations.deploy.rollback_plan import (
    RollbackRehearsal,
    RollbackReport,
    build_plan,
)
from dbops.operations.history import get_id, read_history
from dbops.operations.rehearse.database import open_copy
from dbops.operations.rehearse.report import RehearseOptions


def rehearse_rollback(
    context: Context, goal: Goal, *, backup: str = "latest"
) -> RollbackRehearsal | None:
    """Take the same migrations back on a copy, with the same proofs; None if there are
    none. What is half applied is not there on the copy.

    Raises:
        Refused: one of them has no way back, or it failed there; nothing was changed.
        Everything that `open_copy` raises.
    """
    history = read_history(context)
    migrations = tuple(map(get_id, list_backwards(context, history, goal)))
    if not migrations:
        return None
    build_plan(context, history, goal)
    exactly = Exactly(told=str(goal), migrations=migrations)
    with open_copy(context, history, RehearseOptions(backup=backup)) as copy:
        started = time.monotonic()
        try:
            report = roll_back(_speak_of_copy(context), exactly)
        except DbopsError as error:
            raise Refused(
                f"on a copy of backup {copy.backup_id} the way back failed: "
                f"{error.message}; nothing was changed",
                hint=error.hint,
                report=_leave_unapplied(error.report),
            ) from error
        return RollbackRehearsal(
            backup_id=copy.backup_id or "",
            taken_at=copy.taken_at,
            duration_s=round(time.monotonic() - started, 3),
            unapplied=report.unapplied,
            notes=copy.notes,
        )


def _leave_unapplied(report: object) -> object:
    """Return the report without what was taken back on the copy alone."""
    if not isinstance(report, RollbackReport):
        return report
    return replace(report, unapplied=())


def _speak_of_copy(context: Context) -> Context:
    return replace(
        context,
        # A restore point is of the whole server: none for a copy.
        settings=replace(context.settings, backup_engine="dump"),
        progress=lambda line: context.progress(f"on the copy: {line}"),
    )
