"""A real browser, and reports of a real run and of a made-up one to open in it."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DRAWN_MILLISECONDS = 60_000


@dataclass
class Opened:
    """A page with everything it complained of and asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def show(self, path: Path) -> None:
        """Open a file from disk and wait until every chart is drawn."""
        self.complaints.clear()
        self.requests.clear()
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-drawn]", timeout=DRAWN_MILLISECONDS)


@pytest.fixture(scope="module")  # later tests fork, and measure memory
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as tool:
        started = tool.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Opened]]:
    """Return a function that opens an empty page; its arguments are those of a browser context."""
    contexts: list[BrowserContext] = []

    def opened(**look: Any) -> Opened:
        contexts.append(browser.new_context(**look))
        found = Opened(contexts[-1].new_page())
        found.page.on("console", lambda m: found.complaints.append(f"{m.type}: {m.text}"))
        found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
        found.page.on("dialog", lambda dialog: found.complaints.append(f"dialog {dialog.message}"))
        found.page.on("request", lambda request: found.requests.append(request.url))
        return found

    yield opened
    for context in contexts:
        context.close()
