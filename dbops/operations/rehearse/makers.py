"""Which migration had made what the way back of another one loses."""

from __future__ import annotations

from dataclasses import replace

from dbops.core.catalog import ObjectKind
from dbops.core.origins import Origins
from dbops.core.rehearsal import Loss
from dbops.operations.context import Context
from dbops.operations.drift.expected import measure
from dbops.operations.history import History
from dbops.operations.rehearse.report import MigrationRehearsal, RehearseReport
from dbops.operations.schema import fetch_live_catalog

KINDS = frozenset(each.value for each in ObjectKind)


def name_makers(
    context: Context, history: History, report: RehearseReport
) -> RehearseReport:
    """Name the applied migration that made each object which is lost.

    What the applied migrations build is kept between runs, so this mostly needs no
    scratch database; where nothing is lost, it needs none at all.
    """
    if not any(
        _lacks_maker(loss) for each in report.migrations for loss in each.losses
    ):
        return report
    live = fetch_live_catalog(context)
    origins = measure(context, history, live).origins
    return replace(
        report, migrations=tuple(_name(each, origins) for each in report.migrations)
    )


def _lacks_maker(loss: Loss) -> bool:
    return loss.migration is None and loss.kind in KINDS


def _name(each: MigrationRehearsal, origins: Origins) -> MigrationRehearsal:
    losses = tuple(
        replace(loss, migration=origins.get((ObjectKind(loss.kind), loss.name)))
        if _lacks_maker(loss)
        else loss
        for loss in each.losses
    )
    return replace(each, losses=losses)
