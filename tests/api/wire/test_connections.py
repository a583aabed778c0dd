"""Connections, time limits, and what haulier says of itself on the wire."""

from __future__ import annotations

import asyncio
import gzip
import random
import socket

import pytest

from haulier.api.errors import Fault
from haulier.api.http.transport import Request, TransportError
from haulier.api.wire.body import HEAVY_BODY_BYTES, is_heavy
from haulier.api.wire.framing import Framing
from haulier.testing.clock import FakeClock
from tests.api.wire.raw_server import Answer, Do, Seen, Step, gzipped, http, raw_server
from tests.api.wire.wire import fault_of, get, transport_to

OK: Answer = [http(b'{"n":1}')]


@pytest.mark.parametrize("end", [Do.RESET, Do.CLOSE], ids=["reset", "closed"])
async def test_a_stale_connection_costs_a_get_nothing(end: Do) -> None:
    """Failures, `reset before headers on a reused connection`: repeated at once on a new connection. Nobody sees it
    but who counts what is sent (G5)."""
    counted = list[int]()

    async def before_follow_up() -> None:
        counted.append(len(server.requests))

    async with raw_server(OK, [end], [http(b'{"n":2}')]) as server, transport_to(server) as transport:
        await get(transport, server)
        answer = await transport.send(Request("GET", f"{server.url}/").replace(before_follow_up=before_follow_up))
        assert answer.body == b'{"n":2}'
        assert [seen.connection for seen in server.requests] == [0, 0, 1]
    assert counted == [2]


async def test_a_stale_connection_is_repeated_once() -> None:
    """A server that drops the new connection too is down, and says so to the breaker."""
    async with raw_server(OK, [Do.RESET], [Do.RESET], OK) as server, transport_to(server) as transport:
        await get(transport, server)
        assert (await fault_of(transport, server)).kind is Fault.CONNECT
        assert len(server.requests) == 3


async def test_the_repeat_takes_no_other_connection_of_the_pool() -> None:
    """Where one kept connection is stale the others are too: only a new one is worth the one repeat."""
    held: Answer = [0.02, *OK]
    async with raw_server(held, held, [Do.RESET], OK) as server, transport_to(server) as transport:
        await asyncio.gather(get(transport, server), get(transport, server))
        await get(transport, server)
        assert server.requests[-1].connection == 2


async def test_a_reset_of_a_first_use_is_not_repeated() -> None:
    """The API may have seen the request: whether it is sent again is for the caller to decide, and to count."""
    async with raw_server([Do.RESET], OK) as server, transport_to(server) as transport:
        assert (await fault_of(transport, server)).kind is Fault.CONNECT
        assert len(server.requests) == 1


async def test_a_post_is_never_repeated() -> None:
    """It may change something, such as a scroll's place, even where its answer never came."""
    async with raw_server(OK, [Do.RESET], OK) as server, transport_to(server) as transport:
        await transport.send(Request("POST", server.url, (), b"{}"))
        with pytest.raises(TransportError) as caught:
            await transport.send(Request("POST", server.url, (), b"{}"))
        assert caught.value.kind is Fault.CONNECT
        assert len(server.requests) == 2


async def test_an_answer_that_began_is_not_repeated() -> None:
    """A connection that died within the answer was not stale: the request was worked on."""
    async with raw_server(OK, [b"HTTP/1.1 200 O", Do.CLOSE], OK) as server, transport_to(server) as transport:
        await get(transport, server)
        assert (await fault_of(transport, server)).kind is Fault.CUT
        assert len(server.requests) == 2


async def test_a_refused_connection_is_a_connect_fault() -> None:
    """Failures, `connect refused`: in words, with the address and without a request having been sent."""
    async with raw_server(OK) as server:
        url = server.url
    async with transport_to(url) as transport:
        with pytest.raises(TransportError) as caught:
            await transport.send(Request("GET", url + "/secret-path"))
    assert caught.value.kind is Fault.CONNECT
    assert "secret-path" not in caught.value.text


async def test_a_name_that_is_not_known_is_a_dns_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures, `DNS failure`: it says which name."""

    def unknown(*_args: object, **_more: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    async with transport_to("http://api.example.invalid") as transport:
        with pytest.raises(TransportError, match=r"api\.example\.invalid") as caught:
            await transport.send(Request("GET", "http://api.example.invalid/x"))
    assert caught.value.kind is Fault.DNS


async def test_a_connection_that_does_not_come_about_is_given_up() -> None:
    """The time to connect has TLS in it: a server that accepts and then says nothing is unreachable, not slow."""
    async with raw_server([Do.HANG]) as server:
        url = server.url.replace("http:", "https:")
        async with transport_to(url, connect_timeout_seconds=0.1) as transport:
            with pytest.raises(TransportError, match=r"0\.1 seconds") as caught:
                await transport.send(Request("GET", url))
    assert caught.value.kind is Fault.CONNECT


async def test_an_api_that_thinks_for_too_long_is_given_up() -> None:
    """Time to first byte: a hang ends in a timeout, and its connection with it."""
    async with (
        raw_server([Do.HANG], OK) as server,
        transport_to(server, first_byte_timeout_seconds=0.1) as transport,
    ):
        assert (await fault_of(transport, server)).kind is Fault.TIMEOUT
        await get(transport, server)
        assert [seen.connection for seen in server.requests] == [0, 1]


DRIP: tuple[Step, ...] = (b"x", 0.02)
LORIS: Answer = [http(length=100_000), *DRIP * 200]


async def test_one_byte_at_a_time_is_given_up() -> None:
    """Bodies, `1 byte each 0.4 s, read time-out 2 s`: no read time-out ends a slow loris; the minimum speed does."""
    async with (
        raw_server(LORIS, OK) as server,
        transport_to(server, slow_seconds=0.2, min_bytes_per_second=1_000) as transport,
    ):
        assert (await fault_of(transport, server)).kind is Fault.SLOW
        await get(transport, server)
        assert [seen.connection for seen in server.requests] == [0, 1]


async def test_a_burst_buys_no_more_than_one_span_of_silence() -> None:
    """A body that stops after its first megabyte is as slow as one that never began."""
    async with (
        raw_server([http(b"x" * 1_000_000, length=2_000_000), Do.HANG]) as server,
        transport_to(server, slow_seconds=0.1, min_bytes_per_second=1) as transport,
    ):
        assert (await fault_of(transport, server)).kind is Fault.SLOW


async def test_a_body_above_the_minimum_speed_may_take_its_time() -> None:
    """The span starts anew with each span's worth of bytes: slow is a rate, not a duration."""
    drip: Answer = [http(length=30), *DRIP * 30]
    async with (
        raw_server(drip) as server,
        transport_to(server, slow_seconds=0.3, min_bytes_per_second=10, first_byte_timeout_seconds=1) as t,
    ):
        assert (await get(t, server)).body == b"x" * 30


async def test_a_body_that_stops_is_given_up() -> None:
    """A silence as long as the first byte may take ends the body, where the minimum speed did not."""
    async with (
        raw_server([http(b"x", length=2), Do.HANG]) as server,
        transport_to(server, first_byte_timeout_seconds=0.1) as transport,
    ):
        assert (await fault_of(transport, server)).kind is Fault.TIMEOUT


async def test_the_whole_request_has_a_deadline() -> None:
    """The whole request: what is fast enough and never ends is ended."""
    async with (
        raw_server(LORIS) as server,
        transport_to(server, request_timeout_seconds=0.2, min_bytes_per_second=1) as transport,
    ):
        fault = await fault_of(transport, server)
    assert fault.kind is Fault.TIMEOUT
    assert "0.2 seconds" in fault.text


async def test_no_more_connections_than_in_flight() -> None:
    """G5: the transport holds the cap too; who waits is not timed, so that a queue is no outage."""
    slow: Answer = [0.05, *OK]
    async with raw_server(slow) as server:
        async with transport_to(server, in_flight=2, request_timeout_seconds=0.2, connect_timeout_seconds=0.2) as t:
            answers = await asyncio.gather(*(get(t, server) for _ in range(12)))
        assert server.most_open == 2
    assert max(answer.seconds for answer in answers) < 0.2


async def test_a_cancelled_request_gives_its_slot_back_and_its_connection_up() -> None:
    """What an item left half read reaches no other item."""
    async with (
        raw_server([http(b"x", length=2), Do.HANG], OK) as server,
        transport_to(server, in_flight=1) as transport,
    ):
        task = asyncio.create_task(get(transport, server))
        while not server.requests:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await get(transport, server)).body == b'{"n":1}'
        assert [seen.connection for seen in server.requests] == [0, 1]


async def test_time_is_read_from_the_clock_that_was_handed_in() -> None:
    """First byte and whole answer are told apart, for the governor learns from the first and not from a page's size."""
    clock = FakeClock()
    answer: Answer = [lambda: clock.advance(3), http(length=2), 0.02, lambda: clock.advance(4), b"{}"]
    async with raw_server(answer) as server, transport_to(server, clock=clock) as transport:
        response = await get(transport, server)
    assert (response.first_byte_seconds, response.seconds) == (3.0, 7.0)


async def test_a_large_body_comes_out_whole() -> None:
    """Over many reads, with back-pressure, and decoded in a thread."""
    body = b'["%s"]' % random.Random(1).randbytes(4_000_000).hex().encode()
    async with (
        raw_server([http(gzipped(body), "Content-Encoding: gzip")], [http(body)]) as server,
        transport_to(server) as transport,
    ):
        assert (await get(transport, server)).body == body
        assert (await get(transport, server)).body == body


@pytest.mark.parametrize(("size", "expected"), [(HEAVY_BODY_BYTES, False), (HEAVY_BODY_BYTES + 1, True)])
def test_what_decodes_to_more_than_a_quarter_megabyte_is_decoded_in_a_thread(size: int, expected: bool) -> None:
    """G9: the event loop does not stand still over a large body, however well it was compressed."""
    assert is_heavy(gzip.compress(b" " * size), ("gzip",), Framing(None)) is expected


async def test_haulier_says_who_it_is_and_what_it_can_prove_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """User-Agent with the contact, gzip alone, no cookies kept, no proxy from the environment."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with raw_server([http(b"{}", "Set-Cookie: session=1; Path=/")]) as server:
        # A name, since cookie jars keep nothing for bare addresses anyway.
        url = f"http://localhost:{server.port}/"
        async with transport_to(url, contact="data-team@example.com") as transport:
            await transport.send(Request("GET", url))
            await transport.send(Request("GET", url))
    headers = server.requests[1].headers
    assert headers["User-Agent"].startswith("haulier/")
    assert headers["User-Agent"].endswith(" (+data-team@example.com)")
    assert headers["Accept-Encoding"] == "gzip"
    assert sorted(headers) == ["Accept", "Accept-Encoding", "Host", "User-Agent"]


async def test_a_requests_headers_win_over_the_sources_and_these_over_ours() -> None:
    """Each header is sent once, by the nearest who named it."""
    async with (
        raw_server(OK) as server,
        transport_to(server, headers=(("accept", "text/csv"), ("X-Tenant", "a"), ("X-Mode", "b"))) as t,
    ):
        await get(t, server, "/", ("x-tenant", "mine"))
    headers = server.requests[0].headers
    assert headers.getall("Accept") == ["text/csv"]
    assert headers.getall("X-Tenant") == ["mine"]
    assert headers["X-Mode"] == "b"


@pytest.mark.parametrize(
    "target", ["/a%2Fb/%7e?x=%7B%7d&y=a+b&z='(1)'&$filter=a%20eq%201&s=%c3%a9", "/?cursor=a/b==&q", "/a//b/../c;d=1"]
)
async def test_an_address_is_sent_as_it_was_given(target: str) -> None:
    """A next link is the API's own and opaque: rewriting an escape breaks signatures and cursors."""
    async with raw_server(OK) as server, transport_to(server) as transport:
        answer = await get(transport, server, target)
    assert server.requests[0].target == target
    assert answer.url == server.url + target


async def test_an_address_with_bare_letters_is_escaped() -> None:
    """What no request line can carry is encoded instead of refused."""
    async with raw_server(OK) as server, transport_to(server) as transport:
        await get(transport, server, "/é?q=a b")
    assert server.requests[0].target == "/%C3%A9?q=a+b"


async def test_a_post_carries_its_body_and_label() -> None:
    """Nothing is added to a request's body or content type."""
    seen: list[Seen] = []

    def answer(request: Seen) -> Answer:
        seen.append(request)
        return OK

    async with raw_server(by=answer) as server, transport_to(server) as transport:
        await transport.send(Request("POST", server.url, (("Content-Type", "application/json"),), b'{"a":1}'))
        await transport.send(Request("POST", server.url, (), b"raw"))
    assert (seen[0].body, seen[0].headers["Content-Type"]) == (b'{"a":1}', "application/json")
    assert (seen[1].body, seen[1].headers.get("Content-Type")) == (b"raw", None)


async def test_headers_of_64_kib_are_read_and_sent() -> None:
    """Cookies, policies and links grow so long; aiohttp by itself refuses more than 8 KiB of one, and 128 of them."""
    long, many = "l" * 65_536, [f"X-{number}: v" for number in range(300)]
    async with (
        raw_server([http(b"{}", f"Link: {long}", *many, status=f"200 {long}")]) as server,
        transport_to(server, headers=(("X-Long", long),)) as transport,
    ):
        answer = await get(transport, server)
        assert (answer.headers["Link"], answer.headers["X-299"]) == (long, "v")
        assert server.requests[0].headers["X-Long"] == long
        server.answers = [[http(b"{}", f"Link: {long * 3}")]]
        assert (await fault_of(transport, server)).kind is Fault.PROTOCOL
