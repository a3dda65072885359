"""New migrations before they are applied: their SQL, and what it locks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dbops.core.hazards.predict import PredictedLock
from dbops.core.hazards.rule import Work
from dbops.operations.develop.apply import (
    ApplyReport,
    ShownMigration,
    ShownStatement,
)

WORK = {
    Work.SCAN: "while all rows are read",
    Work.BUILD: "while an index is built",
    Work.REWRITE: "while the table is rewritten",
}
WAITS = {
    "reads": "nobody may read or write",
    "writes": "nobody may write",
    "none": "others go on",
}


def render_shown(shown: Iterable[ShownMigration]) -> str:
    """Return each statement with the locks that it takes below it."""
    lines = []
    for migration in shown:
        lines.append(f"{migration.id} runs:")
        for each in migration.statements:
            ended = each.sql.strip().rstrip(";")
            lines += [f"  {line}" for line in f"{ended};".splitlines()]
            lines += [f"    -- {line}" for line in _tell_locks(each)]
        if not migration.statements:
            lines.append("  nothing: it changes the models alone")
    return "\n".join(lines)


def _tell_locks(each: ShownStatement) -> Iterator[str]:
    if not each.understood:
        yield "what it locks is not known"
    elif not each.locks:
        yield "keeps nobody waiting"
    for lock in each.locks:
        yield tell_lock(lock)


def tell_lock(lock: PredictedLock) -> str:
    """Return what a lock keeps others from, and for how long."""
    name = f"{lock.relation.schema}.{lock.relation.name}"
    length = WORK[lock.work] if lock.work else "for a moment"
    return f"{lock.mode.sql_name} on {name}: {WAITS[lock.mode.blocks]} {length}"


def render_applied(report: ApplyReport) -> str:
    """Return what was done; one line that answers."""
    named = ", ".join(report.applied)
    where = (
        "tried here and rolled back" if report.tried_here else "tried on a scratch copy"
    )
    return f"Applied {named}; the way back was {where}"
