"""A reverse proxy on loopback that breaks a small share of the answers of any API behind it.

    async with FaultProxy("http://127.0.0.1:8001", ProxySettings(seed=7)) as proxy:
        ...  # read proxy.url instead; then look at proxy.counters

It passes on the client's Host, so that an API which builds its next links from that builds them to the proxy.
`python -m haulier.testing.proxy --upstream URL` runs it as a process; `GET /_proxy` answers the counters.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Literal, Self

import aiohttp
import msgspec
from yarl import URL

from haulier.testing.proxy_wire import (
    JSON_HEADERS,
    Cut,
    ProxyRequest,
    ProxyResponse,
    cut_wire,
    error_response,
    read_request,
    whole_wire,
)
from haulier.testing.server_process import ServerProcess, loop_factory, serve_until_ended

CONTROL_TARGET = "/_proxy"
_MAX_HEAD_BYTES = 64 * 1024
_UPSTREAM_TIMEOUT = aiohttp.ClientTimeout(total=300, connect=5)
# RFC 9110, section 7.6.1. Framing is ours: the length of what is really sent, or a lie told on purpose.
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade content-length".split()
)
_SET_BY_AIOHTTP = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")


@dataclass(frozen=True)
class ProxySettings:
    """Shares of requests that go wrong, 0.0 to 1.0; at most one thing a request, drawn from seed and request number."""

    seed: int = 1
    rate_500: float = 0.02
    rate_429: float = 0.01
    rate_cut: float = 0.01  # answers with a body that ends early, in turn in each `Cut`
    rate_hang: float = 0.001
    retry_after_seconds: int = 1  # goes with every 429
    hang_seconds: float = 3600.0  # until the client leaves, or so long

    def __post_init__(self) -> None:
        rates = (self.rate_500, self.rate_429, self.rate_cut, self.rate_hang)
        if min(rates) < 0 or sum(rates) > 1:
            raise ValueError(f"The rates are {rates}; none can be negative, nor their sum above 1.0.")


Fault = Literal["500", "429", "cut", "hang"]


@dataclass
class ProxyCounters:
    """What the proxy did since it started; `/_proxy` is not counted."""

    requests: int = 0
    passed: int = 0  # answers that went through as they were
    answered_500: int = 0
    answered_429: int = 0
    cut: dict[Cut, int] = field(default_factory=lambda: dict.fromkeys(Cut, 0))
    hung: int = 0
    upstream_failed: int = 0  # answered with 502: the API behind broke off by itself


class FaultProxy:
    """The proxy on the running event loop: an async context manager. ``upstream`` is scheme, host and port alone."""

    def __init__(self, upstream: str, settings: ProxySettings | None = None, *, port: int = 0) -> None:
        self.settings = settings or ProxySettings()
        self.counters = ProxyCounters()
        self._origin = URL(upstream)
        if self._origin.path != "/" or self._origin.query_string or not self._origin.absolute:
            raise ValueError(f"upstream is {upstream!r}; write scheme, host and port, such as http://127.0.0.1:8001.")
        self._port = port
        self._cuts = cycle(Cut)
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_SET_BY_AIOHTTP,
            timeout=_UPSTREAM_TIMEOUT,
        )
        try:
            self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self._port, limit=_MAX_HEAD_BYTES)
        except BaseException:
            await self._session.close()
            raise
        self._port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._listener.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._session.close()

    @property
    def url(self) -> str:
        """Scheme, host and port, without a slash at the end."""
        return f"http://127.0.0.1:{self._port}"

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # The client left, or does not speak HTTP/1.1: there is nobody to tell.
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether the connection can carry another."""
        request = await read_request(reader)
        if request is None:
            writer.write(whole_wire(error_response(400, "Bad Request")))
            return False
        is_kept = request.version == "HTTP/1.1" and request.get(b"connection").lower() != b"close"
        if request.target == CONTROL_TARGET:
            writer.write(whole_wire(ProxyResponse(200, "OK", JSON_HEADERS, msgspec.json.encode(self.counters))))
            return is_kept
        number = self.counters.requests
        self.counters.requests += 1
        fault = decide_fault(self.settings, number)
        if fault == "hang":
            self.counters.hung += 1
            await _wait_until_gone(reader, self.settings.hang_seconds)
            return False
        if fault == "cut" and request.method != "HEAD":
            return await self._cut(request, writer) and is_kept
        writer.write(whole_wire(await self._answer(request, fault), is_head=request.method == "HEAD"))
        return is_kept

    async def _answer(self, request: ProxyRequest, fault: Fault | None) -> ProxyResponse:
        if fault == "500":
            self.counters.answered_500 += 1
            return error_response(500, "Internal Server Error")
        if fault == "429":
            self.counters.answered_429 += 1
            refusal = error_response(429, "Too Many Requests")
            refusal.headers.append((b"Retry-After", b"%d" % self.settings.retry_after_seconds))
            return refusal
        try:
            response = await self._ask_upstream(request)
        except (aiohttp.ClientError, TimeoutError):
            self.counters.upstream_failed += 1
            return error_response(502, "Bad Gateway")
        self.counters.passed += 1
        return response

    async def _cut(self, request: ProxyRequest, writer: asyncio.StreamWriter) -> bool:
        """Cut the next body; whether its framing is whole, so that the connection can carry another answer."""
        cut = next(self._cuts)
        if cut is Cut.GZIP and b"gzip" not in request.get(b"accept-encoding"):
            cut = Cut.LENGTH
        try:
            response = await self._ask_upstream(request, is_identity=cut is Cut.GZIP)
        except (aiohttp.ClientError, TimeoutError):
            self.counters.upstream_failed += 1
            writer.write(whole_wire(error_response(502, "Bad Gateway")))
            return True
        if len(response.body) < 2:
            self.counters.passed += 1
            writer.write(whole_wire(response))
            return True
        self.counters.cut[cut] += 1
        writer.write(cut_wire(response, cut))
        return cut is Cut.GZIP

    async def _ask_upstream(self, request: ProxyRequest, *, is_identity: bool = False) -> ProxyResponse:
        named = {name.strip().lower() for name in request.get(b"connection").split(b",")}
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in request.headers
            if name.lower() not in _HOP_BY_HOP | named and not (is_identity and name.lower() == b"accept-encoding")
        ]
        if is_identity:
            headers.append(("Accept-Encoding", "identity"))
        url = URL(str(self._origin).rstrip("/") + request.target, encoded=True)
        async with self._session.request(
            request.method, url, headers=headers, data=request.body or None, allow_redirects=False
        ) as response:
            body = await response.read()
            kept = [(name, value) for name, value in response.raw_headers if name.lower() not in _HOP_BY_HOP]
            return ProxyResponse(response.status, response.reason or "", kept, body)


def decide_fault(settings: ProxySettings, number: int) -> Fault | None:
    """What goes wrong with that request: ``500``, ``429``, ``cut``, ``hang`` or nothing. The same in every run."""
    digest = hashlib.blake2b(f"{settings.seed} {number}".encode(), digest_size=8).digest()
    draw = int.from_bytes(digest) / 2**64
    rates: tuple[tuple[float, Fault], ...] = (
        (settings.rate_500, "500"),
        (settings.rate_429, "429"),
        (settings.rate_cut, "cut"),
        (settings.rate_hang, "hang"),
    )
    for rate, fault in rates:
        if draw < rate:
            return fault
        draw -= rate
    return None


async def _wait_until_gone(reader: asyncio.StreamReader, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while await reader.read(_MAX_HEAD_BYTES):
                pass
    except TimeoutError:
        pass


class FaultProxyProcess(ServerProcess):
    """The proxy in a process of its own, for synchronous tests: ``with FaultProxyProcess(api.url) as proxy: ...``."""

    def __init__(self, upstream: str, settings: ProxySettings | None = None, *, port: int = 0) -> None:
        values = dataclasses.asdict(settings or ProxySettings())
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
        command = [sys.executable, "-m", "haulier.testing.proxy", f"--upstream={upstream}", f"--port={port}", *flags]
        super().__init__(command)

    def counters(self) -> ProxyCounters:
        """The counters as they are now."""
        return msgspec.json.decode(self.get(CONTROL_TARGET), type=ProxyCounters)


async def serve(upstream: str, settings: ProxySettings, *, port: int = 0, stays: bool = False) -> None:
    """Serve until SIGTERM, SIGINT or, unless it ``stays``, the end of a standard input that is a pipe."""
    async with FaultProxy(upstream, settings, port=port) as proxy:
        await serve_until_ended(proxy.url, stays=stays)


def main(argv: Sequence[str] | None = None) -> None:
    """The command line: a flag for each setting, by its name."""
    parser = argparse.ArgumentParser(prog="python -m haulier.testing.proxy", description="A reverse proxy with faults.")
    parser.add_argument("--upstream", required=True, help="scheme, host and port of the API behind")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--stay", action="store_true", help="serve on when standard input closes")
    for setting in dataclasses.fields(ProxySettings):
        flag = "--" + setting.name.replace("_", "-")
        parser.add_argument(flag, type=type(setting.default), default=setting.default, help="%(default)s")
    flags = vars(parser.parse_args(argv))
    upstream, port, stays = flags.pop("upstream"), flags.pop("port"), flags.pop("stay")
    try:
        settings = ProxySettings(**flags)
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve(upstream, settings, port=port, stays=stays))
    except ValueError as exc:
        parser.error(str(exc))


if __name__ == "__main__":
    main()
