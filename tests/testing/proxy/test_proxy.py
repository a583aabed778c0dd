"""The fault proxy: what passes is unchanged, and each fault is seen as one by a client that reads bytes."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from haulier.testing.proxy.server import FaultProxy
from haulier.testing.proxy.settings import ProxySettings, decide_fault
from haulier.testing.proxy.wire import Cut
from haulier.testing.sandbox import Sandbox, SandboxSettings
from tests.testing.wire import Reply, Wire, answer, connected

CLEAN = ProxySettings(rate_500=0, rate_429=0, rate_cut=0, rate_hang=0)
CUTTING = ProxySettings(rate_500=0, rate_429=0, rate_cut=1, rate_hang=0)


@asynccontextmanager
async def proxied(settings: ProxySettings, **api_settings: object) -> AsyncIterator[tuple[FaultProxy, Sandbox]]:
    async with Sandbox(SandboxSettings(**api_settings)) as api, FaultProxy(api.url, settings) as proxy:  # type: ignore[arg-type]
        yield proxy, api


class Echo:
    """An API that answers the request itself, as it came, with headers and a status of the test's choice."""

    def __init__(self, head: bytes = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n") -> None:
        self.head = head
        self.requests: list[bytes] = []

    async def __aenter__(self) -> "Echo":
        self.listener = await asyncio.start_server(self.answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.listener.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = await reader.readuntil(b"\r\n\r\n")
        length = next((line[16:] for line in raw.lower().split(b"\r\n") if line.startswith(b"content-length: ")), b"0")
        raw += await reader.readexactly(int(length))
        self.requests.append(raw)
        if b" 204 " in self.head or b" 304 " in self.head:
            writer.write(self.head + b"\r\n")
        else:
            writer.write(self.head + b"Content-Length: %d\r\n\r\n" % len(raw))
            writer.write(b"" if raw.startswith(b"HEAD") else raw)
        writer.close()


async def test_what_passes_is_unchanged() -> None:
    """Status, headers and body of the API, as it sent them, compressed or not."""
    async with proxied(CLEAN, gzip=True) as (proxy, api):
        for target in ("/items?from_id=5&limit=7", "/nothing", "/items?limit=%30", "/items?limit=0"):
            for headers in ({}, {"Accept_Encoding": "gzip"}):
                assert await answer(proxy.url, target, **headers) == await answer(api.url, target, **headers)
        assert (proxy.counters.requests, proxy.counters.passed) == (8, 8)


async def test_the_clients_request_is_passed_on() -> None:
    """Host above all, since APIs build their links from it; headers in their order; not those of the connection."""
    async with Echo() as api, FaultProxy(api.url, CLEAN) as proxy, connected(proxy.url) as wire:
        wire.send(
            b"POST /a%2Fb?q=%20x&q=y HTTP/1.1\r\nHost: api.example.com:8001\r\nX-One: 1\r\nX-One: 2\r\n"
            b"Keep-Alive: 5\r\nConnection: X-Mine\r\nX-Mine: 3\r\nAuthorization: Bearer t\r\n"
            b"Content-Length: 4\r\n\r\nbody"
        )
        reply = await wire.reply()
        assert reply is not None
        first, *lines = reply.body.split(b"\r\n\r\n")[0].split(b"\r\n")
        assert first == b"POST /a%2Fb?q=%20x&q=y HTTP/1.1"
        assert b"Host: api.example.com:8001" in lines
        assert [line for line in lines if line.lower().startswith(b"x-")] == [b"X-One: 1", b"X-One: 2"]
        assert b"Authorization: Bearer t" in lines
        assert not any(line.lower().startswith((b"keep-alive", b"user-agent", b"accept")) for line in lines)
        assert reply.body.endswith(b"\r\n\r\nbody")


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "302 Found"])
async def test_answers_without_a_body_and_redirects_pass(status: str) -> None:
    """As they are: the proxy follows nothing."""
    head = f"HTTP/1.1 {status}\r\nLocation: http://elsewhere.example/\r\n".encode()
    async with Echo(head) as api, FaultProxy(api.url, CLEAN) as proxy:
        reply = await answer(proxy.url, "/a")
        assert reply.status == int(status[:3])
        assert reply.headers["location"] == "http://elsewhere.example/"
        assert len(api.requests) == 1


async def test_head_has_no_body() -> None:
    """Neither whole nor cut."""
    for settings in (CLEAN, CUTTING):
        async with Echo() as api, FaultProxy(api.url, settings) as proxy, connected(proxy.url) as wire:
            wire.send(b"HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n")
            reply = await wire.reply(to_head=True)
            assert reply is not None
            assert reply.status == 200
            wire.get("/b", Connection="close")
            assert await wire.reply() is not None


async def test_errors_are_the_proxys_own() -> None:
    """``rate_500`` and ``rate_429``: the API behind is not asked; Retry-After says how long."""
    async with proxied(ProxySettings(rate_500=0.5, rate_429=0.5, rate_cut=0, rate_hang=0, retry_after_seconds=9)) as (
        proxy,
        api,
    ):
        replies = [await answer(proxy.url, "/count") for _ in range(20)]
        assert {reply.status for reply in replies} == {500, 429}
        assert all((reply.headers.get("retry-after") == "9") is (reply.status == 429) for reply in replies)
        assert proxy.counters.answered_500 + proxy.counters.answered_429 == 20
        assert proxy.counters.answered_429 == sum(reply.status == 429 for reply in replies)
        assert api.counters.requests == 0


async def cut_reply(wire: Wire, **headers: str) -> Reply:
    wire.get("/items?limit=100", **headers)
    reply = await wire.reply()
    assert reply is not None
    return reply


async def test_each_kind_of_cut_is_a_cut() -> None:
    """``rate_cut``: in turn by length, inside gzip with a length that agrees, and without a last chunk."""
    async with proxied(CUTTING) as (proxy, api):
        whole = (await answer(api.url, "/items?limit=100")).body
        async with connected(proxy.url) as wire:
            reply = await cut_reply(wire, Accept_Encoding="gzip")
            assert int(reply.headers["content-length"]) == len(whole)
            assert (reply.body, reply.is_whole) == (whole[: len(whole) // 2], False)
            assert await wire.ended()
        async with connected(proxy.url) as wire:
            reply = await cut_reply(wire, Accept_Encoding="gzip")
            assert reply.headers["content-encoding"] == "gzip"
            assert reply.is_whole, "its framing tells nothing"
            stream = zlib.decompressobj(wbits=31)
            assert whole.startswith(stream.decompress(reply.body))
            assert not stream.eof
            with pytest.raises(EOFError):
                gzip.decompress(reply.body)
            reply = await cut_reply(wire, Accept_Encoding="gzip")
            assert reply.headers["transfer-encoding"] == "chunked"
            assert "content-length" not in reply.headers
            assert (reply.body, reply.is_whole) == (whole[: len(whole) // 2], False)
            assert await wire.ended()
        assert proxy.counters.cut == dict.fromkeys(Cut, 1)
        assert proxy.counters.passed == 0


async def test_a_client_that_takes_no_gzip_is_cut_by_length() -> None:
    """It could see no difference otherwise: it would be given bytes that it did not ask for."""
    async with proxied(CUTTING) as (proxy, _):
        kinds = []
        for _ in range(3):
            async with connected(proxy.url) as wire:
                reply = await cut_reply(wire)
                assert not reply.is_whole
                kinds.append("content-length" in reply.headers)
        assert kinds == [True, True, False]
        assert proxy.counters.cut == {Cut.LENGTH: 2, Cut.GZIP: 0, Cut.CHUNKED: 1}


async def test_a_compressed_body_is_cut_as_it_is() -> None:
    """By length and by chunk half of the API's own gzip comes."""
    async with proxied(CUTTING, gzip=True) as (proxy, api):
        packed = (await answer(api.url, "/items?limit=100", Accept_Encoding="gzip")).body
        async with connected(proxy.url) as wire:
            assert (await cut_reply(wire, Accept_Encoding="gzip")).body == packed[: len(packed) // 2]


async def test_a_body_too_short_to_cut_passes() -> None:
    """A cut that leaves nothing out would be none, and is not counted as one."""
    async with Echo(b"HTTP/1.1 204 No Content\r\n") as api, FaultProxy(api.url, CUTTING) as proxy:
        assert (await answer(proxy.url, "/a")).status == 204
        assert proxy.counters.passed == 1
        assert sum(proxy.counters.cut.values()) == 0


async def test_a_hanging_request_has_no_answer() -> None:
    """``rate_hang`` and ``hang_seconds``: until the client leaves, or so long."""
    hanging = ProxySettings(rate_500=0, rate_429=0, rate_cut=0, rate_hang=1, hang_seconds=0.01)
    async with proxied(hanging) as (proxy, api):
        async with connected(proxy.url) as wire:
            wire.get("/count")
            assert await wire.reply() is None
        assert (proxy.counters.hung, api.counters.requests) == (1, 0)


async def test_an_api_that_breaks_off_is_a_bad_gateway() -> None:
    """502, counted apart from the proxy's own faults; also where a body was to be cut."""
    for settings in (CLEAN, CUTTING):
        async with proxied(settings, cut_rate=1.0) as (proxy, _):
            assert (await answer(proxy.url, "/items")).status == 502
            assert (proxy.counters.upstream_failed, proxy.counters.passed) == (1, 0)
    async with Sandbox() as api:
        url = api.url
    async with FaultProxy(url, CLEAN) as proxy:
        assert (await answer(proxy.url, "/items")).status == 502


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"GET http://other.example/ HTTP/1.1\r\n\r\n",
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /a HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET /a\x80\xff HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET //[ HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: h\x01\r\n\r\n",
    ],
)
async def test_what_it_cannot_pass_on_is_answered(raw: bytes) -> None:
    """With a status; and the next client is served."""
    async with proxied(CLEAN) as (proxy, _):
        async with connected(proxy.url) as wire:
            wire.send(raw)
            reply = await wire.reply()
            assert reply is not None
            assert reply.status in (400, 404, 502)
        assert (await answer(proxy.url, "/count")).status == 200


async def test_counters_have_a_path() -> None:
    """`/_proxy`, which is not counted itself."""
    async with proxied(CLEAN) as (proxy, _):
        await answer(proxy.url, "/count")
        counters = json.loads((await answer(proxy.url, "/_proxy")).body)
        assert (counters["requests"], counters["passed"]) == (1, 1)
        assert counters["cut"] == {"length": 0, "gzip": 0, "chunked": 0}


def test_faults_are_drawn_from_seed_and_number() -> None:
    """The same in every run, as often as the rates say, and with another seed others."""
    settings = ProxySettings(seed=7)
    drawn = [decide_fault(settings, number) for number in range(20_000)]
    assert drawn == [decide_fault(settings, number) for number in range(20_000)]
    for fault, rate in (("500", 0.02), ("429", 0.01), ("cut", 0.01), ("hang", 0.001)):
        assert 0.6 * rate < drawn.count(fault) / 20_000 < 1.4 * rate  # type: ignore[arg-type]
    assert drawn != [decide_fault(ProxySettings(seed=8), number) for number in range(20_000)]


@pytest.mark.parametrize("rates", [{"rate_500": -0.1}, {"rate_500": 0.5, "rate_cut": 0.6}])
def test_rates_that_cannot_be_are_refused(rates: dict[str, float]) -> None:
    """In words, when the settings are made."""
    with pytest.raises(ValueError, match="whose sum is at most"):
        ProxySettings(**rates)  # type: ignore[arg-type]


@pytest.mark.parametrize("upstream", ["http://h:1/path", "http://h:1/?q", "h:1", "/path"])
def test_an_upstream_is_an_origin(upstream: str) -> None:
    """Paths are the client's business."""
    with pytest.raises(ValueError, match="write scheme, host and port"):
        FaultProxy(upstream)
