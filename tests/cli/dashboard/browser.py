"""A real browser that looks at the page, and notes all that it should not have to complain of."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
"""Playwright's own browsers would have to be fetched from elsewhere."""
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WAIT_MILLISECONDS = 30_000
NOTE_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""


@contextlib.contextmanager
def start_browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"There is no {CHROMIUM}: install Debian's package chromium")
    expect.set_options(timeout=WAIT_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    page: Page
    complaints: list[str] = field(default_factory=list)
    """Errors of the console and of scripts, and requests to other origins, which are not let through."""
    loads: int = 0
    """Documents that were loaded: a view that changes by itself loads none."""

    def require_quiet(self) -> None:
        assert self.complaints == []
        assert self.page.evaluate("window.violations") == [], "the content security policy"


@contextlib.contextmanager
def visit(browser: Browser, url: str, **options: Any) -> Iterator[Visit]:
    """Open the page in a browser of no past. ``options`` are those of a context: sizes, colours, a zone."""
    with contextlib.closing(browser.new_context(**{"timezone_id": "Asia/Kolkata"} | options)) as context:
        context.set_default_timeout(WAIT_MILLISECONDS)
        page = context.new_page()
        seen = Visit(page)

        def route(one: Route) -> None:
            if urlsplit(one.request.url).netloc == urlsplit(url).netloc:
                one.continue_()
            else:
                seen.complaints.append(f"a request left the origin: {one.request.url}")
                one.abort()

        context.route("**/*", route)
        context.add_init_script(NOTE_VIOLATIONS)
        page.on("console", lambda said: seen.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("domcontentloaded", lambda _: setattr(seen, "loads", seen.loads + 1))
        page.goto(url)
        yield seen
