"""`haulier dashboard`: documents, events, clicks, and its end."""

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from starlette.types import Message

from haulier.cli.dashboard.event_stream import EventStream
from tests.cli.conftest import Place
from tests.cli.dashboard.conftest import put_run
from tests.cli.dashboard.rig import Dashboard, dashboard, tab, typed, until, visitor


async def test_the_page_has_the_documents_of_the_commands(made: Path, numbers: Place) -> None:
    """The same as `--json` prints, but for ages; before there is a run, too; and nothing is written by looking."""
    with dashboard(numbers.toml) as served:
        async with visitor(served.url) as seen:
            assert (await seen.document("/api/runs?mode=full"))["runs"] == []
            about = await seen.document("/api/source")
            assert about["source"] == "numbers"
            assert about["lake"] == str(numbers.lake / "numbers")
            assert [path.name for path in numbers.folder.iterdir() if path.name != "__pycache__"] == ["numbers.py"]

            run_id = put_run(made, numbers)
            before = sorted(numbers.folder.rglob("*"))
            assert await seen.document("/api/runs") == typed(numbers, "runs", "--json").json
            assert await seen.document(f"/api/runs/{run_id}") == typed(numbers, "status", "--json").json
            listed = typed(numbers, "poison list", "--json").json
            poison = f"/api/runs/{run_id}/poison"
            assert await seen.document(poison) == listed | {"unread": 0, "next": None}
            page = await seen.document(f"{poison}?limit=1")
            assert (page["items"], page["next"]) == (listed["items"][:1], "number-2")
            page = await seen.document(f"{poison}?reason=poison&status=404&error_class=ApiError&after=number-2")
            assert (page["items"], page["poisoned"]) == (listed["items"][1:], 2)
            page = await seen.document(f"{poison}?reason=poison&status=&error_class=ApiError")
            assert (page["items"], page["poisoned"], page["groups"]) == ([], 0, [])
            shown = await seen.document(f"/api/runs/{run_id}/poison/number-2")
            told = typed(numbers, "poison show", "number-2", "--json").json
            assert shown == told | {"item_state": None, "parameters": '{"n":2}'}
            assert sorted(numbers.folder.rglob("*")) == before

            for path, status, said in (
                ("/api/runs/full-20260101T000000Z", 404, "has no run 'full-20260101T000000Z' in this lake."),
                ("/api/runs/..%2F..%2Fsecret", 404, "Not Found"),
                (f"/api/runs/{run_id}/poison/number-1", 404, "has no poisoned item 'number-1'"),
                ("/api/runs?last=0", 400, "expected a whole number from 1 to 200, found '0'"),
                ("/api/runs?mode=half", 400, "The modes are: full, incremental, trial."),
                ("/static/..%2Froutes.py", 404, "Not Found"),
                ("/nowhere", 404, "Not Found"),
            ):
                code, found = await seen.get(path)
                assert (code, found["state"]) == (status, "refused"), path
                assert said in found["error"]


async def test_the_messages_of_a_redrive_bear_their_trace(made: Path, numbers: Place) -> None:
    """As those of `haulier poison redrive`. A collector that is away refuses no click."""
    run_id = put_run(made, numbers)
    with dashboard(numbers.toml, env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}) as served:
        async with visitor(served.url) as seen:
            await seen.open()
            code, done = await seen.confirm(f"/api/runs/{run_id}/redrive", {"all": True})
            assert (code, done["redriven"]) == (200, 2)
    queue = b"".join(path.read_bytes() for path in (numbers.folder / ".haulier").rglob("*") if path.is_file())
    assert b'"trace":"00-' in queue


async def test_a_redrive_is_clicked_and_seen_to_its_end(poisoned: tuple[Place, Dashboard, str]) -> None:
    """The tab that watched a partial run sees it open, and complete once a worker has done the work."""
    numbers, served, run_id = poisoned
    async with visitor(served.url) as seen:
        await seen.open()
        async with tab(seen, run_id) as events:
            assert (await until(events, "partial"))["poisoned"] == 2
            path = f"/api/runs/{run_id}/redrive"
            code, meant = await seen.click(path, {"all": True, "dry_run": True})
            assert (code, meant["would_be_redriven"], meant["redriven"]) == (200, 2, 0)
            assert [group["keys"] for group in meant["groups"]] == [["number-2", "number-4"]]
            assert meant["state"] == "partial"
            group = {"reason": "poison", "status": 404, "error_class": "ApiError"}
            for other, items in ((404, 2), (403, 0), (None, 0)):
                body = {"group": group | {"status": other}, "dry_run": True}
                assert (await seen.click(path, body))[1]["would_be_redriven"] == items

            poison = f"/api/runs/{run_id}/poison"
            assert (await seen.document(poison))["redriven"] == 0
            code, done = await seen.confirm(path, {"keys": ["number-2"], "why": "mended"})
            assert (code, done["state"], done["redriven"]) == (200, "open", 1)
            assert done["said"].startswith(f"1 item of run {run_id} is on the queue again. No worker is running: ")
            assert f"`haulier work {numbers.toml}` takes them" in done["said"]
            assert (await until(events, "open"))["missing"] == 1
            assert (await seen.document(poison))["redriven"] == 1
            assert (await seen.document(f"{poison}/number-2"))["item_state"] == "missing"
            (numbers.folder / "mended").touch()
            working = await asyncio.to_thread(numbers.start, "work")
            closed = await until(events, "partial")
            assert (closed["poisoned"], closed["done"]) == (1, 4)
            assert working.wait(30) == 0
            working.communicate()
            found = await seen.document(poison)
            assert (found["redriven"], found["poisoned"]) == (0, 1), "nothing of it is left"
            assert (await seen.document(f"{poison}/number-2"))["item_state"] == "done"

            path = f"/api/runs/{run_id}/discard"
            code, refused = await seen.confirm(path, {"all": True})
            assert (code, refused["state"]) == (409, "refused")
            assert "A discard needs a reason" in refused["error"]
            code, done = await seen.confirm(path, {"reason": "poison", "why": "not wanted"})
            assert (code, done["state"], done["discarded"]) == (200, "complete", 1), done
            assert (await until(events, "complete"))["discarded"] == 1

        code, refused = await seen.confirm(f"/api/runs/{run_id}/redrive", {"all": True})
        assert (code, refused["state"]) == (409, "refused")
        assert "is complete, which is final" in refused["error"]
    story = typed(numbers, "poison show", "number-2", "--run", run_id, "--json").json["story"]
    assert [one["reason"] for one in story if one["event"] == "redrive"] == ["mended"]


async def test_a_click_takes_just_what_was_shown(poisoned: tuple[Place, Dashboard, str]) -> None:
    """Where some of it has changed since, nothing is done. What was poisoned since is left alone, be it of the same
    group, or the same item once more."""
    numbers, served, run_id = poisoned
    account = numbers.lake / f"_haulier/numbers/runs/{run_id}"
    path = f"/api/runs/{run_id}/discard"
    wanted = {"group": {"reason": "poison", "status": 404, "error_class": "ApiError"}, "why": "not wanted"}
    async with visitor(served.url) as seen:
        await seen.open()
        code, refused = await seen.click(path, wanted)
        assert (code, refused["error"][:23]) == (400, 'Ask with "dry_run": tru')
        _, shown = await seen.click(path, wanted | {"dry_run": True})
        assert shown["would_be_discarded"] == 2
        for other in ({"all": True, "why": "x"}, wanted | {"preview": "0" * 64}):
            code, refused = await seen.click(path, {"preview": shown["preview"]} | other)
            assert (code, "look again" in refused["error"]) == (409, True), refused

        assert typed(numbers, "poison redrive", "number-2").code == 0
        code, refused = await seen.click(path, wanted | {"preview": shown["preview"]})
        assert (code, refused["state"]) == (409, "refused")
        assert f"1 of 2 items of run {run_id} has changed since they were counted." in refused["error"]
        _, shown = await seen.click(path, wanted | {"dry_run": True})
        assert shown["would_be_discarded"] == 1
        again = (account / "poison/number-2/1.json").read_text().replace('"number":1', '"number":2')
        (account / "poison/number-2/2.json").write_text(again)
        _, more = await seen.click(path, wanted | {"dry_run": True})
        assert more["would_be_discarded"] == 2
        code, done = await seen.click(path, wanted | {"preview": shown["preview"]})
        assert (code, done["discarded"]) == (200, 1), done
        assert [each.parent.name for each in account.glob("discards/*/*")] == ["number-4"]
        assert (await seen.document(f"/api/runs/{run_id}/poison"))["groups"][0]["key"] == "number-2"


async def test_a_run_that_is_worked_is_redriven(poisoned: tuple[Place, Dashboard, str]) -> None:
    """What was redriven before is counted by itself, and may end between the clicks. What is poisoned may not be
    redriven by others."""
    numbers, served, run_id = poisoned
    account = numbers.lake / f"_haulier/numbers/runs/{run_id}"
    path, wanted = f"/api/runs/{run_id}/redrive", {"all": True}
    others = "1 other, which was redriven before or has an object that came late, would be sent once more."
    async with visitor(served.url) as seen:
        await seen.open()
        assert (await seen.confirm(path, {"keys": ["number-2"]}))[0] == 200
        _, shown = await seen.click(path, wanted | {"dry_run": True})
        assert (shown["would_be_redriven"], shown["would_be_sent_once_more"]) == (1, 1)
        assert shown["said"] == f"1 item of run {run_id} would be redriven. {others}"
        assert [group["keys"] for group in shown["groups"]] == [["number-4"]]
        _, again = await seen.click(path, {"redriven": True, "dry_run": True})
        assert (again["would_be_redriven"], again["would_be_sent_once_more"]) == (0, 1)

        assert typed(numbers, "poison redrive", "number-4").code == 0
        code, refused = await seen.click(path, wanted | {"preview": shown["preview"]})
        assert (code, f"1 of 1 item of run {run_id} has changed since" in refused["error"]) == (409, True), refused
        poison = account / "poison/number-4"
        (poison / "2.json").write_text((poison / "1.json").read_text().replace('"number":1', '"number":2'))
        _, shown = await seen.click(path, wanted | {"dry_run": True})
        assert (shown["would_be_redriven"], shown["would_be_sent_once_more"]) == (1, 1)
        (account / "outcomes/number-2.json").write_bytes((account / "outcomes/number-5.json").read_bytes())
        code, done = await seen.click(path, {"redriven": True, "preview": again["preview"]})
        assert (code, done["redriven"]) == (200, 0), done
        assert done["said"] == f"What was redriven of run {run_id} has ended since, or is poisoned anew."
        code, done = await seen.click(path, wanted | {"preview": shown["preview"]})
        assert (code, done["redriven"]) == (200, 1), done
        assert sorted(each.parent.name for each in account.glob("redrives/*/*")) == ["number-2", "number-4", "number-4"]


NEVER_MEANT = [
    ({}, 400, "Nothing says which items are meant."),
    ({"all": True, "keys": ["number-2"]}, 400, "Items are named in several ways."),
    ({"all": 1}, 400, "is not understood: Expected `bool`, got `int`"),
    ({"everything": True}, 400, "unknown field `everything`"),
    ({"reason": "boredom"}, 409, "There is no reason 'boredom' of poison."),
    ({"keys": ["number-1"], "dry_run": True}, 409, "Not poisoned in run"),
    ({"keys": ["x" * 1_000_001]}, 413, "longer than 1,000,000 bytes"),
]


async def test_g7_only_its_own_page_clicks_and_only_what_can_be_meant(poisoned: tuple[Place, Dashboard, str]) -> None:
    """A page of another site bears another host or origin, or no token of the page, and may not frame it. What nobody
    can mean is refused with what to write instead."""
    place, served, run_id = poisoned
    async with visitor(served.url) as seen:
        await seen.open()
        path, body = f"/api/runs/{run_id}/redrive", {"all": True}
        for headers, said in (
            ({"X-Haulier-Token": ""}, "Reload it"),
            ({"X-Haulier-Token": seen.page_token[:-1]}, "Reload it"),
            ({"Origin": "http://evil.example"}, "another site"),
            ({"Origin": "null"}, "another site"),
            ({"Host": "evil.example"}, "not to evil.example"),
            ({"Host": "localhost.evil.example"}, "not to localhost.evil.example"),
        ):
            code, found = await seen.click(path, body, **headers)
            assert (code, found["state"]) == (403, "refused"), headers
            assert said in found["error"]
        code, found = await seen.get("/api/runs", Host="evil.example:8321")
        assert code == 403, found
        for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
            assert (await seen.get(f"/api/runs/{run_id}", **{"Sec-Fetch-Site": site}))[0] == status, site
        async with seen.http.get(served.url, headers={"Sec-Fetch-Site": "cross-site"}) as answer:
            assert answer.status == 200, "a link may lead here"
            assert answer.headers["content-security-policy"].startswith("default-src 'self';")
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["referrer-policy"] == "same-origin"
            assert answer.headers["cache-control"] == "no-store"
        for wrong, status, said in NEVER_MEANT:
            code, found = await seen.click(path, wrong)
            assert (code, found["state"]) == (status, "refused"), found
            assert said in found["error"]
        for name in ("localhost", "LOCALHOST:9000", "[::1]:1", "127.0.0.2:80"):
            assert (await seen.get("/api/runs", Host=name))[0] == 200, "as through a tunnel"
    assert typed(place, "status", "--json").json["poisoned"] == 2


async def test_g7_a_dashboard_for_others_asks_for_its_token(shop: Place) -> None:
    """A URL with the token opens it, once; a cookie that no script reads does afterwards. Any name may be used then."""
    with dashboard(shop.toml, "--host", "0.0.0.0") as served:
        assert len(served.token) == 32, "it was made, and printed"
        url = f"http://127.0.0.1:{served.url.rpartition(':')[2]}"
        async with visitor(url) as seen:
            assert (await seen.get("/api/source"))[0] == 401
            assert "That is not the token." in await seen.open(f"?token={served.token[:-1]}x")
            assert "asks for a token" in await seen.open()
            assert seen.page_token == ""
            async with seen.http.get(f"{url}/?token={served.token}") as answer:
                (cookie,) = answer.headers.getall("set-cookie")
                assert served.token not in cookie
                assert {"HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))
                assert 'http-equiv="refresh" content="0; url=./"' in await answer.text()
            await seen.open()
            assert seen.page_token
            # A proxy that speaks https, and takes the path below which it serves the page from what it passes on.
            proxied = {"Host": "fleet.example", "Origin": "https://fleet.example", "X-Forwarded-Proto": "https"}
            assert (await seen.get("/api/source", **proxied))[0] == 200
            code, found = await seen.click("/api/runs/none/redrive", {"all": True}, **proxied)
            assert (code, "has no run 'none'" in found["error"]) == (404, True), found
            async with seen.http.get(f"{url}/?token={served.token}", headers=proxied) as answer:
                assert "Secure" in answer.headers["set-cookie"].split("; ")
        async with visitor(url) as seen:
            async with seen.http.post(f"{url}/", data={"token": served.token}, headers={"Origin": url}) as answer:
                assert answer.status == 200
            assert (await seen.get("/api/source"))[0] == 200
        code, err = served.end(signal.SIGTERM)
        assert code == 0
        assert served.token not in err


async def test_g7_a_name_is_listened_to_with_a_token_alone(shop: Place) -> None:
    """Today it is this machine's; whose it is tomorrow, nobody knows. Its own addresses need none."""
    with dashboard(shop.toml, "--host", "127.0.0.2") as served:
        assert served.token == ""
        async with visitor(served.url) as seen:
            assert (await seen.get("/api/source"))[0] == 200
    with dashboard(shop.toml, "--host", "127.1") as served:
        assert served.token
        async with visitor(f"http://127.0.0.1:{served.url.rpartition(':')[2]}") as seen:
            assert (await seen.get("/api/source"))[0] == 401


def test_a_missing_extra_is_named(shop: Place) -> None:
    """With the line that installs it."""
    program = (
        "import sys; sys.modules['uvicorn'] = None; from haulier.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, "dashboard", str(shop.toml)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (said.returncode, said.stdout) == (2, "")
    assert "The package uvicorn is not installed. Install haulier with its extra 'dashboard'." in said.stderr
    assert "pip install '.[dashboard]'" in said.stderr


def test_what_cannot_be_served_is_said(shop: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2 and one sentence, before anything is served; a bad token is not repeated."""
    with dashboard(shop.toml) as served:
        port = served.url.rpartition(":")[2]
        said = shop.run("dashboard", "--port", port)
        assert (said.code, said.out) == (2, "")
        assert f"Port {port} of 127.0.0.1 is taken" in said.err
    said = shop.run("dashboard", "--host", "192.0.2.1")
    assert (said.code, "that is no address of this machine" in said.err) == (2, True), said.err
    said = shop.run("dashboard", "--host", "no.such.host.invalid")
    assert (said.code, "no address of that name" in said.err) == (2, True), said.err
    monkeypatch.setenv("HAULIER_DASHBOARD_TOKEN", "short-secret")
    said = shop.run("dashboard")
    assert (said.code, "has 12 characters: write 16 to 200 of" in said.err) == (2, True)
    assert "short-secret" not in said.err


async def test_ctrl_c_ends_it_at_once_with_ten_tabs(poisoned: tuple[Place, Dashboard, str]) -> None:
    """One reader looks for all of them. Exit code 0, within two seconds, and the streams end whole."""
    _, served, run_id = poisoned
    async with visitor(served.url) as seen, contextlib.AsyncExitStack() as stack:
        tabs = [await stack.enter_async_context(tab(seen, run_id)) for _ in range(10)]
        for events in tabs:
            await until(events, "partial")
        await seen.open()
        assert (await seen.confirm(f"/api/runs/{run_id}/redrive", {"all": True}))[0] == 200
        told = [await until(events, "open") for events in tabs]
        assert all(document == told[0] for document in told), "of the same moment, too"
        async with asyncio.timeout(2):
            ended = asyncio.create_task(asyncio.to_thread(served.end))
            assert [[name async for name, _ in events] for events in tabs] == [[]] * 10
            assert await ended == (0, "The dashboard of numbers is at that URL until Ctrl-C.\n")


def test_runs_of_all_kinds_and_states_are_shown(shop: Place) -> None:
    """As `status` and `runs` have them: planned, open, a trial, cancelled; and each over time."""
    run_id = shop.run("enqueue", "--json").json["run_id"]
    trial = shop.run("enqueue", "--max-items", "1", "--json").json["run_id"]
    assert shop.run("cancel", "--run", trial).code == 0
    runs = shop.lake / "_haulier/shop/runs"
    planned = "full-20260102T030405Z"
    (runs / planned).mkdir()
    (runs / planned / "run.json").write_text((runs / run_id / "run.json").read_text().replace(run_id, planned))
    states = {run_id: "open", trial: "cancelled", planned: "planning"}
    wanted = {one: shop.run("status", "--run", one, "--json").json for one in states}
    listed = shop.run("runs", "--json").json["runs"]

    async def compare(url: str) -> None:
        async with visitor(url) as seen:
            shown = (await seen.document("/api/runs"))["runs"]
            assert [one | {"seconds": 0} for one in shown] == [one | {"seconds": 0} for one in listed]
            for one, state in states.items():
                document = await seen.document(f"/api/runs/{one}")
                assert document | {"seconds": 0} == wanted[one] | {"seconds": 0}
                assert document["state"] == state
                told = await seen.document(f"/api/runs/{one}/timeline")
                assert (told["run_id"], told["items"]) == (one, [])
                poison = await seen.document(f"/api/runs/{one}/poison")
                assert (poison["state"], poison["poisoned"], poison["unread"]) == (state, 0, 0)

    with dashboard(shop.toml) as served:
        asyncio.run(compare(served.url))


async def test_a_reader_that_takes_nothing_is_dropped() -> None:
    """Nothing is kept for it, and its part in the looks at the run ends."""
    told = asyncio.Event()

    async def events() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b"event: status\ndata: {}\n\n"
        finally:
            told.set()

    async def send(message: Message) -> None:
        if message.get("body"):
            await asyncio.Event().wait()

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async with asyncio.timeout(5):
        await EventStream(events(), slow_seconds=0.01)({"type": "http", "method": "GET"}, receive, send)
        await told.wait()
