"""A listener on loopback that reads requests, and spoils some of the answers by rules."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Generic, Self, TypeVar

import msgspec

from haulier.testing.proxy.rules import FaultRule, FaultRules
from haulier.testing.proxy.wire import (
    JSON_HEADERS,
    Cut,
    WireRequest,
    WireResponse,
    cut_wire,
    error_response,
    read_request,
    whole_wire,
)

_MAX_HEAD_BYTES = 64 * 1024
_REASONS = {500: "Internal Server Error", 503: "Service Unavailable", 429: "Too Many Requests", 403: "Forbidden"}


@dataclass
class ListenerCounters:
    """Counts since the start. Requests to the control path are not counted."""

    requests: int = 0
    passed: int = 0
    """Answers of the service that left as they were."""
    cut: dict[Cut, int] = field(default_factory=lambda: dict.fromkeys(Cut, 0))
    operations: dict[str, int] = field(default_factory=dict)
    """Requests, by the name of their operation."""
    struck: dict[str, int] = field(default_factory=dict)
    """Requests that a rule spoilt, by ``operation: fault``."""


class ListenerControl(msgspec.Struct, forbid_unknown_fields=True):
    """What may be posted to the control path."""

    rules: list[FaultRule] | None = None
    """These rules, in the place of all others."""
    away_seconds: float = 0.0
    """Refuse connections for so long, and reset those that are open."""


C = TypeVar("C", bound=ListenerCounters)


class FaultListener(ABC, Generic[C]):
    """Serves in its async context, on the running event loop. ``rules`` may be changed at any time."""

    def __init__(self, control_target: str, counters: C, rules: FaultRules, port: int) -> None:
        self.counters = counters
        self.rules = rules
        self._control_target = control_target
        self._port = port
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._listener: asyncio.Server | None = None
        self._absence: asyncio.Task[None] | None = None

    @abstractmethod
    async def answer(self, request: WireRequest) -> WireResponse:
        """Do what is asked, and answer it."""

    @abstractmethod
    def operation(self, request: WireRequest) -> str:
        """Name what is asked, for rules and counters."""

    def refusal(self, request: WireRequest, status: int) -> WireResponse:
        """Answer with an error in the words of this service."""
        return error_response(status, _REASONS[status])

    def strike(self, request: WireRequest, operation: str) -> FaultRule | None:
        """Return the rule that spoils this request, if any. Called once for each request."""
        rule = self.rules.decide(operation, request.target)
        if rule is not None:
            what = f"{operation}: {rule.fault}"
            self.counters.struck[what] = self.counters.struck.get(what, 0) + 1
        return rule

    def choose_cut(self, rule: FaultRule) -> Cut:
        """Return how this rule cuts a body: so that its client can tell, unless a subclass is worse."""
        return Cut.LENGTH

    def control(self, body: bytes) -> None:
        """Do what was posted to the control path. ``ValueError`` for what cannot be done."""
        self.obey(msgspec.json.decode(body, type=ListenerControl))

    def obey(self, control: ListenerControl) -> None:
        if control.rules is not None:
            self.rules.use(control.rules)
        if control.away_seconds:
            self._absence = asyncio.create_task(self._leave_for(control.away_seconds))

    async def __aenter__(self) -> Self:
        await self.come_back()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._absence is not None:
            self._absence.cancel()
            await asyncio.gather(self._absence, return_exceptions=True)
        await self.leave()

    @property
    def url(self) -> str:
        """Scheme, host and port, without a slash at the end."""
        return f"http://127.0.0.1:{self._port}"

    @contextlib.asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Refuse connections within this context; those that are open are reset at its start."""
        await self.leave()
        try:
            yield
        finally:
            await self.come_back()

    async def leave(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        connections = dict(self._connections)
        for connection, writer in connections.items():
            connection.cancel()
            _reset(writer)
        await asyncio.gather(*connections, return_exceptions=True)

    async def come_back(self) -> None:
        """Listen, on the same port as before."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self._port, limit=_MAX_HEAD_BYTES)
        self._port = self._listener.sockets[0].getsockname()[1]

    async def _leave_for(self, seconds: float) -> None:
        await asyncio.sleep(0.05)  # The answer to the control request leaves first.
        async with self.away():
            await asyncio.sleep(seconds)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._listener is None:  # Accepted in the moment in which it was closed.
            _reset(writer)
            return
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections[connection] = writer
        connection.add_done_callback(self._connections.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # The client left, or does not speak HTTP/1.1.
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request. Return whether the connection can carry another."""
        request = await read_request(reader)
        if request is None:
            writer.write(whole_wire(error_response(400, "Bad Request")))
            return False
        is_kept = request.version == "HTTP/1.1" and request.get(b"connection").lower() != b"close"
        if request.target == self._control_target:
            writer.write(whole_wire(self._control(request)))
            return is_kept
        operation = self.operation(request)
        self.counters.requests += 1
        self.counters.operations[operation] = self.counters.operations.get(operation, 0) + 1
        rule = self.strike(request, operation)
        return await self._reply(request, rule, reader, writer) and is_kept

    async def _reply(
        self,
        request: WireRequest,
        rule: FaultRule | None,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        match rule.fault if rule is not None else None:
            case "reset":
                return _reset(writer)
            case "500" | "503" | "429" | "403" as status:
                response = self.refusal(request, int(status))
            case "hang":
                assert rule is not None
                return await _wait_until_gone(reader, rule.seconds)
            case "cut" if request.method != "HEAD":
                assert rule is not None
                return await self._cut(request, self.choose_cut(rule), writer)
            case "500 after" | "503 after" as fault:
                await self.answer(request)
                response = self.refusal(request, int(fault[:3]))
            case "lost":
                await self.answer(request)
                return _reset(writer)
            case "hang after":
                assert rule is not None
                await self.answer(request)
                return await _wait_until_gone(reader, rule.seconds)
            case fault:
                if fault == "delay":
                    assert rule is not None
                    await asyncio.sleep(rule.seconds)
                response = await self.answer(request)
                self.counters.passed += not response.is_own
        writer.write(whole_wire(response, is_head=request.method == "HEAD"))
        return True

    async def _cut(self, request: WireRequest, cut: Cut, writer: asyncio.StreamWriter) -> bool:
        """Answer with a cut body. Return whether its framing is intact, so that the connection can carry another."""
        if cut is Cut.GZIP and b"gzip" not in request.get(b"accept-encoding"):
            cut = Cut.LENGTH
        response = await self.answer(request.asking_for_identity() if cut is Cut.GZIP else request)
        if response.is_own or len(response.body) < 2:
            self.counters.passed += not response.is_own
            writer.write(whole_wire(response))
            return True
        self.counters.cut[cut] += 1
        writer.write(cut_wire(response, cut))
        return cut is Cut.GZIP

    def _control(self, request: WireRequest) -> WireResponse:
        try:
            if request.method == "POST":
                self.control(request.body)
        except ValueError as exc:
            return error_response(400, str(exc))
        return WireResponse(200, "OK", JSON_HEADERS, msgspec.json.encode(self.counters))


def _reset(writer: asyncio.StreamWriter) -> bool:
    """End the connection with a reset, as a balancer does that restarts."""
    if not writer.transport.is_closing():
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    return False


async def _wait_until_gone(reader: asyncio.StreamReader, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while await reader.read(_MAX_HEAD_BYTES):
                pass
    return False
