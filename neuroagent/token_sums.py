"""Sum up the tokens of days that are over, for the overview of the admin site.

The tables belong to the chat backend, which tells nobody what it adds, changes and
deletes. So the sums are compared with the tables again and again, by whoever runs
`neuroagent_tokens`, and each day remembers when it was.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db import connections, transaction

from neuroagent.admin.queries import read_query
from neuroagent.models import Message, SummedDay, TokenSum

FIRST_DAY, END = date(1970, 1, 1), date(3000, 1, 1)
"""What is dated otherwise is in no overview."""

STEP_DAYS = 120
"""Days of a transaction. In more, each message costs less, but old rows are kept from
being vacuumed for longer: a second for 100,000 messages."""

LOCK = "LOCK TABLE token_days IN SHARE ROW EXCLUSIVE MODE"
"""Another run waits for it; those who read do not."""


class UnknownTypeError(Exception):
    """Tokens are of a type that has no column among the sums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summed:
    """What a run has done."""

    until: date | None = None
    """The day that the sums end before; None where there are no messages."""
    days: int = 0
    sums: int = 0
    changed: int = 0


Report = Callable[[Summed], None]


def sum_up(alias: str, *, days: int | None = None, report: Report) -> Summed:
    """Sum up the days before the newest message's, all or only the last `days`.

    Each STEP_DAYS are a transaction of their own; `report` is told after each.

    Raises: UnknownTypeError.
    """
    until = find_end(alias)
    forget(alias, until or FIRST_DAY)
    done = Summed(until=until)
    if until is None:
        return done
    wanted = FIRST_DAY if days is None else until - timedelta(days=days)
    since = find_day(alias, max(wanted, FIRST_DAY))
    while since is not None and since < until:
        end = min(since + timedelta(days=STEP_DAYS), until)
        sums, changed = sum_days(alias, since, end)
        done = Summed(
            until=until,
            days=done.days + (end - since).days,
            sums=done.sums + sums,
            changed=done.changed + changed,
        )
        report(done)
        since = find_day(alias, end)
    return done


def find_end(alias: str) -> date | None:
    """Return the day of the newest message, which is not over."""
    newest = (
        Message.objects.using(alias)
        .filter(creation_date__gte=begin(FIRST_DAY), creation_date__lt=begin(END))
        .order_by("-creation_date", "-message_id")
        .values_list("creation_date", flat=True)
        .first()
    )
    return newest and newest.astimezone(UTC).date()


def find_day(alias: str, since: date) -> date | None:
    """Return the first day from `since` on with messages, or with sums of them."""
    message = (
        Message.objects.using(alias)
        .filter(creation_date__gte=begin(since), creation_date__lt=begin(END))
        .order_by("creation_date", "message_id")
        .values_list("creation_date", flat=True)
        .first()
    )
    summed = SummedDay.objects.using(alias).filter(day__gte=since).first()
    found = [
        *([message.astimezone(UTC).date()] if message else []),
        *([summed.day] if summed else []),
    ]
    return min(found, default=None)


def sum_days(alias: str, since: date, until: date) -> tuple[int, int]:
    """Sum up the days before `until`; return how many sums there are, and changed.

    Raises: UnknownTypeError.
    """
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute(LOCK)
        cursor.execute(
            read_query("sum_tokens"), {"since": begin(since), "until": begin(until)}
        )
        sums, changed, unknown = cursor.fetchone()
        if unknown:
            raise UnknownTypeError
    return sums, changed


def forget(alias: str, since: date) -> None:
    """Delete the sums from a day on: what was newer than it is no longer there."""
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute(LOCK)
        TokenSum.objects.using(alias).filter(quarter__gte=begin(since)).delete()
        SummedDay.objects.using(alias).filter(day__gte=since).delete()


def begin(day: date) -> datetime:
    """Return when the day begins."""
    return datetime.combine(day, time(), UTC)
