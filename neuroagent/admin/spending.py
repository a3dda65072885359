"""Tokens of a period: sums of days that are over, and the messages of the others.

A day begins in the reader's zone. Sums are of quarters of an hour, with one of which it
begins in all zones of today; where it does not, all is read from the messages.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from uuid import UUID

from django.db import connections

from neuroagent.admin.queries import read_query
from neuroagent.models import SummedDay

QUARTER_S = 15 * 60
DAY = timedelta(days=1)

Row = tuple[int | None, UUID | None, str | None, str | None, str, int]
"""Day (its number, from 1), user, model, task: all but one None; type, and tokens."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A time that ends before `until`."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What the tokens were spent on; None for anything."""

    user: UUID | None = None
    model: str | None = None
    task: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """Tokens of a period."""

    rows: tuple[Row, ...]
    summed_days: int
    """Days that are not, or not all, read from the messages."""
    as_of: datetime | None
    """What was committed before is in the sums of those days."""


def fetch_spending(
    alias: str, days: Sequence[datetime], filters: Filters, *, fresh: bool = False
) -> Spending:
    """Return the tokens of the days.

    `days` are the moments at which they begin, and in the end the one at which the last
    ends. `fresh` leaves the sums alone.
    """
    period = Span(days[0], days[-1])
    summed: Mapping[date, datetime] = {}
    if not fresh and all(day.timestamp() % QUARTER_S == 0 for day in days):
        summed = fetch_summed_days(alias, period)
    spans = join_days(summed, period)
    live = "tokens" if filters.user else "tokens_of_all"
    rows: list[Row] = []
    for span in spans:
        rows += ask(alias, "tokens_summed", span, days, filters)
    for span in find_gaps(spans, period):
        rows += ask(alias, live, span, days, filters)
    return Spending(
        rows=tuple(rows),
        summed_days=count_days(days, spans),
        as_of=min(summed.values(), default=None),
    )


def fetch_summed_days(alias: str, period: Span) -> Mapping[date, datetime]:
    """Return the days with sums that the period has a part of, and when they were made.

    None at all where the tables are not there yet, or not for this role.
    """
    with connections[alias].cursor() as cursor:
        cursor.execute(read_query("sums_readable"))
        (readable,) = cursor.fetchone()
    if not readable:
        return {}
    first, last = (
        moment.astimezone(UTC).date()
        for moment in (period.since, period.until - timedelta.resolution)
    )
    rows = SummedDay.objects.using(alias).filter(day__gte=first, day__lte=last)
    return dict(rows.values_list("day", "summed_at"))


def ask(
    alias: str, query: str, span: Span, days: Sequence[datetime], filters: Filters
) -> list[Row]:
    """Return the rows of one of the queries for tokens."""
    with connections[alias].cursor() as cursor:
        cursor.execute(
            read_query(query),
            {
                "since": span.since,
                "until": span.until,
                "days": list(days[:-1]),
                "only_user": filters.user,
                "only_model": filters.model,
                "only_task": filters.task,
            },
        )
        rows: list[Row] = cursor.fetchall()
    return rows


def join_days(days: Collection[date], period: Span) -> list[Span]:
    """Return the time of the days (of UTC) in the period, as few spans as there are.

    >>> first = datetime(2026, 3, 14, 5, tzinfo=UTC)
    >>> days = {date(2026, 3, 14), date(2026, 3, 15), date(2026, 3, 17)}
    >>> for span in join_days(days, Span(first, first + 3 * DAY)):
    ...     print(span.since, span.until)
    2026-03-14 05:00:00+00:00 2026-03-16 00:00:00+00:00
    2026-03-17 00:00:00+00:00 2026-03-17 05:00:00+00:00
    """
    spans: list[Span] = []
    for day in sorted(days):
        begins = datetime.combine(day, time(), UTC)
        since = max(begins, period.since)
        until = min(begins + DAY, period.until)
        if spans and spans[-1].until == since:
            since = spans.pop().since
        if since < until:
            spans.append(Span(since, until))
    return spans


def find_gaps(spans: Iterable[Span], period: Span) -> list[Span]:
    """Return what the spans, which are in order, leave of the period.

    >>> one, two, three, four = (datetime(2026, 3, n, tzinfo=UTC) for n in range(1, 5))
    >>> find_gaps([Span(one, two), Span(three, four)], Span(one, four)) == [
    ...     Span(two, three)
    ... ]
    True
    >>> find_gaps([], Span(one, two)) == [Span(one, two)]
    True
    """
    gaps = []
    since = period.since
    for span in spans:
        if since < span.since:
            gaps.append(Span(since, span.since))
        since = span.until
    if since < period.until:
        gaps.append(Span(since, period.until))
    return gaps


def count_days(days: Sequence[datetime], spans: Sequence[Span]) -> int:
    """Return how many of the days have a part in one of the spans."""
    return sum(
        any(span.since < until and since < span.until for span in spans)
        for since, until in pairwise(days)
    )
