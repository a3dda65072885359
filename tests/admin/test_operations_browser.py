"""The operations page in a real browser: a blocker is seen, and ended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from dbops.core.target import Target
from tests.admin.conftest import Blocked, open_blocked
from tests.admin.pages import build_act_url, build_url
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
from tests.databases import connect

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.django_db(transaction=True),
]

LONGEST_NAME = 63
"""Bytes that PostgreSQL keeps of a name."""
TOKYO = ZoneInfo("Asia/Tokyo")
TIME = """
const one = document.querySelector('#dbops-locks time');
return [one.dateTime, one.title, one.textContent];
"""
WIDE = """
return [...document.querySelectorAll('body *')].filter(
    (one) => one.getBoundingClientRect().right > 360
).map((one) => one.outerHTML.slice(0, 200)).slice(-5)
"""
MARK = "document.querySelector('#dbops-locks').dataset.same = 'page'"
LOOKS = """
return performance.getEntriesByType('resource').filter(
    (one) => one.name.includes('/locks/')).length
"""


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    with open_browser(tmp_path) as browser:
        tell(browser, "Emulation.setTimezoneOverride", {"timezoneId": "Asia/Tokyo"})
        yield browser


@pytest.fixture
def page(
    transactional_db: None, browser: Chrome, live_server: Any, settings: Any
) -> str:
    """The address of the page, for somebody who is signed in."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    User.objects.create_superuser("ada", password=PASSWORD)
    sign_in(browser, live_server.url)
    return f"{live_server.url}{build_url()}"


def test_a_blocker_appears_on_the_page_and_is_ended(
    page: str, browser: Chrome, blocked: Blocked
) -> None:
    blocker, waiter = str(blocked.blocker), str(blocked.waiter)
    browser.get(page)
    assert blocker in find_text(browser, "#dbops-locks")
    assert waiter in find_text(browser, ".dbops-tree")
    moment, title, shown = browser.execute_script(TIME)
    utc = datetime.fromisoformat(moment)
    assert title == f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    assert shown == f"{utc.astimezone(TOKYO):%Y-%m-%d %H:%M:%S}"

    # It looks again by itself; what has the focus keeps it.
    browser.execute_script(MARK)
    browser.find_element(By.ID, f"act-{blocker}").send_keys("")
    wait_for(browser, lambda: find_text(browser, "#dbops-locks time") != shown)
    assert browser.switch_to.active_element.get_attribute("id") == f"act-{blocker}"
    assert browser.find_element(By.CSS_SELECTOR, "[data-same=page]")

    # It stops when somebody wants it to.
    button = browser.find_element(By.ID, "dbops-pause")
    button.send_keys(Keys.ENTER)
    assert button.text.capitalize() == "Refresh again"
    looks = browser.execute_script(LOOKS)
    button.send_keys(Keys.ENTER)
    wait_for(browser, lambda: browser.execute_script(LOOKS) > looks)

    # End it, by the keyboard; it is asked first.
    browser.find_element(By.ID, f"act-{blocker}").send_keys(Keys.ENTER)
    wait_for(browser, lambda: "?" in find_text(browser, "h1"))
    assert "frees 1 session" in find_text(browser, "#content-main")
    browser.find_element(By.CSS_SELECTOR, "input[type=submit]").send_keys(Keys.ENTER)
    wait_for(browser, lambda: browser.find_elements(By.CSS_SELECTOR, ".messagelist li"))
    assert "done, frees 1 session" in find_text(browser, ".messagelist")
    assert "Nobody waits for a lock." in find_text(browser, "#dbops-locks")
    assert blocked.crowd.settle(1)
    assert "sessions cancelled" in find_text(browser, "#content-main")
    complaints = [each["message"] for each in browser.get_log("browser")]
    assert complaints == []


@pytest.fixture
def long_named(target: Target) -> Iterator[Blocked]:
    """Names without a place to break at: of who is in the way, and in a finding."""
    name = "W" * LONGEST_NAME
    with connect(target) as session:
        session.execute(
            f'ALTER TABLE threads ADD CONSTRAINT "{name}" CHECK (true) NOT VALID'
        )
        with open_blocked(target, name=name) as found:
            yield found
        session.execute(f'ALTER TABLE threads DROP CONSTRAINT "{name}"')


def test_it_fits_a_narrow_screen_and_can_be_read(
    page: str, browser: Chrome, long_named: Blocked
) -> None:
    urls = (
        page,
        page + "migrations/neuroagent/0003_add_indexes_for_inspection/",
        page.replace(build_url(), build_act_url(long_named.blocker)),
        page.replace(build_url(), build_act_url(long_named.blocker, "cancel")),
    )
    for scheme in ("light", "dark"):
        set_screen(browser, width=360, height=740, scheme=scheme)
        for url in urls:
            browser.get(url)
            browser.execute_script(
                "document.querySelectorAll('details').forEach((one) => one.open = true)"
            )
            width = browser.execute_script(
                "return document.documentElement.scrollWidth"
            )
            assert width <= 360, (url, browser.execute_script(WIDE))
            assert browser.execute_script(LABELS) == [], url
            assert browser.execute_script(CONTRAST) == [], (scheme, url)


def test_who_is_signed_out_is_told(page: str, browser: Chrome) -> None:
    browser.get(page)
    browser.delete_all_cookies()
    wait_for(browser, lambda: "signed out" in find_text(browser, "#dbops-live-state"))
    assert "Nobody waits" in find_text(browser, "#dbops-locks")
