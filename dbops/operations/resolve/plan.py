"""Replay one migration, and weigh what the database has of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from django.db.migrations import Migration
from django.db.migrations.operations import RunPython, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation

from dbops.core.catalog import Catalog, build_catalog
from dbops.core.evidence import (
    Evidence,
    ObjectEvidence,
    find_unlike,
    weigh_operations,
)
from dbops.core.journal import Journal
from dbops.core.left_out import find_named
from dbops.core.migration import MigrationId
from dbops.core.rules import Rules
from dbops.errors import Refused
from dbops.operations.context import Context
from dbops.operations.deploy.observing import describe_operation, observe_operations
from dbops.operations.history import LEDGER_APP, History, find_migration, get_id
from dbops.operations.replay import Replay, open_replay
from dbops.operations.resolve.report import (
    OperationReport,
    ResolveReport,
    ResolveState,
    Word,
    find_state,
)
from dbops.operations.schema import learn_rules
from dbops.postgres.ledger_reading import (
    fetch_journal,
    fetch_last_deployment,
    fetch_stuck_migrations,
    ledger_exists,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One migration, the schemas around its operations, and the record of it."""

    migration: Migration
    recorded: bool
    stages: Sequence[Catalog]
    """Before the first operation, then after each."""
    later: Sequence[Catalog]
    """After each applied migration that depends on it."""
    silent: frozenset[int]
    """Operations that run no statement."""
    rules: Rules
    journal: Journal
    dependents: tuple[MigrationId, ...]
    """Applied ones that depend on it."""
    missing: tuple[MigrationId, ...]
    """Those that it depends on, and that are not applied."""

    @property
    def name(self) -> MigrationId:
        """The migration's name."""
        return get_id(self.migration)

    def weigh(self, live: Catalog) -> tuple[OperationReport, ...]:
        """Tell operation by operation what the schema, or else the ledger, shows."""
        stages, later, found = self._prepare(live)
        weighed = weigh_operations(stages, found, later=later, silent=self.silent)
        operations = self.migration.operations
        return tuple(
            OperationReport(
                number=each.number,
                description=describe_operation(operations[each.number - 1]),
                state=each.state,
                journal=(
                    self._ask_journal(each.number)
                    if each.state is Evidence.NO_TRACE
                    else None
                ),
                objects=each.objects,
            )
            for each in weighed
        )

    def find_unlike(self, live: Catalog, *, at: int) -> tuple[ObjectEvidence, ...]:
        """Return what of it is not as at this stage; -1 for the last."""
        stages, later, found = self._prepare(live)
        return find_unlike(stages, found, at=at % len(stages), later=later)

    def _prepare(self, live: Catalog) -> tuple[list[Catalog], list[Catalog], Catalog]:
        everything = [*self.stages, *self.later, self.rules.translate(live)]
        objects = [each for catalog in everything for each in catalog.objects]
        ignored = find_named(objects, self.rules.ignore)
        *built, found = (
            build_catalog(
                each
                for each in catalog.objects
                if (each.kind, each.name) not in ignored
            )
            for catalog in everything
        )
        count = len(self.stages)
        return built[:count], built[count:], found

    def _ask_journal(self, number: int) -> Word:
        journal = self.journal
        if number <= journal.done:
            return Word.DONE
        if number == journal.cut_off:
            return Word.CUT_OFF
        # What comes after a known operation was never begun.
        known = journal.done or journal.cut_off is not None
        return Word.NOT_DONE if known else Word.UNKNOWN


def build_case(
    context: Context, history: History, app: str, name: str, live: Catalog
) -> Case:
    """Replay in a scratch database what the migration does, operation by operation.

    Raises:
        UsageError: no such app or migration.
        Refused: it is one of dbops's own.
        ServerFailed: a migration fails even on an empty database.
    """
    target = find_migration(history, app, name)
    if target.app == LEDGER_APP:
        raise Refused(
            "the ledger's own migrations cannot be settled by what writes into it",
            hint=f"manage.py migrate {LEDGER_APP}",
        )
    migration = history.find(target)
    graph = history.loader.graph
    after = set(graph.backwards_plan(target)) - {target}
    needed = set(graph.forwards_plan(target)) - {target}
    dependents = [each for each in history.applied_plan if get_id(each) in after]
    missing = [each for each in history.pending if get_id(each) in needed]
    first = [
        each
        for each in history.applied_plan
        if get_id(each) != target and each not in dependents
    ]
    context.progress(
        f"building the schema around {target} in a scratch database, "
        f"after {len(first) + len(missing)} other migrations"
    )
    connection = context.connect()
    journal = (
        fetch_journal(connection, target) if ledger_exists(connection) else Journal()
    )
    with open_replay(context) as replay:
        replay.apply([*first, *missing])
        before = learn_rules(context, history, replay, replay.fetch_catalog(), live)
        stages, silent = _build_stages(replay, migration)
        later = []
        for each in dependents:
            replay.apply([each])
            later.append(replay.fetch_catalog())
        last = [*stages, *later][-1]
        rules = learn_rules(context, history, replay, last, live)
    return Case(
        migration=migration,
        recorded=target in history.applied,
        stages=stages,
        later=later,
        silent=silent,
        rules=replace(rules, same={**before.same, **rules.same}),
        journal=journal,
        dependents=tuple(map(get_id, dependents)),
        missing=tuple(map(get_id, missing)),
    )


def _build_stages(
    replay: Replay, migration: Migration
) -> tuple[list[Catalog], frozenset[int]]:
    catalogs = [replay.fetch_catalog()]
    silent = set()

    @contextmanager
    def observe(number: int, operation: Operation) -> Iterator[None]:
        statements = []

        def count(
            execute: Any,
            sql: Any,
            params: Any,
            many: bool,  # noqa: FBT001  Django's signature.
            within: Any,
        ) -> Any:
            statements.append(sql)
            return execute(sql, params, many, within)

        with replay.connection.execute_wrapper(count):
            yield
        if not statements and not _runs_python(operation):
            silent.add(number)
        catalogs.append(replay.fetch_catalog())

    observed = observe_operations(migration, observe)
    if migration.atomic:
        # Deferred SQL runs after each operation here, and ALTER TABLE refuses a table
        # with rows whose foreign keys are not checked before the transaction ends.
        observed.atomic = False  # type: ignore[misc]
        for each in observed.operations:
            each.atomic = True  # type: ignore[misc]
    replay.apply([observed])
    return catalogs, frozenset(silent)


def _runs_python(operation: Operation) -> bool:
    """Say whether it may do something that an empty database gives no cause for."""
    match operation:
        case RunPython():
            return operation.code is not RunPython.noop
        case SeparateDatabaseAndState():
            return any(map(_runs_python, operation.database_operations))
        case _:
            return False


def find_other_repairs(context: Context, target: MigrationId) -> tuple[str, ...]:
    """Return what else the last run has left half done."""
    connection = context.connect()
    last = fetch_last_deployment(connection)
    if last is None or last.state != "needs_repair":
        return ()
    stuck = fetch_stuck_migrations(connection, last.id)
    return tuple(
        f"{each} needs repair, too: manage.py dbops_resolve {each.app} {each.name}"
        for each in sorted(stuck - {target})
    )


def build_report(case: Case, live: Catalog) -> ResolveReport:
    """Return what is there of the migration, and the commands that settle it."""
    operations = case.weigh(live)
    state = find_state(operations, recorded=case.recorded)
    return ResolveReport(
        migration=case.name,
        state=state,
        recorded=case.recorded,
        operations=operations,
        next=tuple(
            f"manage.py dbops_resolve {case.name.app} {case.name.name} {each}"
            for each in _find_next(case, state)
        ),
        notes=tuple(_note(case)),
    )


def _find_next(case: Case, state: ResolveState) -> tuple[str, ...]:
    back = not case.dependents
    match state:
        case ResolveState.UNRECORDED:
            return ("--applied", "--undo") if back else ("--applied",)
        case ResolveState.RECORDED_ONLY:
            return ("--rolled-back", "--finish") if back else ("--finish",)
        case ResolveState.HALF:
            return ("--finish", "--undo") if back else ("--finish",)
        case _:
            return ()


def _note(case: Case) -> Iterator[str]:
    if case.dependents:
        listed = ", ".join(map(str, case.dependents))
        yield f"applied, and depend on it: {listed}"
    if case.missing:
        yield f"it depends on these, not applied: {', '.join(map(str, case.missing))}"
