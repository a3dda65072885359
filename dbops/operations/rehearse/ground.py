"""The scratch database of a rehearsal, and one migration on its way there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from django.db import Error
from django.db.migrations import Migration

from dbops.core.catalog import Catalog, Key, ObjectKind
from dbops.core.compare import Comparison, Difference, compare_catalogs
from dbops.core.hold_times import LockTaken
from dbops.core.kept import Kept
from dbops.core.lock_modes import LockMode
from dbops.core.migration import MigrationId
from dbops.core.rehearsal import Failure, Stage
from dbops.core.row_contents import TableSums, find_relabelled
from dbops.core.rules import Rules
from dbops.errors import DbopsError
from dbops.operations.context import Context
from dbops.operations.rehearse.report import MigrationRehearsal
from dbops.operations.rehearse.tracing import find_place_of_error
from dbops.operations.replay import WritesElsewhere
from dbops.operations.schema import fetch_live_catalog
from dbops.postgres.normalise import drop_equal_expressions
from dbops.postgres.session import open_session, tell_error
from dbops.postgres.table_contents import fetch_table_sums

TOUCHING = LockMode.ROW_EXCLUSIVE
"""The weakest lock with which a statement can change a table's rows."""


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
        old, self.catalog = self.catalog, fetch_live_catalog(self.context)
        if changed is not None:
            changed |= find_relabelled(old, self.catalog)
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
class Course:
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
    returned: tuple[Kept, ...] = ()
    """What was dropped, kept, and filled in again on the way back."""

    @property
    def context(self) -> Context:
        """The scratch database."""
        return self.ground.context

    def freeze(self, tables: set[str]) -> frozenset[str] | None:
        """Return one of the sets for good; None where it may not be whole."""
        return frozenset(tables) if self.is_known else None

    def note_locks(self, locks: Iterable[LockTaken]) -> None:
        """Note the tables that were locked for writing or more."""
        self.touched |= {each.table for each in locks if each.mode >= TOUCHING}

    def note_columns(self, one: Catalog, other: Catalog) -> None:
        """Note the tables that have a column which the other catalog has not so.

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
        self.changed |= {table for table, _, _ in here ^ there}


class StageFailed(Exception):
    """A stage has failed; `is_end` where the scratch database is of no use any more."""

    def __init__(self, failure: Failure, *, is_end: bool) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.is_end = is_end


@contextmanager
def failing(course: Course, stage: Stage) -> Iterator[None]:
    """Turn whatever a migration raises into the failure of a stage.

    After an atomic migration the database is as before this stage; that is where the
    next migration begins only when it was the way back.
    """
    try:
        yield
    except Exception as error:
        failure = _build_failure(stage, error)
        is_end = stage is not Stage.BACK or not course.is_known
        raise StageFailed(failure, is_end=is_end) from error


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


def compare_in_scratch(
    ground: Ground, expected: Catalog, actual: Catalog
) -> Comparison:
    """Compare two schemas of the scratch database, the second as it is now."""
    found = compare_catalogs(expected, actual, ignore=ground.ignore)
    if not found.differences:
        return found
    # The same expression may print in another way once it was made anew.
    with open_session(ground.context.target, purpose="normalise") as session:
        return drop_equal_expressions(found, expected, actual, session)
