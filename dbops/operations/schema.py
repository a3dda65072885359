"""The live schema, what the migrations make of it, and the difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import Migration
from django.db.migrations.operations.base import Operation

from dbops.core.catalog import Catalog, ObjectKind
from dbops.core.compare import Comparison, Difference, DifferenceKind
from dbops.core.gaps import WantedLock
from dbops.core.invalid_index import forget_invalid, is_invalid
from dbops.core.journal import Journal, find_place
from dbops.core.migration import MigrationId
from dbops.core.rules import Rules, find_adopted_bodies
from dbops.operations.context import Context
from dbops.operations.deploy.observing import observe_operations
from dbops.operations.deploy.statements import count_statements, shows_statements
from dbops.operations.history import History, build_ignore, get_id
from dbops.operations.relation_locks import RelationLocks
from dbops.operations.replay import Replay, open_replay
from dbops.postgres.catalog import LOCK_TIMEOUT_S, fetch_catalog
from dbops.postgres.ledger_reading import (
    fetch_adopted_catalogs,
    fetch_journal,
    ledger_exists,
)
from dbops.postgres.normalise import drop_equal_expressions
from dbops.postgres.session import Connection, open_session

NOTHING_KNOWN = Journal()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the migrations build, read from a scratch database."""

    applied: Catalog
    """With all applied migrations."""
    stages: Mapping[MigrationId, Sequence[Catalog]]
    """For each pending migration, in order: the schema after it, or, of a non-atomic
    one, after each of its operations; nothing where that was not wanted."""
    rules: Rules
    locks: Mapping[MigrationId, Sequence[WantedLock]] = field(default_factory=dict)
    """For each pending migration that is atomic: the strong locks it took there."""
    partial: Mapping[int, Catalog] = field(default_factory=dict)
    """The schema after so many statements of the operation that was cut off."""

    @property
    def final(self) -> Catalog:
        """With the pending migrations too."""
        *_, last = (self.applied, *(each[-1] for each in self.stages.values() if each))
        return last


def fetch_live_catalog(
    context: Context, *, lock_timeout_s: float = LOCK_TIMEOUT_S
) -> Catalog:
    """Return the schema of the database as it is now."""
    # Who has a turn has a session of its own: it was made sure of.
    return fetch_catalog(
        context.connect(),
        lock_timeout_s=lock_timeout_s,
        again=context.turn is not None,
    )


def learn_rules(
    context: Context,
    history: History,
    replay: Replay,
    expected: Catalog,
    live: Catalog,
) -> Rules:
    """Return the project's rules for a database whose schema is `live`.

    Texts that the server prints in two ways count as the same, as found by parsing
    them in the scratch database that built `expected`; so does a function with the
    body that it was adopted with.
    """
    rules = Rules(ignore=build_ignore(context, history.loader))
    found = rules.compare(expected, live)
    if not found.differences:
        return rules
    with open_session(replay.own, purpose="rules") as session:
        accepted = find_accepted(session, found, live)
    with open_session(replay.target, purpose="normalise") as session:
        left = drop_equal_expressions(found, expected, live, session).differences
    accepted += [each for each in found.differences if each not in left]
    return rules.accept(accepted, expected, live)


def find_accepted(
    connection: Connection, found: Comparison, live: Catalog
) -> list[Difference]:
    """Return the differences that the ledger's adoptions have accepted."""
    if not ledger_exists(connection):
        return []
    return find_adopted_bodies(found, live, fetch_adopted_catalogs(connection))


def read_journal(context: Context, migration: Migration | None) -> Journal:
    """Return how far a pending migration is known to have come; nothing if atomic."""
    connection = context.connect()
    if migration is None or migration.atomic or not ledger_exists(connection):
        return NOTHING_KNOWN
    return fetch_journal(connection, get_id(migration))


def build_expectation(
    context: Context,
    history: History,
    live: Catalog,
    journal: Journal = NOTHING_KNOWN,
    *,
    every_stage: bool = True,
) -> Expectation:
    """Replay the applied and the pending migrations in a scratch database.

    `journal` is about the first pending one. Without `every_stage`, the schema is read
    after the last migration and after those that can be left half done, which is what a
    deployment compares with.

    Raises:
        Refused: the role may not create databases.
        ServerFailed: a migration fails even on an empty database.
    """
    context.progress(
        f"building the schema of {len(history.plan)} migrations in a scratch database"
    )
    with open_replay(context) as replay:
        replay.apply(history.applied_plan)
        applied = replay.fetch_catalog()
        rules = learn_rules(context, history, replay, applied, live)
        recorder = RelationLocks(replay)
        last = len(history.pending) - 1
        partial: dict[int, Catalog] = {}
        stages = {}
        for index, each in enumerate(history.pending):
            known = NOTHING_KNOWN if index else journal
            read = every_stage or index == last
            stages[get_id(each)] = (
                _build_atomic_stage(replay, each, recorder, read=read)
                if each.atomic
                else _build_stages(replay, each, recorder, known, partial)
            )
    return Expectation(
        applied=applied,
        stages=stages,
        rules=rules,
        locks=recorder.taken,
        partial=partial,
    )


def _build_atomic_stage(
    replay: Replay, migration: Migration, recorder: RelationLocks, *, read: bool
) -> Sequence[Catalog]:
    replay.apply([migration], within=lambda: recorder.watch(migration))
    return [replay.fetch_catalog()] if read else ()


def _build_stages(
    replay: Replay,
    migration: Migration,
    recorder: RelationLocks,
    journal: Journal,
    partial: dict[int, Catalog],
) -> Sequence[Catalog]:
    recorder.forget()
    catalogs: list[Catalog] = []

    def note(number: int) -> None:
        if number in journal.points:
            partial[number] = replay.fetch_catalog()

    @contextmanager
    def count(
        number: int, operation: Operation, editor: BaseDatabaseSchemaEditor
    ) -> Iterator[None]:
        if number != journal.done + 1 or not shows_statements(operation):
            yield
            return
        note(0)
        with count_statements(editor, note):
            yield

    @contextmanager
    def observe(_number: int, _operation: Operation) -> Iterator[None]:
        yield
        catalogs.append(replay.fetch_catalog())

    replay.apply([observe_operations(migration, observe, statements=count)])
    return catalogs or [replay.fetch_catalog()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far into a non-atomic migration the live schema is."""

    done: int
    """Operations that the database already has."""
    statements: int | None = None
    """Statements of the next operation that it has, too; None between operations."""
    unsure: int | None
    """An operation that was cut off, and whose effect the schema does not show."""
    invalid_indexes: tuple[str, ...]
    """Left by a CREATE INDEX CONCURRENTLY that was cut off."""
    comparison: Comparison
    """Of the live schema with that stage, or with the nearest one."""

    @property
    def is_known(self) -> bool:
        """Whether the live schema is one of the stages, but for INVALID indexes."""
        return len(self.comparison.differences) == len(self.invalid_indexes)


def find_position(
    rules: Rules,
    before: Catalog,
    stages: Sequence[Catalog],
    live: Catalog,
    journal: Journal = NOTHING_KNOWN,
    *,
    partial: Mapping[int, Catalog] | None = None,
) -> Position:
    """Find the stage that the live schema is at, or else the nearest one.

    Of several that are equal, as around an operation on data alone, the one that the
    journal knows.
    """
    ours = {each for stage in stages for each in _get_indexes(stage)}
    ours -= set(_get_indexes(before))
    inside = _find_inside(rules, partial or {}, live, journal, ours)
    if inside is not None:
        return inside
    positions = [
        _build_position(done, rules.compare(stage, live), ours)
        for done, stage in enumerate([before, *stages])
    ]
    matches = [each.done for each in positions if each.is_known]
    if not matches:
        return min(positions, key=lambda each: len(each.comparison.differences))
    place = find_place(matches, journal)
    return replace(positions[place.done], unsure=place.unsure)


def _find_inside(
    rules: Rules,
    partial: Mapping[int, Catalog],
    live: Catalog,
    journal: Journal,
    ours: set[Index],
) -> Position | None:
    """Return the place between two statements of an operation, if it is there."""
    found = [
        replace(
            _build_position(journal.done, rules.compare(partial[number], live), ours),
            statements=number,
        )
        for number in journal.points
        if number in partial
    ]
    matches = [each for each in found if each.is_known]
    if not matches:
        return None
    unsure = journal.done + 1 if len(matches) > 1 else None
    return replace(matches[0], unsure=unsure)


Index = tuple[str, str]
"""Name and definition."""


def _get_indexes(catalog: Catalog) -> Iterator[Index]:
    return (
        (each.name, each.definition)
        for each in catalog.objects
        if each.kind is ObjectKind.INDEX
    )


def _build_position(done: int, comparison: Comparison, ours: set[Index]) -> Position:
    return Position(
        done=done,
        unsure=None,
        invalid_indexes=tuple(
            each.name
            for each in comparison.differences
            if is_invalid_index(each)
            and (each.name, forget_invalid(each.actual or "")) in ours
        ),
        comparison=comparison,
    )


def is_invalid_index(difference: Difference) -> bool:
    """Say whether this is what a cut-off CREATE INDEX CONCURRENTLY leaves."""
    return (
        difference.kind is DifferenceKind.EXTRA
        and difference.object is ObjectKind.INDEX
        and is_invalid(difference.actual)
    )
