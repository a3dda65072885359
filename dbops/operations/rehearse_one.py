"""Rehearse one migration: forward, verify, back, compare, forward again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import psycopg
from django.db import Error
from django.db.migrations import Migration

from dbops.core.catalog import Catalog, Key, ObjectKind
from dbops.core.compare import Comparison, Difference, compare_catalogs
from dbops.core.hold_times import LockTaken, find_blocked, find_holds
from dbops.core.lock_modes import LockMode
from dbops.core.migration import MigrationId
from dbops.core.rehearsal import (
    Failure,
    Judgement,
    RoundTrip,
    Stage,
    judge_round_trip,
)
from dbops.core.row_contents import TableSums
from dbops.core.rules import Rules
from dbops.core.sql_script import Irreversible, Script, Unwritten
from dbops.core.words import count_of
from dbops.errors import DbopsError
from dbops.operations.apply import StatementLog, describe_operation
from dbops.operations.context import Context
from dbops.operations.history import get_id
from dbops.operations.rehearsal_report import MigrationRehearsal, WayBack
from dbops.operations.replay import WritesElsewhere
from dbops.operations.run_plainly import apply_plainly
from dbops.operations.schema import fetch_live_catalog
from dbops.operations.sql_files import is_project_migration, read_down
from dbops.operations.tracing import find_place_of_error
from dbops.operations.unapply import DjangoReverse, Way, unapply_migration
from dbops.operations.verify_file import find_untrue, read_verify
from dbops.operations.watching import open_watch
from dbops.postgres.measuring import Meter
from dbops.postgres.normalise import drop_equal_expressions
from dbops.postgres.session import open_session, tell_error
from dbops.postgres.table_contents import BOOKKEEPING, ZONE, fetch_table_sums

TOUCHING = LockMode.ROW_EXCLUSIVE
"""The weakest lock with which a statement can change a table's rows."""
MOST_TOLD = 3
TIME = re.compile(r"\b(?:timestamp|timestamptz|time|timetz|date)\b", re.IGNORECASE)
NO_DATA = re.compile(r"\s*(?:CREATE|DROP|SELECT|COMMENT)\b", re.IGNORECASE)


@dataclass(slots=True)
class Ground:
    """The scratch database between two migrations."""

    context: Context
    """Its alias means the scratch database."""
    catalog: Catalog
    sums: dict[str, TableSums]
    origins: dict[Key, MigrationId] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    sizes: dict[str, int] = field(default_factory=dict)
    """Of the tables, in bytes, before the last migration."""
    touched: frozenset[str] | None = frozenset()
    """The tables that the last migration has locked for writing or more; None where
    nobody knows."""
    is_broken: bool = False
    """Whether nobody knows any more in which state it is."""

    def refresh(self, changed: frozenset[str] | None) -> None:
        """Read again the tables whose rows may be others; all where nobody knows."""
        self.catalog = fetch_live_catalog(self.context)
        tables = {each.name for each in self.catalog.objects if each.kind == "table"}
        known = self.sums.keys() & tables
        stale = tables if changed is None else (changed & tables) | (tables - known)
        kept = {name: self.sums[name] for name in known - stale}
        self.sums = kept | fetch_table_sums(self.context.target, only=stale)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the schema has to be after a migration."""

    rules: Rules
    catalog: Catalog
    drift: frozenset[Difference] = frozenset()
    """What was no different before any of them."""

    def find_differences(self, context: Context, actual: Catalog) -> list[Difference]:
        """Return what is not as expected, in the scratch database of the alias."""
        found = self.rules.compare(self.catalog, actual)
        if found.differences:
            with open_session(context.target, purpose="normalise") as session:
                found = drop_equal_expressions(found, self.catalog, actual, session)
        return [each for each in found.differences if each not in self.drift]


@dataclass(slots=True)
class _Course:
    """One migration on its way."""

    ground: Ground
    migration: Migration
    rehearsal: MigrationRehearsal
    touched: set[str] = field(default_factory=set)
    """Tables that were locked for writing or more."""
    changed: set[str] = field(default_factory=set)
    """Tables whose rows may be others."""
    is_known: bool = True
    """Whether the two sets are whole: of what has no transaction nobody knows."""

    @property
    def context(self) -> Context:
        """The scratch database."""
        return self.ground.context

    def freeze(self, tables: set[str]) -> frozenset[str] | None:
        """Return one of the sets for good; None where it may not be whole."""
        return frozenset(tables) if self.is_known else None


def rehearse_migration(
    ground: Ground, migration: Migration, expected: Expected | None
) -> MigrationRehearsal:
    """Take one migration there and back and there again, and judge what is left.

    `expected` is what the migrations build with it, where it is known. Afterwards
    `ground` is where the migration leads, or broken.
    """
    course = _Course(
        ground=ground,
        migration=migration,
        rehearsal=_build_blank(migration),
        is_known=migration.atomic,
    )
    try:
        _run(course, expected)
    except _StageFailed as error:
        course.rehearsal = replace(
            course.rehearsal,
            round_trip=RoundTrip.FAILED,
            failure=course.rehearsal.failure or error.failure,
        )
        ground.is_broken = error.is_end
    if not ground.is_broken:
        before = ground.catalog
        ground.refresh(course.freeze(course.changed))
        ground.touched = course.freeze(course.touched)
        _note_origins(ground, before, get_id(migration))
    return course.rehearsal


class _StageFailed(Exception):
    """A stage has failed; `is_end` where the scratch database is of no use any more."""

    def __init__(self, failure: Failure, *, is_end: bool) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.is_end = is_end


def _build_blank(migration: Migration) -> MigrationRehearsal:
    return MigrationRehearsal(
        id=get_id(migration),
        duration_s=0.0,
        round_trip=RoundTrip.FAILED,
        locks=(),
        blocked=(),
        rewrites=(),
        scans=(),
        wal_bytes=0,
        atomic=migration.atomic,
    )


def _run(course: _Course, expected: Expected | None) -> None:
    _go_forward(course)
    after = fetch_live_catalog(course.context)
    _note_columns(course, course.ground.catalog, after)
    failure = _verify(course, after, expected)
    if failure is not None:
        course.rehearsal = replace(course.rehearsal, failure=failure)
    try:
        way = find_return(course.context, course.migration)
    except DbopsError as error:
        unfit = Failure(stage=Stage.BACK, message=error.message)
        raise _StageFailed(unfit, is_end=False) from error
    if isinstance(way, str):
        course.rehearsal = replace(
            course.rehearsal, round_trip=RoundTrip.IRREVERSIBLE, reason=way
        )
    else:
        _go_back(course, way)
        judgement = _judge(course, zone="")
        if _depends_on_zone(course, way, after):
            judgement = _go_round_elsewhere(course, way, judgement)
        course.rehearsal = replace(
            course.rehearsal,
            round_trip=judgement.round_trip,
            losses=judgement.losses,
            notes=judgement.notes,
        )
        _go_forward_again(course, after)
    if failure is not None:
        course.rehearsal = replace(course.rehearsal, round_trip=RoundTrip.FAILED)


def _go_forward(course: _Course) -> None:
    context, migration = course.context, course.migration
    with open_watch(context) as watch:
        course.ground.sizes = {
            each.name: each.size_bytes for each in watch.relations.values()
        }
        with _failing(course, Stage.FORWARD):
            apply_plainly(context, migration)
        ended_s = watch.now()
    course.rehearsal = replace(
        course.rehearsal,
        duration_s=round(ended_s - watch.started_s, 6),
        locks=find_holds(watch.locks),
        blocked=find_blocked(watch.locks),
        rewrites=_collect(each.rewrites for each in watch.statements),
        scans=_collect(
            [one.relation for one in each.scans] for each in watch.statements
        ),
        wal_bytes=sum(each.wal_bytes for each in watch.statements),
        statements=watch.statements,
    )
    _note_touched(course, watch.locks)
    for each in watch.statements:
        course.changed |= {one.relation for one in each.changes} | {*each.rewrites}


def _collect(groups: Iterable[Iterable[str]]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for group in groups:
        found |= dict.fromkeys(group)
    return tuple(found)


def _note_touched(course: _Course, locks: tuple[LockTaken, ...]) -> None:
    course.touched |= {each.table for each in locks if each.mode >= TOUCHING}


def _note_columns(course: _Course, one: Catalog, other: Catalog) -> None:
    """Note the tables that have a column which the other catalog has not, or another.

    A type may change what values mean though no row is written: timestamptz does.
    """
    here, there = (
        {
            (each.parent or "", each.name, each.definition)
            for each in catalog.objects
            if each.kind is ObjectKind.COLUMN
        }
        for catalog in (one, other)
    )
    course.changed |= {table for table, _, _ in here ^ there}


@contextmanager
def _failing(course: _Course, stage: Stage) -> Iterator[None]:
    """Turn whatever a migration raises into the failure of a stage.

    After an atomic migration the database is as before this stage; that is where the
    next migration begins only when it was the way back.
    """
    try:
        yield
    except Exception as error:
        failure = _build_failure(stage, error)
        is_end = stage is not Stage.BACK or not course.is_known
        raise _StageFailed(failure, is_end=is_end) from error


def _build_failure(stage: Stage, error: BaseException) -> Failure:
    place = find_place_of_error(error)
    match error:
        case DbopsError():
            message = error.message
        case WritesElsewhere():
            message = f'it writes to database "{error}", where nothing may be changed'
        case psycopg.Error() | Error():
            message = tell_error(error)
        case _:
            message = f"{type(error).__name__}: {tell_error(error)}"
    return Failure(
        stage=stage,
        message=message,
        operation=place.description,
        number=place.number,
        file=place.file,
        line=place.line,
    )


def _verify(
    course: _Course, after: Catalog, expected: Expected | None
) -> Failure | None:
    """Return what does not hold after the way forward."""
    problems: list[str] = []
    try:
        script = read_verify(course.migration)
    except DbopsError as error:
        problems.append(error.message)
    else:
        if script is not None:
            problems += find_untrue(course.context.connect(), script)
    if expected is not None:
        found = expected.find_differences(course.context, after)
        told = "; ".join(map(str, found[:MOST_TOLD]))
        if found:
            problems.append(
                f"the schema is not what the migrations build, "
                f"{count_of(len(found), 'difference')}: {told}"
            )
    if not problems:
        return None
    return Failure(stage=Stage.VERIFY, message="; ".join(problems))


def find_return(context: Context, migration: Migration) -> Way | str:
    """Return the way back, or why there is none.

    A migration of the project without a `down.sql` is tried by Django's reverse.

    Raises:
        Refused: its `down.sql` cannot be run as it is.
    """
    if is_project_migration(migration, context.settings) and migration.operations:
        match read_down(migration):
            case Script() as script:
                return script
            case Irreversible(reason=reason):
                return f"declared: {reason}"
            case Unwritten(reason=reason):
                return f"the way back is not written: {reason}"
    for number, operation in enumerate(migration.operations, start=1):
        if not operation.reversible:
            return f"operation {number} ({describe_operation(operation)})"
    return DjangoReverse()


def _go_back(course: _Course, way: Way) -> None:
    context, migration = course.context, course.migration
    meter = Meter(context.connect())
    relations = meter.fetch_relations()
    started_s = meter.now()
    locks: list[LockTaken] = []

    def look() -> None:
        held = meter.read().relations.items()
        course.changed |= {
            relations[oid].table_name
            for oid, each in held
            if oid in relations
            and (each.rows_changed or each.filenode != relations[oid].filenode)
        }
        locks.extend(
            LockTaken(
                relation=relations[oid].name,
                table=relations[oid].table_name,
                mode=mode,
                taken_s=started_s,
                released_s=meter.now(),
                statement=1,
            )
            for oid, each in held
            if oid in relations and relations[oid].table_name != BOOKKEEPING
            for mode in each.modes
        )

    if isinstance(way, Script) and not way.transactional:
        course.is_known = False
    with _failing(course, Stage.BACK):
        unapply_migration(
            context, migration, way, log=StatementLog(context), check=look
        )
    ended_s = meter.now()
    _note_touched(course, tuple(locks))
    course.rehearsal = replace(
        course.rehearsal,
        back=WayBack(
            way="down.sql" if isinstance(way, Script) else "reverse",
            duration_s=round(ended_s - started_s, 6),
            locks=find_holds(replace(each, released_s=ended_s) for each in locks),
        ),
    )


def _judge(course: _Course, *, zone: str) -> Judgement:
    ground = course.ground
    found = fetch_live_catalog(course.context)
    schema = _compare(ground, ground.catalog, found)
    _note_columns(course, ground.catalog, found)
    before: Mapping[str, TableSums] = ground.sums
    if course.is_known:
        before = {key: before[key] for key in before.keys() & course.changed}
    after = fetch_table_sums(
        course.context.target, only=frozenset(before), columns=before
    )
    judgement = judge_round_trip(
        schema,
        before,
        after,
        origins=ground.origins,
        migration=get_id(course.migration),
    )
    if not zone or not judgement.losses:
        return judgement
    losses = tuple(
        replace(each, text=f"{each.text}, with TimeZone {zone}")
        for each in judgement.losses
    )
    return replace(judgement, losses=losses)


def _compare(ground: Ground, expected: Catalog, actual: Catalog) -> Comparison:
    found = compare_catalogs(expected, actual, ignore=ground.ignore)
    if not found.differences:
        return found
    # The same expression may print in another way once it was made anew.
    with open_session(ground.context.target, purpose="normalise") as session:
        return drop_equal_expressions(found, expected, actual, session)


def _depends_on_zone(course: _Course, way: Way, after: Catalog) -> bool:
    """Say whether the session's time zone may decide what values become."""
    texts = [each.sql for each in course.rehearsal.statements]
    texts += way.statements if isinstance(way, Script) else ()
    known = {(each.kind, each.name): each.definition for each in after.objects}
    for each in course.ground.catalog.objects:
        other = known.get((each.kind, each.name))
        if each.kind is ObjectKind.COLUMN and other not in {None, each.definition}:
            texts.append(f"{each.definition} {other}")
    return any(TIME.search(each) and not NO_DATA.match(each) for each in texts)


def _go_round_elsewhere(course: _Course, way: Way, first: Judgement) -> Judgement:
    """Go there and back once more, in a session whose time zone is not UTC.

    What was lost in the first round is not lost again.
    """
    ground, rehearsal = course.ground, course.rehearsal
    ground.refresh(course.freeze(course.changed))
    raw = course.context.connect()
    raw.execute("SELECT pg_catalog.set_config('TimeZone', %s, false)", (ZONE,))
    try:
        with _failing(course, Stage.FORWARD_AGAIN):
            apply_plainly(course.context, course.migration)
        _go_back(course, way)
        second = _judge(course, zone=ZONE)
    finally:
        # The next session has Django's zone again.
        course.context.connection.close()
    course.rehearsal = replace(course.rehearsal, back=rehearsal.back)
    if not second.losses:
        return first
    return replace(
        first,
        round_trip=RoundTrip.LOSSY,
        losses=(*first.losses, *second.losses),
    )


def _go_forward_again(course: _Course, first: Catalog) -> None:
    with _failing(course, Stage.FORWARD_AGAIN):
        apply_plainly(course.context, course.migration)
    found = _compare(course.ground, first, fetch_live_catalog(course.context))
    if not found.differences:
        return
    told = "; ".join(map(str, found.differences[:MOST_TOLD]))
    message = f"it gives another schema than the first time: {told}"
    if course.rehearsal.round_trip is RoundTrip.LOSSY:
        # What the way back has lost is not made anew.
        notes = (*course.rehearsal.notes, f"forward again: {message}")
        course.rehearsal = replace(course.rehearsal, notes=notes)
        return
    failure = Failure(stage=Stage.FORWARD_AGAIN, message=message)
    raise _StageFailed(failure, is_end=False)


def _note_origins(ground: Ground, before: Catalog, name: MigrationId) -> None:
    known = {(each.kind, each.name): each.definition for each in before.objects}
    for each in ground.catalog.objects:
        key = each.kind, each.name
        if known.get(key) != each.definition:
            ground.origins[key] = name
