"""Count what going back would destroy, and change nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from dbops.core.loss import Loss, Lost, LostKind
from dbops.core.migration import MigrationId
from dbops.core.target import Target
from dbops.core.words import shorten
from dbops.postgres.session import Connection, open_session
from dbops.sql import load

COUNT_TIMEOUT_S = 5.0
LOCK_TIMEOUT_S = 1.0
LONGEST_VALUE = 30
CONSTANT = re.compile(
    r"(?:'(?:[^']|'')*'|\(?-?\d[\d.]*\)?|true|false)(?:::[\w .\"(),\[\]]+)?"
)
"""A default that is the same for all rows; one that is made anew is nobody's mark."""
MOMENTS = tuple(
    re.compile(each, re.IGNORECASE)
    for each in (r"updat|modif|chang", r"creat|insert|added|joined|written")
)
"""Names of columns that tell when a row was written, the best ones first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    table_name: str
    schema: str
    relation: str
    kind: str
    rows: float
    column_name: str | None
    quoted_name: str | None
    type: str | None
    enum: str | None
    default_value: str | None
    missing: str | None
    null_share: float | None
    is_moment: bool | None

    @property
    def source(self) -> sql.Composable:
        """The table, in FROM; what inherits from it keeps its own rows."""
        only = sql.SQL("" if self.kind == "p" else "ONLY ")
        return only + sql.Identifier(self.schema, self.relation)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """What is counted in one table."""

    lost: Lost
    place: _Place
    condition: sql.Composable
    name: str
    counted: str = ""
    estimate: float
    moment: str | None


@contextmanager
def open_read_only(target: Target) -> Iterator[Connection]:
    """Open a session that can change nothing, and that waits for no lock for long."""
    with open_session(target, purpose="rollback:quote") as session:
        session.execute(
            load("loss_read_only"),
            {"lock_timeout": f"{round(LOCK_TIMEOUT_S * 1000)}ms"},
        )
        yield session


def fetch_applied_at(
    connection: Connection, migrations: Iterable[MigrationId]
) -> dict[MigrationId, datetime]:
    """Return when migrations were applied, by the history of Django."""
    found = {}
    for each in migrations:
        row = connection.execute(
            load("loss_applied"), {"app": each.app, "migration": each.name}
        ).fetchone()
        if row is not None:
            moment: datetime = row[0]
            found[each] = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return found


def count_losses(
    connection: Connection,
    lost: Sequence[Lost],
    applied_at: dict[MigrationId, datetime],
    *,
    timeout_s: float = COUNT_TIMEOUT_S,
) -> tuple[Loss, ...]:
    """Count what there is now of each; estimate it where counting takes too long.

    The session may be inside a transaction. A label's count is one for each column
    that may hold it and that does not go itself.
    """
    tables = {each.table or each.name for each in lost if not each.label}
    enums = {each.name for each in lost if each.label}
    with connection.cursor(row_factory=class_row(_Place)) as cursor:
        places = cursor.execute(
            load("loss_places"), {"tables": [*tables], "enums": [*enums]}
        ).fetchall()
    losses = []
    for each in lost:
        questions = list(_build_questions(connection, each, lost, places))
        losses += [
            _count(connection, one, applied_at.get(each.migration), timeout_s)
            for one in questions
        ]
    return tuple(losses)


def _build_questions(
    connection: Connection,
    each: Lost,
    lost: Sequence[Lost],
    places: Sequence[_Place],
) -> Iterator[_Question]:
    match each.kind:
        case LostKind.TABLE:
            place = next(one for one in places if one.table_name == each.name)
            yield _Question(
                lost=each,
                place=place,
                condition=sql.SQL("true"),
                name=each.name,
                estimate=place.rows,
                moment=_find_moment(places, place),
            )
        case LostKind.COLUMN:
            place = next(one for one in places if one.quoted_name == each.name)
            yield _ask_column(connection, each, place, places)
        case LostKind.LABEL:
            names = {one.name for one in lost}
            for place in places:
                if place.enum == each.name and not names & {
                    place.table_name,
                    place.quoted_name,
                }:
                    yield _ask_label(each, place, places)


def _ask_column(
    connection: Connection, each: Lost, place: _Place, places: Sequence[_Place]
) -> _Question:
    column = sql.Identifier(place.column_name or "")
    fillers = _find_fillers(connection, place)
    condition: sql.Composable = sql.SQL("{} IS NOT NULL").format(column)
    if fillers:
        # No parameters: a name may have a % in it.
        condition += sql.SQL(" AND NOT {}::text = ANY({}::text[])").format(
            column, sql.Literal(fillers)
        )
    known = 1.0 if place.null_share is None else 1 - place.null_share
    told = " and ".join(f"'{shorten(one, LONGEST_VALUE)}'" for one in fillers)
    return _Question(
        lost=each,
        place=place,
        condition=condition,
        name=each.name,
        counted=f"other than its default {told}" if fillers else "",
        estimate=place.rows * known,
        moment=_find_moment(places, place, besides=place.column_name),
    )


def _ask_label(each: Lost, place: _Place, places: Sequence[_Place]) -> _Question:
    column = sql.Identifier(place.column_name or "")
    is_array = (place.type or "").endswith("[]")
    text = "{} = ANY({}::text[])" if is_array else "{} = {}::text"
    return _Question(
        lost=each,
        place=place,
        condition=sql.SQL(text).format(sql.Literal(each.label), column),
        name=place.quoted_name or "",
        estimate=place.rows,
        moment=_find_moment(places, place),
    )


def _find_fillers(connection: Connection, place: _Place) -> list[str]:
    """Return the values, as text, that rows have though nobody wrote them."""
    found = [] if place.missing is None else [place.missing]
    if place.default_value and CONSTANT.fullmatch(place.default_value):
        query = sql.SQL("SELECT ({})::{}::text").format(
            sql.SQL(place.default_value), sql.SQL(place.type or "text")
        )
        row = connection.execute(query).fetchone()
        if row is not None and row[0] is not None:
            found.append(row[0])
    return list(dict.fromkeys(found))


def _find_moment(
    places: Sequence[_Place], place: _Place, *, besides: str | None = None
) -> str | None:
    """Return the column that tells when a row was written, if one has such a name."""
    columns = [
        one.column_name or ""
        for one in places
        if one.table_name == place.table_name
        and one.is_moment
        and one.column_name != besides
    ]
    for pattern in MOMENTS:
        for column in columns:
            if pattern.search(column):
                return column
    return None


def _count(
    connection: Connection,
    question: _Question,
    applied_at: datetime | None,
    timeout_s: float,
) -> Loss:
    newest: sql.Composable = sql.SQL("NULL::timestamptz")
    if question.moment:
        newest = sql.SQL("pg_catalog.max({})::timestamptz").format(
            sql.Identifier(question.moment)
        )
    query = sql.SQL("SELECT pg_catalog.count(*), {} FROM {} WHERE {}").format(
        newest, question.place.source, question.condition
    )
    count: int | None
    moment: datetime | None = None
    is_estimate = False
    try:
        with connection.transaction():
            connection.execute(
                "SELECT pg_catalog.set_config('statement_timeout', %s, true)",
                [f"{round(timeout_s * 1000)}ms"],
            )
            row = connection.execute(query).fetchone()
            assert row is not None  # noqa: S101  An aggregate has one row.
            count, moment = row
    except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
        is_estimate = question.estimate >= 0
        count = round(question.estimate) if is_estimate else None
    except psycopg.errors.InsufficientPrivilege:
        count = None
    return Loss(
        kind=question.lost.kind,
        name=question.name,
        migration=question.lost.migration,
        label=question.lost.label,
        count=count,
        is_estimate=is_estimate,
        counted=question.counted,
        since=applied_at,
        newest=moment.astimezone(UTC) if moment and moment.tzinfo else None,
    )
