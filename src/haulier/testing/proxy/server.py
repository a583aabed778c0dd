"""The proxy within the process that uses it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from io import BytesIO
from itertools import cycle
from typing import Self

import aiohttp
from yarl import URL

from haulier.testing.proxy.listener import FaultListener
from haulier.testing.proxy.rules import FaultRule, FaultRules
from haulier.testing.proxy.settings import ProxyCounters, ProxySettings, decide_fault
from haulier.testing.proxy.wire import Cut, WireRequest, WireResponse, error_response

CONTROL_TARGET = "/_proxy"
_UPSTREAM_TIMEOUT = aiohttp.ClientTimeout(total=300, connect=5)
_UPSTREAM_IDLE_SECONDS = 2.0
"""Below what servers allow, Node's 5 s above all: a request on a connection that they just closed would fail."""
# RFC 9110, section 7.6.1. The proxy sets the length itself: the true one, or a wrong one on purpose.
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade content-length".split()
)
_SET_BY_AIOHTTP = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")


class FaultProxy(FaultListener[ProxyCounters]):
    """A proxy on the running event loop, which listens in its async context. ``upstream`` is scheme, host and port.

    Faults come from the rates of ``settings``, and from ``rules``, which go first. ``name`` names the operation of a
    request, such as `haulier.testing.proxy.operations.blob_operation`; ``refuse`` words an error as the API does.
    """

    def __init__(
        self,
        upstream: str,
        settings: ProxySettings | None = None,
        *,
        rules: FaultRules | None = None,
        name: Callable[[WireRequest], str] | None = None,
        refuse: Callable[[int], WireResponse] | None = None,
        port: int = 0,
    ) -> None:
        super().__init__(CONTROL_TARGET, ProxyCounters(), rules or FaultRules(), port)
        self.settings = settings or ProxySettings()
        self._cuts = cycle(Cut)
        self._name = name
        self._refuse = refuse
        self._origin = URL(upstream)
        if self._origin.path != "/" or self._origin.query_string or not self._origin.absolute:
            raise ValueError(f"upstream is {upstream!r}; write scheme, host and port, such as http://127.0.0.1:8001.")

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            self._session = await stack.enter_async_context(
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_UPSTREAM_IDLE_SECONDS),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=False,
                    skip_auto_headers=_SET_BY_AIOHTTP,
                    timeout=_UPSTREAM_TIMEOUT,
                    middlewares=(_send_once,),
                )
            )
            await super().__aenter__()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await super().__aexit__(*exc_info)
        await self._stack.aclose()

    def operation(self, request: WireRequest) -> str:
        return self._name(request) if self._name is not None else request.method.lower()

    def strike(self, request: WireRequest, operation: str) -> FaultRule | None:
        rule = super().strike(request, operation)
        fault = decide_fault(self.settings, self.counters.requests - 1)
        if rule is not None or fault is None:
            return rule
        self.counters.answered_500 += fault == "500"
        self.counters.answered_429 += fault == "429"
        self.counters.hung += fault == "hang"
        return FaultRule(fault, seconds=self.settings.hang_seconds)

    def choose_cut(self, rule: FaultRule) -> Cut:
        return super().choose_cut(rule) if rule in self.rules.rules else next(self._cuts)

    def refusal(self, request: WireRequest, status: int) -> WireResponse:
        refused = super().refusal(request, status) if self._refuse is None else self._refuse(status)
        if status == 429:
            refused.headers.append((b"Retry-After", b"%d" % self.settings.retry_after_seconds))
        return refused

    async def answer(self, request: WireRequest) -> WireResponse:
        try:
            return await self._ask_upstream(request)
        except (aiohttp.ClientError, TimeoutError):
            self.counters.upstream_failed += 1
            return dataclasses.replace(error_response(502, "Bad Gateway"), is_own=True)

    async def _ask_upstream(self, request: WireRequest) -> WireResponse:
        named = {name.strip().lower() for name in request.get(b"connection").split(b",")}
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in request.headers
            if name.lower() not in _HOP_BY_HOP | named
        ]
        url = URL(str(self._origin).rstrip("/") + request.target, encoded=True)
        # The length in an answer to HEAD is that of the object, and frames nothing.
        dropped = _HOP_BY_HOP - {b"content-length"} if request.method == "HEAD" else _HOP_BY_HOP
        # As a stream: aiohttp warns of bytes above 1 MiB.
        body_sent = BytesIO(request.body) if request.body else None
        async with self._session.request(
            request.method, url, headers=headers, data=body_sent, allow_redirects=False
        ) as response:
            body = await response.read()
            kept = [(name, value) for name, value in response.raw_headers if name.lower() not in dropped]
            return WireResponse(response.status, response.reason or "", kept, body)


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send nothing twice: aiohttp repeats a PUT by itself where the server closes without an answer."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
        raise aiohttp.ClientConnectionError(str(exc)) from exc
