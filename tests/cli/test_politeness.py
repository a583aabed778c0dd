"""Limits that a source file sets, kept by real runs; and what `status` says of the API (G5)."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import msgspec

from haulier.api.scope.row import decode, encode
from haulier.clock import SystemClock
from haulier.queues.sqlite.queue import SqliteQueue
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import RECORDS, Place, Said

IN_FLIGHT = "in_flight = 8"


def with_limits(place: Place, url: str, *lines: str) -> None:
    place.write(url, in_flight="\n".join((IN_FLIGHT, *lines)))


def stop(process: subprocess.Popen[str]) -> None:
    """At once: a second SIGTERM waits for nothing."""
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
    process.communicate()


def api_state(place: Place) -> Any:
    """What `status` says of the API; empty before there is a run to speak of."""
    said = place.run("status", "--json")
    return said.json.get("api", {}) if said.out else {}


def until(is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


def test_a_plan_above_max_requests_is_refused_before_anything_is_enqueued(place: Place, api: SandboxProcess) -> None:
    """The plan alone shows that the run cannot end: five items, four requests."""
    with_limits(place, api.url, "max_requests = 4")
    said = place.run("run")
    assert said.code == 2
    assert "has 5 items, which take at least one request each, and max_requests is 4" in said.err
    assert (place.run("status", "--json").json["records"], place.lines()) == (0, 0)
    assert "Raise max_requests and run again" in said.err
    assert f"plan larger items and start a new run with `haulier run {place.toml} --new`" in said.err
    assert place.run("run").code == 2, "the plan stands"
    with_limits(place, api.url, "max_requests = 100")
    said = place.run("run")
    assert (said.code, place.lines()) == (0, RECORDS), said.err


def test_larger_items_do_where_they_are_planned_anew(place: Place, api: SandboxProcess) -> None:
    """The other way out that the message names: the plan that does not fit stands until `--new` ends its run."""
    limits = "\n".join((IN_FLIGHT, "max_requests = 40"))
    place.write(api.url, in_flight=limits, step="step = 10")
    assert "has 100 items" in place.run("run").err
    place.write(api.url, in_flight=limits, step="step = 500")
    assert place.run("run").code == 2, "another step alone is no way out"
    said = place.run("run", "--new")
    assert (said.code, place.lines()) == (0, RECORDS), said.err


def test_max_requests_is_kept_and_what_is_done_stays(place: Place) -> None:
    """Ten pages and a few requests of the planning do not fit into nine; raised, the run goes on where it was."""
    with SandboxProcess(SandboxSettings(records=RECORDS)) as api:
        with_limits(place, api.url, "max_requests = 9")
        said = place.run("run")
        assert said.code == 2, said.err
        assert "has sent all of its max_requests = 9. Raise it and run again; what is done is kept." in said.err
        assert 5 <= api.counters().requests <= 9
        with_limits(place, api.url, "max_requests = 30")
        said = place.run("run")
        assert (said.code, place.lines()) == (0, RECORDS), said.err
        assert api.counters().requests <= 30


def test_max_requests_between_two_items_ends_the_worker(place: Place) -> None:
    """No item is at the gate when the last request is spent: the worker still says so, and does not wait for ever."""
    with SandboxProcess(SandboxSettings(records=RECORDS, page_size=10)) as api:
        with_limits(place, api.url, "max_requests = 60")
        place.toml.write_text(place.toml.read_text().replace("step = 200", "step = 20"))
        said = place.run("run", "--fixed")
        assert said.code == 2, said.err
        assert "max_requests = 60" in said.err
        assert api.counters().requests <= 60


def test_each_run_has_its_own_max_requests(place: Place, api: SandboxProcess) -> None:
    """A run that was left open is finished, and another one follows in the same process: each may send so many."""
    with_limits(place, api.url, "max_requests = 16")
    assert place.run("enqueue").code == 0
    said = place.run("run", "--then-new")
    assert (said.code, place.lines()) == (0, 2 * RECORDS), said.err


def test_no_request_of_a_run_is_lost_to_who_does_not_send(place: Place) -> None:
    """Parent and workers take requests out of what the run may send; what they do not use goes back, so that a run
    ends that needs them all."""
    with SandboxProcess(SandboxSettings(records=RECORDS)) as api:
        place.write(api.url)
        assert place.run("run").code == 0
        needed = api.counters().requests
        with_limits(place, api.url, f"max_requests = {needed}")
        said = place.run("run", "--workers", "2")
        assert (said.code, place.lines()) == (0, 2 * RECORDS), said.err
        assert api.counters().requests <= 2 * needed


def test_the_count_of_who_closes_a_run_is_one_of_its_requests(place: Place) -> None:
    """A worker that comes when all items are done has had none of them. The count that it asks for before it closes the
    run is one of the run's requests all the same."""
    with SandboxProcess(SandboxSettings(records=RECORDS)) as api:
        with_limits(place, api.url, "max_requests = 12")
        said = place.run("run")
        assert (said.code, place.lines(), api.counters().requests) == (2, RECORDS, 12), said.err
        said = place.run("work")
        assert (said.code, api.counters().requests) == (2, 12), said.err
        assert "has sent all of its max_requests = 12" in said.err
        with_limits(place, api.url, "max_requests = 13")
        assert place.run("work").code == 0
        assert api.counters().requests == 13


def test_requests_a_second_are_kept(place: Place) -> None:
    """A declared limit paces the requests: they come as far apart as it says, and none is refused."""
    with SandboxProcess(SandboxSettings(records=RECORDS)) as api:
        with_limits(place, api.url, 'limits = ["5/s", "1000/h"]')
        began_at = time.monotonic()
        said = place.run("run")
        seconds = time.monotonic() - began_at
        assert (said.code, place.lines()) == (0, RECORDS), said.err
        sent = api.counters().requests
    assert sent >= 12
    assert seconds >= (sent - 1) / 5 - 0.05


def test_a_limit_that_is_told_nowhere_is_found(place: Place) -> None:
    """G5: a few refusals with Retry-After show how many requests a second the API takes; `status` says it."""
    with SandboxProcess(SandboxSettings(records=20_000, rate_per_second=20, bucket=5, latency_seconds=0.02)) as api:
        place.write(api.url)
        process = place.start("run")
        try:
            until(lambda: api.counters().by_status.get(429, 0) > 0)
            until(lambda: api_state(place).get("requests_per_second") is not None)
            until(lambda: "requests a second; 1 worker\n" in place.run("status").out)
        finally:
            stop(process)
        assert api.counters().early == 0


def test_status_says_that_the_api_is_down_since_when_and_why(place: Place) -> None:
    """The breaker is open: `status` tells it while workers wait."""
    settings = SandboxSettings(records=20_000, latency_seconds=0.05)
    with SandboxProcess(settings) as api:
        place.write(api.url)
        process = place.start("run")
        try:
            until(lambda: api.counters().by_status.get(200, 0) >= 20)
            api.change(is_down=True)
            until(lambda: api_state(place).get("state") == "down")
            found = place.run("status", "--json").json["api"]
            assert (found["reason"], found["workers"], found["until"]) == ("status 503", 1, None)
            (line,) = [line for line in place.run("status").out.splitlines() if line.startswith("  API ")]
            assert line.startswith("  API      down since 20")
            assert line.endswith("Z (status 503); it is probed again within a few minutes")
        finally:
            stop(process)
    assert not list(place.lake.rglob("poison/*/*.json"))


def test_refused_credentials_stop_everybody_for_a_moment(place: Place) -> None:
    """Failures, `401`: the scope pauses with a reason, so that workers that are started again by themselves do not
    knock on a login that locks; `status` says it."""
    with SandboxProcess(SandboxSettings(records=RECORDS)) as api:
        place.write(api.url)
        assert place.run("enqueue").code == 0
        api.change(token="another")
        assert place.run("work").code == 2
        asked = api.counters().by_status[401]
        found = place.run("status", "--json").json["api"]
        assert (found["state"], found["reason"], found["since"]) == ("paused", "status 401", None)
        assert "all requests are paused until 20" in place.run("status").out
        process = place.start("work")
        try:
            time.sleep(2.0)  # The pause lasts for 15 seconds.
            assert api.counters().by_status[401] == asked
        finally:
            stop(process)


def with_token(place: Place, token: str, command: str) -> Said:
    process = place.start(command, env={"SHOP_TOKEN": token})
    out, err = process.communicate()
    return Said(process.returncode, out, err)


async def pause_for_an_hour(place: Place) -> None:
    """The pause that stands in the scope's row becomes one of an hour."""

    def longer(body: bytes | None) -> bytes:
        row = decode(body)
        assert row.pause_mark, "the pause is for everybody"
        return encode(msgspec.structs.replace(row, pause_until=row.pause_until + 3_600.0, pause_seconds=3_600.0))

    queue = SqliteQueue(place.folder / ".haulier/shop/queue.sqlite3", SystemClock())
    await queue.rows.update("scope/shop", longer)
    await queue.close()


def test_who_comes_with_other_credentials_does_not_wait(place: Place) -> None:
    """The token was corrected: the pause was for the wrong one. Nothing of either stands in what haulier wrote (G7)."""
    with SandboxProcess(SandboxSettings(records=RECORDS, token="the-right-token")) as api:
        with_limits(place, api.url, 'auth = { bearer = "${SHOP_TOKEN}" }')
        assert with_token(place, "the-right-token", "enqueue").code == 0
        assert with_token(place, "a-wrong-token", "work").code == 2  # Refused to who plans it would be no pause.
        # The pause lasts for 15 seconds, which a busy machine may need to start a process: an hour it does not.
        asyncio.run(pause_for_an_hour(place))
        said = with_token(place, "the-right-token", "run")
        assert (said.code, place.lines()) == (0, RECORDS), said.err
        assert 1 <= api.counters().by_status[401] <= 8
    for path in place.folder.rglob("*"):
        if path.is_file() and path.suffix != ".toml":
            assert b"-token" not in path.read_bytes()


def test_status_says_that_an_hours_limit_is_used_up(place: Place) -> None:
    """`limits` of an hour: nothing is sent until some of it comes back, and `status` says why, as it was declared."""
    with SandboxProcess(SandboxSettings(records=20_000)) as api:
        with_limits(place, api.url, 'limits = ["100/h"]')
        process = place.start("run")
        try:
            until(lambda: api_state(place).get("state") == "spent")
            assert "the limit of 100 requests in 3600 s is used up; work goes on by itself" in place.run("status").out
        finally:
            stop(process)
        assert 80 <= api.counters().requests <= 100
