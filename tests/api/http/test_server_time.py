"""The API's own clock, as the sandbox shows it; and what a run makes of it."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from haulier.api.errors import ApiError
from haulier.api.http.redactor import Redactor
from haulier.api.http.server_time import ServerTime, ask_server_time
from haulier.api.http.transport import UNLIMITED_WAIT, TransportError
from haulier.api.settings import Api
from haulier.api.wire.aiohttp_transport import AiohttpTransport
from haulier.app.run_time import run_time
from haulier.cli.exit_codes import exit_code_of
from haulier.clock import SystemClock
from haulier.errors import UsageError
from haulier.testing.sandbox import Sandbox, SandboxSettings
from tests.api.paging.rig import client_of

NOW = datetime(2026, 11, 30, 2, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


async def asked(settings: SandboxSettings, url: str = "", **of_api: Any) -> ServerTime:
    clock = SystemClock()
    async with Sandbox(settings) as api:
        transport = AiohttpTransport(Api(url or api.url, **of_api), clock=clock, redactor=Redactor())
        try:
            return await ask_server_time(url or api.url, transport, lambda: UNLIMITED_WAIT, clock, random.Random(1))
        finally:
            await transport.close()


@pytest.mark.parametrize("ahead", [0.0, 3_600.0, -3_600.0])
async def test_any_answer_tells_the_time(ahead: float) -> None:
    """The sandbox has no page at its own address: a 404 has a `Date` too."""
    told = await asked(SandboxSettings(clock_ahead_seconds=ahead))
    assert told.date is not None
    assert abs(told.ahead_seconds + ahead) <= 2.0


async def test_one_lost_connection_is_tried_again() -> None:
    """A sandbox in an outage that is over with the second try."""
    told = await asked(SandboxSettings(outages=((0.0, 0.4),), outage_status=0))
    assert told.date is not None


async def test_a_server_that_sends_a_body_after_a_head_tells_the_time_all_the_same() -> None:
    """No client can read that; the second question is a GET."""
    methods: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        methods.append((await reader.readuntil(b"\r\n\r\n")).partition(b" ")[0])
        head = b"HTTP/1.1 405 Method Not Allowed\r\nDate: Mon, 30 Nov 2026 02:00:00 GMT\r\nContent-Length: 2\r\n\r\n"
        writer.write(head + b"no")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        told = await asked(SandboxSettings(), f"http://127.0.0.1:{port}")
    assert methods == [b"HEAD", b"GET"]
    assert told.date == NOW


@pytest.mark.parametrize(
    "length", [5, 1 << 40], ids=["the connection ends in the body", "the body is larger than max_body_bytes"]
)
async def test_an_answer_whose_body_cannot_be_had_tells_the_time(length: int) -> None:
    """The HEAD is swallowed, as by some firewalls: after one timeout a GET is sent."""
    methods: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        methods.append((await reader.readuntil(b"\r\n\r\n")).partition(b" ")[0])
        if methods[-1] == b"HEAD":
            await reader.read()
        else:
            head = f"HTTP/1.1 200 OK\r\nDate: Mon, 30 Nov 2026 02:00:00 GMT\r\nContent-Length: {length}\r\n\r\n"
            writer.write(head.encode() + b"no")
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        told = await asked(SandboxSettings(), f"http://127.0.0.1:{port}", first_byte_timeout_seconds=0.3)
    assert methods == [b"HEAD", b"GET"]
    assert told.date == NOW


async def test_what_a_person_must_put_right_does_not_go_away_later() -> None:
    """A server without TLS at an https address: exit code 2."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with client_of(f"https://127.0.0.1:{port}") as client:
            with pytest.raises(ApiError, match=r"Put that right, and run the same command again\.$") as raised:
                await client.ask_time()
    assert exit_code_of(raised.value) == 2


async def test_g1_no_answer_is_no_reason_to_believe_our_own_clock() -> None:
    """Whoever asked is told that the API is away, and not that it has no clock."""
    with pytest.raises(TransportError):
        await asked(SandboxSettings(is_down=True, outage_status=0))


def shown(date: datetime | None, *, is_cached: bool = False) -> ServerTime:
    return ServerTime(NOW, NOW + SECOND, date, "" if date else "nobody answers", is_cached=is_cached)


@pytest.mark.parametrize(
    ("told", "moment", "said"),
    [
        (shown(NOW), NOW, ""),
        (shown(NOW - 4 * SECOND), NOW - 4 * SECOND, ""),
        (shown(NOW + HOUR), NOW, "3,599 s behind the API's"),
        (shown(NOW - HOUR), NOW - HOUR, "3,599 s ahead of the API's"),
        (shown(NOW - HOUR, is_cached=True), NOW - HOUR, "3,599 s ahead of the API's"),
        (shown(NOW - 2 * DAY, is_cached=True), NOW, "comes from a cache"),
        (shown(None), NOW, "does not tell its time: nobody answers. This machine's clock is used."),
    ],
)
def test_the_run_has_the_earlier_of_both_clocks(told: ServerTime, moment: datetime, said: str) -> None:
    """A window that ends before the earlier one is over by both; that they differ is said, not that they are right."""
    lines: list[str] = []
    assert run_time(told, lines.append) == moment
    assert len(lines) == bool(said)
    assert said in "".join(lines)


@pytest.mark.parametrize("date", [NOW - 2 * DAY, NOW + 2 * DAY])
def test_clocks_that_are_days_apart_are_a_persons_matter(date: datetime) -> None:
    """Else every night would find nothing due, and be complete."""
    with pytest.raises(UsageError, match="The clocks differ by more than a day: the API's shows 202"):
        run_time(shown(date), lambda text: None)
