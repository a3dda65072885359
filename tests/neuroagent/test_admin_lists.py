"""Long lists: pages, filters, plans."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from neuroagent.admin.paging import BadPageError, Order, fetch_page
from neuroagent.admin.threads import ThreadAdmin
from neuroagent.models import Entity, Message, Thread, TokenConsumption, ToolCall
from tests.factories import (
    MessageFactory,
    ThreadFactory,
    TokenConsumptionFactory,
    ToolCallFactory,
)
from tests.neuroagent.pages import (
    TABLES,
    build_conversation_url,
    build_overview_url,
    build_url,
    capture,
    find_plans,
    list_rows,
)

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
NEWEST_FIRST = Order(("-update_date", "-thread_id"))


# Pages


@pytest.fixture
def threads() -> list[Thread]:
    """Threads, of which many have the same date, the newest first."""
    for number in range(23):
        ThreadFactory.create(update_date=NOON + timedelta(hours=number // 7))
    return list(Thread.objects.order_by("-update_date", "-thread_id"))


def walk(order: Order, token: str, side: str) -> Iterator[list[Thread]]:
    """Yield the rows of a page, and of all that come after it on that side."""
    while True:
        page = fetch_page(Thread.objects.all(), order, token, size=5)
        yield list(page.rows)
        following = getattr(page, side)
        if following is None:
            return
        token = following


@pytest.mark.parametrize(
    "order", [NEWEST_FIRST, NEWEST_FIRST.reverse(), Order(("pk",))]
)
def test_pages_have_each_row_once_and_in_order(
    order: Order, threads: list[Thread]
) -> None:
    everything = list(Thread.objects.order_by(*order.names))
    forward = list(walk(order, "", "next"))
    backward = list(walk(order, "last", "previous"))[::-1]
    assert list(chain(*forward)) == everything
    assert list(chain(*backward)) == everything
    assert [len(page) for page in forward] == [5, 5, 5, 5, 3]


def test_the_first_and_the_last_page_lead_nowhere_else(threads: list[Thread]) -> None:
    first = fetch_page(Thread.objects.all(), NEWEST_FIRST, "", size=5)
    last = fetch_page(Thread.objects.all(), NEWEST_FIRST, "last", size=5)
    assert (first.previous, last.next) == (None, None)
    assert first.next is not None
    assert last.previous is not None


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "after",
        "after~",
        "after~yesterday~1",
        f"after~2026-01-01T00:00:00~{uuid.UUID(int=1)}",
        "after~2026-01-01T00:00:00+00:00~\0",
        "2",
    ],
)
def test_no_page_is_at_a_wrong_address(token: str, admin_client: Client) -> None:
    with pytest.raises(BadPageError):
        fetch_page(Thread.objects.all(), NEWEST_FIRST, token, size=5)
    response = admin_client.get(build_url(Thread, "changelist"), {"p": token})
    assert (response.status_code, response["Location"][-4:]) == (302, "?e=1")


def test_the_links_lead_through_the_list(
    admin_client: Client, threads: list[Thread], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ThreadAdmin, "list_per_page", 10)
    url = build_url(Thread, "changelist")
    seen: list[Any] = []
    query = ""
    while True:
        changelist = admin_client.get(f"{url}{query}").context["cl"]
        seen += changelist.result_list
        older = [link for label, link in changelist.pages if label.startswith("Older")]
        if not older:
            break
        (query,) = older
    assert seen == threads


def test_a_list_is_not_sorted_by_what_the_address_says(
    admin_client: Client, threads: list[Thread]
) -> None:
    assert list_rows(admin_client, Thread, o="1") == threads
    _, statements = capture(admin_client, build_url(Thread, "changelist"), {"o": "1"})
    assert not [each for each in statements if 'ORDER BY "threads"."title"' in each]


# The size of a table


def test_a_small_table_is_counted(admin_client: Client, threads: list[Thread]) -> None:
    page = admin_client.get(build_url(Thread, "changelist")).content.decode()
    assert "23 in all" in page


def test_nothing_counts_a_large_table(admin_client: Client, demo: None) -> None:
    for model in (Thread, Message, ToolCall, TokenConsumption):
        _, statements = capture(admin_client, build_url(model, "changelist"))
        counts = [each for each in statements if "COUNT(*)" in each]
        assert all("LIMIT 10001" in each or "IN (" in each for each in counts)
        assert not [each for each in statements if "OFFSET" in each]


# Filters


def test_messages_are_filtered_by_day_in_the_readers_zone(admin_client: Client) -> None:
    late = MessageFactory.create(creation_date=NOON.replace(hour=23))
    MessageFactory.create(creation_date=NOON)
    day, next_day = "2026-03-14", "2026-03-15"
    assert len(list_rows(admin_client, Message, since=day, until=day)) == 2
    admin_client.cookies["timezone"] = "Asia/Tokyo"
    assert list_rows(admin_client, Message, since=next_day) == [late]
    assert late not in list_rows(admin_client, Message, until=day)


def test_threads_are_filtered_by_their_owners(admin_client: Client) -> None:
    owned = {
        "user": ThreadFactory.create(),
        "project": ThreadFactory.create(project_id=uuid.uuid4()),
        "vlab": ThreadFactory.create(vlab_id=uuid.uuid4()),
    }
    for name, thread in owned.items():
        message = MessageFactory.create(thread=thread)
        value = str(getattr(thread, f"{name}_id"))
        assert list_rows(admin_client, Thread, **{name: value}) == [thread]
        assert list_rows(admin_client, Message, **{name: value}) == [message]


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("user", "nobody", "This is no id."),
        ("since", "soon", "This is no date."),
        ("until", "9999-12-31", "This is no date."),
        ("until", "2026-02-30", "This is no date."),
    ],
)
def test_a_filter_says_what_is_wrong_with_what_was_typed(
    name: str, value: str, complaint: str, admin_client: Client
) -> None:
    ThreadFactory.create()
    response = admin_client.get(build_url(Thread, "changelist"), {name: value})
    assert complaint in response.content.decode()
    assert list(response.context["cl"].result_list) == []


def test_messages_are_filtered_by_model_and_completeness(admin_client: Client) -> None:
    spent = TokenConsumptionFactory.create(model="gpt-rare", message__is_complete=False)
    TokenConsumptionFactory.create(model="gpt-common")
    assert list_rows(admin_client, Message, model="gpt-rare") == [spent.message]
    assert list_rows(admin_client, Message, is_complete__exact="0") == [spent.message]
    assert list_rows(admin_client, TokenConsumption, model="gpt-rare") == [spent]
    page = admin_client.get(build_url(Message, "changelist")).content.decode()
    assert "?model=gpt-common" in page


def test_threads_are_filtered_by_the_model_of_a_message(admin_client: Client) -> None:
    spent = TokenConsumptionFactory.create(model="gpt-rare")
    thread = spent.message.thread
    TokenConsumptionFactory.create(model="gpt-rare", message__thread=thread)
    TokenConsumptionFactory.create(model="gpt-common")
    ThreadFactory.create()
    assert list_rows(admin_client, Thread, model="gpt-rare") == [thread]
    text = json.loads(spent.message.content)["content"]
    assert list_rows(admin_client, Thread, model="gpt-rare", q=text) == [thread]
    assert list_rows(admin_client, Thread, model="gpt-common", q=str(thread.pk)) == []


def test_filters_go_together_with_a_search(admin_client: Client) -> None:
    thread = ThreadFactory.create()
    message = MessageFactory.create(thread=thread, text="Which neurons fire?")
    MessageFactory.create(text="Which neurons fire?")
    query = {"q": "neuron", "user": str(thread.user_id)}
    assert list_rows(admin_client, Thread, **query) == [thread]
    assert list_rows(admin_client, Message, **query) == [message]


@pytest.mark.parametrize("text", ['"ok": 17', "größe", "a\\b", "100%_"])
def test_tool_output_is_found_by_the_exact_text(
    text: str, admin_client: Client
) -> None:

    for ascii_only in (True, False):
        result = json.dumps({"note": text}, ensure_ascii=ascii_only)
        content = json.dumps({"content": result}, ensure_ascii=ascii_only)
        found = MessageFactory.create(entity=Entity.TOOL, content=content)
        MessageFactory.create(entity=Entity.TOOL, text="something else")
        assert found in list_rows(admin_client, Message, tool_output=text)
    assert len(list_rows(admin_client, Message, tool_output=text)) == 2


def test_tools_are_found_by_part_of_their_name(admin_client: Client) -> None:
    call = ToolCallFactory.create(name="Generate-Plot")
    assert list_rows(admin_client, ToolCall, q="plot") == [call]
    assert list_rows(admin_client, ToolCall, q=call.pk) == [call]


# Plans


@pytest.fixture
def demo(db: None) -> None:
    """Some hundreds of conversations."""
    call_command("neuroagent_demo", threads=60, verbosity=0)


def find_pages() -> list[tuple[str, dict[str, str]]]:
    message = Message.objects.filter(entity="TOOL").first()
    assert message is not None
    thread = message.thread
    user = str(thread.user_id)
    date = thread.update_date.date().isoformat()
    threads, messages = (
        build_url(Thread, "changelist"),
        build_url(Message, "changelist"),
    )
    after = NEWEST_FIRST.write_token("after", thread)
    return [
        (threads, {}),
        (threads, {"p": after}),
        (threads, {"p": "last"}),
        (threads, {"user": user}),
        (threads, {"model": "gpt-5-mini"}),
        (threads, {"q": "neurons"}),
        (threads, {"q": "neurons", "user": user}),
        (threads, {"q": "neurons", "since": date}),
        (messages, {}),
        (messages, {"since": date, "until": date}),
        (messages, {"entity__exact": "TOOL"}),
        (messages, {"is_complete__exact": "0"}),
        (messages, {"model": "gpt-5-mini"}),
        (messages, {"user": user}),
        (messages, {"q": "neurons -synapse"}),
        (messages, {"q": str(thread.pk)}),
        (build_url(ToolCall, "changelist"), {}),
        (build_url(ToolCall, "changelist"), {"q": "plot"}),
        (build_url(TokenConsumption, "changelist"), {"model": "gpt-5-mini"}),
        (build_conversation_url(thread), {}),
        (build_conversation_url(thread), {"at": str(message.pk)}),
        (build_url(Message, "change", message.pk), {}),
        (build_overview_url(), {}),
        (build_overview_url(), {"days": "1", "user": user, "model": "gpt-5-mini"}),
        (build_url(Message, "export", "csv"), {"entity__exact": "USER"}),
    ]


def test_no_page_needs_to_read_a_whole_table(admin_client: Client, demo: None) -> None:
    for url, query in find_pages():
        response, statements = capture(admin_client, url, query)
        assert response.status_code == 200, url
        ours = [each for each in statements if any(name in each for name in TABLES)]
        readable = [each for each in ours if each.startswith(("SELECT", "WITH", "--"))]
        scanned = [
            node["Relation Name"]
            for node in find_plans(readable)
            if node["Node Type"] == "Seq Scan" and node["Relation Name"] in TABLES
        ]
        assert scanned == [], (url, query)


def test_no_page_of_a_list_needs_to_be_sorted(admin_client: Client, demo: None) -> None:
    for model in (Thread, Message, ToolCall, TokenConsumption):
        _, statements = capture(admin_client, build_url(model, "changelist"))
        table = model._meta.db_table
        (page,) = (
            each
            for each in statements
            if f'FROM "{table}"' in each and each.endswith("LIMIT 51")
        )
        plans = find_plans([page])
        assert not [node for node in plans if node["Node Type"] == "Sort"], table


# Changes


def test_edits_are_possible_where_the_setting_allows_them(
    admin_client: Client, settings: Any
) -> None:
    settings.ADMIN_ALLOW_EDITS = True
    message = MessageFactory.create()
    url = build_url(Message, "change", message.pk)
    page = admin_client.get(url).content.decode()
    assert 'name="_save"' in page
    assert "<textarea" in page
    assert "<select" in page  # The entity's four labels.
    assert str(message.thread.title) + "</option>" not in page
    thread_url = build_url(Thread, "change", message.thread.pk)
    assert "?edit=1" in admin_client.get(thread_url).content.decode()
    form = {
        "title": "Renamed",
        "user_id": str(message.thread.user_id),
        "creation_date_0": "2026-01-01",
        "creation_date_1": "00:00:00",
        "update_date_0": "2026-01-01",
        "update_date_1": "00:00:00",
    }
    assert admin_client.post(thread_url, form).status_code == 302
    message.thread.refresh_from_db()
    assert message.thread.title == "Renamed"


def test_orders_of_three_fields_are_refused() -> None:
    with pytest.raises(ValueError, match="one or two"):
        Order(("a", "b", "c"))
