"""A real browser: Debian's chromium, without a window."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

CHROMIUM = shutil.which("chromium")
CHROMEDRIVER = shutil.which("chromedriver") or shutil.which(
    "chromedriver", path="/usr/lib/chromium"
)
MISSING = (
    ""
    if CHROMIUM and CHROMEDRIVER
    else "no browser here; run: sudo apt-get install chromium chromium-driver"
)
FLAGS = (
    "--headless=new",
    # Some of the machines that this runs on have only root, or a small /dev/shm.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
)


@contextmanager
def open_browser(downloads: Path) -> Iterator[Chrome]:
    """Yield a browser that keeps what it downloads in a directory."""
    options = Options()
    options.binary_location = CHROMIUM or ""
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={downloads / 'profile'}")
    options.add_experimental_option(
        "prefs", {"download.default_directory": str(downloads)}
    )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options=options, service=Service(CHROMEDRIVER))
    try:
        yield browser
    finally:
        browser.quit()


def set_screen(browser: Chrome, *, width: int, height: int, scheme: str) -> None:
    """Pretend to be a screen of that size, in that colour scheme."""
    metrics = {
        "width": width,
        "height": height,
        "deviceScaleFactor": 1,
        "mobile": False,
    }
    tell(browser, "Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    tell(browser, "Emulation.setEmulatedMedia", {"features": features})


def tell(browser: Chrome, command: str, parameters: dict[str, Any]) -> None:
    """Send a command of the DevTools protocol."""
    browser.execute_cdp_cmd(command, parameters)
