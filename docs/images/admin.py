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
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from threading import Thread
from urllib.error import URLError

from make import CHECKOUT, SHOWN, open_copy, run

sys.path.insert(0, str(CHECKOUT))

import psycopg
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser import MISSING, open_browser, set_screen, tell

TIMEOUT_S = 60
WIDTH, HEIGHT, TALL = 1100, 680, 995
PLACE = """
for (const one of document.querySelectorAll('.dbops-verdict .dbops-note')) {
    const text = one.firstChild;
    const place = /\\/\\S*neuroagent-[^/]*/;
    text.textContent = text.textContent.replace(place, arguments[0]);
}
"""
SEARCH = "neuroagent/thread/?q=dendritic+spines"
OPERATIONS = "dbops/operations/"
IN_THE_WAY = ("BEGIN", "SELECT count(*) FROM messages")
BEHIND = (
    "ALTER TABLE messages ADD COLUMN note text",
    "SELECT content FROM messages LIMIT 1",
)
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


def take(
    browser: Chrome, page: str, name: str, *, scheme: str, height: int = HEIGHT
) -> None:
    """Write a picture of a page."""
    set_screen(browser, width=WIDTH, height=height, scheme=scheme)
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
    browser.execute_script(PLACE, SHOWN)
    path = Path(__file__).with_name(f"{name}-{scheme}.png")
    browser.save_screenshot(str(path))
    print(path.name, path.stat().st_size)  # noqa: T201


@contextmanager
def block(copy: Path) -> Iterator[None]:
    """Keep a migration waiting, and a reader behind it."""
    parameters = {
        "host": str(copy / ".local" / "pg18.run"),
        "dbname": "neuroagent",
        "user": "postgres",
        "autocommit": True,
    }
    with ExitStack() as stack:

        def connect(name: str) -> psycopg.Connection:
            found = psycopg.connect(**parameters, application_name=name)
            return stack.enter_context(closing(found))

        first = connect("gunicorn")
        for statement in IN_THE_WAY:
            first.execute(statement)
        waiters = [connect(name) for name in ("dbops-worker:deploy", "gunicorn")]
        threads = []
        for waiter, statement in zip(waiters, BEHIND, strict=True):
            threads.append(Thread(target=run_quietly, args=(waiter, statement)))
            threads[-1].start()
            time.sleep(2)
        yield
        for waiter in waiters:
            waiter.cancel()
        for thread in threads:
            thread.join()


def run_quietly(session: psycopg.Connection, statement: str) -> None:
    with suppress(psycopg.Error):
        session.execute(statement)


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
            run(copy, "dbops_rollback neuroagent 0002 --yes --verbosity 0")
            run(copy, "dbops_backup --verbosity 0")
            run(copy, "dbops_rehearse --verbosity 0")
            with block(copy):
                for scheme in ("light", "dark"):
                    take(
                        browser,
                        address + OPERATIONS,
                        "operations",
                        scheme=scheme,
                        height=TALL,
                    )


if __name__ == "__main__":
    main()
