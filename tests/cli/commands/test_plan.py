"""`haulier plan`: what it says beforehand is what a run then takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import Place

RECORDS = 1_000
HEAD = 'source = "shop"\n[api]\nurl = "{url}"\nin_flight = 4\n'
ITEMS = """
[streams.items]
get = "/items"
query = {{ limit = 100 }}
records = "items"
pages = {{ cursor = "next", query = "cursor" }}
"""
IDS = """
[streams.items.full.ids]
query = {{ from_id = "{{start}}", to_id = "{{end}}" }}
last = {{ get = "/items/newest", at = "id" }}
step = 250
"""
TOTALS = ITEMS + 'total = {{ at = "total", is = "exact" }}\nfull.once = {{}}\n'
PROMISED = ITEMS + 'expect = {{ get = "/count", at = "count" }}\n' + IDS
NO_TOTALS = ITEMS + IDS
CAP_RULE = """
[[api.rules]]
status = 400
text = "RESULT_WINDOW_TOO_LARGE"
action = "split"

"""
WINDOWS = """
[streams.events]
get = "/events"
records = "items"
pages = {{ offset = "offset", limit = 10 }}
total = {{ at = "total", is = "exact" }}

[streams.events.full.windows]
query = {{ since = "{{start}}", until = "{{end}}" }}
start = 2024-01-01T00:00:00Z
end = 2024-01-01T10:00:00Z
step = "1h"
"""
CHILDREN = """
[streams.posts]
get = "/posts"
query = {{ limit = 10 }}
records = "posts"
pages = {{ cursor = "next", query = "cursor" }}
total = {{ at = "total", is = "exact" }}
full.once = {{}}

[streams.comments]
get = "/posts/{{parent.id}}/comments"
query = {{ limit = 5 }}
records = "comments"
pages = {{ cursor = "next", query = "cursor" }}
total = {{ at = "total", is = "exact" }}
parent = "posts"
"""


@pytest.fixture(scope="module")
def shop_api() -> Iterator[SandboxProcess]:
    settings = SandboxSettings(records=RECORDS, events_start="2024-01-01T00:00:00Z", event_step_seconds=36)
    with SandboxProcess(settings) as process:
        yield process


def write(place: Place, url: str, text: str) -> None:
    place.toml.write_text((HEAD + text).format(url=url))


def ran(place: Place, api: SandboxProcess, *words: str) -> tuple[int, dict[str, Any]]:
    """What a run takes: requests that the API counts, and the totals of its verdict."""
    before = api.counters().requests
    said = place.run("run", *words, "--json")
    assert said.code == 0, said.err
    return api.counters().requests - before, said.json["totals"]


def planned(place: Place, *words: str) -> dict[str, Any]:
    said = place.run("plan", *words, "--json")
    assert said.code == 0, said.err
    assert said.json["state"] == "planned"
    found: dict[str, Any] = said.json
    return found


def close(estimate: dict[str, Any], figure: float, part: float = 0.25) -> bool:
    return bool(abs(estimate["likely"] - figure) <= part * figure)


@pytest.mark.parametrize(
    ("text", "is_exact"),
    [(TOTALS, True), (PROMISED, True), (NO_TOTALS, True), (WINDOWS, False)],
    ids=["totals", "promised", "no totals", "windows"],
)
def test_a_plan_is_near_what_a_run_then_takes(
    place: Place, shop_api: SandboxProcess, text: str, is_exact: bool
) -> None:
    """Requests within a quarter, of all that the API gets; exactly where it tells how many records there are. With one
    of twenty answers broken, too. Nothing is left behind by a plan."""
    write(place, shop_api.url, text)
    plan = planned(place)
    assert not place.lake.exists()
    assert [path.name for path in place.folder.iterdir()] == [place.name]
    requests, totals = ran(place, shop_api)
    found = plan["requests"]
    assert found["low"] <= requests <= (found["high"] or requests)
    assert close(found, requests, 0.0 if is_exact else 0.25), (found, requests)
    assert close(plan["records"], totals["records"])
    assert close(plan["stored_bytes"], totals["bytes"])
    if text == TOTALS:
        assert found["low"] == found["high"]
    if text == WINDOWS:
        assert planned(place, "--sample", "10")["requests"] == dict.fromkeys(("low", "likely", "high"), requests)
    shop_api.change(error_rate_500=0.05)
    try:
        requests, _ = ran(place, shop_api, "--new")
        assert close(found, requests), (found, requests)
    finally:
        shop_api.change(error_rate_500=0.0)
    again = planned(place)
    assert close(again["requests"], requests), "by the receipts of the last run"
    if text != TOTALS:
        assert "in which" in again["streams"][0]["by"]


def test_pages_side_by_side_are_reckoned_with(place: Place, shop_api: SandboxProcess) -> None:
    """One item has as many in flight as there are; without `parallel` it asks for one page after the other."""
    pages = 'get = "/items_offset"\nrecords = "items"\npages = {{ offset = "offset", limit = 100{} }}\n'
    rest = 'total = {{ at = "total", is = "exact" }}\nfull.once = {{}}\n'
    for parallel, in_flight in ((", parallel = true", 4), ("", 1)):
        write(place, shop_api.url, f"[streams.items]\n{pages.replace('limit = 100{}', f'limit = 100{parallel}')}{rest}")
        assert planned(place)["width"]["in_flight"] == in_flight


def test_children_are_reckoned_with(place: Place) -> None:
    """By a page of the parents, which tells how many there are, and one of the first child."""
    with SandboxProcess(SandboxSettings(posts=40, comments_per_post=12)) as api:
        write(place, api.url, CHILDREN)
        plan = planned(place, "--stream", "comments")
        requests, totals = ran(place, api, "--stream", "comments")
        assert plan["requests"]["high"] is None
        assert close(plan["requests"], requests), (plan["requests"], requests)
        assert plan["requests"]["low"] <= requests
        assert plan["streams"][0]["planned"] == 1
        again = planned(place, "--stream", "comments")
        assert close(again["requests"], requests, 0.05)
        assert close(again["items"], totals["done"] + totals["empty"], 0.05)


def test_items_that_are_too_large_are_divided(place: Place) -> None:
    """In thought: by halves, until the API answers one; each that is refused takes a request."""
    total = 'total = {{ at = "total", is = "exact" }}\n'
    text = CAP_RULE + ITEMS + total + IDS.replace("step = 250", "step = 1000")
    with SandboxProcess(SandboxSettings(records=2_000, cap_rows=300)) as api:
        write(place, api.url, text)
        plan = planned(place)
        assert plan["planned"] == 2
        assert "calls too large, and of a part of it, one of 4" in plan["streams"][0]["by"]
        requests, totals = ran(place, api)
        assert plan["requests"]["low"] <= requests
        assert close(plan["requests"], requests), (plan["requests"], requests)
        assert close(plan["items"], totals["done"])
        assert close(plan["records"], totals["records"])
        was = place.run("plan", "--run", place.run("runs", "--json").json["runs"][0]["run_id"]).out
        done, split = totals["done"], totals["split"]
        assert f"items        {done} of {done} ended with records or without; {split} items were divided" in was


def test_a_stream_that_fails_leaves_the_others(place: Place, shop_api: SandboxProcess) -> None:
    """It is said, the exit code is its own, and of it so much is known as the plan says."""
    broken = WINDOWS.replace('records = "items"', 'records = "itms"')
    write(place, shop_api.url, TOTALS + broken)
    said = place.run("plan")
    assert said.code == 2
    assert "No page of it could be looked at: " in said.out
    assert "there is nothing at 'itms'" in said.out
    assert "events: 10 items, at least 10 requests" in said.out
    assert "items: 1 item, 10 requests, 1,000 records" in said.out


def test_a_quota_rules_the_time(place: Place, shop_api: SandboxProcess) -> None:
    write(place, shop_api.url, NO_TOTALS.replace("step = 250", "step = 1"))
    text = place.toml.read_text()
    place.toml.write_text(text.replace("in_flight = 4", 'in_flight = 4\nlimits = ["100/h"]\nmax_requests = 900'))
    plan = planned(place)
    assert plan["planned"] == RECORDS
    assert plan["duration"]["by"] == "the limit of 100 requests an hour"
    assert plan["duration"]["seconds"]["likely"] / 3600 == pytest.approx(10, abs=0.5)
    assert "max_requests is 900: such a run is refused, and nothing of it enqueued" in place.run("plan").out
    assert planned(place, "--in-flight", "2")["width"] == {"in_flight": 2, "by": "--in-flight"}


ENDLESS = """
from collections.abc import AsyncIterator
from dataclasses import dataclass
from haulier import Api, App, Context, WorkItem

app = App("endless", api=Api("http://127.0.0.1:9"))


@dataclass(frozen=True)
class Number(WorkItem, stream="numbers", kind="number"):
    n: int


@app.enumerate("full")
async def numbers(ctx: Context) -> AsyncIterator[WorkItem]:
    n = 0
    while True:
        yield Number(n // 2)
        n += 1


@app.processor(Number)
async def number(item: Number, ctx: Context) -> AsyncIterator[list[dict[str, int]]]:
    yield [{"n": item.n}]
"""


def test_an_enumeration_without_an_end_is_bounded(place: Place) -> None:
    """And what is said is said to be the least."""
    place.name = "endless.py"
    place.toml.write_text(ENDLESS)
    said = place.run("plan", "--max-items", "3000")
    assert said.code == 0, said.err
    assert "1,500 items planned and more: the enumeration goes on, and was read no further; 1,500 equal" in said.out
    assert "requests     at least 1,500" in said.out


DIVIDED = """
from collections.abc import AsyncIterator
from dataclasses import dataclass
from haulier import Api, App, Context, WorkItem

app = App("divided", api=Api("http://127.0.0.1:9"))


@dataclass(frozen=True)
class Post(WorkItem, stream="posts", kind="post"):
    n: int


@dataclass(frozen=True)
class Comments(WorkItem, stream="comments", kind="comments"):
    n: int


@app.enumerate("full")
async def all_posts(ctx: Context) -> AsyncIterator[WorkItem]:
    for n in range(6):
        yield Post(n)


@app.processor(Post)
async def post(item: Post, ctx: Context) -> AsyncIterator[list[dict[str, int]] | WorkItem]:
    if item.n == 5:
        yield Comments(item.n)
    elif not EMPTY:
        yield [{"n": item.n}]


@app.processor(Comments)
async def comments(item: Comments, ctx: Context) -> AsyncIterator[list[dict[str, int]]]:
    if not EMPTY:
        yield [{"n": item.n}]
"""


def test_a_run_is_said_with_what_its_items_were_divided_into(place: Place) -> None:
    """Into items of a stream that it was not asked for, too."""
    place.name = "divided.py"
    place.toml.write_text("EMPTY = False\n" + DIVIDED)
    place.run("run", "--stream", "posts", "--json")
    run_id = place.run("runs", "--json").json["runs"][0]["run_id"]
    said = place.run("plan", "--run", run_id, "--json")
    assert said.code == 0, said.err
    streams = {stream["stream"]: stream["items"] for stream in said.json["streams"]}
    assert streams.keys() == {"posts", "comments"}
    assert streams["posts"] == 5
    assert (said.json["planned"], said.json["divided"]) == (6, 1)
    assert "of 6 ended with records or without; 1 item was divided" in place.run("plan", "--run", run_id).out


def test_a_run_of_one_stream_does_not_hide_the_last_of_all(place: Place, shop_api: SandboxProcess) -> None:
    write(place, shop_api.url, NO_TOTALS + WINDOWS)
    ran(place, shop_api)
    ran(place, shop_api, "--stream", "events")
    assert all("in which" in stream["by"] for stream in planned(place)["streams"])


def test_a_run_without_records_does_not_tell_who_worked_it(place: Place) -> None:
    """Items without records have no receipt: somebody was there, for nobody knows how long."""
    place.name = "divided.py"
    place.toml.write_text("EMPTY = True\n" + DIVIDED)
    assert place.run("run", "--json").code == 0
    run_id = place.run("runs", "--json").json["runs"][0]["run_id"]
    said = place.run("plan", "--run", run_id, "--json").json
    assert said["workers"] == 0
    assert said["worker_seconds"] == {"low": 0, "likely": said["seconds"], "high": None}
    words = place.run("plan", "--run", run_id).out
    assert "and no worker brought a record" in words
    assert "containers       at least 0.0004, likely " in words


PRICES = """
currency = "EUR"
date = 2026-11-01
region = "here"
queue_10000_operations = 1
lake_10000_writes = 2
lake_10000_lists = 2
lake_10000_reads = 1
lake_gb_month = 0
container_cpu_second = 0.5
container_gib_second = 0
"""


def test_prices_are_a_persons_own(place: Place, shop_api: SandboxProcess) -> None:
    write(place, shop_api.url, TOTALS)
    file = place.folder / "mine.toml"
    file.write_text(PRICES)
    cost = planned(place, "--prices", str(file), "--workers", "3")["cost"]
    assert (cost["currency"], cost["date"], cost["workers"], cost["is_paid"]) == ("EUR", "2026-11-01", 3, False)
    containers = next(line for line in cost["lines"] if line["what"] == "containers")
    assert containers["cost"]["likely"] == pytest.approx(containers["count"]["likely"] * 0.5 * 0.5)
    assert cost["total"]["likely"] == pytest.approx(sum(line["cost"]["likely"] for line in cost["lines"]))
    assert cost["storage"]["cost"]["likely"] == 0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("lake_gb_month = 0", "lake_gb_mnth = 0", "there is no price 'lake_gb_mnth'. Did you mean 'lake_gb_month'?"),
        ("lake_gb_month = 0", "", "'lake_gb_month' is missing"),
        ("lake_gb_month = 0", "lake_gb_month = -1", "'lake_gb_month': expected a number of at least 0, found -1."),
        ("lake_gb_month = 0", 'lake_gb_month = "0"', "'lake_gb_month': expected a number of at least 0, found '0'."),
        ("lake_gb_month = 0", "lake_gb_month = nan", "'lake_gb_month': expected a number of at least 0, found nan."),
        ('"EUR"', "7", "'currency': expected text, found 7."),
        ('"EUR"', '"EUR', "is not TOML"),
    ],
)
def test_a_bad_price_is_refused_with_its_file_and_key(
    place: Place, shop_api: SandboxProcess, old: str, new: str, told: str
) -> None:
    """Before anything is asked."""
    write(place, shop_api.url, TOTALS)
    file = place.folder / "mine.toml"
    file.write_text(PRICES.replace(old, new))
    before = shop_api.counters().requests
    said = place.run("plan", "--prices", str(file))
    assert said.code == 2
    assert f"{file}" in said.err
    assert told in said.err
    assert shop_api.counters().requests == before


def test_a_missing_file_of_prices_is_said(place: Place, shop_api: SandboxProcess) -> None:
    write(place, shop_api.url, TOTALS)
    said = place.run("plan", "--prices", "none.toml")
    assert said.code == 2
    assert "The prices in none.toml cannot be read: No such file or directory." in said.err


def test_a_run_that_was_is_said_beside_its_estimate(place: Place, shop_api: SandboxProcess) -> None:
    """Requests, records and bytes as its manifest has them; what it was said to take was kept when it began."""
    write(place, shop_api.url, PROMISED)
    _, first = ran(place, shop_api)
    _, second = ran(place, shop_api)
    run_id = place.run("runs", "--json").json["runs"][0]["run_id"]
    said = place.run("plan", "--run", run_id, "--json")
    assert said.code == 0, said.err
    assert said.json["state"] == "complete"
    assert said.json["requests"] == dict.fromkeys(("low", "likely", "high"), second["requests"])
    assert said.json["records"] == RECORDS
    assert said.json["stored_bytes"] == second["bytes"]
    assert said.json["streams"][0]["items"] == said.json["ended"] == said.json["planned"] == 4
    assert said.json["workers"] == 1
    assert said.json["estimated"]["requests"] == first["requests"]
    words = place.run("plan", "--run", run_id).out
    assert f"requests     12 for what is in the lake; estimated {first['requests']}, judging by the last" in words
    assert "Queue and lake are files of this machine, and cost nothing." in words


def test_a_run_that_is_open_is_said_so_far(place: Place, shop_api: SandboxProcess) -> None:
    """Nothing is known of what it was said to take, and nothing is said of it."""
    write(place, shop_api.url, PROMISED)
    run_id = place.run("enqueue", "--json").json["run_id"]
    said = place.run("plan", "--run", run_id, "--json")
    assert (said.json["state"], said.json["planned"], said.json["ended"]) == ("open", 4, 0)
    assert said.json["requests"] == {"low": 0, "likely": 0, "high": None}
    assert said.json["estimated"] is None
    refused = place.run("plan", "full", "--run", run_id)
    assert refused.code == 2
    assert "--run looks at a run that was: leave out MODE" in refused.err


def test_an_increment_is_planned_as_it_is_due(place: Place) -> None:
    """What earlier ones have finished is left out, and nothing is claimed."""
    text = WINDOWS.replace("full.windows", "incremental.windows").replace("end = 2024-01-01T10:00:00Z\n", "")
    settings = SandboxSettings(records=RECORDS, is_live=True, events_start="2026-01-01T00:00:00Z")
    with SandboxProcess(settings) as api:
        write(place, api.url, text.replace("2024", "2026").replace('step = "1h"', 'step = "30d"'))
        plan = planned(place, "incremental")
        assert plan["mode"] == "incremental"
        assert plan["planned"] > 5
        assert place.run("run", "incremental").code == 0
        assert planned(place, "incremental")["planned"] <= 2
        assert len(place.run("runs", "--json").json["runs"]) == 1
