"""What has to hold before a deployment touches anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.db.migrations import Migration

from dbops.core.catalog import Catalog, ObjectKind
from dbops.core.compare import Difference
from dbops.core.words import count_of
from dbops.errors import NeedsRepair, Refused
from dbops.operations.adopt.adoption import find_existing_tables
from dbops.operations.context import Context
from dbops.operations.deploy.observing import describe_operation
from dbops.operations.deploy.report import (
    CutOff,
    DeployOptions,
    DeployReport,
    DeployState,
)
from dbops.operations.drift.expected import measure
from dbops.operations.history import History, get_id
from dbops.operations.schema import (
    Expectation,
    Position,
    fetch_live_catalog,
    find_position,
    is_invalid_index,
    read_journal,
)
from dbops.postgres.ledger_reading import fetch_last_deployment
from dbops.postgres.marks import Mark, fetch_marks


def finish_up_to_date(
    context: Context, history: History, options: DeployOptions
) -> DeployReport:
    """Report that nothing is pending, once the schema is known to be the right one."""
    require_clean_history(context, history)
    live = fetch_live_catalog(context)
    connection = context.connect()
    last = fetch_last_deployment(connection)
    proven = (
        last is not None
        and last.state == "done"
        and last.fingerprint_after == live.fingerprint
    )
    if not proven and not options.allow_drift:
        found = measure(context, history, live).comparison.differences
        if found:
            raise _build_drifted(context, found)
    return DeployReport(state=DeployState.UP_TO_DATE)


def require_clean_history(context: Context, history: History) -> None:
    """Make sure that the database was adopted, and has nothing that is not on disk.

    Raises:
        Refused: it was not, or it has.
    """
    require_adopted(context, history)
    if history.unknown:
        raise Refused(
            "the database has migrations that are not on disk: "
            f"{', '.join(map(str, history.unknown))}",
            hint="deploy the release that has them, or roll them back with it first",
        )


def require_adopted(context: Context, history: History) -> None:
    """Make sure that no tables of a pending initial migration exist.

    Raises:
        Refused: there are some.
    """
    for migration, tables in find_existing_tables(context, history).items():
        raise Refused(
            f'database "{context.target.database}" was not adopted: '
            f'"{migration}" is not recorded, and its '
            f"table{'s' if len(tables) > 1 else ''} {', '.join(tables)} "
            f"exist{'' if len(tables) > 1 else 's'}",
            hint="manage.py dbops_baseline --dry-run",
        )


def require_known_schema(
    context: Context,
    history: History,
    expectation: Expectation,
    live: Catalog,
    options: DeployOptions,
) -> Position:
    """Return how far the first pending migration has come; normally not at all.

    Raises:
        Refused: the schema is at no point of the way.
        NeedsRepair: an operation on data was cut off, and only a person can tell how
            far it came.
    """
    first = history.pending[0] if history.pending else None
    stages = expectation.stages[get_id(first)] if first and not first.atomic else ()
    journal = read_journal(context, first)
    # The last operation's schema without the history row counts too.
    position = find_position(
        expectation.rules,
        expectation.applied,
        stages,
        live,
        journal,
        partial=expectation.partial,
    )
    if first and position.unsure is not None:
        return _decide(first, position, position.unsure, options)
    if position.is_known or options.allow_drift:
        return position
    _refuse_foreign_indexes(first, stages, position)
    raise _build_drifted(context, position.comparison.differences)


def _build_drifted(context: Context, differences: tuple[Difference, ...]) -> Refused:
    hint = (
        "manage.py dbops_drift --sql to put it back, or --adopt for a migration "
        'that follows it; DBOPS["IGNORE"] for what is of others; or --allow-drift'
    )
    if Mark.PUSHED in fetch_marks(context.connect()):
        hint = "it was pushed: manage.py makemigrations --name NAME, then migrate"
    return Refused(
        f'the schema of database "{context.target.database}" is not what its '
        f"migrations build: {count_of(len(differences), 'difference')}",
        hint=hint,
        report=DeployReport(state=DeployState.FAILED, differences=differences),
    )


def _refuse_foreign_indexes(
    migration: Migration | None, stages: Sequence[Catalog], position: Position
) -> None:
    """Tell of an INVALID index that has the name of one of ours, and is another.

    Raises:
        Refused: there is one.
    """
    wanted = {
        each.name: each.definition
        for stage in stages
        for each in stage.objects
        if each.kind is ObjectKind.INDEX
    }
    for found in position.comparison.differences:
        if migration and is_invalid_index(found) and found.name in wanted:
            raise Refused(
                f'index "{found.name}" is INVALID and is not what '
                f'"{get_id(migration)}" builds: found {found.actual}, and it would '
                f"build {wanted[found.name]}",
                hint=f"look whose it is; then DROP INDEX CONCURRENTLY {found.name}, "
                "and run the command again",
                report=DeployReport(
                    state=DeployState.FAILED,
                    differences=position.comparison.differences,
                ),
            )


def _decide(
    migration: Migration, position: Position, number: int, options: DeployOptions
) -> Position:
    match options.cut_off:
        case CutOff.REDO:
            return position
        case CutOff.SKIP if position.statements is not None:
            return replace(position, statements=position.statements + 1, unsure=None)
        case CutOff.SKIP:
            return replace(position, done=number)
        case CutOff.ASK:
            what = describe_operation(migration.operations[number - 1])
            raise NeedsRepair(
                f'operation {number} of "{get_id(migration)}" ({what}) was cut off, '
                "and the schema does not show whether it was done",
                hint="look at the data, then manage.py dbops_deploy --cut-off redo, "
                "or --cut-off skip when it was done",
                report=DeployReport(state=DeployState.FAILED),
            )
