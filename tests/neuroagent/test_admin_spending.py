"""Sums of days that are over: what the overview says with them, and without."""

import io
import os
import random
import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Sum
from django.test import Client
from django.utils import timezone

from neuroagent.admin.spending import DAY
from neuroagent.admin.tokens import fetch_overview, read_question
from neuroagent.models import (
    Message,
    SummedDay,
    Task,
    Thread,
    TokenConsumption,
    TokenSum,
    TokenType,
)
from neuroagent.token_sums import STEP_DAYS
from tests.factories import TokenConsumptionFactory
from tests.neuroagent.pages import audit, build_overview_url, capture
from tests.neuroagent.test_admin_tokens import ask

pytestmark = pytest.mark.django_db

ROUNDS = int(os.environ.get("SPENDING_ROUNDS", "3"))
RESOLUTION = timedelta.resolution
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
ZONES = (
    "UTC",
    "America/New_York",  # In these days an hour is left out,
    "Asia/Beirut",  # here the one after midnight.
    "Asia/Kathmandu",  # At a quarter to.
    "Pacific/Chatham",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
)


def sum_up(*arguments: str) -> str:
    out = io.StringIO()
    call_command("neuroagent_tokens", *arguments, stdout=out)
    return out.getvalue()


def spend(moment: datetime, count: int = 1, **fields: Any) -> TokenConsumption:
    return TokenConsumptionFactory.create(
        message__creation_date=moment, count=count, **fields
    )


def show(zone: str, **query: str) -> list[dict[str, tuple[int, ...]]]:
    """Return all numbers of an overview."""
    with timezone.override(zone):
        overview = fetch_overview(read_question(query, "default"), "default")
    return [
        {line.name: line.counts for line in table.lines} for table in overview.tables
    ]


def sum_days(zone: str) -> dict[str, tuple[int, ...]]:
    """Return the tokens of each day, by the plainest means."""
    sums: dict[str, dict[str, int]] = {}
    rows = TokenConsumption.objects.values_list(
        "message__creation_date", "type", "count"
    )
    for moment, kind, count in rows:
        day = str(moment.astimezone(ZoneInfo(zone)).date())
        sums.setdefault(day, dict.fromkeys(TokenType.values, 0))[kind] += count
    return {day: tuple(by_type.values()) for day, by_type in sums.items()}


def choose_moment(rng: random.Random) -> datetime:
    """Return the beginning of a day somewhere, the moment before, or any other."""
    zone = ZoneInfo(rng.choice(ZONES))
    begins = datetime(2026, 3, 27, tzinfo=zone) + rng.randrange(6) * DAY
    later = rng.choice((-RESOLUTION, timedelta(), timedelta(hours=rng.random() * 24)))
    return begins.astimezone(UTC) + later


def change(rng: random.Random) -> None:
    """Do to the tables what an application may do."""
    rows = list(TokenConsumption.objects.order_by("id"))
    row = rng.choice(rows) if rows else None
    moment = choose_moment(rng)
    action = rng.choice(("add", "late", "count", "move", "user", "delete", "thread"))
    if row is None or action == "add":
        spend(
            moment,
            rng.randrange(1000),
            type=rng.choice(TokenType.values),
            task=rng.choice(Task.values),
            model=rng.choice(("a", "b")),
        )
    elif action == "late":
        TokenConsumptionFactory.create(message=row.message, count=7, model="late")
    elif action == "count":
        TokenConsumption.objects.filter(pk=row.pk).update(count=row.count + 1)
    elif action == "move":
        Message.objects.filter(pk=row.message.pk).update(creation_date=moment)
    elif action == "user":
        threads = Thread.objects.filter(pk=row.message.thread.pk)
        threads.update(user_id=uuid.UUID(int=rng.randrange(3)))
    elif action == "delete":
        row.delete()
    else:
        row.message.thread.delete()


def test_sums_say_what_the_messages_do_whatever_happened() -> None:
    rng = random.Random(1)
    newest = spend(datetime(2026, 4, 2, 13, tzinfo=UTC), 3)
    for _ in range(60):
        spend(
            choose_moment(rng), rng.randrange(1000), type=rng.choice(TokenType.values)
        )
    for _ in range(ROUNDS):
        sum_up()
        for zone in ZONES:
            *_, by_day = show(zone, days="30")
            assert by_day == sum_days(zone), zone
            for query in (
                {"days": "7", "until": "2026-03-30"},
                {"days": "1", "until": "2026-03-29", "task": "CHAT_COMPLETION"},
                {"days": "30", "user": str(newest.message.thread.user_id)},
            ):
                summed = show(zone, **query)
                assert summed == show(zone, **query, fresh="1"), (zone, query)
        assert SummedDay.objects.exists()
        for _ in range(20):
            change(rng)


def test_sums_are_those_of_a_plain_aggregate(admin_client: Client) -> None:
    call_command("neuroagent_demo", threads=60, verbosity=0)
    sum_up()
    expected = TokenConsumption.objects.aggregate(total=Sum("count"))["total"]
    overview = ask(admin_client, days="30")
    assert overview.summed_days > 0
    assert [table.total for table in overview.tables] == [expected] * 4
    rows = TokenConsumption.objects.values_list("message__thread__user_id", "type")
    by_user = {
        (str(user), kind): total for user, kind, total in rows.annotate(Sum("count"))
    }
    for line in overview.tables[2].lines[:20]:
        for kind, count in zip(TokenType.values, line.counts, strict=True):
            assert by_user.get((line.name, kind), 0) == count


def test_what_changes_after_is_left_out_and_said_so(admin_client: Client) -> None:
    old, today = spend(NOON), spend(NOON + 3 * DAY)
    sum_up()
    summed_at = SummedDay.objects.get(day=NOON.date()).summed_at
    TokenConsumption.objects.update(count=10)
    response: Any = admin_client.get(build_overview_url())
    overview = response.context["overview"]
    assert (overview.total, overview.summed_days) == (11, 3)
    assert overview.as_of == summed_at
    page = response.content.decode()
    assert audit(page).faults == []
    assert "3 days are as they were at" in page
    assert "when they were summed up; the others are as they are now." in page
    assert "fresh=1" in page

    response = admin_client.get(build_overview_url(), {"fresh": "1"})
    assert response.context["overview"].total == 20
    assert response.context["overview"].as_of is None
    assert "All is as it is now." in response.content.decode()

    assert "3 days before 2026-03-17: 1 sums, 1 changed" in sum_up()
    assert ask(admin_client).total == 20
    assert "0 changed" in sum_up()
    assert ask(admin_client, user=str(old.message.thread.user_id)).total == 10
    assert ask(admin_client, days="1", until="2026-03-17").as_of is None
    today.message.thread.delete()
    # Now the other day is the newest, and no longer over.
    sum_up()
    assert (SummedDay.objects.count(), TokenSum.objects.count()) == (0, 0)
    assert ask(admin_client, until="2026-03-17").total == 10


def test_as_of_is_the_oldest_of_the_sums(admin_client: Client) -> None:
    for number in range(4):
        spend(NOON + number * DAY)
    sum_up()
    long_ago = datetime(2026, 3, 20, tzinfo=UTC)
    SummedDay.objects.filter(day=date(2026, 3, 15)).update(summed_at=long_ago)
    assert ask(admin_client).as_of == long_ago
    later = ask(admin_client, days="1", until="2026-03-16").as_of
    assert later is not None
    assert later > long_ago
    sum_up("--days", "1")
    assert ask(admin_client).as_of == long_ago
    sum_up("--days", "2")
    assert ask(admin_client).as_of != long_ago


def test_sums_the_newest_days_alone_where_told_to(admin_client: Client) -> None:
    for number in range(4):
        spend(NOON + number * DAY)
    assert "summed up 2 days before 2026-03-17: 2 sums, 2 changed" in sum_up(
        "--days", "2"
    )
    days = SummedDay.objects.values_list("day", flat=True)
    assert list(days) == [date(2026, 3, 15), date(2026, 3, 16)]
    overview = ask(admin_client)
    assert (overview.total, overview.summed_days) == (4, 2)


def test_times_without_messages_are_passed_over() -> None:
    spend(datetime(1971, 1, 1, tzinfo=UTC))
    spend(NOON)
    spend(NOON + DAY)
    assert f"summed up {STEP_DAYS + 1} days" in sum_up()
    assert sum_up("-v", "0") == ""


def test_without_messages_there_are_no_sums(admin_client: Client) -> None:
    assert sum_up() == "no messages, no sums\n"
    assert ask(admin_client, days="90").as_of is None
    for number in range(2):
        spend(NOON + number * DAY)
    sum_up()
    assert SummedDay.objects.count() == 1
    TokenConsumption.objects.all().delete()
    Message.objects.all().delete()
    assert sum_up() == "no messages, no sums\n"
    assert SummedDay.objects.count() == 0


def test_a_zone_that_no_quarter_fits_is_read_from_the_messages(
    admin_client: Client,
) -> None:
    moment = datetime(1971, 6, 14, 0, 30, tzinfo=UTC)  # A quarter to midnight there.
    spend(moment)
    spend(moment + 2 * DAY)
    sum_up()
    query = {"days": "1", "until": "1971-06-13"}
    assert ask(admin_client, **query).total == 0
    admin_client.cookies["timezone"] = "Africa/Monrovia"
    overview = ask(admin_client, **query)
    assert (overview.total, overview.as_of) == (1, None)


def test_the_overview_takes_few_queries(admin_client: Client) -> None:
    for number in range(9):
        spend(NOON + number * DAY)
    url = build_overview_url()
    _, without = capture(admin_client, url, {"days": "7"})
    sum_up()
    _, queries = capture(admin_client, url, {"days": "7"})
    # The newest day, whether there are sums and of which days, the sums, the messages.
    assert (len(without), len(queries)) == (4, 5)
    # Of one day alone.
    assert "FROM messages\n" in queries[-1]
    assert "creation_date >= '2026-03-22 00:00:00+00:00'" in queries[-1]


@pytest.mark.parametrize(
    "missing", ["DROP TABLE token_sums", "REVOKE ALL ON token_days FROM {}"]
)
def test_works_where_there_are_no_sums_to_read(
    missing: str, admin_client: Client
) -> None:
    spend(NOON)
    spend(NOON + DAY)
    sum_up()
    role = f"reader_{uuid.uuid4().hex}"
    with connection.cursor() as cursor:
        for statement in (
            "CREATE ROLE {}",
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO {}",
            "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {}",
            missing,
            "SET LOCAL ROLE {}",
        ):
            cursor.execute(statement.format(role))
    overview = ask(admin_client)
    assert (overview.total, overview.as_of) == (2, None)


def test_says_what_is_missing_where_there_is_no_place_for_sums() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE token_days")
    with pytest.raises(CommandError, match='table "token_days" is not in') as error:
        sum_up()
    assert error.value.returncode == 4
    assert "run: manage.py dbops_deploy" in str(error.value)


def test_a_number_of_days_that_is_none_is_refused() -> None:
    with pytest.raises(CommandError, match="--days must be 1 or more, not 0") as error:
        sum_up("--days", "0")
    assert error.value.returncode == 2
