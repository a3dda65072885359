"""Search: ranked, with the words marked."""

from uuid import UUID

import pytest
from django.core.management import call_command
from django.test import Client

from neuroagent.admin import search
from neuroagent.admin.display import START, STOP
from neuroagent.models import Entity, Message, Thread
from tests.factories import MessageFactory, ThreadFactory
from tests.neuroagent.pages import build_url, capture, list_rows

pytestmark = pytest.mark.django_db


def test_the_best_comes_first(admin_client: Client) -> None:
    once = MessageFactory.create(text="A neuron, and a lot of other things to say.")
    often = MessageFactory.create(text="Neurons: a neuron near a neuron.")
    assert list_rows(admin_client, Message, q="neuron") == [often, once]
    threads = list_rows(admin_client, Thread, q="neuron")
    assert threads == [often.thread, once.thread]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ('"pyramidal cells"', {"one"}),
        ("pyramidal or basket", {"one", "two"}),
        ("cells -basket", {"one"}),
        ("firing cell", {"one", "two"}),
        ("the", set()),
    ],
)
def test_understands_what_is_typed_into_search_engines(
    words: str, found: set[str], admin_client: Client
) -> None:
    for title, text in (
        ("one", "Pyramidal cells fire."),
        ("two", "Basket cells fire."),
    ):
        thread = ThreadFactory.create(title=title)
        MessageFactory.create(thread=thread, text=text)
    rows = list_rows(admin_client, Thread, q=words)
    assert {str(row) for row in rows} == found


@pytest.mark.parametrize("model", [Thread, Message])
def test_marks_the_words_and_nothing_else(
    model: type[Thread | Message], admin_client: Client
) -> None:
    text = f"<b>Neurons</b> {START}are{STOP} <mark>not</mark> <script>x</script> alone"
    MessageFactory.create(text=text)
    response = admin_client.get(build_url(model, "changelist"), {"q": "neuron"})
    page = response.content.decode()
    assert page.count("<mark>") == 1
    assert "<mark>Neurons</mark>" in page
    assert "<script>x" not in page
    assert "&lt;mark&gt;not&lt;/mark&gt;" in page


def test_a_thread_is_found_once_with_its_best_message(admin_client: Client) -> None:
    thread = ThreadFactory.create()
    MessageFactory.create(thread=thread, text="A neuron, among so many other things.")
    MessageFactory.create(thread=thread, text="Neuron to neuron: the best.")
    response = admin_client.get(build_url(Thread, "changelist"), {"q": "neuron"})
    assert list(response.context["cl"].result_list) == [thread]
    page = response.content.decode()
    assert "the best" in page
    assert "1 found, the best first" in page


def test_tool_output_is_not_searched_for_words(admin_client: Client) -> None:
    MessageFactory.create(entity=Entity.TOOL, text="neurons")
    assert list_rows(admin_client, Message, q="neuron") == []


def test_ranks_the_newest_alone(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "CANDIDATES", 3)
    MessageFactory.create_batch(5, text="A neuron.")
    newest = Message.objects.order_by("-creation_date", "-message_id")[:3]
    response = admin_client.get(build_url(Message, "changelist"), {"q": "neuron"})
    assert set(response.context["cl"].result_list) == set(newest)
    assert "3 of the newest that match" in response.content.decode()
    response = admin_client.get(build_url(Thread, "changelist"), {"q": "neuron"})
    threads = [message.thread for message in newest]
    assert response.context["cl"].result_list == tuple(threads)
    assert "3 of the newest that match" in response.content.decode()


def test_messages_and_threads_come_by_rank() -> None:
    call_command("neuroagent_demo", threads=40, verbosity=0)
    for words in ("cell", "neuron or cortex -synapse"):
        matching = Message.objects.search(words)
        ranked = Message.objects.search(words, ranked=True)
        found = search.rank_messages(matching, words)
        assert len(found.messages) > 20
        assert found.messages == tuple(ranked.values_list("pk", flat=True))
        by_thread = search.rank_threads(matching, words)
        best: dict[UUID, UUID] = {}
        for message in ranked:
            best.setdefault(message.thread.pk, message.pk)
        assert dict(zip(by_thread.threads, by_thread.messages, strict=True)) == best
        assert by_thread.threads == tuple(best)


def test_a_search_in_nothing_finds_nothing() -> None:
    MessageFactory.create(text="A neuron.")
    found = search.rank_messages(Message.objects.none().search("neuron"), "neuron")
    assert (found.messages, found.is_complete) == ((), True)


def test_pages_of_a_search(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neuroagent.admin.messages.MessageAdmin.list_per_page", 2)
    MessageFactory.create_batch(5, text="A neuron.")
    seen = [
        *list_rows(admin_client, Message, q="neuron"),
        *list_rows(admin_client, Message, q="neuron", p="2"),
        *list_rows(admin_client, Message, q="neuron", p="3"),
    ]
    assert len(set(seen)) == 5
    for page in ("4", "0", "-1"):
        query = {"q": "neuron", "p": page}
        response = admin_client.get(build_url(Message, "changelist"), query)
        assert response.status_code == 302


def test_a_search_takes_few_queries(admin_client: Client) -> None:
    MessageFactory.create_batch(60, text="A neuron.")
    for model, count in ((Thread, 5), (Message, 4)):
        url = build_url(model, "changelist")
        _, statements = capture(admin_client, url, {"q": "neuron"})
        assert len(statements) == count
