"""Take back the operations of a non-atomic migration that was left half done."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.migrations import Migration

from dbops.core.words import count_of
from dbops.errors import NeedsRepair, Refused
from dbops.operations.context import Context
from dbops.operations.deploy.apply import StatementLog, open_patient_session
from dbops.operations.deploy.observing import describe_operation
from dbops.operations.deploy.settle import clean_up
from dbops.operations.history import History, get_id
from dbops.operations.kept.give_back import fill_in
from dbops.operations.schema import (
    Expectation,
    Position,
    build_expectation,
    fetch_live_catalog,
    find_position,
)
from dbops.postgres.ledger_reading import fetch_journal, ledger_exists


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfApplied:
    """A pending migration of which the database has the first operations."""

    migration: Migration
    position: Position
    expectation: Expectation

    @property
    def operations(self) -> tuple[str, ...]:
        """What is done of it, in order."""
        done = self.migration.operations[: self.position.done]
        return tuple(describe_operation(each) for each in done)


def find_half_applied(
    context: Context, history: History, app: str
) -> HalfApplied | None:
    """Return the app's next migration when it was left half done.

    Looks at the schema only where the ledger has a word on single operations.

    Raises:
        Refused: it cannot be told how far it came, or an operation has no way back.
    """
    connection = context.connect()
    migration = next(iter(history.pending), None)
    if (
        migration is None
        or migration.atomic
        or migration.app_label != app
        or not ledger_exists(connection)
    ):
        return None
    journal = fetch_journal(connection, get_id(migration))
    if not journal.done and not journal.statements and journal.cut_off is None:
        return None
    live = fetch_live_catalog(context)
    expectation = build_expectation(context, history, live, journal)
    position = find_position(
        expectation.rules,
        expectation.applied,
        expectation.stages[get_id(migration)],
        live,
        journal,
        partial=expectation.partial,
    )
    _require_way_back(migration, position)
    if not position.done and not position.invalid_indexes:
        return None
    return HalfApplied(migration=migration, position=position, expectation=expectation)


def _require_way_back(migration: Migration, position: Position) -> None:
    name = get_id(migration)
    if not position.is_known:
        raise Refused(
            f'"{name}" is half applied, and the schema is at neither of its stages: '
            + "; ".join(map(str, position.comparison.differences[:5])),
            hint="put the schema right, then run the command again",
        )
    if position.statements:
        raise Refused(
            f'operation {position.done + 1} of "{name}" is half done: '
            f"{count_of(position.statements, 'statement')} of it",
            hint="go forward: manage.py dbops_deploy --resume; then take it back",
        )
    if position.unsure is not None:
        raise Refused(
            f'operation {position.unsure} of "{name}" was cut off, and the schema '
            "does not show whether it was done",
            hint="look at the data, then go forward: manage.py dbops_deploy "
            "--cut-off redo (or skip)",
        )
    for number, operation in enumerate(migration.operations[: position.done], start=1):
        if not operation.reversible:
            raise Refused(
                f'operation {number} of "{name}" is done and irreversible: '
                f"{describe_operation(operation)}",
                hint="remove what keeps the rest from being done, then go forward: "
                "manage.py dbops_deploy",
            )


def take_back_half(
    context: Context, history: History, half: HalfApplied, log: StatementLog
) -> None:
    """Undo what is done of it by the reverse of each operation, the last one first.

    There is no history row to remove.

    Raises:
        NeedsRepair: the schema is not the one before the migration even so.
    """
    clean_up(context, half.position)
    part = type(half.migration)(half.migration.name, half.migration.app_label)
    part.operations = half.migration.operations[: half.position.done]  # type: ignore[misc]
    nodes = [each for each in history.loader.graph.nodes if each in history.applied]
    state = history.loader.project_state(nodes, at_end=True)
    with (
        open_patient_session(context, log),
        context.connection.schema_editor(atomic=False) as editor,
    ):
        part.unapply(state, editor)
    log.returned = fill_in(context, get_id(half.migration))
    live = fetch_live_catalog(context)
    comparison = half.expectation.rules.compare(half.expectation.applied, live)
    if comparison.differences:
        raise NeedsRepair(
            f'taking back the half of "{get_id(half.migration)}" left '
            f"{len(comparison.differences)} differences: "
            + "; ".join(map(str, comparison.differences[:5])),
            hint="put the schema right, then manage.py dbops_status",
        )
