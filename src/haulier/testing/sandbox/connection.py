"""A keep-alive connection of the sandbox, as an asyncio protocol."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, Protocol, cast

from haulier.testing.sandbox.access import ISSUES
from haulier.testing.sandbox.answers import DELETE_TARGETS, POST_TARGETS
from haulier.testing.sandbox.counters import SandboxCounters
from haulier.testing.sandbox.line import Line
from haulier.testing.sandbox.wire import Answer, RenderedAnswer, RequestHead, error

CONTROL_TARGET = b"/_sandbox"
_MAX_HEAD_BYTES = 64 * 1024
_MAX_UNREAD_BYTES = 1024 * 1024

_TARGETS = {b"POST": POST_TARGETS, b"DELETE": DELETE_TARGETS}


class Reply(NamedTuple):
    """The reply to a request: ``wire`` after ``seconds``; None closes the connection without an answer."""

    status: int
    wire: bytes | None
    seconds: float
    is_last: bool
    spoilt: str = ""
    """The kind of damage to the body."""


class Api(Protocol):
    loop: asyncio.AbstractEventLoop
    counters: SandboxCounters
    connections: set[Connection]
    line: Line | None

    def reply(self, head: RequestHead, method: bytes, target: bytes, body: bytes, is_last: bool) -> Reply: ...

    def control(self, method: bytes, body: bytes) -> Answer: ...

    def bare_target(self, target: bytes) -> bytes: ...

    def issue(self, head: RequestHead, target: bytes, body: bytes) -> Answer: ...


class Connection(asyncio.Protocol):
    """One connection. Pipelined requests wait in ``_unread``, so that answers leave in the order of requests."""

    __slots__ = ("_api", "_is_busy", "_is_full", "_line", "_reply", "_timer", "_transport", "_unread")
    _transport: asyncio.Transport
    _reply: Reply

    def __init__(self, api: Api) -> None:
        self._api = api
        self._unread = b""
        self._timer: asyncio.TimerHandle | None = None
        self._line: Line | None = None
        self._is_busy = False
        self._is_full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._api.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._api.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._is_busy:
            self._api.counters.abandoned += 1
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
        self._transport.abort()

    def begin_service(self, seconds: float) -> None:
        self._timer = self._api.loop.call_later(seconds, self._answer_late)

    def _serve(self) -> None:
        while not self._is_busy and not self._is_full and not self._transport.is_closing():
            head_bytes = self._unread.find(b"\r\n\r\n")
            if head_bytes < 0:
                if len(self._unread) > _MAX_HEAD_BYTES:
                    self._refuse(error(431, f"The head of the request is above {_MAX_HEAD_BYTES} bytes."))
                return
            head = RequestHead(self._unread[:head_bytes])
            # A body that is not read to its end would be taken for the next request.
            length_text = head.get(b"content-length") or b"0"
            if not length_text.isdigit() or head.get(b"transfer-encoding"):
                self._refuse(error(411, "The body has no length. Send Content-Length, not Transfer-Encoding."))
                return
            end = head_bytes + 4 + int(length_text)
            if end > _MAX_UNREAD_BYTES:
                self._refuse(error(413, f"The request is above {_MAX_UNREAD_BYTES} bytes."))
                return
            if len(self._unread) < end:
                return
            body = self._unread[head_bytes + 4 : end]
            self._unread = self._unread[end:]
            self._request(head, body)

    def _request(self, head: RequestHead, body: bytes) -> None:
        words = head.raw.partition(b"\r\n")[0].split(b" ")
        if len(words) != 3:
            self._refuse(error(400, "The request line is not HTTP/1.1. Write: METHOD TARGET HTTP/1.1."))
            return
        method, target, version = words
        is_last = version != b"HTTP/1.1" or head.get(b"connection").lower() == b"close"
        target = self._api.bare_target(target)
        if target == CONTROL_TARGET and method != b"HEAD":
            self._send(RenderedAnswer(self._api.control(method, body)).plain, is_last)
        elif method in (b"GET", b"HEAD") or target.partition(b"?")[0] in _TARGETS.get(method, ()):
            self._ask(head, method, target, body, is_last)
        elif method == b"POST" and target in ISSUES:
            self._send(RenderedAnswer(self._api.issue(head, target, body)).plain, is_last)
        else:
            self._send(RenderedAnswer(error(405, "This path does not support this method.")).plain, is_last)

    def _ask(self, head: RequestHead, method: bytes, target: bytes, body: bytes, is_last: bool) -> None:
        api = self._api
        self._is_busy = True
        self._reply = reply = api.reply(head, method, target, body, is_last)
        if reply.seconds <= 0:
            self._answer()
        elif api.line is None or reply.wire is None:
            self._timer = api.loop.call_later(reply.seconds, self._answer_late)
        else:
            self._line = api.line
            self._line.enter(self, reply.seconds)

    def _answer_late(self) -> None:
        self._answer()
        self._serve()

    def _answer(self) -> None:
        status, wire, _, is_last, spoilt = self._reply
        self._end()
        if wire is None:
            # Close, not abort: the client sees the end of the connection, not a reset.
            self._transport.close()
            return
        counters = self._api.counters
        counters.by_status[status] = counters.by_status.get(status, 0) + 1
        if spoilt:
            counters.count_spoilt(spoilt)
        self._send(wire, is_last)

    def _end(self) -> None:
        self._is_busy = False
        self._timer = None
        self._api.counters.in_flight -= 1
        if self._line is not None:
            line, self._line = self._line, None
            line.leave(self)

    def _refuse(self, made: Answer) -> None:
        self._send(RenderedAnswer(made).plain, is_last=True)

    def _send(self, wire: bytes, is_last: bool) -> None:
        self._transport.write(wire)
        if is_last:
            self._transport.close()
