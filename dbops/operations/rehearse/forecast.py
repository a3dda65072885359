"""What the real server will feel of what was rehearsed, and whether it is too much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dbops.core.forecast import LiveTable, build_forecasts
from dbops.core.lock_budget import (
    BadBudget,
    LockBudget,
    find_over_budget,
    read_budget,
)
from dbops.core.migration import MigrationId
from dbops.errors import UsageError
from dbops.operations.context import Context
from dbops.operations.rehearse.report import RehearseReport

Sizes = dict[MigrationId, dict[str, int]]
"""The tables of the copy before each migration, in bytes."""


def read_lock_budget(context: Context) -> LockBudget:
    """Return how long a migration may block.

    Raises:
        UsageError: the setting cannot be read.
    """
    try:
        return read_budget(context.settings.lock_budget)
    except BadBudget as error:
        raise UsageError(
            f'DBOPS["LOCK_BUDGET"] cannot be read: {error}',
            hint='use {"reads_s": 1, "writes_s": 3, "above": {"1GB": {"reads_s": 1}}}',
        ) from error


def forecast(
    report: RehearseReport,
    sizes: Sizes,
    live: Mapping[str, LiveTable],
    budget: LockBudget,
) -> RehearseReport:
    """Return the report with what the real server's tables will feel."""
    migrations = []
    for each in report.migrations:
        forecasts = build_forecasts(
            each.blocked, each.locks, each.statements, sizes.get(each.id, {}), live
        )
        over = find_over_budget(
            [
                (one.table, one.size_bytes, one.reads_s, one.writes_s)
                for one in forecasts
            ],
            budget,
        )
        migrations.append(replace(each, forecasts=forecasts, over_budget=over))
    return replace(report, migrations=tuple(migrations))
