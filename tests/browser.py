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
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

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

TIMEOUT_S = 180
PASSWORD = "correct horse"

LABELS = """
const names = [];
for (const each of document.querySelectorAll('input, button, select, textarea, a')) {
    if (each.type === 'hidden' || !each.checkVisibility()) continue;
    const label = each.labels && each.labels.length
        ? Array.from(each.labels).map(
            (one) => one.textContent + Array.from(one.querySelectorAll('img'))
                .map((image) => image.alt).join('')).join(' ')
        : '';
    const name = each.getAttribute('aria-label') || label || each.textContent
        || (each.type === 'submit' ? each.value : '') || each.title;
    if (!name.trim()) names.push(each.outerHTML);
}
return names;
"""

# WCAG 2: (L1 + 0.05) / (L2 + 0.05), of the text and of what is behind it.
# Source: https://www.w3.org/TR/WCAG21/#contrast-minimum
CONTRAST = """
function parse(colour) {
    const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
    return {r, g, b, a};
}
function luminance({r, g, b}) {
    const [x, y, z] = [r, g, b].map((value) => {
        const part = value / 255;
        return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
}
function behind(element) {
    for (let each = element; each; each = each.parentElement) {
        const colour = parse(getComputedStyle(each).backgroundColor);
        if (colour.a === 1) return colour;
    }
    return {r: 255, g: 255, b: 255};
}
const weak = new Set();
const walker = document.createTreeWalker(
    document.querySelector('#content'), NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const two = [luminance(parse(style.color)), luminance(behind(element))];
    const ratio = (Math.max(...two) + 0.05) / (Math.min(...two) + 0.05);
    const isLarge = parseFloat(style.fontSize) >= 24;
    if (ratio < (isLarge ? 3 : 4.5)) {
        const text = walker.currentNode.textContent.trim().slice(0, 30);
        weak.add(`${element.tagName} ${style.color} ${ratio.toFixed(2)} ${text}`);
    }
}
return Array.from(weak);
"""


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


def sign_in(browser: Chrome, server: str) -> None:
    browser.get(f"{server}/admin/")
    browser.find_element(By.NAME, "username").send_keys("ada")
    browser.find_element(By.NAME, "password").send_keys(PASSWORD, Keys.ENTER)
    wait_for(browser, lambda: browser.find_elements(By.ID, "user-tools"))


def wait_for(browser: Chrome, found: Any) -> Any:
    return WebDriverWait(browser, TIMEOUT_S).until(lambda _: found())


def find_text(browser: Chrome, selector: str) -> str:
    return browser.find_element(By.CSS_SELECTOR, selector).text
