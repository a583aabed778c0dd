"""The proxy within the process that uses it."""

from __future__ import annotations

import asyncio
from itertools import cycle
from typing import Self

import aiohttp
import msgspec
from yarl import URL

from haulier.testing.proxy.settings import Fault, ProxyCounters, ProxySettings, decide_fault
from haulier.testing.proxy.wire import (
    JSON_HEADERS,
    Cut,
    ProxyRequest,
    ProxyResponse,
    cut_wire,
    error_response,
    read_request,
    whole_wire,
)

CONTROL_TARGET = "/_proxy"
_MAX_HEAD_BYTES = 64 * 1024
_UPSTREAM_TIMEOUT = aiohttp.ClientTimeout(total=300, connect=5)
# RFC 9110, section 7.6.1. The proxy sets the length itself: the true one, or a wrong one on purpose.
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade content-length".split()
)
_SET_BY_AIOHTTP = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")


class FaultProxy:
    """A proxy on the running event loop, which listens in its async context. ``upstream`` is scheme, host and port."""

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
            pass  # The client left, or does not speak HTTP/1.1.
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
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
        """Answer with a cut body. Return whether its framing is intact, so that the connection can carry another."""
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


async def _wait_until_gone(reader: asyncio.StreamReader, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while await reader.read(_MAX_HEAD_BYTES):
                pass
    except TimeoutError:
        pass
