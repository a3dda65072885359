"""Everything that has to hold before a deployment changes anything."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dbops.core.catalog import Catalog, ObjectKind
from dbops.core.compatibility import Effect
from dbops.core.guards import GuardName
from dbops.core.migration import MigrationId
from dbops.core.proof import Proofs
from dbops.core.words import count_of
from dbops.operations.backup.backup import require_means
from dbops.operations.context import Context
from dbops.operations.deploy.checklist import (
    Checklist,
    look_at_proofs,
    look_at_surroundings,
    look_at_ways_back,
)
from dbops.operations.deploy.guard import require_clean_history, require_known_schema
from dbops.operations.deploy.phase import choose_left
from dbops.operations.deploy.proofs import list_rehearsable, read_proofs, rehearse_now
from dbops.operations.deploy.report import DeployOptions
from dbops.operations.deploy.resume import expect, is_half_done
from dbops.operations.history import LEDGER_APP, History, get_id
from dbops.operations.pgbackrest.engine import uses_pgbackrest
from dbops.operations.pgbackrest.way_back import require_way_back
from dbops.operations.schema import (
    Expectation,
    Position,
    fetch_live_catalog,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """What is known once the guards have been judged."""

    history: History
    """Without what this run leaves pending."""
    live: Catalog
    expectation: Expectation
    position: Position
    proofs: Proofs | None
    """None where nothing of the project's was rehearsed."""
    needs_rehearsal: bool = False
    """Whether it is to be rehearsed on the backup of this run."""


def judge_guards(
    context: Context, history: History, options: DeployOptions, checklist: Checklist
) -> Guarded:
    """Judge all that can be judged before the backup; changes nothing.

    Raises:
        Refused: the history or the schema is not what the migrations build.
        NeedsRepair: an operation on data was cut off.
        ToolFailed: there is nothing to take a backup with.
    """
    require_clean_history(context, history)
    live = fetch_live_catalog(context)
    proofs = read_proofs(context, history, live)
    if options.phase is not None:
        left = choose_left(history, options.phase, proofs)
        history = replace(history, left=left)
        proofs = read_proofs(context, history, live)
    checklist.tick(
        GuardName.HISTORY,
        f"{len(history.applied)} applied, {len(history.pending)} pending",
    )
    expectation = expect(
        context, history, live, every_stage=_wants_rehearsal(context, options, proofs)
    )
    position = require_known_schema(context, history, expectation, live, options)
    _judge_drift(position, checklist)
    look_at_surroundings(context, history, checklist)
    _judge_backup(context, options, checklist)
    guarded = Guarded(
        history=history,
        live=live,
        expectation=expectation,
        position=position,
        proofs=proofs,
    )
    return _judge_rehearsal(context, guarded, options, checklist)


def _wants_rehearsal(
    context: Context, options: DeployOptions, proofs: Proofs | None
) -> bool:
    """Say whether a copy shall show what nothing in the ledger does."""
    return proofs is None and options.rehearse and context.settings.rehearse


def _judge_drift(position: Position, checklist: Checklist) -> None:
    if position.is_known:
        where = f"goes on behind operation {position.done}" if position.done else "none"
        checklist.tick(GuardName.DRIFT, where)
        return
    found = count_of(len(position.comparison.differences), "difference")
    checklist.judge(GuardName.DRIFT, [found], "", hint="manage.py dbops_drift")


def _judge_backup(
    context: Context, options: DeployOptions, checklist: Checklist
) -> None:
    if not options.backup:
        checklist.waive(GuardName.BACKUP, "none is taken")
        return
    if uses_pgbackrest(context.settings):
        require_way_back(context)
    else:
        require_means(
            context.target,
            storage=context.settings.backup_directory,
            pg_bin=context.settings.pg_bin,
            dry_run=options.dry_run,
        )
    checklist.tick(GuardName.BACKUP, "can be taken")


def _judge_rehearsal(
    context: Context, guarded: Guarded, options: DeployOptions, checklist: Checklist
) -> Guarded:
    look_at_ways_back(context, guarded.history, checklist, guarded.proofs)
    if guarded.proofs is not None and guarded.proofs.migrations:
        _judge_proofs(checklist, guarded.proofs, options)
        return guarded
    if not list_rehearsable(guarded.history):
        checklist.skip(GuardName.REHEARSAL, "nothing of the project's is pending")
        return guarded
    if not _holds_anything(guarded):
        checklist.skip(GuardName.REHEARSAL, "the database is empty")
        return guarded
    if is_half_done(guarded.position) or not guarded.position.is_known:
        checklist.skip(GuardName.REHEARSAL, "a copy would not be at a known stage")
        return guarded
    if not options.rehearse or not context.settings.rehearse:
        said = "DBOPS" if options.rehearse else "--no-rehearse"
        checklist.waive(GuardName.REHEARSAL, f"not rehearsed ({said})")
        return guarded
    where = "its backup" if options.backup else "the schema alone"
    checklist.skip(GuardName.REHEARSAL, f"to be rehearsed on {where}")
    return replace(guarded, needs_rehearsal=True)


def _holds_anything(guarded: Guarded) -> bool:
    """Say whether there is a table that could be blocked, or lose something."""
    return bool(
        {each.app for each in guarded.history.applied} - {LEDGER_APP}
        or any(each.kind is ObjectKind.TABLE for each in guarded.live.objects)
    )


def _judge_proofs(checklist: Checklist, proofs: Proofs, options: DeployOptions) -> None:
    look_at_proofs(checklist, proofs)
    if options.phase is Effect.EXPAND:
        checklist.tick(GuardName.OLD_RELEASE, "what expands breaks nothing")


def rehearse_guarded(
    context: Context,
    guarded: Guarded,
    options: DeployOptions,
    checklist: Checklist,
    *,
    backup_id: str | None,
) -> Guarded:
    """Rehearse what was not, and judge what it shows.

    Raises:
        Refused, ToolFailed, ServerFailed: as `rehearse`.
    """
    proofs = rehearse_now(
        context,
        guarded.history,
        guarded.expectation,
        guarded.live,
        backup_id=backup_id,
    )
    _judge_proofs(checklist, proofs, options)
    look_at_ways_back(context, guarded.history, checklist, proofs)
    return replace(guarded, proofs=proofs, needs_rehearsal=False)


def list_pending(guarded: Guarded) -> tuple[MigrationId, ...]:
    """Return what this run will apply."""
    return tuple(map(get_id, guarded.history.pending))
