"""Say how a half-done migration would be finished, and how undone; and undo it."""

from __future__ import annotations

from dbops.core.catalog import Catalog
from dbops.core.words import count_of
from dbops.errors import Refused
from dbops.operations.context import Context, watch_locks
from dbops.operations.deploy.apply import StatementLog
from dbops.operations.deploy.half_applied import find_half_applied, take_back_half
from dbops.operations.deploy.observing import describe_operation
from dbops.operations.deploy.report import DeployOptions, DeployReport, DeployState
from dbops.operations.deploy.run import (
    close_cut_off_run,
    install_ledger,
    open_run,
    record_step,
)
from dbops.operations.deploy.turn import open_turn
from dbops.operations.history import History, get_id, read_history
from dbops.operations.schema import (
    Expectation,
    Position,
    build_expectation,
    fetch_live_catalog,
    read_journal,
)


def expect(
    context: Context, history: History, live: Catalog, *, every_stage: bool
) -> Expectation:
    """Replay all migrations; of one that was cut off, its statements, too."""
    first = next(iter(history.pending), None)
    journal = read_journal(context, first)
    return build_expectation(context, history, live, journal, every_stage=every_stage)


def describe_resumption(history: History, position: Position) -> tuple[str, ...]:
    """Say of the first pending migration what is done, and what is left."""
    if not history.pending or not is_half_done(position):
        return ()
    migration = history.pending[0]
    lines = [f'"{get_id(migration)}" is half done, and would be finished:']
    for number, operation in enumerate(migration.operations, start=1):
        word = "is done" if number <= position.done else "would run"
        if number == position.done + 1 and position.statements:
            done = count_of(position.statements, "statement")
            word = f"would run, but for {done} that it has done"
        lines.append(f"  {number}. {describe_operation(operation)}: {word}")
    lines += [
        f"  index {name}, left INVALID by it, would be dropped first"
        for name in position.invalid_indexes
    ]
    return tuple(lines)


def is_half_done(position: Position) -> bool:
    """Say whether the first pending migration has left something."""
    return bool(position.done or position.statements or position.invalid_indexes)


def require_sense(
    options: DeployOptions, history: History, position: Position | None
) -> None:
    """Make sure that there is something to resume, where that was asked for.

    Raises:
        Refused: there is not.
    """
    half = position is not None and history.pending and is_half_done(position)
    if options.resume and not half:
        raise Refused(
            "no migration is half done, so there is nothing to resume",
            hint="manage.py dbops_deploy",
        )


def undo(context: Context, options: DeployOptions) -> DeployReport:
    """Take back what is done of the migration that was cut off.

    Raises:
        Refused: none was, or an operation of it has no way back.
        NeedsRepair: the schema is not the one before it even so.
    """
    if options.dry_run:
        return _undo(context, dry_run=True)
    with (
        open_turn(context, "deploy", wait_s=options.lock_wait_s) as (led, turn),
        watch_locks(led) as watched,
    ):
        turn.tell("undo")
        return _undo(watched, dry_run=False)


def _undo(context: Context, *, dry_run: bool) -> DeployReport:
    history = read_history(context)
    first = next(iter(history.pending), None)
    half = first and find_half_applied(context, history, first.app_label)
    if not half:
        raise Refused(
            "no migration is half done, so there is nothing to undo",
            hint="manage.py dbops_deploy",
        )
    name = get_id(half.migration)
    lines = [f'"{name}" is half done, and its operations would be undone:']
    lines += [
        f"  {number}. {words}"
        for number, words in reversed(tuple(enumerate(half.operations, start=1)))
    ]
    if dry_run:
        return DeployReport(
            state=DeployState.DRY_RUN, pending=(name,), notes=tuple(lines)
        )
    for line in lines:
        context.progress(line)
    notes = close_cut_off_run(context, history)
    install_ledger(context, history)
    before = fetch_live_catalog(context)
    log = StatementLog(context)
    with open_run(context, "deploy", before) as ledger:
        with record_step(
            context,
            ledger,
            half.migration,
            direction="backward",
            log=log,
            before=before,
        ):
            take_back_half(context, history, half, log)
        ledger.finish("reverted", after=fetch_live_catalog(context))
    return DeployReport(
        state=DeployState.REVERTED,
        reverted=(name,),
        deployment_id=ledger.deployment_id,
        notes=notes,
    )
