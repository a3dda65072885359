"""The overview of tokens, and its sums."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import Sum
from django.test import Client

from neuroagent.admin.charts import columns, stack
from neuroagent.admin.tokens import Overview
from neuroagent.admin.totals import Spent, build_table
from neuroagent.models import Task, TokenConsumption, TokenType
from tests.factories import TokenConsumptionFactory
from tests.neuroagent.pages import audit, build_conversation_url, build_overview_url

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


def ask(client: Client, **query: str) -> Overview:
    response: Any = client.get(build_overview_url(), query)
    assert response.status_code == 200
    overview: Overview = response.context["overview"]
    return overview


def test_sums_are_those_of_the_table(admin_client: Client) -> None:
    call_command("neuroagent_demo", threads=100, verbosity=0)
    expected = TokenConsumption.objects.aggregate(total=Sum("count"))["total"]
    overview = ask(admin_client, days="90")
    assert overview.total == expected
    assert [table.total for table in overview.tables] == [expected] * 4
    by_model = dict(
        TokenConsumption.objects.values_list("model").annotate(total=Sum("count"))
    )
    lines = overview.tables[0].lines
    assert {line.name: line.total for line in lines} == by_model
    assert [line.total for line in lines] == sorted(by_model.values(), reverse=True)


def test_what_all_have_spent_is_what_each_has_spent(admin_client: Client) -> None:
    call_command("neuroagent_demo", threads=60, verbosity=0)
    for query in ({"days": "90"}, {"days": "30", "task": "CHAT_COMPLETION"}):
        together = ask(admin_client, **query)
        users = {line.name: line for line in together.tables[2].lines}
        users.pop("all others", None)
        assert len(users) > 1
        for user, line in list(users.items())[:5]:
            alone = ask(admin_client, **query, user=user)
            assert alone.total == line.total
            (of_user,) = alone.tables[2].lines
            assert of_user.counts == line.counts


def test_a_period_has_its_days_in_the_readers_zone(admin_client: Client) -> None:
    late = NOON.replace(hour=23)
    TokenConsumptionFactory.create(message__creation_date=late, count=10)
    TokenConsumptionFactory.create(message__creation_date=NOON, count=1)
    assert ask(admin_client, days="1", until="2026-03-14").total == 11
    admin_client.cookies["timezone"] = "Asia/Tokyo"
    assert ask(admin_client, days="1", until="2026-03-14").total == 1
    # Without a day it is the one of the newest message.
    assert ask(admin_client, days="1").total == 10
    days = [line.name for line in ask(admin_client).tables[3].lines]
    assert days == ["2026-03-15", "2026-03-14"]


def test_is_narrowed_down_by_user_model_and_task(admin_client: Client) -> None:
    one = TokenConsumptionFactory.create(count=1, model="a", task=Task.TOOL_SELECTION)
    TokenConsumptionFactory.create(count=10, model="b")
    user = str(one.message.thread.user_id)
    for query in ({"user": user}, {"model": "a"}, {"task": "TOOL_SELECTION"}):
        response: Any = admin_client.get(build_overview_url(), query)
        assert response.context["overview"].total == 1
        assert response.content.decode().count(">Clear<") == 1


@pytest.mark.parametrize(
    "query",
    [
        {"days": "1000000"},
        {"until": "9999-99-99"},
        {"until": "0001-01-01"},
        {"until": "9999-12-31"},
        {"user": "nobody"},
        {"task": "NONSENSE"},
        {"model": "\0"},
    ],
)
def test_answers_whatever_is_asked_for(
    query: dict[str, str], admin_client: Client
) -> None:
    TokenConsumptionFactory.create()
    ask(admin_client, **query)


def test_a_type_and_a_task_that_the_models_do_not_know_are_counted(
    admin_client: Client,
) -> None:
    """The database belongs to another application, which may go ahead."""
    known = TokenConsumptionFactory.create(
        type=TokenType.INPUT_CACHED, task=Task.TOOL_SELECTION, count=1
    )
    TokenConsumptionFactory.create(
        message=known.message,
        type=TokenType.COMPLETION,
        task=Task.CHAT_COMPLETION,
        count=20,
    )
    with connection.cursor() as cursor:
        cursor.execute("ALTER TYPE tokentype RENAME VALUE 'COMPLETION' TO 'A <b>'")
        cursor.execute("ALTER TYPE task RENAME VALUE 'CHAT_COMPLETION' TO 'A <b>'")
    overview = ask(admin_client)
    assert overview.total == 21
    assert [table.total for table in overview.tables] == [21] * 4
    assert overview.tables[0].types[-1] == ("A <b>", "A <b>")
    page: Any = admin_client.get(build_overview_url())
    assert audit(page.content.decode()).faults == []
    page = admin_client.get(build_conversation_url(known.message.thread))
    assert "A &lt;b&gt; 20" in page.content.decode()
    assert audit(page.content.decode()).faults == []


def test_an_empty_period_says_so(admin_client: Client) -> None:
    page: Any = admin_client.get(build_overview_url(), {"until": "2001-01-01"})
    assert "No tokens were spent in this period." in page.content.decode()


def test_a_chart_has_a_bar_for_each_day_and_type(admin_client: Client) -> None:
    for kind in TokenType.values:
        TokenConsumptionFactory.create(message__creation_date=NOON, type=kind, count=7)
    page: Any = admin_client.get(build_overview_url(), {"days": "7"})
    html = page.content.decode()
    assert audit(html).faults == []
    assert audit(html).elements.count("rect") >= 7 * 3
    assert "2026-03-14: 21" in html


def test_bars_fill_what_they_are_given() -> None:
    assert stack({"a": 0, "b": 0}, largest=0) == ()
    (one,) = stack({"a": 5}, largest=5)
    assert (one.x, one.width) == ("0.00", "100.00")
    rects = columns([("Monday", {"a": 1, "b": 3}), ("Tuesday", {"a": 2, "b": 0})])
    assert [float(each.height) for each in rects] == [10, 30, 20, 0]
    assert [float(each.y) for each in rects] == [30, 0, 20, 20]
    assert columns([("Monday", {"a": 0})]) == ()


def test_the_many_are_one_line_in_the_end() -> None:
    spent = [Spent(name=f"u{n:02}", type="COMPLETION", count=n) for n in range(1, 31)]
    table = build_table("By user", spent, others="all others")
    assert len(table.lines) == 21
    assert (table.lines[0].name, table.lines[0].total) == ("u30", 30)
    assert (table.lines[-1].name, table.lines[-1].total) == ("all others", 55)
    assert table.total == sum(range(1, 31))
