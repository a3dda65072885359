"""Pages of the admin site as tests ask for them, and what is in them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from neuroagent.models import Thread

TABLES = (
    "threads",
    "messages",
    "tool_calls",
    "tool_selection",
    "token_consumption",
    "complexity_estimation",
)
HANDLERS = "on"
OF_THE_ADMIN = (
    "django_session",
    "auth_user",
    "django_content_type",
    "set_config",
    "SAVEPOINT",
)


def build_url(model: type[models.Model], page: str, *args: object) -> str:
    return reverse(f"admin:neuroagent_{model._meta.model_name}_{page}", args=args)


def build_conversation_url(thread: Thread) -> str:
    return build_url(Thread, "change", thread.pk)


def build_overview_url() -> str:
    return reverse("admin:neuroagent_tokenconsumption_overview")


def list_rows(
    client: Client, model: type[models.Model], /, **query: str
) -> list[models.Model]:
    """Return the rows of a page of a list."""
    response = client.get(build_url(model, "changelist"), query)
    assert response.status_code == 200, response.headers.get("Location")
    return list(response.context["cl"].result_list)


def search(client: Client, model: type[models.Model], text: str) -> list[models.Model]:
    return list_rows(client, model, q=text)


def capture(client: Client, url: str, query: Any = None) -> tuple[Any, list[str]]:
    """Return the answer, and the statements that read our tables."""
    with CaptureQueriesContext(connection) as captured:
        response: Any = client.get(url, query)
        content = (
            b"".join(response.streaming_content)
            if response.streaming
            else response.content
        )
    assert content or response.status_code != 200
    return response, [
        each["sql"]
        for each in captured.captured_queries
        if not any(word in each["sql"] for word in OF_THE_ADMIN)
    ]


def find_plans(statements: list[str]) -> list[dict[str, Any]]:
    """Return all nodes of the plans, where all is better than a sequential scan."""
    nodes: list[dict[str, Any]] = []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for statement in statements:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}")
            collect(cursor.fetchone()[0][0]["Plan"], nodes)
        cursor.execute("SET LOCAL enable_seqscan = on")
    return nodes


def collect(node: dict[str, Any], nodes: list[dict[str, Any]]) -> None:
    nodes.append(node)
    for each in node.get("Plans", ()):
        collect(each, nodes)


@dataclass
class Audit(HTMLParser):
    """What a page would run or load, were there no content security policy."""

    faults: list[str] = field(default_factory=list)
    elements: list[str] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        values = dict(attrs)
        if tag == "style" or (tag == "script" and not values.get("src")):
            self.faults.append(f"inline <{tag}>")
        for name, value in values.items():
            address = (value or "").strip().lower()
            if name == "style" or name.startswith(HANDLERS):
                self.faults.append(f'{tag} {name}="{value}"')
            if name in ("src", "href", "action") and address.startswith(
                ("javascript:", "data:", "http:", "https:", "//")
            ):
                self.faults.append(f'{tag} {name}="{value}"')

    def handle_data(self, data: str) -> None:
        self.text += data


def audit(html: str) -> Audit:
    """Return what was found in a page."""
    found = Audit()
    found.feed(html)
    found.close()
    return found
