"""Downloads of what the filters leave."""

import csv
import json
from io import StringIO
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from neuroagent.admin.export import read_rows, resume, write_json_lines
from neuroagent.models import Entity, Message, Thread, TokenConsumption
from tests.factories import MessageFactory, ThreadFactory, TokenConsumptionFactory
from tests.neuroagent.pages import build_url

pytestmark = pytest.mark.django_db


def download(client: Client, model: Any, format_name: str, **query: str) -> str:
    response: Any = client.get(build_url(model, "export", format_name), query)
    assert response.status_code == 200
    assert response["Content-Disposition"].startswith("attachment; filename=")
    return b"".join(response.streaming_content).decode()


def test_csv_has_what_the_filters_leave(admin_client: Client) -> None:
    wanted = MessageFactory.create(entity=Entity.TOOL, content='a "b"\nc, ü')
    MessageFactory.create()
    text = download(admin_client, Message, "csv", entity__exact="TOOL")
    (row,) = csv.DictReader(StringIO(text, newline=""))
    assert row == {
        "message_id": str(wanted.pk),
        "creation_date": wanted.creation_date.isoformat(),
        "content": 'a "b"\nc, ü',
        "thread_id": str(wanted.thread_id),
        "entity": "TOOL",
        "is_complete": "True",
    }


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"])
def test_csv_has_no_formula(start: str, admin_client: Client) -> None:
    ThreadFactory.create(title=f"{start}HYPERLINK(1)")
    text = download(admin_client, Thread, "csv")
    (row,) = csv.DictReader(StringIO(text, newline=""))
    assert row["title"] == f"'{start}HYPERLINK(1)"


def test_numbers_stay_numbers(admin_client: Client) -> None:
    TokenConsumptionFactory.create(count=-5)
    (row,) = csv.DictReader(StringIO(download(admin_client, TokenConsumption, "csv")))
    assert row["count"] == "-5"
    line = json.loads(download(admin_client, TokenConsumption, "jsonl"))
    assert line["count"] == -5


def test_json_lines_have_texts_as_they_are(admin_client: Client) -> None:
    contents = ["=1", "{broken", "\u2028\n\t\x1b", "שלום 🧠", "x" * 1_000_000]
    for content in contents:
        MessageFactory.create(entity=Entity.TOOL, content=content)
    text = download(admin_client, Message, "jsonl")
    rows = [json.loads(line) for line in text.removesuffix("\n").split("\n")]
    assert [row["content"] for row in rows] == contents[::-1]
    assert rows[0]["creation_date"].endswith("+00:00")


def test_a_search_is_exported_whole(admin_client: Client) -> None:
    MessageFactory.create_batch(3, text="A neuron.")
    MessageFactory.create(text="A synapse.")
    text = download(admin_client, Message, "jsonl", q="neurons")
    assert len(text.splitlines()) == 3
    assert len(download(admin_client, Thread, "jsonl", q="neurons").splitlines()) == 3


def test_rows_are_sent_while_they_are_read(admin_client: Client) -> None:
    thread = ThreadFactory.create()
    Message.objects.bulk_create(
        Message(thread=thread, entity=Entity.TOOL, content="x" * 500)
        for _ in range(1500)
    )
    response: Any = admin_client.get(build_url(Message, "export", "jsonl"))
    chunks = iter(response.streaming_content)
    size = len(next(chunks))
    assert count_cursors() == 1
    size += sum(map(len, chunks))
    assert count_cursors() == 0
    assert size > 1500 * 500


def test_a_reader_who_goes_away_ends_the_query() -> None:
    thread = ThreadFactory.create()
    Message.objects.bulk_create(
        Message(thread=thread, entity=Entity.TOOL, content="x" * 500)
        for _ in range(1500)
    )
    columns = ("message_id", "content")
    rows = read_rows(Message.objects.all(), columns)
    chunks = resume("", write_json_lines(columns, rows), rows)
    assert (next(chunks), bool(next(chunks))) == ("", True)
    assert count_cursors() == 1
    chunks.close()
    assert count_cursors() == 0


def count_cursors() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_cursors WHERE statement LIKE '%messages%'"
        )
        (count,) = cursor.fetchone()
    return int(count)


def test_refuses_other_formats_and_wrong_filters(admin_client: Client) -> None:
    assert admin_client.get(build_url(Thread, "export", "xml")).status_code == 404
    url = build_url(Message, "export", "csv")
    response = admin_client.get(url, {"entity__exact": "ROBOT"})
    assert response.status_code == 302
    assert response["Location"].endswith("message/?e=1")


def test_an_empty_table_is_a_line_of_names(admin_client: Client) -> None:
    assert download(admin_client, Thread, "csv").count("\n") == 1
    assert download(admin_client, Thread, "jsonl") == ""
