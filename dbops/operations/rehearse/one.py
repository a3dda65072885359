"""Rehearse one migration: forward, verify, back, compare, forward again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from django.db.migrations import Migration

from dbops.core.catalog import Catalog
from dbops.core.hold_times import find_blocked, find_holds
from dbops.core.migration import MigrationId
from dbops.core.rehearsal import Failure, RoundTrip, Stage
from dbops.core.words import count_of
from dbops.errors import DbopsError
from dbops.operations.history import get_id
from dbops.operations.rehearse.back import (
    depends_on_zone,
    find_return,
    go_back,
    go_round_elsewhere,
    judge,
)
from dbops.operations.rehearse.ground import (
    Course,
    Expected,
    Ground,
    StageFailed,
    compare_in_scratch,
    failing,
)
from dbops.operations.rehearse.report import MigrationRehearsal
from dbops.operations.rehearse.run_plainly import apply_plainly
from dbops.operations.rehearse.watching import open_watch
from dbops.operations.schema import fetch_live_catalog
from dbops.operations.sql_files.verify import find_untrue, read_verify

MOST_TOLD = 3


def rehearse_migration(
    ground: Ground, migration: Migration, expected: Expected | None
) -> MigrationRehearsal:
    """Take one migration there and back and there again, and judge what is left.

    `expected` is what the migrations build with it, where it is known. Afterwards
    `ground` is where the migration leads, or broken.
    """
    course = Course(
        ground=ground,
        migration=migration,
        rehearsal=_build_blank(migration),
        is_known=migration.atomic,
    )
    try:
        _run(course, expected)
    except StageFailed as error:
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


def _run(course: Course, expected: Expected | None) -> None:
    _go_forward(course)
    after = fetch_live_catalog(course.context)
    course.note_columns(course.ground.catalog, after)
    failure = _verify(course, after, expected)
    if failure is not None:
        course.rehearsal = replace(course.rehearsal, failure=failure)
    try:
        way = find_return(course.context, course.migration)
    except DbopsError as error:
        unfit = Failure(stage=Stage.BACK, message=error.message)
        raise StageFailed(unfit, is_end=False) from error
    if isinstance(way, str):
        course.rehearsal = replace(
            course.rehearsal, round_trip=RoundTrip.IRREVERSIBLE, reason=way
        )
    else:
        go_back(course, way)
        judgement = judge(course, zone="")
        if depends_on_zone(course, way, after):
            judgement = go_round_elsewhere(course, way, judgement)
        course.rehearsal = replace(
            course.rehearsal,
            round_trip=judgement.round_trip,
            losses=judgement.losses,
            notes=judgement.notes,
        )
        _go_forward_again(course, after)
    if failure is not None:
        course.rehearsal = replace(course.rehearsal, round_trip=RoundTrip.FAILED)


def _go_forward(course: Course) -> None:
    context, migration = course.context, course.migration
    with open_watch(context) as watch:
        course.ground.sizes = {
            each.name: each.size_bytes for each in watch.relations.values()
        }
        with failing(course, Stage.FORWARD):
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
    course.note_locks(watch.locks)
    for each in watch.statements:
        course.changed |= {one.relation for one in each.changes} | {*each.rewrites}


def _collect(groups: Iterable[Iterable[str]]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for group in groups:
        found |= dict.fromkeys(group)
    return tuple(found)


def _verify(
    course: Course, after: Catalog, expected: Expected | None
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


def _go_forward_again(course: Course, first: Catalog) -> None:
    with failing(course, Stage.FORWARD_AGAIN):
        apply_plainly(course.context, course.migration)
    found = compare_in_scratch(course.ground, first, fetch_live_catalog(course.context))
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
    raise StageFailed(failure, is_end=False)


def _note_origins(ground: Ground, before: Catalog, name: MigrationId) -> None:
    known = {(each.kind, each.name): each.definition for each in before.objects}
    for each in ground.catalog.objects:
        key = each.kind, each.name
        if known.get(key) != each.definition:
            ground.origins[key] = name
