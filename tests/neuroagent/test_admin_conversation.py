"""A thread as the conversation it is."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission, User
from django.test import Client

from neuroagent.models import (
    Entity,
    Message,
    ReasoningLevel,
    Task,
    Thread,
    TokenType,
    ToolCall,
)
from tests.factories import (
    ComplexityEstimationFactory,
    MessageFactory,
    ThreadFactory,
    TokenConsumptionFactory,
    ToolCallFactory,
    ToolSelectionFactory,
)
from tests.neuroagent.pages import audit, build_conversation_url, build_url, capture

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


def write_messages(thread: Thread, count: int) -> list[Message]:
    """Return messages a second apart, two of them at each time."""
    return Message.objects.bulk_create(
        Message(
            thread=thread,
            entity=Entity.USER,
            content=json.dumps({"role": "user", "content": f"Question {number}."}),
            creation_date=NOON + timedelta(seconds=number // 2),
        )
        for number in range(count)
    )


def order(messages: list[Message]) -> list[Any]:
    ordered = sorted(messages, key=lambda each: (each.creation_date, each.pk))
    return [each.pk for each in ordered]


def read_page(client: Client, url: str) -> Any:
    response = client.get(url)
    assert response.status_code == 200
    return response.context["conversation"]


def test_messages_come_in_order_with_all_that_hangs_on_them(
    admin_client: Client,
) -> None:
    thread = ThreadFactory.create(title="On neurons")
    question = MessageFactory.create(
        thread=thread, text="Which fire?", creation_date=NOON
    )
    ToolSelectionFactory.create(message=question, tool_name="literature-search")
    ComplexityEstimationFactory.create(
        message=question, complexity=7, model="gpt-5", reasoning=ReasoningLevel.HIGH
    )
    asked = MessageFactory.create(
        thread=thread,
        entity=Entity.AI_TOOL,
        text="",
        creation_date=NOON + timedelta(seconds=1),
    )
    call = ToolCallFactory.create(
        message=asked,
        name="literature-search",
        arguments='{"query": "firing", "years": [2024, 2025]}',
        validated=True,
    )
    result = {"role": "tool", "tool_call_id": call.pk, "tool_name": call.name}
    MessageFactory.create(
        thread=thread,
        entity=Entity.TOOL,
        content=json.dumps({**result, "content": '{"papers": ["One", "Two"]}'}),
        creation_date=NOON + timedelta(seconds=2),
    )
    answer = MessageFactory.create(
        thread=thread,
        entity=Entity.AI_MESSAGE,
        text="Pyramidal cells do",
        is_complete=False,
        creation_date=NOON + timedelta(seconds=3),
    )
    for kind, count in zip(TokenType.values, (1000, 200, 34), strict=True):
        TokenConsumptionFactory.create(message=answer, type=kind, count=count)

    response = admin_client.get(build_conversation_url(thread))

    page = response.content.decode()
    turns = response.context["conversation"].turns
    assert [turn.entity for turn in turns] == ["USER", "AI_TOOL", "AI_MESSAGE"]
    (shown,) = turns[1].calls
    assert '"years": [\n    2024' in shown.arguments.text
    assert '"papers": [\n    "One"' in shown.result.content.said.text
    assert turns[2].tokens == 1234
    text = audit(page).text
    for expected in (
        "Which fire?",
        "reasoning High, complexity 7",
        "gpt-5",
        "1 tool offered",
        "accepted",
        "Pyramidal cells do",
        "incomplete",
        "1,234 tokens",
        "1,234 tokens in the whole thread",
        "Chat completion",
        "Messages 1 to 4 of 4",
    ):
        assert expected in text, expected
    utc = 'datetime="2026-03-14T12:00:00+00:00" title="2026-03-14 12:00:00 UTC"'
    assert f"<time {utc}>2026-03-14 12:00:00</time>" in page
    assert '<rect class="COMPLETION"' in page


def test_a_long_thread_takes_as_few_queries_as_a_short_one(
    admin_client: Client,
) -> None:
    short, long = ThreadFactory.create_batch(2)
    write_messages(short, 10)
    messages = write_messages(long, 2000)
    _, few = capture(admin_client, build_conversation_url(short))
    response, many = capture(admin_client, build_conversation_url(long))
    assert len(few) == 7
    assert len(many) == 8  # How many there are is counted in the index.
    shown = response.context["conversation"]
    assert [turn.key for turn in shown.turns] == order(messages)[:50]
    assert (shown.count, shown.first, shown.last) == (2000, 1, 50)


def test_the_pages_lead_through_a_long_thread_and_back(admin_client: Client) -> None:
    thread = ThreadFactory.create()
    messages = order(write_messages(thread, 130))
    url = build_conversation_url(thread)
    first = read_page(admin_client, url)
    second = read_page(admin_client, f"{url}?p={first.next.replace('+', '%2B')}")
    last = read_page(admin_client, f"{url}?p=last")
    before = read_page(admin_client, f"{url}?p={last.previous.replace('+', '%2B')}")
    assert [turn.key for turn in second.turns] == messages[50:100]
    assert [turn.key for turn in last.turns] == messages[80:]
    assert [turn.key for turn in before.turns] == messages[30:80]
    assert (first.previous, last.next) == (None, None)
    assert (before.first, before.last) == (31, 80)


def test_a_link_leads_to_one_message(admin_client: Client) -> None:
    thread = ThreadFactory.create()
    messages = order(write_messages(thread, 150))
    url = build_conversation_url(thread)
    shown = read_page(admin_client, f"{url}?at={messages[120]}")
    assert [turn.key for turn in shown.turns] == messages[120:]
    assert shown.previous
    first = read_page(admin_client, f"{url}?at={messages[0]}")
    assert [turn.key for turn in first.turns] == messages[:50]
    elsewhere = MessageFactory.create()
    other = read_page(admin_client, f"{url}?at={elsewhere.pk}")
    assert [turn.key for turn in other.turns] == messages[:50]


def test_a_result_without_its_call_is_a_message(admin_client: Client) -> None:
    result = {"role": "tool", "tool_call_id": "call_unknown", "content": "17"}
    message = MessageFactory.create(entity=Entity.TOOL, content=json.dumps(result))
    (turn,) = read_page(admin_client, build_conversation_url(message.thread)).turns
    assert turn.content.said.text == "17"


def test_a_thread_without_messages_says_so(admin_client: Client) -> None:
    thread = ThreadFactory.create(title="")
    page = admin_client.get(build_conversation_url(thread)).content.decode()
    assert "There is no message in this thread." in page


def test_a_page_that_is_none_leads_to_the_first(admin_client: Client) -> None:
    thread = ThreadFactory.create()
    url = build_conversation_url(thread)
    response = admin_client.get(url, {"p": "after~nonsense"})
    assert (response.status_code, response["Location"]) == (302, url)


def test_a_thread_that_is_not_there_leads_to_the_start(admin_client: Client) -> None:
    for key in ("0" * 32, "nonsense"):
        response = admin_client.get(build_url(Thread, "change", key))
        assert response.status_code == 302


def test_the_raw_text_is_the_one_in_the_database(admin_client: Client) -> None:
    call = ToolCallFactory.create(tool_call_id="call/ü ?#", arguments='{ "a" :1}')
    message = MessageFactory.create(entity=Entity.TOOL, content="{broken\n")
    thread = build_conversation_url(call.message.thread)
    address = build_url(ToolCall, "raw", quote(call.pk))
    assert f'href="{address}"' in admin_client.get(thread).content.decode()
    response = admin_client.get(address)
    assert response.content.decode() == '{ "a" :1}'
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"
    response = admin_client.get(build_url(Message, "raw", message.pk))
    assert response.content.decode() == "{broken\n"
    assert admin_client.get(build_url(Message, "raw", "0" * 32)).status_code == 404


# Who may see what


@pytest.fixture
def clerk(django_user_model: type[User]) -> User:
    """Somebody who may see threads and nothing else."""
    user = django_user_model.objects.create_user("clerk", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_thread"))
    return user


def test_messages_are_hidden_from_those_who_may_not_see_them(
    client: Client, clerk: User
) -> None:
    client.force_login(clerk)
    spent = TokenConsumptionFactory.create(
        message__thread__title="On neurons", message__text="A secret.", count=4321
    )
    thread = spent.message.thread
    page = client.get(build_conversation_url(thread)).content.decode()
    assert "On neurons" in page
    assert "that is another permission" in page
    for hidden in ("A secret.", "4,321", build_url(Message, "changelist")):
        assert hidden not in page
    found = client.get(build_url(Thread, "changelist"), {"q": "secret"})
    assert list(found.context["cl"].result_list) == []
    exported = client.get(build_url(Thread, "export", "csv"), {"q": "secret"})
    lines = b"".join(exported.streaming_content).splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 1
    for url in (
        build_url(Message, "changelist"),
        build_url(Message, "raw", spent.message.pk),
        build_url(Message, "export", "jsonl"),
    ):
        assert client.get(url).status_code == 403


def test_tokens_and_tool_calls_need_permissions_of_their_own(
    client: Client, clerk: User
) -> None:
    clerk.user_permissions.add(Permission.objects.get(codename="view_message"))
    client.force_login(clerk)
    message = MessageFactory.create(entity=Entity.AI_TOOL, text="Let me look.")
    ToolCallFactory.create(message=message, name="hidden-tool")
    ComplexityEstimationFactory.create(message=message, model="hidden-model")
    TokenConsumptionFactory.create(message=message, task=Task.TOOL_SELECTION, count=99)
    page = client.get(build_conversation_url(message.thread)).content.decode()
    assert "Let me look." in page
    for hidden in ("hidden-tool", "hidden-model", "99 tokens"):
        assert hidden not in page
