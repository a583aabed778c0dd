"""The dashboard's page in a real Chromium, before real runs: what a person sees, clicks and is told."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.dashboard.browser import start_browser, visit
from tests.cli.dashboard.rig import dashboard

SOURCE = """
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from haulier import Action, Api, App, Context, Rule, WorkItem

# Poison at once: it cannot be divided.
app = App("numbers", api=Api("{url}", in_flight=4), rules=[Rule(Action.SPLIT, status=404)])


@dataclass(frozen=True)
class Number(WorkItem, stream="numbers", kind="number"):
    n: int


@app.enumerate("full")
async def numbers(ctx: Context) -> AsyncIterator[WorkItem]:
    for n in range({items}):
        yield Number(n)


@app.processor(Number)
async def number(item: Number, ctx: Context) -> AsyncIterator[list[dict[str, int]]]:
    is_mended = Path(__file__).with_name("mended").exists()
    await ctx.api.json("/count" if is_mended or item.n % 8 != 3 else "/no/such/path")
    yield [{{"n": item.n}}]
"""
ITEMS, POISONED = 120, 15
MARKUP = "<img src=nowhere onerror=\\\"document.title='owned'\\\"><b>bold</b>"
"""In JSON. An answer of an API may say anything."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests: its start takes a second."""
    with start_browser() as started:
        yield started


def write_source(folder: Path, url: str, items: int = ITEMS) -> Path:
    source = folder / "numbers.py"
    source.write_text(SOURCE.format(url=url, items=items))
    return source


def start(command: str, source: Path, *words: str) -> subprocess.Popen[str]:
    typed = [sys.executable, "-m", "haulier", *command.split(), str(source), *words]
    return subprocess.Popen(typed, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, Any]:
    out, err = process.communicate(timeout=60)
    return process.returncode, json.loads(out) if out else err


@pytest.fixture
def partial(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A partial run, whose items would be done now. One of them was answered with markup."""
    with SandboxProcess(SandboxSettings(records=1)) as api:
        source = write_source(tmp_path, api.url)
        code, said = ended(start("run", source, "--json"))
        assert (code, said["reasons"]) == (3, {"poison": POISONED})
        (record,) = tmp_path.glob("lake/**/poison/number-11/1.json")
        record.write_text(re.sub(r'"error":"', f'"error":"{MARKUP} ', record.read_text(), count=1))
        (tmp_path / "mended").touch()
        yield source, said["run_id"]


def test_a_lost_connection_is_said_and_comes_back(browser: Browser, partial: tuple[Path, str]) -> None:
    """What is shown meanwhile is marked as old; no reload brings it back."""
    source, run_id = partial
    with dashboard(source) as served, visit(browser, f"{served.url}/#/run/{run_id}") as seen:
        page = seen.page
        expect(page.locator("#connection")).to_have_text("live")
        served.end()
        expect(page.locator("#connection")).to_have_text(
            re.compile("^connection lost, trying again; what is shown is as of ")
        )
        expect(page.locator("body")).to_have_class("is-stale")
        expect(page.locator("main")).to_contain_text(f"{POISONED} poisoned")
        with dashboard(source, "--port", served.url.rpartition(":")[2]):
            expect(page.locator("#connection")).to_have_text("live")
            expect(page.locator("body")).not_to_have_class("is-stale")
            expect(page.locator("#notice")).to_be_hidden()
        assert seen.loads == 1
