"""Each fault of the sandbox does what its setting says, and each counter counts what really happened."""

import asyncio
import gzip
import json
import random
from typing import Any

import pytest

from haulier.testing.clock import FakeClock
from haulier.testing.sandbox import Sandbox, SandboxSettings, record_bytes
from haulier.testing.sandbox.faults import Fault, decide_fault, delay_seconds
from haulier.testing.sandbox.server import SandboxServer
from haulier.testing.sandbox.wire import RequestHead
from tests.testing.wire import Reply, answer, ask, connected

REQUEST = RequestHead(b"GET /items HTTP/1.1")


def fault(settings: SandboxSettings, draw: float, **around: Any) -> Fault:
    return decide_fault(settings, draw, **({"is_authorized": True, "in_flight": 1, "uptime_seconds": 0.0} | around))


def delay(settings: SandboxSettings, *, in_flight: int = 1, is_first_page: bool = False, seed: int = 1) -> float:
    return delay_seconds(settings, random.Random(seed), in_flight=in_flight, is_first_page=is_first_page)


def test_rates_are_shares_of_one_draw() -> None:
    """At most one fault a request, and each as often as its rate says."""
    settings = SandboxSettings(
        error_rate_429=0.1, hang_rate=0.05, error_rate_500=0.2, error_rate_200=0.05, cut_rate=0.1
    )
    drawn = [fault(settings, (number + 0.5) / 1000) for number in range(1000)]
    counts = {each: drawn.count(each) for each in set(drawn)}
    assert counts == {
        Fault.THROTTLED: 100, Fault.HANG: 50, Fault.SERVER_ERROR: 200, Fault.ERROR_BODY: 50, Fault.CUT: 100,
        Fault.NONE: 500,
    }  # fmt: skip


def test_what_always_holds_comes_before_chance() -> None:
    """Without a token there is no 500; in an outage no refusal."""
    settings = SandboxSettings(error_rate_500=1.0, refuse_above=2, outages=((10, 20), (30, 40)))
    assert fault(settings, 0.5, is_authorized=False, in_flight=9, uptime_seconds=15) is Fault.UNAUTHORIZED
    assert fault(settings, 0.5, in_flight=9, uptime_seconds=15) is Fault.OUTAGE
    assert fault(settings, 0.5, in_flight=3, uptime_seconds=25) is Fault.REFUSED
    assert fault(settings, 0.5, in_flight=2, uptime_seconds=25) is Fault.SERVER_ERROR
    assert fault(SandboxSettings(is_down=True), 0.5) is Fault.OUTAGE


@pytest.mark.parametrize(("uptime", "is_out"), [(9.9, False), (10, True), (19.9, True), (20, False), (30, True)])
def test_outages_follow_their_schedule(uptime: float, is_out: bool) -> None:
    """``outages``: from and to, in seconds since the start."""
    settings = SandboxSettings(outages=((10, 20), (30, 40)))
    assert (fault(settings, 0.0, uptime_seconds=uptime) is Fault.OUTAGE) is is_out


def test_latency_grows_by_its_settings() -> None:
    """``latency_seconds``, ``jitter_seconds``, ``first_page_seconds``, ``straggler_rate`` and ``knee``."""
    assert delay(SandboxSettings(), in_flight=100, is_first_page=True) == 0
    assert delay(SandboxSettings(latency_seconds=0.5)) == 0.5
    assert delay(SandboxSettings(latency_seconds=0.5, first_page_seconds=2), is_first_page=True) == 2.5
    assert delay(SandboxSettings(latency_seconds=0.5, first_page_seconds=2)) == 0.5
    assert delay(SandboxSettings(latency_seconds=0.5, straggler_rate=1.0)) == 2.5
    assert delay(SandboxSettings(latency_seconds=0.5, knee=12), in_flight=12) == 0.5
    assert delay(SandboxSettings(latency_seconds=0.5, knee=12), in_flight=24) == 0.5, "the line makes it wait, not this"
    thrashing = SandboxSettings(latency_seconds=0.5, knee=4, knee_mode="thrash")
    assert delay(thrashing, in_flight=4) == 0.5
    assert delay(thrashing, in_flight=16) == 0.5 * 4**1.5
    jittered = [delay(SandboxSettings(latency_seconds=0.5, jitter_seconds=0.2), seed=seed) for seed in range(100)]
    assert 0.5 <= min(jittered) < 0.55
    assert 0.65 < max(jittered) <= 0.7


async def test_requests_in_a_pause_are_early() -> None:
    """``retry_after_seconds`` and ``early_grace_seconds``: what arrives after the grace and before the end counts."""
    clock = FakeClock()
    settings = SandboxSettings(error_rate_429=1.0, retry_after_seconds=3, early_grace_seconds=0.5)
    server = SandboxServer(settings, asyncio.get_running_loop(), clock)
    assert server.begin(REQUEST) is Fault.THROTTLED
    assert server.counters.early == 0
    assert server.refusal(Fault.THROTTLED).headers == ((b"Retry-After", b"3"),)
    for later, early in ((0.4, 0), (0.2, 1), (2.3, 2), (0.2, 2)):
        clock.advance(later)
        server.begin(REQUEST)
        assert server.counters.early == early, f"at {clock.now()}"
    server.refusal(Fault.REFUSED)
    clock.advance(0.4)
    server.begin(REQUEST)
    assert server.counters.early == 2, "the grace begins anew with a new pause"
    assert server.counters.refused == 1


async def test_errors_come_at_their_rate_with_their_words() -> None:
    """``error_rate_500``, ``error_rate_429`` with Retry-After, ``error_rate_200``: the same from the same seed."""
    settings = SandboxSettings(retry_after_seconds=7, error_rate_500=0.3, error_rate_429=0.2, error_rate_200=0.1)

    async def run() -> list[Reply]:
        async with Sandbox(settings) as api:
            replies = [await answer(api.url, "/count") for _ in range(60)]
            statuses = [reply.status for reply in replies]
            assert api.counters.by_status == {status: statuses.count(status) for status in (200, 429, 500)}
            assert api.counters.requests == 60
            return replies

    replies = await run()
    assert replies == await run()
    for reply in replies:
        assert reply.is_whole
        assert (reply.headers.get("retry-after") == "7") is (reply.status == 429)
    statuses = [reply.status for reply in replies]
    assert 10 < statuses.count(500) < 28
    assert 5 < statuses.count(429) < 20
    assert any(reply.status == 200 and b"error" in reply.body for reply in replies)


async def test_a_refusal_without_retry_after_has_no_such_header() -> None:
    """``retry_after_seconds`` 0."""
    async with Sandbox(SandboxSettings(error_rate_429=1.0, retry_after_seconds=0)) as api:
        assert "retry-after" not in (await answer(api.url, "/count")).headers


async def test_a_cut_answer_is_half_and_the_connection_ends() -> None:
    """``cut_rate``: the length promises the whole body; half of it comes, gzip or not."""
    async with Sandbox(SandboxSettings(cut_rate=1.0, gzip=True)) as api:
        whole = SandboxSettings(gzip=True)
        for headers in ({}, {"Accept_Encoding": "gzip"}):
            async with connected(api.url) as wire:
                wire.get("/items", **headers)
                reply = await wire.reply()
                assert reply is not None
                assert not reply.is_whole
                assert len(reply.body) == int(reply.headers["content-length"]) // 2
                assert await wire.ended()
        assert api.counters.cut == 2
        assert api.counters.by_status == {200: 2}
        api.change(cut_rate=0.0)
        assert api.settings == whole
        packed = await answer(api.url, "/items", Accept_Encoding="gzip")
        assert gzip.decompress(packed.body) == (await answer(api.url, "/items")).body


async def test_a_hanging_request_has_no_answer_until_the_client_leaves() -> None:
    """``hang_rate``: counted as hung, in flight while it hangs, and as abandoned once the client has left."""
    async with Sandbox(SandboxSettings(hang_rate=1.0)) as api:
        async with connected(api.url) as wire:
            wire.get("/count")
            await until(lambda: api.counters.hung == 1)
            assert api.counters.in_flight == 1
        await until(lambda: api.counters.abandoned == 1)
        assert (api.counters.in_flight, api.counters.by_status) == (0, {})


async def test_a_hanging_request_ends_after_its_time() -> None:
    """``hang_seconds``: then the connection is closed without an answer; that is nobody's leaving."""
    async with Sandbox(SandboxSettings(hang_rate=1.0, hang_seconds=0.01)) as api:
        assert await ask(api.url, "/count") is None
        assert (api.counters.hung, api.counters.abandoned, api.counters.in_flight) == (1, 0, 0)


async def test_too_many_in_flight_are_refused_at_once() -> None:
    """``refuse_above`` and ``refuse_status``; those within the limit are answered as ever."""
    settings = SandboxSettings(latency_seconds=0.1, refuse_above=3, refuse_status=503, retry_after_seconds=2)
    async with Sandbox(settings) as api:
        replies = await asyncio.gather(*(answer(api.url, "/count") for _ in range(8)))
        assert sorted(reply.status for reply in replies) == [200] * 3 + [503] * 5
        assert {reply.headers.get("retry-after") for reply in replies if reply.status == 503} == {"2"}
        assert (api.counters.refused, api.counters.peak_in_flight, api.counters.in_flight) == (5, 4, 0)


async def test_what_is_in_flight_is_counted() -> None:
    """``in_flight`` now, ``peak_in_flight`` ever; a client that leaves before its answer is abandoned."""
    async with Sandbox() as api:
        assert [(await answer(api.url, "/count")).status for _ in range(3)] == [200] * 3
        api.change(latency_seconds=30.0)
        async with connected(api.url) as one, connected(api.url) as two:
            one.get("/count")
            two.get("/count")
            await until(lambda: api.counters.in_flight == 2)
        await until(lambda: api.counters.in_flight == 0)
        assert (api.counters.peak_in_flight, api.counters.abandoned, api.counters.requests) == (2, 2, 5)


async def test_latency_delays_an_answer() -> None:
    """``latency_seconds``: nothing comes before; a first page may take longer (``first_page_seconds``)."""
    async with Sandbox(SandboxSettings(latency_seconds=0.05, page_size=10)) as api:
        loop = asyncio.get_running_loop()
        sent_at = loop.time()
        first = await answer(api.url, "/items")
        assert loop.time() - sent_at >= 0.05
        api.change(latency_seconds=0.0, first_page_seconds=30.0)
        cursor = json.loads(first.body)["next"]
        assert (await answer(api.url, f"/items?cursor={cursor}")).status == 200
        async with connected(api.url) as wire:
            wire.get("/items")
            await until(lambda: api.counters.in_flight == 1)
            assert (await answer(api.url, "/items_offset?offset=10")).status == 200
            assert (await answer(api.url, "/count")).status == 200
            assert api.counters.in_flight == 1


@pytest.mark.parametrize("status", [503, 502, 504, 404])
async def test_an_outage_answers_its_status(status: int) -> None:
    """``is_down`` and ``outage_status``, from the next request on and until it is changed."""
    async with Sandbox(SandboxSettings(outage_status=status)) as api:
        assert (await answer(api.url, "/count")).status == 200
        api.change(is_down=True)
        assert (await answer(api.url, "/count")).status == status
        api.change(is_down=False)
        assert (await answer(api.url, "/count")).status == 200
        assert api.counters.by_status == {200: 2, status: 1}


async def test_an_outage_may_close_the_connection() -> None:
    """``outage_status`` 0: without an answer, and counted as dropped."""
    async with Sandbox(SandboxSettings(outages=((0, 3600),), outage_status=0)) as api:
        assert await ask(api.url, "/count") is None
        assert (api.counters.dropped, api.counters.in_flight, api.counters.abandoned) == (1, 0, 0)


async def test_a_page_with_an_unreadable_record_is_not_json() -> None:
    """``unreadable_ids``: that page, whole as it comes, and no other; smaller ranges leave the others readable."""
    async with Sandbox(SandboxSettings(records=10, page_size=5, unreadable_ids=(3,))) as api:
        for target in ("/items", "/items?from_id=3&to_id=4", "/item/3"):
            reply = await answer(api.url, target)
            assert (reply.status, reply.is_whole) == (200, True)
            assert is_json(reply) is False
        for target in ("/items?from_id=4", "/items?to_id=3", "/item/2"):
            assert is_json(await answer(api.url, target))
        assert (await answer(api.url, "/item/3")).body == record_bytes(api.settings, 3)[:100]


async def test_a_page_with_a_failing_record_is_always_an_error() -> None:
    """``failing_ids``: ``failing_status`` each time for that page, and for no other."""
    async with Sandbox(SandboxSettings(records=10, page_size=5, failing_ids=(3,))) as api:
        for target in ("/items", "/items?from_id=3&to_id=4", "/item/3", "/items_offset?offset=2&limit=1"):
            assert [(await answer(api.url, target)).status for _ in range(2)] == [500, 500]
        for target in ("/items?from_id=4", "/items?to_id=3", "/item/2", "/items_offset?offset=3"):
            assert (await answer(api.url, target)).status == 200
        api.change(failing_status=422)
        assert [(await answer(api.url, target)).status for target in ("/items", "/item/3")] == [422, 422]


async def test_a_total_may_promise_too_much() -> None:
    """``total_extra``: on every total and the count."""
    async with Sandbox(SandboxSettings(records=10, total_extra=-2)) as api:
        for target in ("/items", "/items_offset", "/events"):
            assert json.loads((await answer(api.url, target)).body)["total"] == 8
        assert (await answer(api.url, "/count")).body == b'{"count":8}'


async def test_a_cursor_may_be_stuck() -> None:
    """``is_cursor_stuck``: the first page again and again, for clients that should see the loop."""
    async with Sandbox(SandboxSettings(records=30, page_size=10, is_cursor_stuck=True)) as api:
        first = await answer(api.url, "/items")
        again = await answer(api.url, f"/items?cursor={json.loads(first.body)['next']}")
        assert again.body == first.body


async def until(is_so: Any) -> None:
    """What the server's side of a connection notices, it notices some turns of the event loop later."""
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.001)


def is_json(reply: Reply) -> bool:
    try:
        json.loads(reply.body)
    except ValueError:
        return False
    return True
