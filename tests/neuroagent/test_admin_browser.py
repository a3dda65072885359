"""The admin site in a real browser."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from neuroagent.models import Entity, Message, Thread
from tests.browser import (
    CONTRAST,
    LABELS,
    MISSING,
    PASSWORD,
    find_text,
    open_browser,
    set_screen,
    sign_in,
    tell,
    wait_for,
)
from tests.factories import (
    MessageFactory,
    ThreadFactory,
    TokenConsumptionFactory,
    ToolCallFactory,
)
from tests.neuroagent.pages import build_conversation_url, build_overview_url, build_url

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.django_db(transaction=True),
]

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    with open_browser(tmp_path) as browser:
        tell(browser, "Emulation.setTimezoneOverride", {"timezoneId": "Asia/Tokyo"})
        yield browser


@pytest.fixture
def thread(settings: Any) -> Thread:
    """A conversation with a tool call, and with something that must not run."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    User.objects.create_superuser("ada", password=PASSWORD)
    thread = ThreadFactory.create(title="On interneurons", update_date=NOON)
    MessageFactory.create(text="Which synapses are strong?")
    MessageFactory.create(
        thread=thread,
        text="Do chandelier cells inhibit? <script>document.title = 'run'</script>",
        creation_date=NOON,
    )
    asked = MessageFactory.create(
        thread=thread, entity=Entity.AI_TOOL, text="", creation_date=NOON
    )
    call = ToolCallFactory.create(message=asked, arguments='{"query": "axo-axonic"}')
    result = {"tool_call_id": call.pk, "content": '{"papers": ["Szabadics 2006"]}'}
    MessageFactory.create(thread=thread, entity=Entity.TOOL, content=json.dumps(result))
    answer = MessageFactory.create(
        thread=thread,
        entity=Entity.AI_MESSAGE,
        text="They can depolarise. " * 200,
        is_complete=False,
    )
    TokenConsumptionFactory.create(message=answer, count=1234)
    return thread


def test_a_conversation_is_found_read_and_exported(
    browser: Chrome, thread: Thread, live_server: Any, tmp_path: Path
) -> None:
    sign_in(browser, live_server.url)

    # Find it by what was said in it.
    browser.get(live_server.url + build_url(Thread, "changelist"))
    browser.find_element(By.ID, "searchbar").send_keys("chandelier cell", Keys.ENTER)
    wait_for(browser, lambda: browser.find_elements(By.TAG_NAME, "mark"))
    marks = [each.text for each in browser.find_elements(By.TAG_NAME, "mark")]
    assert marks == ["chandelier", "cells"]

    # Read it.
    browser.find_element(By.LINK_TEXT, "On interneurons").click()
    wait_for(browser, lambda: browser.find_elements(By.CLASS_NAME, "conversation"))
    assert browser.title.startswith("On interneurons")
    assert "<script>document.title = 'run'</script>" in find_text(browser, ".USER")
    time = browser.find_element(By.CSS_SELECTOR, ".USER time")
    assert time.text == "2026-03-14 21:00:00"
    assert time.get_attribute("title") == "2026-03-14 12:00:00 UTC"
    assert "1,234 tokens" in find_text(browser, ".AI_MESSAGE header")
    assert "incomplete" in find_text(browser, ".AI_MESSAGE header")

    # Open the tool call by the keyboard.
    assert "Szabadics" not in find_text(browser, ".AI_TOOL")
    browser.find_element(By.CSS_SELECTOR, ".call summary").send_keys(Keys.ENTER)
    assert '"query": "axo-axonic"' in find_text(browser, ".AI_TOOL")
    assert '"Szabadics 2006"' in find_text(browser, ".AI_TOOL")
    summary = browser.find_element(By.CSS_SELECTOR, ".AI_MESSAGE .long summary")
    assert "All 4,200 characters" in summary.text
    summary.click()
    assert find_text(browser, ".AI_MESSAGE .long").count("depolarise") == 200

    # Export what was found.
    browser.get(live_server.url + build_url(Message, "changelist") + "?q=chandelier")
    browser.find_element(By.LINK_TEXT, "EXPORT CSV").click()
    (file,) = wait_for(browser, lambda: list(tmp_path.glob("*.csv")))
    wait_for(browser, lambda: file.stat().st_size)
    with file.open(newline="") as text:
        (row,) = csv.DictReader(text)
    assert row["thread_id"] == str(thread.pk)

    complaints = [each["message"] for each in browser.get_log("browser")]
    assert complaints == []


def test_pages_fit_a_narrow_screen_and_can_be_read(
    browser: Chrome, thread: Thread, live_server: Any
) -> None:
    sign_in(browser, live_server.url)
    pages = (
        build_conversation_url(thread),
        build_url(Thread, "changelist") + "?q=chandelier",
        build_url(Message, "changelist") + "?since=soon",
        build_overview_url(),
    )
    for scheme in ("light", "dark"):
        set_screen(browser, width=360, height=740, scheme=scheme)
        for url in pages:
            browser.get(live_server.url + url)
            browser.execute_script(
                "document.querySelectorAll('details').forEach((one) => one.open = true)"
            )
            width = browser.execute_script(
                "return document.documentElement.scrollWidth"
            )
            assert width <= 360, url
            assert browser.execute_script(LABELS) == [], url
            assert browser.execute_script(CONTRAST) == [], (scheme, url)
