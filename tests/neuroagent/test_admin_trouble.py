"""Hostile contents, strangers, and a database that is slow or gone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.urls import reverse

from neuroagent.middleware import POLICY
from neuroagent.models import Entity, Message, Thread, TokenConsumption, ToolCall
from tests.databases import connect, find_server
from tests.factories import (
    MessageFactory,
    ThreadFactory,
    TokenConsumptionFactory,
    ToolCallFactory,
    ToolSelectionFactory,
)
from tests.neuroagent.pages import (
    audit,
    build_conversation_url,
    build_overview_url,
    build_url,
)

pytestmark = pytest.mark.django_db

CHECKOUT = Path(__file__).parents[2]
TIMEOUT_S = 180

HOSTILE = {
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "attribute": "\"'><svg onload=alert(1)> javascript:alert(1)",
    "template": "{{ 7|add:7 }}{% debug %}",
    "long line": "x" * 1_000_000,
    "controls": "\x01\x07\x1b[31m\x7f\r\n",
    "right to left": "\u202eevil\u202c שלום \u2066\u2067",
    "emoji": "🧠👩‍🔬\ufeff\u200b",
    "private use": "\ue000marked\ue001",
}
BROKEN = {
    "cut off": '{"role": "tool", "content": "<b>',
    "empty": "",
    "null": "null",
    "lone surrogate": '{"content": "\\ud800 \\u0000"}',
    "deep": "[" * 50_000,
    "wrong types": '{"content": 5, "tool_calls": 7, "tool_call_id": ["a"]}',
    "wrong calls": '{"content": null, "tool_calls": [null, {"id": {}}]}',
    "large number": '{"content": "' + "9" * 5000 + '"}',
    "many lines": json.dumps({"content": "line\n" * 20_000}),
    "a megabyte": json.dumps({"tool_call_id": "x", "content": "<i>" * 350_000}),
}


def list_pages(thread: Thread) -> list[str]:
    message = thread.messages.latest("creation_date")
    return [
        build_conversation_url(thread),
        build_url(Thread, "changelist"),
        build_url(Thread, "changelist") + "?q=alert+or+evil+or+marked",
        build_url(Message, "changelist"),
        build_url(Message, "changelist") + "?q=alert+or+evil+or+marked",
        build_url(Message, "change", message.pk),
        build_url(ToolCall, "changelist"),
        build_url(TokenConsumption, "changelist"),
        build_overview_url(),
    ]


def check_pages(client: Client, thread: Thread) -> None:
    """Look at all pages that show something of the thread."""
    for url in list_pages(thread):
        response = client.get(url)
        assert response.status_code == 200, url
        page = response.content.decode()
        assert audit(page).faults == [], url
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert len(page) < 1_000_000, url
    for model, format_name in ((Message, "csv"), (Thread, "jsonl")):
        exported: Any = client.get(build_url(model, "export", format_name))
        assert b"".join(exported.streaming_content)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_users_and_models_say_is_shown_and_not_run(
    text: str, admin_client: Client
) -> None:
    thread = ThreadFactory.create(title=text[:2000])
    MessageFactory.create(thread=thread, text=text)
    asked = MessageFactory.create(thread=thread, entity=Entity.AI_TOOL, text=text)
    call = ToolCallFactory.create(
        tool_call_id=text[:50],
        name=text[:50],
        arguments=json.dumps([text]),
        message=asked,
    )
    result = json.dumps({"tool_call_id": call.pk, "content": text})
    MessageFactory.create(thread=thread, entity=Entity.TOOL, content=result)
    ToolSelectionFactory.create(message=asked, tool_name=text[:50])
    TokenConsumptionFactory.create(message=asked, model=text[:50])
    check_pages(admin_client, thread)


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_whatever_a_tool_returned_is_shown(content: str, admin_client: Client) -> None:
    message = MessageFactory.create(entity=Entity.TOOL, content=content)
    MessageFactory.create(thread=message.thread, entity=Entity.AI_TOOL, content=content)
    check_pages(admin_client, message.thread)
    raw = admin_client.get(build_url(Message, "raw", message.pk))
    assert raw.content.decode() == content


def test_controls_and_tags_can_be_seen(admin_client: Client) -> None:
    message = MessageFactory.create(text="<script>alert(1)</script>\x1b[31m")
    page = admin_client.get(build_conversation_url(message.thread)).content.decode()
    assert "<script>alert(1)</script>␛[31m" in audit(page).text


@pytest.mark.parametrize(
    "text", ["\0", "a\0b", '"', "\\", "%", "'; --", "&&", "x" * 10_000, "🧠", "\ue000"]
)
def test_whatever_is_typed_is_answered(text: str, admin_client: Client) -> None:
    MessageFactory.create()
    for model in (Thread, Message, ToolCall):
        for name in ("q", "tool_output", "user", "since", "model", "p"):
            response = admin_client.get(build_url(model, "changelist"), {name: text})
            assert response.status_code in (200, 302), (model, name)
            assert audit(response.content.decode()).faults == []


# The content security policy


def test_no_page_needs_anything_but_files_of_this_site(
    admin_client: Client, client: Client
) -> None:
    spent = TokenConsumptionFactory.create()
    pages = [
        *list_pages(spent.message.thread),
        reverse("admin:index"),
        build_url(Thread, "history", spent.message.thread.pk),
    ]
    for url in pages:
        response = admin_client.get(url)
        assert response["Content-Security-Policy"] == POLICY
        assert audit(response.content.decode()).faults == [], url
    login = Client().get(reverse("admin:login"))
    assert "zone.js" in login.content.decode()
    assert audit(login.content.decode()).faults == []
    assert "unsafe" not in POLICY


# Strangers


def list_addresses() -> list[str]:
    spent = TokenConsumptionFactory.create()
    message = spent.message
    return [
        *list_pages(message.thread),
        build_url(Message, "raw", message.pk),
        build_url(Message, "export", "csv"),
        build_url(Thread, "export", "jsonl"),
    ]


def test_strangers_have_to_sign_in(client: Client) -> None:
    for url in list_addresses():
        response = client.get(url)
        assert response.status_code == 302, url
        assert response["Location"].startswith("/admin/login/?next=")


def test_those_without_permissions_are_told_so(
    client: Client, django_user_model: Any
) -> None:
    client.force_login(django_user_model.objects.create_user("clerk", is_staff=True))
    for url in list_addresses():
        response = client.get(url)
        assert response.status_code == 403, url
        page = response.content.decode()
        assert "a permission is missing" in page
        assert audit(page).faults == []
    assert client.get(reverse("admin:index")).context["app_list"] == []


def test_an_expired_session_leads_back_to_the_page(admin_client: Client) -> None:
    url = f"{build_url(Message, 'changelist')}?q=neuron"
    assert admin_client.get(url).status_code == 200
    Session.objects.all().delete()
    response = admin_client.get(url)
    assert response.status_code == 302
    assert response["Location"] == "/admin/login/?next=" + url.replace(
        "?", "%3F"
    ).replace("=", "%3D")


# A database that is slow, or gone


@pytest.fixture
def locked_messages() -> Iterator[None]:
    """Somebody else holds a lock for which every reader of messages waits."""
    server = find_server().with_database(connection.settings_dict["NAME"])
    with connect(server, autocommit=False) as other:
        other.execute("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
        yield
        other.rollback()


def test_what_takes_too_long_is_stopped_and_explained(
    admin_client: Client, locked_messages: None, settings: Any
) -> None:
    settings.ADMIN_TIMEOUT_S = 0.2
    for url in (
        build_url(Message, "changelist") + "?tool_output=neuron",
        build_url(Message, "export", "csv"),
        build_overview_url(),
    ):
        response = admin_client.get(url)
        page = response.content.decode()
        assert response.status_code == 503, url
        assert "did not find the answer within 0.2 seconds" in page
        assert "choose dates" in page
        assert audit(page).faults == []


DOWN = """
import django, json
django.setup()
from django.test import Client
client = Client(headers={"host": "localhost"})
client.cookies["sessionid"] = "0" * 32
answers = []
for path in ("", "neuroagent/thread/", "neuroagent/message/export/csv/"):
    answers.append(client.get(f"/admin/{path}"))
answers.append(client.post("/admin/login/", {"username": "a", "password": "b"}))
answers.append(Client(headers={"host": "localhost"}).get("/admin/login/"))
print(json.dumps([[each.status_code, each.content.decode()] for each in answers]))
"""


def test_nobody_gets_in_while_the_database_is_down() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DOWN],
        cwd=CHECKOUT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "neuroagent.settings",
            "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing",
            "DEBUG": "on",
        },
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    *pages, login = json.loads(done.stdout)
    for status, page in pages:
        assert status == 503
        assert "The database cannot be reached" in page
        assert "Traceback" not in page
        assert audit(page).faults == []
    assert login[0] == 200
