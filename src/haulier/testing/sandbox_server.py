"""The sandbox's HTTP/1.1 server: one protocol, answers rendered once, faults decided by a pure function.

A waiting request costs a timer and no task. Frameworks spend 2 to 6 times the CPU on a request (measured), and a
benchmark that shares two cores with its API would count that against the client.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import cast

import msgspec

from haulier.clock import Clock
from haulier.testing.sandbox_answers import Answer, answer, error
from haulier.testing.sandbox_faults import ANSWERED_LATE, Fault, decide_fault, delay_seconds
from haulier.testing.sandbox_settings import SandboxSettings, change_settings
from haulier.testing.sandbox_wire import RenderedAnswer, RequestHead

CONTROL_TARGET = b"/_sandbox"
_MAX_HEAD_BYTES = 64 * 1024
_MAX_UNREAD_BYTES = 1024 * 1024
_MAX_KEPT_BYTES = 64 * 1024 * 1024


@dataclass
class SandboxCounters:
    """What the sandbox saw since it started; its own path `/_sandbox` is not counted."""

    requests: int = 0
    by_status: dict[int, int] = field(default_factory=dict)  # as answered; cut answers too
    in_flight: int = 0
    peak_in_flight: int = 0
    refused: int = 0  # because of refuse_above
    early: int = 0  # arrived although the server had asked to pause, and the pause had not ended
    cut: int = 0
    hung: int = 0
    dropped: int = 0  # closed without an answer, in an outage
    abandoned: int = 0  # the client left before its answer, hung ones included


class SandboxServer:
    """Settings, counters, kept answers and open connections of one sandbox; `accept` makes its protocols."""

    def __init__(self, settings: SandboxSettings, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self.loop = loop
        self._clock = clock
        self.counters = SandboxCounters()
        self.connections: set[_Connection] = set()
        self._draw = random.Random(settings.seed)
        self._started_at = clock.monotonic()
        self._paused_from = self._paused_until = 0.0
        self.use(settings)

    def accept(self) -> asyncio.Protocol:
        """A protocol for a new connection."""
        return _Connection(self)

    def use(self, settings: SandboxSettings) -> None:
        """Serve by these settings from the next request on. Draws go on where they were."""
        self.settings = settings
        self._kept: dict[bytes, RenderedAnswer] = {}
        self._kept_bytes = 0
        self._token = None if settings.token is None else settings.token.encode()

    def begin(self, head: RequestHead) -> Fault:
        """Count a request that has arrived, and say what goes wrong with it."""
        counters = self.counters
        counters.requests += 1
        counters.in_flight += 1
        if counters.in_flight > counters.peak_in_flight:
            counters.peak_in_flight = counters.in_flight
        now = self._clock.monotonic()
        if now < self._paused_until and now > self._paused_from + self.settings.early_grace_seconds:
            counters.early += 1
        return decide_fault(
            self.settings,
            self._draw.random(),
            is_authorized=self._token is None or _bearer(head.get(b"authorization")) == self._token,
            in_flight=counters.in_flight,
            uptime_seconds=now - self._started_at,
        )

    def answer(self, target: bytes) -> RenderedAnswer:
        """The kept answer to GET ``target``, made the first time it is asked for."""
        rendered = self._kept.get(target)
        if rendered is None:
            rendered = RenderedAnswer(answer(self.settings, target.decode("ascii", "replace")))
            self._kept_bytes += len(rendered.plain)
            if self._kept_bytes > _MAX_KEPT_BYTES:
                self._kept.clear()
                self._kept_bytes = len(rendered.plain)
            self._kept[target] = rendered
        return rendered

    def refusal(self, fault: Fault) -> Answer:
        """The answer that a fault gives instead of the page."""
        settings = self.settings
        if fault is Fault.UNAUTHORIZED:
            return error(401, "A valid bearer token is required.")
        if fault is Fault.OUTAGE:
            return error(settings.outage_status, "Down.")
        if fault is Fault.SERVER_ERROR:
            return error(500, "Internal error.")
        if fault is Fault.ERROR_BODY:
            return error(200, "Try again.")
        if fault is Fault.REFUSED:
            self.counters.refused += 1
        now = self._clock.monotonic()
        if now >= self._paused_until:
            self._paused_from = now
        self._paused_until = max(self._paused_until, now + settings.retry_after_seconds)
        status = 429 if fault is Fault.THROTTLED else settings.refuse_status
        return error(status, "Too many requests.", settings.retry_after_seconds)

    def delay_seconds(self, is_first_page: bool) -> float:
        """How long the answer to the request that was begun last takes."""
        in_flight = self.counters.in_flight
        return delay_seconds(self.settings, self._draw, in_flight=in_flight, is_first_page=is_first_page)

    def control(self, method: bytes, body: bytes) -> Answer:
        """GET: the counters. POST: change settings by name."""
        if method == b"GET":
            return Answer(200, msgspec.json.encode(self.counters))
        try:
            changes = msgspec.json.decode(body, type=dict[str, object])
            self.use(change_settings(self.settings, changes))
        except (ValueError, msgspec.DecodeError) as exc:
            return error(400, str(exc))
        return Answer(200, msgspec.json.encode({"changed": sorted(changes)}))


class _Connection(asyncio.Protocol):
    """One keep-alive connection. Pipelined requests wait in ``_unread``: answers leave in the order of requests."""

    __slots__ = ("_is_busy", "_is_full", "_server", "_timer", "_transport", "_unread")
    _transport: asyncio.Transport

    def __init__(self, server: SandboxServer) -> None:
        self._server = server
        self._unread = b""
        self._timer: asyncio.TimerHandle | None = None
        self._is_busy = False
        self._is_full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._is_busy:
            self._server.counters.abandoned += 1
            self._end()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._serve()

    def data_received(self, data: bytes) -> None:
        self._unread = self._unread + data if self._unread else data
        if len(self._unread) > _MAX_UNREAD_BYTES:
            self.abort()
        elif not self._is_busy:
            self._serve()

    def abort(self) -> None:
        """Close the connection without another byte."""
        self._transport.abort()

    def _serve(self) -> None:
        while not self._is_busy and not self._is_full and not self._transport.is_closing():
            head_bytes = self._unread.find(b"\r\n\r\n")
            if head_bytes < 0:
                if len(self._unread) > _MAX_HEAD_BYTES:
                    self._refuse(error(431, "The request's head is too large."))
                return
            head = RequestHead(self._unread[:head_bytes])
            # A body that is not read to its end would be taken for the next request.
            length_text = head.get(b"content-length") or b"0"
            if not length_text.isdigit() or head.get(b"transfer-encoding"):
                self._refuse(error(411, "Send a Content-Length."))
                return
            end = head_bytes + 4 + int(length_text)
            if end > _MAX_UNREAD_BYTES:
                self._refuse(error(413, "The request's body is too large."))
                return
            if len(self._unread) < end:
                return
            body = self._unread[head_bytes + 4 : end]
            self._unread = self._unread[end:]
            self._request(head, body)

    def _request(self, head: RequestHead, body: bytes) -> None:
        words = head.raw.partition(b"\r\n")[0].split(b" ")
        if len(words) != 3:
            self._refuse(error(400, "This is not HTTP/1.1."))
            return
        method, target, version = words
        is_last = version != b"HTTP/1.1" or head.get(b"connection").lower() == b"close"
        if target == CONTROL_TARGET:
            self._send(RenderedAnswer(self._server.control(method, body)).plain, is_last)
        elif method != b"GET":
            self._send(RenderedAnswer(error(405, "Only GET is served here.")).plain, is_last)
        else:
            self._get(head, target, is_last)

    def _get(self, head: RequestHead, target: bytes, is_last: bool) -> None:
        server = self._server
        fault = server.begin(head)
        self._is_busy = True
        if fault is Fault.HANG:
            server.counters.hung += 1
            self._timer = server.loop.call_later(server.settings.hang_seconds, self._hang_up)
            return
        if fault is Fault.OUTAGE and not server.settings.outage_status:
            server.counters.dropped += 1
            self._end()
            self._transport.close()
            return
        is_cut = fault is Fault.CUT
        if fault is Fault.NONE or is_cut:
            rendered = server.answer(target)
        else:
            rendered = RenderedAnswer(server.refusal(fault))
        made = rendered.answer
        wire = rendered.wire(server.settings.gzip and b"gzip" in head.get(b"accept-encoding"))
        seconds = 0.0
        if fault in ANSWERED_LATE:
            seconds = server.delay_seconds(made.is_first_page)
        if seconds > 0:
            self._timer = server.loop.call_later(seconds, self._answer_late, made.status, wire, is_cut, is_last)
        else:
            self._answer(made.status, wire, is_cut, is_last)

    def _answer_late(self, status: int, wire: bytes, is_cut: bool, is_last: bool) -> None:
        self._answer(status, wire, is_cut, is_last)
        self._serve()

    def _answer(self, status: int, wire: bytes, is_cut: bool, is_last: bool) -> None:
        counters = self._server.counters
        counters.by_status[status] = counters.by_status.get(status, 0) + 1
        self._end()
        if is_cut:
            counters.cut += 1
            body_at = wire.find(b"\r\n\r\n") + 4
            wire = wire[: (body_at + len(wire)) // 2]
        self._send(wire, is_last or is_cut)

    def _hang_up(self) -> None:
        self._end()
        self.abort()

    def _end(self) -> None:
        self._is_busy = False
        self._timer = None
        self._server.counters.in_flight -= 1

    def _refuse(self, made: Answer) -> None:
        self._send(RenderedAnswer(made).plain, is_last=True)

    def _send(self, wire: bytes, is_last: bool) -> None:
        self._transport.write(wire)
        if is_last:
            self._transport.close()


def _bearer(authorization: bytes) -> bytes | None:
    scheme, _, token = authorization.partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else None
