"""The way back of a rehearsed migration, and what it leaves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from django.db.migrations import Migration

from dbops.core.catalog import Catalog, ObjectKind
from dbops.core.hold_times import LockTaken, find_holds
from dbops.core.rehearsal import (
    Judgement,
    RoundTrip,
    Stage,
    drop_kept_losses,
    judge_round_trip,
)
from dbops.core.row_contents import TableSums
from dbops.core.sql_script import Irreversible, Script, Unwritten
from dbops.operations.context import Context
from dbops.operations.deploy.apply import StatementLog
from dbops.operations.deploy.observing import describe_operation
from dbops.operations.deploy.unapply import DjangoReverse, Way, unapply_migration
from dbops.operations.history import get_id
from dbops.operations.rehearse.ground import Course, compare_in_scratch, failing
from dbops.operations.rehearse.report import WayBack
from dbops.operations.rehearse.run_plainly import apply_plainly
from dbops.operations.schema import fetch_live_catalog
from dbops.operations.sql_files.files import is_project_migration, read_down
from dbops.postgres.measuring import Meter
from dbops.postgres.table_contents import BOOKKEEPING, ZONE, fetch_table_sums

TIME = re.compile(r"\b(?:timestamp|timestamptz|time|timetz|date)\b", re.IGNORECASE)
NO_DATA = re.compile(r"\s*(?:CREATE|DROP|SELECT|COMMENT)\b", re.IGNORECASE)


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


def go_back(course: Course, way: Way) -> None:
    """Take the migration back, and note what that locked and changed."""
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
    log = StatementLog(context)
    with failing(course, Stage.BACK):
        unapply_migration(context, migration, way, log=log, check=look)
    course.returned = log.returned
    ended_s = meter.now()
    course.note_locks(tuple(locks))
    course.rehearsal = replace(
        course.rehearsal,
        back=WayBack(
            way="down.sql" if isinstance(way, Script) else "reverse",
            duration_s=round(ended_s - started_s, 6),
            locks=find_holds(replace(each, released_s=ended_s) for each in locks),
        ),
    )


def judge(course: Course, *, zone: str) -> Judgement:
    """Hold the database against what it was before the way there."""
    ground = course.ground
    found = fetch_live_catalog(course.context)
    schema = compare_in_scratch(ground, ground.catalog, found)
    course.note_columns(ground.catalog, found)
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
    judgement = drop_kept_losses(judgement, course.returned)
    if not zone or not judgement.losses:
        return judgement
    losses = tuple(
        replace(each, text=f"{each.text}, with TimeZone {zone}")
        for each in judgement.losses
    )
    return replace(judgement, losses=losses)


def depends_on_zone(course: Course, way: Way, after: Catalog) -> bool:
    """Say whether the session's time zone may decide what values become."""
    ground = course.ground
    if not any(ground.sums[each].rows for each in course.changed & ground.sums.keys()):
        return False
    texts = [each.sql for each in course.rehearsal.statements]
    texts += way.statements if isinstance(way, Script) else ()
    known = {(each.kind, each.name): each.definition for each in after.objects}
    for each in ground.catalog.objects:
        other = known.get((each.kind, each.name))
        if each.kind is ObjectKind.COLUMN and other not in {None, each.definition}:
            texts.append(f"{each.definition} {other}")
    return any(TIME.search(each) and not NO_DATA.match(each) for each in texts)


def go_round_elsewhere(course: Course, way: Way, first: Judgement) -> Judgement:
    """Go there and back once more, in a session whose time zone is not UTC.

    What was lost in the first round is not lost again.
    """
    ground, rehearsal = course.ground, course.rehearsal
    ground.refresh(course.freeze(course.changed))
    raw = course.context.connect()
    raw.execute("SELECT pg_catalog.set_config('TimeZone', %s, false)", (ZONE,))
    try:
        with failing(course, Stage.FORWARD_AGAIN):
            apply_plainly(course.context, course.migration)
        go_back(course, way)
        second = judge(course, zone=ZONE)
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
