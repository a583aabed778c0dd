"""The dashboard's page in a real Chromium, before real runs: what a person sees, clicks and is told."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import Place
from tests.cli.dashboard.browser import start_browser, visit
from tests.cli.dashboard.rig import dashboard
from tests.cli.history import History

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
LIVE = re.compile("^live, looked at [0-9][0-9]:[0-9][0-9]:[0-9][0-9]$")
MARKUP = "<img src=nowhere onerror=\\\"document.title='owned'\\\"><b>bold</b>"
"""In JSON. An answer of an API may say anything."""

# Of every text that is seen: its contrast to what it stands on.
CONTRASTS = """
() => {
  const parse = (text) => text.match(/[0-9.]+/g).map(Number);
  const light = ([red, green, blue]) => {
    const part = (value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue);
  };
  const ground = (node) => {
    for (let one = node; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.textContent.trim());
    if (!own || !node.checkVisibility() || node.closest(".unseen, noscript, script")) continue;
    const style = getComputedStyle(node);
    const colour = node.namespaceURI.endsWith("svg") ? style.fill : style.color;
    const [one, two] = [light(parse(colour)), light(ground(node))];
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    found.push([Math.round(100 * ratio) / 100, node.textContent.slice(0, 60)]);
  }
  return found.sort((one, two) => one[0] - two[0]);
}
"""
NAMELESS = """
() => [...document.querySelectorAll("button, a, input, [tabindex='0']")]
  .filter((node) => node.checkVisibility())
  .filter((node) => !(node.getAttribute("aria-label") || node.textContent.trim() || node.labels?.length))
  .map((node) => node.outerHTML)
"""


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


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder with a partial run, whose items would be done now. One of them was answered with markup."""
    folder = tmp_path_factory.mktemp("partial")
    with SandboxProcess(SandboxSettings(records=1)) as api:
        code, said = ended(start("run", write_source(folder, api.url), "--json"))
        assert (code, said["reasons"]) == (3, {"poison": POISONED})
        (record,) = folder.glob("lake/**/poison/number-11/1.json")
        record.write_text(re.sub(r'"error":"', f'"error":"{MARKUP} ', record.read_text(), count=1))
        (folder / "mended").touch()
        yield folder, said["run_id"]


@pytest.fixture
def partial(model: tuple[Path, str], tmp_path: Path) -> tuple[Path, str]:
    """A source file with a copy of that run."""
    shutil.copytree(model[0], tmp_path, dirs_exist_ok=True)
    return tmp_path / "numbers.py", model[1]


def rows(page: Page) -> Locator:
    return page.get_by_role("row")


def test_a_run_is_seen_live_from_nothing_to_its_end(browser: Browser, tmp_path: Path) -> None:
    """The page is loaded once. It says that there is no run, shows the one that starts, its numbers as they grow, and
    its verdict; the plot stays, and can be read by keyboard; times are in the zone of who looks."""
    with (
        SandboxProcess(SandboxSettings(records=1, latency_seconds=0.15)) as api,
        dashboard(write_source(tmp_path, api.url)) as served,
        visit(browser, served.url) as seen,
    ):
        page = seen.page
        expect(page.get_by_text("This source has no run in the lake yet.")).to_be_visible()
        expect(page.locator("header")).to_contain_text("haulier numbers")
        run = start("run", tmp_path / "numbers.py", "--json", "--fixed")
        row = rows(page).filter(has_text="full-")
        expect(row).to_contain_text("open")
        row.get_by_role("link").first.click()
        expect(page.locator("#connection")).to_have_text(LIVE)
        expect(page.get_by_role("heading", level=1)).to_be_focused()
        expect(page.locator(".ended")).to_have_text(re.compile(r"^[1-9][0-9]? %: [0-9]+ of 120 items have ended$"))
        expect(page.locator(".tiles")).to_contain_text(re.compile("Requests in flight[1-4] of 4"))
        expect(page.get_by_role("table", name="Workers of the source")).to_contain_text("alive")
        expect(page.locator(".state").first).to_have_text("! partial")
        assert ended(run)[0] == 3
        expect(page.get_by_text(f"The run is partial: {POISONED} items are poisoned.")).to_be_visible()
        expect(page.locator("#aloud")).to_have_text("The run is partial now.")

        plot = page.get_by_role("slider")
        plot.focus()
        page.keyboard.press("Home")
        expect(page.locator(".readout")).to_have_text(re.compile(" records a second, .* items at once, .* an item"))
        assert plot.get_attribute("aria-valuetext") == page.locator(".readout").text_content()
        page.get_by_text("The figures as a table").click()
        figures = page.locator(".figures tbody tr td:nth-child(5)").all_text_contents()
        assert sum(map(int, figures)) == ITEMS

        started = page.locator("main time").first
        utc = started.get_attribute("title") or ""
        assert utc.endswith(" UTC")
        assert utc[:16] not in (started.text_content() or "")
        page.get_by_role("button", name="Show UTC").click()
        expect(started).to_have_text(utc)
        page.go_back()
        expect(page.get_by_role("heading", level=1)).to_have_text("Runs")
        assert seen.loads == 1
        seen.require_quiet()


def test_a_redrive_goes_from_the_keyboard_to_a_closed_run(browser: Browser, partial: tuple[Path, str]) -> None:
    """No mouse: from the runs to the poison, to one item, to the redrive of all, with a count first. A worker beside
    does the work; the page says when the run is complete. What the API answered is text, whatever it looks like."""
    source, run_id = partial
    with dashboard(source) as served, visit(browser, served.url) as seen:
        page = seen.page
        press_until(page, page.get_by_role("link", name=f"{POISONED} poisoned items"))
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=2, name="cap 404 ApiError")).to_be_visible()
        expect(page.get_by_text("What to do: Divide by something else too")).to_be_visible()
        press_until(page, page.get_by_text("Items, one by one"))
        page.keyboard.press("Enter")
        expect(page.get_by_text(f"1 to {POISONED} of {POISONED} items")).to_be_visible()
        press_until(page, page.get_by_role("link", name="number-11", exact=True).last)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("number-11")
        expect(page.locator(".lead")).to_contain_text("<img src=nowhere onerror=\"document.title='owned'\"><b>bold</b>")
        expect(page.locator("main")).to_contain_text("GET ")
        assert page.locator("img, main b").count() == 0
        assert "owned" not in page.title()

        page.go_back()
        redrive = page.get_by_role("button", name="Redrive this group: all of cap 404 ApiError")
        press_until(page, redrive)
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Redrive all of cap 404 ApiError")
        expect(dialog).to_contain_text(f"{POISONED} items of run {run_id} would be redriven. Nothing has")
        go = dialog.get_by_role("button", name=f"Redrive {POISONED} items")
        expect(go).to_be_focused()
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(redrive).to_be_focused()
        page.keyboard.press("Enter")
        expect(go).to_be_focused()
        page.keyboard.press("Enter")
        expect(dialog).to_contain_text(
            f"{POISONED} items of run {run_id} are on the queue again. No worker is running: "
        )
        expect(dialog).to_contain_text(f"haulier work {source} takes them.")
        expect(page.get_by_text("Nothing is poisoned.")).to_be_visible(timeout=3_000)  # Behind the dialog, too.
        expect(redrive).to_have_count(0)
        page.keyboard.press("Enter")
        expect(page.locator(".state").first).to_have_text("▶ open")
        expect(page.get_by_text(f"No worker is alive: haulier work {source} takes them.")).to_be_visible()
        assert ended(start("work", source))[0] == 0
        expect(page.locator(".state").first).to_have_text("✓ complete")
        expect(page.get_by_text("Nothing is poisoned.")).to_be_visible()
        page.goto(f"{served.url}/#/run/{run_id}/poison/number-11")
        expect(page.get_by_text("It was redriven since, and its records are in the lake.")).to_be_visible()
        assert seen.loads == 1
        seen.require_quiet()


def press_until(page: Page, wanted: Locator) -> None:
    """Go on with Tab until it has the focus, which can be seen."""
    expect(wanted).to_be_visible()
    for _ in range(60):
        page.keyboard.press("Tab")
        if wanted.evaluate("node => node === document.activeElement"):
            assert wanted.evaluate("node => getComputedStyle(node).outlineStyle") == "solid"
            return
    raise AssertionError(f"no Tab leads to {wanted}")


def test_a_discard_asks_why(browser: Browser, partial: tuple[Path, str]) -> None:
    """One item, then all that are left: the run is complete without them, and its account says who and why."""
    source, run_id = partial
    with dashboard(source) as served, visit(browser, f"{served.url}/#/run/{run_id}/poison/number-3") as seen:
        page = seen.page
        page.get_by_role("button", name="Discard this item: number-3").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Discard 1 item").click()
        expect(dialog.get_by_label("Why (it is demanded, and kept)")).to_be_focused()
        page.keyboard.type("ticket 12")
        page.keyboard.press("Enter")
        expect(dialog).to_contain_text(f"1 item of run {run_id} is discarded. The run is partial.")
        dialog.get_by_role("button", name="Close").click()
        expect(page.get_by_text("It was discarded since.")).to_be_visible()
        expect(page.get_by_role("button", name="Discard this item: number-3")).to_have_count(0)
        page.get_by_role("link", name="Poison").click()
        page.get_by_role("button", name="Discard this group: all of cap 404 ApiError").click()
        dialog.get_by_label("Why").fill("ticket 13")
        dialog.get_by_role("button", name=f"Discard {POISONED - 1} items").click()
        expect(dialog).to_contain_text("The run is complete.")
        dialog.get_by_role("button", name="Close").click()
        expect(page.locator(".state").first).to_have_text("✓ complete")
        page.get_by_role("link", name="Runs").click()
        expect(page.locator("tbody tr td[data-label=Poisoned]")).to_have_text("0")
        expect(page.locator("tbody tr td[data-label=Discarded]")).to_have_text(f"{POISONED}")
        whys = {json.loads(path.read_text())["reason"] for path in source.parent.glob("lake/**/discards/*/1.json")}
        assert whys == {"ticket 12", "ticket 13"}
        seen.require_quiet()


def test_a_redrive_that_was_cut_off_is_finished(browser: Browser, partial: tuple[Path, str]) -> None:
    """Somebody's redrive died before it sent a thing. What was counted before that is not done, and nothing is called
    poisoned or mended: the page says what is left to do, and does it."""
    source, run_id = partial
    (account,) = source.parent.glob(f"lake/_haulier/numbers/runs/{run_id}")
    (record,) = account.glob("poison/number-11/1.json")
    record.write_text(record.read_text().replace('"payload":{"n":11}', '"payload":{"n":9007199254740993}'))
    with dashboard(source) as served, visit(browser, f"{served.url}/#/run/{run_id}/poison") as seen:
        page = seen.page
        page.get_by_role("button", name="Discard this group: all of cap 404 ApiError").click()
        dialog = page.get_by_role("dialog")
        go = dialog.get_by_role("button", name=f"Discard {POISONED} items")
        dialog.get_by_label("Why").fill("ticket 12")
        for each in account.glob("poison/*/1.json"):
            redrive = account / "redrives" / each.parent.name / "1.json"
            redrive.parent.mkdir(parents=True)
            told = {"number": 1, "key": each.parent.name, "redriven_at": "2026-01-02T03:04:05Z"}
            redrive.write_text(json.dumps({"format": json.loads(each.read_text())["format"]} | told))
        go.click()
        expect(dialog).to_contain_text(f"{POISONED} of {POISONED} items of run {run_id} have changed since they were")
        expect(dialog).to_contain_text(f"look again. 0 items of run {run_id} would be discarded.")
        expect(dialog.get_by_role("button")).to_have_text(["Leave it"])
        assert list(account.glob("discards/*/*")) == []
        dialog.get_by_role("button").click()
        expect(
            page.get_by_text(f"{POISONED} items that were redriven have not ended since. That redrive was")
        ).to_be_visible()
        page.goto(f"{served.url}/#/run/{run_id}/poison/number-11")
        expect(page.get_by_text("It was redriven, but that was cut off before it was on the queue")).to_be_visible()
        expect(page.get_by_text('{"n":9007199254740993}')).to_be_visible()
        expect(page.get_by_role("button", name="Finish the redrive")).to_be_visible()
        page.get_by_role("link", name="Poison").click()
        page.get_by_role("button", name="Finish the redrive").click()
        expect(dialog).to_contain_text(
            f"{POISONED} items of run {run_id}, which were redriven before or have an object"
        )
        dialog.get_by_role("button", name=f"Send {POISONED} items once more").click()
        expect(dialog).to_contain_text(f"{POISONED} items of run {run_id} are on the queue again.")
        dialog.get_by_role("button", name="Close").click()
        expect(page.locator(".state").first).to_have_text("▶ open")
        expect(page.get_by_role("button", name="Finish the redrive")).to_have_count(0)
        seen.complaints[:] = [one for one in seen.complaints if "409" not in one]
        seen.require_quiet()


def test_what_is_not_there_is_not_asked_for_again(browser: Browser, partial: tuple[Path, str]) -> None:
    """A run that there is not; and the seconds of an item, where all that ended was poisoned."""
    source, run_id = partial
    (kept,) = source.parent.glob(f"lake/**/{run_id}/closings/0001/timeline.json")
    line = json.loads(kept.read_text())
    lists = {name: [0, 0] for name, value in line.items() if isinstance(value, list)}
    told = {"at": [0, 1], "items": [2, 3], "poison": [0, 3], "item_seconds": [4.0, 0.0], "measured": [2, 0]}
    kept.write_text(json.dumps(line | lists | told | {"step_seconds": 1}))
    with dashboard(source) as served, visit(browser, f"{served.url}/#/run/{run_id}") as seen:
        page = seen.page
        page.get_by_text("The figures as a table").click()
        expect(page.locator(".figures tbody tr td:nth-child(4)")).to_have_text(["2 s", "–"])
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{served.url}/#/run/full-20200101T000000Z")
        expect(page.locator("#connection")).to_have_text("there is nothing to follow")
        expect(page.locator("main")).to_contain_text("has no run 'full-20200101T000000Z' in this lake.")
        hide(page, True)
        hide(page, False)
        page.wait_for_timeout(300)
        assert [url for url in asked if "full-20200101T000000Z" in url] == asked[:1]
        page.goto(f"{served.url}/#/run/nope/poison/number-3")
        expect(page.locator("main")).to_contain_text("has no run 'nope' in this lake.")
        expect(page.get_by_text("Reading …")).to_have_count(0)


def test_every_view_reads_on_a_phone_and_in_the_dark(browser: Browser, partial: tuple[Path, str]) -> None:
    """At 360 pixels nothing scrolls sideways; each text has a contrast of 4.5; each button and link has a name."""
    source, run_id = partial
    views = ("", f"run/{run_id}", f"run/{run_id}/poison", f"run/{run_id}/poison/number-11", "nowhere")
    grounds = set()
    with dashboard(source) as served:
        for scheme in ("light", "dark"):
            with visit(browser, served.url, viewport={"width": 360, "height": 740}, color_scheme=scheme) as seen:
                page = seen.page
                for view in views:
                    page.goto(f"{served.url}/#/{view}")
                    expect(page.locator("#connection")).to_have_text(re.compile("live|up to date"))
                    expect(page.get_by_text("Reading …")).to_have_count(0)
                    page.evaluate("for (const node of document.querySelectorAll('details')) node.open = true")
                    assert page.evaluate("document.documentElement.scrollWidth") == 360, view
                    pale = [found for found in page.evaluate(CONTRASTS) if found[0] < 4.5]
                    assert pale == [], (scheme, view)
                    assert page.evaluate(NAMELESS) == [], view
                grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
                seen.require_quiet()
    assert len(grounds) == 2


def test_a_lost_connection_is_said_and_comes_back(browser: Browser, partial: tuple[Path, str]) -> None:
    """What is shown meanwhile is marked as old; no reload brings it back."""
    source, run_id = partial
    with dashboard(source) as served, visit(browser, f"{served.url}/#/run/{run_id}") as seen:
        page = seen.page
        expect(page.locator("#connection")).to_have_text(LIVE)
        hide(page, True)
        expect(page.locator("#connection")).to_have_text(
            re.compile("^paused while this tab is hidden; what is shown is")
        )
        hide(page, False)
        expect(page.locator("#connection")).to_have_text(LIVE)
        # What stands before a dashboard that starts anew may answer for it.
        page.route("**/events", lambda route: route.fulfill(status=404, body="default backend - 404"))
        hide(page, True)
        hide(page, False)
        expect(page.locator("#connection")).to_have_text(re.compile("^connection lost, trying again"))
        page.unroute("**/events")
        expect(page.locator("#connection")).to_have_text(LIVE)
        served.end()
        expect(page.locator("#connection")).to_have_text(
            re.compile("^connection lost, trying again; what is shown is as of ")
        )
        expect(page.locator("body")).to_have_class("is-stale")
        expect(page.locator("main")).to_contain_text(f"{POISONED} poisoned")
        with dashboard(source, "--port", served.url.rpartition(":")[2]):
            expect(page.locator("#connection")).to_have_text(LIVE)
            expect(page.locator("body")).not_to_have_class("is-stale")
            expect(page.locator("#notice")).to_be_hidden()
        assert seen.loads == 1


def test_a_lake_that_disappears_is_not_one_without_runs(browser: Browser, partial: tuple[Path, str]) -> None:
    """Each view says so in words, after a reload too, keeps what it shows and marks it as old; and it comes back."""
    source, run_id = partial
    lake, away = source.with_name("lake"), source.with_name("lake.gone")
    views = ("", f"#/run/{run_id}", f"#/run/{run_id}/poison")
    with dashboard(source) as served, visit(browser, served.url) as seen:
        page = seen.page
        good, bad = re.compile("^(live|up to date), looked at "), re.compile("^the last look failed")
        for view in reversed(views):
            page.goto(f"{served.url}/{view}")
            expect(page.locator("#connection")).to_have_text(good)
        lake.rename(away)
        expect(page.locator("#connection")).to_have_text(bad)
        expect(page.locator("main")).to_contain_text(run_id)
        for view in views:
            page.goto(f"{served.url}/{view}")
            page.reload()
            expect(page.locator("#connection")).to_have_text(bad)
            expect(page.locator("#notice")).to_contain_text(
                f"The lake at {lake} has disappeared. Was its disk unmounted"
            )
            assert "No items are planned" not in (page.locator("main").text_content() or "")
            assert "Nothing is poisoned" not in (page.locator("main").text_content() or "")
            assert "has no run in the lake" not in (page.locator("main:visible").inner_text() or "")
        away.rename(lake)
        expect(page.locator("#connection")).to_have_text(good)
        expect(page.locator("#notice")).to_be_hidden()


def hide(page: Page, is_hidden: bool) -> None:
    """As if another tab were looked at; a browser without a window shows all of its tabs."""
    page.evaluate(
        """(isHidden) => {
          Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        is_hidden,
    )


def test_a_token_is_typed_once_and_old_runs_are_a_click_away(browser: Browser, place: Place) -> None:
    """The form takes the token; from then on the browser is known, with no token in its address."""
    token = "a-token-of-a-test"
    history = History(place)
    with ThreadPoolExecutor() as beside:  # The browser's own event loop runs in this thread.
        beside.submit(lambda: [history.claim("full") for _ in range(23)]).result()
    with (
        dashboard(place.toml, env={"HAULIER_DASHBOARD_TOKEN": token}) as served,
        visit(browser, served.url) as seen,
    ):
        page = seen.page
        page.get_by_label("Token").fill("not-the-right-one")
        page.keyboard.press("Enter")
        expect(page.get_by_text("That is not the token.")).to_be_visible()
        page.get_by_label("Token").fill(token)
        page.keyboard.press("Enter")
        expect(page.locator("tbody tr")).to_have_count(20)
        assert page.url == f"{served.url}/"
        page.reload()
        expect(page.locator("tbody tr")).to_have_count(20)
        expect(page.get_by_text("20 runs, the newest first; 20 of them are open.")).to_be_visible()
        page.get_by_role("button", name="Show older runs too").click()
        expect(page.locator("tbody tr")).to_have_count(23)
        expect(page.get_by_role("button", name="Show older runs too")).to_be_hidden()
