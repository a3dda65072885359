"""Time the pages of the admin site beside those of a plain ModelAdmin, same data.

    python benchmarks/admin.py [--threads 200000] [--rounds 5]

Milliseconds of server time in one process, medians of some rounds in turns, and their
ratios; a page that takes longer than 5 s is timed once. Fills a database of its own, on
the server of the settings, and drops it again; a million messages take ten minutes.
With --keep it stays, and --reuse NAME times it once more; --only WORD times some pages.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
import types
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "neuroagent.settings")

import django  # noqa: E402
from django.conf import settings  # noqa: E402

django.setup()
settings.DEBUG = False
settings.ALLOWED_HOSTS = ["testserver"]

from django.contrib import admin  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.urls import path  # noqa: E402
from psycopg import sql  # noqa: E402

from dbops.core.target import Target  # noqa: E402
from dbops.operations.context import build_context  # noqa: E402
from dbops.postgres.scratch import open_maintenance_session  # noqa: E402
from neuroagent.models import Message, Thread, TokenConsumption  # noqa: E402

LONG_THREAD = 2000
SLOW_S = 5.0
RARE = "zyzzyva"
COMMON = "neurons"
"""In every tenth message; the newest that have it are all in one thread."""
SPREAD = "cortex"
"""In every eleventh message, of any thread."""
URLS = "benchmark_urls"
OURS, PLAIN = "/admin/neuroagent", "/plain/neuroagent"


# The plain admin: what a first version looks like.


class MessageInline(admin.TabularInline):
    model = Message
    extra = 0
    fields = ("creation_date", "entity", "content", "is_complete")


class Plain(admin.ModelAdmin):
    """Django's own templates, not this project's."""

    change_list_template = "admin/change_list.html"
    change_form_template = "admin/change_form.html"


class PlainThreadAdmin(Plain):
    list_display = ("title", "update_date", "creation_date", "user_id", "project_id")
    search_fields = ("title", "messages__content")
    list_filter = ("update_date",)
    inlines = (MessageInline,)


class PlainMessageAdmin(Plain):
    list_display = ("creation_date", "entity", "content", "thread", "is_complete")
    search_fields = ("content",)
    list_filter = ("entity", "is_complete", "creation_date")
    ordering = ("-creation_date",)
    date_hierarchy = "creation_date"


def register() -> None:
    """Serve both admin sites."""
    plain = admin.AdminSite("plain")
    plain.register(Thread, PlainThreadAdmin)
    plain.register(Message, PlainMessageAdmin)
    module = types.ModuleType(URLS)
    module.urlpatterns = [  # type: ignore[attr-defined]
        path("admin/", admin.site.urls),
        path("plain/", plain.urls),
    ]
    sys.modules[URLS] = module
    settings.ROOT_URLCONF = URLS


# The data


def use_database(name: str) -> None:
    """Send this process to a database."""
    settings.DATABASES["default"]["NAME"] = name
    connection.close()
    connection.settings_dict["NAME"] = name


def fill(threads: int, messages_per_thread: int) -> None:
    """Add made-up conversations, then the indexes, as production has got them."""
    call_command("migrate", "neuroagent", "0001", verbosity=0)
    call_command(
        "neuroagent_demo",
        threads=threads,
        messages_per_thread=messages_per_thread,
        verbosity=1,
    )
    add_long_thread()
    call_command("migrate", verbosity=0)
    call_command("neuroagent_tokens")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def add_long_thread() -> None:
    """Add a thread of LONG_THREAD messages, one of which has the RARE word."""
    newest = Message.objects.latest("creation_date").creation_date
    thread = Thread.objects.create(
        title="Long",
        user_id=uuid.uuid4(),
        creation_date=newest,
        update_date=newest + timedelta(seconds=LONG_THREAD),
    )
    messages = Message.objects.bulk_create(
        Message(
            thread=thread,
            entity="USER" if number % 2 else "AI_MESSAGE",
            creation_date=newest + timedelta(seconds=number),
            content=json.dumps(
                {
                    "role": "user" if number % 2 else "assistant",
                    "content": f"Statement {number} on neurons. " * 10
                    + (RARE if number == LONG_THREAD // 2 else ""),
                }
            ),
        )
        for number in range(LONG_THREAD)
    )
    TokenConsumption.objects.create(
        message=messages[0],
        type="COMPLETION",
        task="CHAT_COMPLETION",
        count=1,
        model=RARE,
    )
    TokenConsumption.objects.bulk_create(
        TokenConsumption(
            message=message,
            type=kind,
            task="CHAT_COMPLETION",
            count=100,
            model="gpt-5-mini",
        )
        for message in messages
        for kind in ("INPUT_NONCACHED", "INPUT_CACHED", "COMPLETION")
    )


# The pages


@dataclass(frozen=True)
class Page:
    """A page as this project makes it, and as the plain admin does, if it has it."""

    name: str
    ours: str
    plain: str | None


def list_pages() -> list[Page]:
    """Return the pages to time."""
    count = Message.objects.count()
    middle = Message.objects.order_by("-creation_date", "-message_id")[count // 2]
    deep = f"after~{middle.creation_date.isoformat()}~{middle.pk}".replace("+", "%2B")
    long = Thread.objects.get(title="Long")
    short = middle.thread
    user = short.user_id

    def both(name: str, address: str, plain: str | None = None) -> Page:
        return Page(name, OURS + address, PLAIN + (plain or address))

    return [
        both("messages: list", "/message/"),
        both(
            "messages: deep page",
            f"/message/?p={deep}",
            f"/message/?p={count // 2 // 100}",
        ),
        both("messages: filter", "/message/?entity__exact=USER"),
        both("messages: incomplete", "/message/?is_complete__exact=0"),
        both("messages: rare word", f"/message/?q={RARE}"),
        both("messages: common word", f"/message/?q={COMMON}"),
        both("messages: in many threads", f"/message/?q={SPREAD}"),
        both("one message", f"/message/{middle.pk}/change/"),
        both("threads: list", "/thread/"),
        both(
            "threads: of a user",
            f"/thread/?user={user}",
            f"/thread/?user_id__exact={user}",
        ),
        both("threads: rare word", f"/thread/?q={RARE}"),
        both("threads: common word", f"/thread/?q={COMMON}"),
        both("threads: in many threads", f"/thread/?q={SPREAD}"),
        both("thread, short", f"/thread/{short.pk}/change/"),
        both(f"thread of {LONG_THREAD:,} messages", f"/thread/{long.pk}/change/"),
        Page("threads: of a model", f"{OURS}/thread/?model=gpt-5-mini", None),
        Page("threads: of a rare model", f"{OURS}/thread/?model={RARE}", None),
        Page("messages: of a model", f"{OURS}/message/?model=gpt-5-mini", None),
        Page("messages: of a user", f"{OURS}/message/?user={user}", None),
        Page("messages: tool output", f"{OURS}/message/?tool_output={RARE}", None),
        Page("tokens: 7 days", f"{OURS}/tokenconsumption/overview/", None),
        *(
            Page(f"tokens: {name}", f"{OURS}/tokenconsumption/overview/?{query}", None)
            for name, query in (
                ("90 days", "days=90"),
                ("90 days of a user", f"days=90&user={user}"),
                ("90 days of a model", "days=90&model=gpt-5-mini"),
                ("90 days, as it is now", "days=90&fresh=1"),
            )
        ),
    ]


def measure(client: Client, address: str) -> tuple[float, int]:
    """Return seconds and HTTP status of one request."""
    began = time.perf_counter()
    response = client.get(address)
    return time.perf_counter() - began, response.status_code


def count_queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        client.get(address)
    return len(captured)


def time_page(client: Client, page: Page, rounds: int) -> tuple[str, ...]:
    """Return a line of the table."""
    addresses = [each for each in (page.ours, page.plain) if each]
    times: dict[str, list[float]] = {}
    notes = ""
    for address in addresses:
        took, status = measure(client, address)
        times[address] = [took]
        if status != 200 and address == page.ours:
            notes = f" (HTTP {status})"
    for _ in range(rounds):
        for address in addresses:
            if times[address][0] < SLOW_S:
                times[address].append(measure(client, address)[0])
    medians = [statistics.median(each[1:] or each) * 1000 for each in times.values()]
    queries = count_queries(client, page.ours)
    ours = f"{medians[0]:,.0f}{notes}"
    if page.plain is None:
        return page.name, ours, "", "", str(queries)
    return (
        page.name,
        ours,
        f"{medians[1]:,.0f}",
        f"{medians[1] / medians[0]:,.1f}",
        str(queries),
    )


def print_table(make: Callable[[Page], tuple[str, ...]], pages: list[Page]) -> None:
    """Print each line as soon as it is known."""
    head = ("page", "ours (ms)", "plain (ms)", "plain/ours", "our queries")
    print("| {:<26} | {:>14} | {:>10} | {:>10} | {:>11} |".format(*head))
    print("|---|---:|---:|---:|---:|")
    for page in pages:
        line = make(page)
        print(
            "| {:<26} | {:>14} | {:>10} | {:>10} | {:>11} |".format(*line), flush=True
        )


def main() -> None:
    """Fill a database, and time the pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=200_000)
    parser.add_argument("--messages-per-thread", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="pages with this in their names")
    parser.add_argument("--keep", action="store_true", help="do not drop the database")
    parser.add_argument("--reuse", metavar="NAME", help="a database that was kept")
    options = parser.parse_args()

    server = build_context("default").target
    name = options.reuse or f"neuroagent_benchmark_{uuid.uuid4().hex[:8]}"
    if not options.reuse:
        change_database(server, "CREATE DATABASE {}", name)
    try:
        use_database(name)
        if not options.reuse:
            began = time.monotonic()
            fill(options.threads, options.messages_per_thread)
            print(f"filled in {time.monotonic() - began:.0f} s", file=sys.stderr)
        register()
        run(options.rounds, options.only)
    finally:
        connection.close()
        if options.keep or options.reuse:
            print(f"kept: --reuse {name}", file=sys.stderr)
        else:
            change_database(server, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def change_database(server: Target, statement: str, name: str) -> None:
    with open_maintenance_session(server) as session:
        session.execute(sql.SQL(statement).format(sql.Identifier(name)))


def run(rounds: int, only: str) -> None:
    user, _ = User.objects.get_or_create(
        username="benchmark", is_staff=True, is_superuser=True
    )
    client = Client()
    client.force_login(user)
    words = Message.objects.search(COMMON).count()
    print(
        f"{Thread.objects.count():,} threads, {Message.objects.count():,} messages, "
        f'"{COMMON}" in {words:,} of them; load {os.getloadavg()[0]:.1f}\n'
    )
    pages = [each for each in list_pages() if only in each.name]
    print_table(lambda page: time_page(client, page, rounds), pages)


if __name__ == "__main__":
    main()
