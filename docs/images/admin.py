"""Take the pictures of the admin site: real pages, in a throw-away copy.

    .venv/bin/python docs/images/admin.py

Needs Debian's chromium and chromium-driver. The site runs on an embedded server of its
own, with demo conversations.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from make import CHECKOUT, open_copy, run

sys.path.insert(0, str(CHECKOUT))

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser import MISSING, open_browser, set_screen, tell

TIMEOUT_S = 60
WIDTH, HEIGHT = 1100, 680
SEARCH = "neuroagent/thread/?q=dendritic+spines"
OVERVIEW = "neuroagent/tokenconsumption/overview/?days=7"


@contextmanager
def serve(copy: Path) -> Iterator[str]:
    """Yield the address of the admin site of a copy."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "manage.py", "runserver", "--noreload", str(port)],
        cwd=copy,
        env={**os.environ, "DATABASE_URL": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}/admin/"
    try:
        wait_for(address)
        yield address
    finally:
        server.terminate()
        server.wait()


def wait_for(address: str) -> None:
    """Return when the site answers."""
    end = time.monotonic() + TIMEOUT_S
    while True:
        try:
            urllib.request.urlopen(address).close()  # noqa: S310
        except URLError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            return


def sign_in(browser: Chrome, address: str, password: str) -> None:
    browser.get(address)
    browser.find_element(By.NAME, "username").send_keys("admin")
    browser.find_element(By.NAME, "password").send_keys(password, Keys.ENTER)


def find_conversation(browser: Chrome, address: str) -> str:
    """Return the address of a conversation with a tool call."""
    browser.get(f"{address}neuroagent/toolcall/?q=literature-search")
    link = browser.find_element(By.CSS_SELECTOR, ".field-in_conversation a")
    return re.sub(r"\?.*", "", link.get_attribute("href") or "")


def take(browser: Chrome, page: str, name: str, *, scheme: str) -> None:
    """Write a picture of a page."""
    set_screen(browser, width=WIDTH, height=HEIGHT, scheme=scheme)
    browser.get(page)
    for call in browser.find_elements(By.CSS_SELECTOR, ".call > summary")[:20]:
        if "literature-search" in call.text:
            call.click()
            break
    # The sidebar is the same on all pages, and large.
    browser.execute_script(
        "document.querySelector('#nav-sidebar')?.remove();"
        "document.querySelector('#toggle-nav-sidebar')?.remove()"
    )
    path = Path(__file__).with_name(f"{name}-{scheme}.png")
    browser.save_screenshot(str(path))
    print(path.name, path.stat().st_size)  # noqa: T201


def main() -> None:
    """Take them."""
    if MISSING:
        sys.exit(MISSING)
    with open_copy() as copy, tempfile.TemporaryDirectory() as downloads:
        run(copy, "dbops_deploy --yes --verbosity 0")
        run(copy, "neuroagent_demo --threads 600 --seed 3 --verbosity 0")
        run(copy, "neuroagent_admin")
        password = (copy / ".local" / "admin-password").read_text().strip()
        with serve(copy) as address, open_browser(Path(downloads)) as browser:
            tell(
                browser,
                "Emulation.setTimezoneOverride",
                {"timezoneId": "Europe/Zurich"},
            )
            sign_in(browser, address, password)
            conversation = find_conversation(browser, address)
            for scheme in ("light", "dark"):
                take(browser, conversation, "conversation", scheme=scheme)
            take(browser, address + SEARCH, "search", scheme="light")
            take(browser, address + OVERVIEW, "tokens", scheme="dark")


if __name__ == "__main__":
    main()
