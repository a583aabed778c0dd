"""The transport over aiohttp, which does sockets, TLS and HTTP's syntax alone: its other services would hide faults.

aiohttp takes a third of a second to import: only this module does, and is imported late.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import ssl
from dataclasses import replace
from importlib.metadata import version
from typing import Any, ClassVar, TypeGuard
from weakref import WeakKeyDictionary, ref

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from yarl import URL

from haulier.api.errors import Fault
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import Request, Response, TransportError
from haulier.api.identity.proxy import open_proxy
from haulier.api.identity.shared_token import TokenFile
from haulier.api.identity.tls import TlsContexts
from haulier.api.settings import Api
from haulier.api.wire.body import codings_of, decode_body, is_heavy
from haulier.api.wire.framing import Framing, framing_of
from haulier.api.wire.request_spans import RequestSpans
from haulier.api.wire.sender import Exchange, Sender
from haulier.clock import Clock
from haulier.telemetry.seam import NO_TELEMETRY, Telemetry

SLOW_SECONDS = 30.0
"""Time for which a body may stay below `min_bytes_per_second`."""
READ_BUFFER_BYTES = 4 * 1024 * 1024
"""Measured: 10-15 % less CPU on bodies of 1 MB than with 64 KiB."""
MAX_HEADER_BYTES = 128 * 1024
"""Of one header of an answer. Cookies, policies and links of 64 KiB are met; aiohttp refuses more than 8 KiB."""
MAX_HEADERS = 512
DNS_CACHE_SECONDS = 60
"""A run resolves one name thousands of times."""

_NO_WAIT = contextlib.nullcontext()
_REPEATABLE = {"GET", "HEAD"}
_SELF_EXPLAINING = {429, *range(500, 600)}
"""Statuses that mean the same without their body."""
_WRONG_CONNECTION = frozenset({421, 423, 424})
"""Statuses that may be about the connection: it is closed."""


class AiohttpTransport:
    """Making it resolves credentials and reads certificates (`UsageError`)."""

    def __init__(
        self,
        settings: Api,
        *,
        clock: Clock,
        redactor: Redactor,
        slow_seconds: float = SLOW_SECONDS,
        shared: TokenFile | None = None,
        is_gated: bool = False,
        telemetry: Telemetry = NO_TELEMETRY,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._slow_seconds = slow_seconds
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._tls = None if settings.tls is None else TlsContexts(settings.tls, clock, redactor)
        self._proxy = None if settings.proxy is None else open_proxy(settings.proxy, redactor)
        exchange: Exchange = self._exchange
        if telemetry.is_on:
            exchange = RequestSpans(telemetry, redactor, settings.url, self._exchange, clock).send
        self._sender = Sender(
            settings,
            exchange,
            clock=clock,
            redactor=redactor,
            agent=agent_headers(settings),
            shared=shared or TokenFile(),
            is_gated=is_gated,
        )

    async def send(self, request: Request) -> Response:
        return await self._sender.send(request)

    async def close(self) -> None:
        """Requests under way fail."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    async def _exchange(self, request: Request) -> Response:
        """Send one request.

        A server may close a kept-alive connection just as it is used. A GET or HEAD is then repeated once on a new one
        (RFC 9112 9.3.1), without backoff, and counted.
        """
        try:
            answer = await self._open(request, is_fresh=False)
        except _LostError as lost:
            if not lost.is_reused or lost.has_begun or request.method not in _REPEATABLE:
                raise _lost_connection_error(lost) from lost
            await request.before_follow_up()
            try:
                answer = await self._open(request, is_fresh=True)
            except _LostError as again:
                raise _lost_connection_error(again) from again
        first_byte_seconds = self._clock.monotonic() - answer.ready_at
        try:
            response = await self._receive(request, answer, first_byte_seconds)
        except BaseException:
            answer.drop()
            raise
        if response.status in _WRONG_CONNECTION:
            answer.drop()
        return response

    async def _open(self, request: Request, *, is_fresh: bool) -> _Answer:
        """Raises `_LostError` where the connection ended before the headers."""
        url, headers = request.url, request.headers
        to_proxy = () if self._proxy is None else self._proxy.headers
        if url[:5].lower() == "http:":
            # Without TLS there is no tunnel: the proxy reads its credentials from the request itself.
            headers, to_proxy = (*headers, *to_proxy), ()
        try:
            async with request.wait:
                answer = await self._session(is_fresh).request(
                    request.method,
                    # Links of the API are opaque: yarl would rewrite their escapes, and break signatures.
                    URL(url, encoded=True) if url.isascii() and url.isprintable() and " " not in url else URL(url),
                    headers=headers,
                    proxy=None if self._proxy is None else self._proxy.url,
                    proxy_headers=to_proxy,
                    data=request.body or None,
                    allow_redirects=False,
                    ssl=True
                    if self._tls is None
                    else self._tls.current(has_certificate=request.part != "foreign file"),
                )
        except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
            raise _translate_error(exc, self._settings) from exc
        assert isinstance(answer, _Answer)
        return answer

    async def _receive(self, request: Request, answer: _Answer, first_byte_seconds: float) -> Response:
        is_delimited, form = True, request.format
        try:
            framing = framing_of(request.method, answer.status, answer.headers)
            is_delimited = framing.is_delimited
            wire = await self._read(answer, framing)
            if not 200 <= answer.status < 300:
                # Only data must show its own end; the body of an error is read by rules and people.
                framing = replace(framing, is_delimited=True)
                form = replace(form, charset="")  # It is declared of the data.
            arguments = (wire, answer.headers, framing, self._settings.max_body_bytes, form)
            if is_heavy(wire, codings_of(answer.headers), framing):
                body, charset_problem = await asyncio.to_thread(decode_body, *arguments)
            else:
                body, charset_problem = decode_body(*arguments)
        except TransportError as error:
            if answer.status not in _SELF_EXPLAINING:
                error.date, error.age = answer.headers.get("Date", ""), answer.headers.get("Age", "")
                raise
            answer.drop()
            wire = body = b""
            charset_problem = None
        return Response(
            status=answer.status,
            headers=answer.headers,
            body=body,
            first_byte_seconds=first_byte_seconds,
            wire_bytes=len(wire),
            url=request.url,
            is_delimited=is_delimited,
            charset_problem=charset_problem,
        )

    async def _read(self, answer: _Answer, framing: Framing) -> bytes:
        limit = self._settings.max_body_bytes
        if framing.length is not None and framing.length > limit:
            raise TransportError(Fault.TOO_LARGE, f"the body has {framing.length} bytes; max_body_bytes is {limit}")
        # Each time span must bring its bytes, so that a burst pays for one silent span at most.
        span_bytes = self._settings.min_bytes_per_second * self._slow_seconds
        chunks: list[bytes] = []
        size = in_span = 0
        is_whole = False
        try:
            while not is_whole:
                in_span = 0
                # Small bodies arrive with their headers; a timer would cost as much as reading one.
                async with _NO_WAIT if answer.content.is_eof() else asyncio.timeout(self._slow_seconds):
                    while in_span < span_bytes and not is_whole:
                        chunk = await answer.content.readany()
                        chunks.append(chunk)
                        size += len(chunk)
                        in_span += len(chunk)
                        if size > limit:
                            raise TransportError(
                                Fault.TOO_LARGE, f"the body has more than {limit} bytes; max_body_bytes is {limit}"
                            )
                        is_whole = not chunk
        except aiohttp.SocketTimeoutError as exc:
            silent = self._settings.first_byte_timeout_seconds
            raise TransportError(Fault.TIMEOUT, f"the body stopped after {size} bytes for {silent:g} seconds") from exc
        except TimeoutError as exc:
            slow = f"{in_span} bytes in {self._slow_seconds:g} seconds, after {size - in_span} bytes"
            asked = self._settings.min_bytes_per_second
            raise TransportError(Fault.SLOW, f"the body is too slow: {slow}; min_bytes_per_second is {asked}") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise TransportError(Fault.CUT, f"the connection ended after {size} bytes of the body") from exc
        # aiohttp completes the body before it fails at bytes that follow it, and does not tell the reader.
        if isinstance(answer.wire.exception(), HttpProcessingError):
            raise TransportError(Fault.PROTOCOL, f"more bytes came than the {size} that were announced")
        # The last chunk is empty; a body in one piece is not copied.
        return chunks[0] if len(chunks) <= 2 else b"".join(chunks)

    def _session(self, is_fresh: bool) -> aiohttp.ClientSession:
        """Opened late, since aiohttp wants a running loop. The fresh one keeps no connection."""
        session = self._sessions.get(is_fresh)
        if session is None:
            seconds = self._settings.connect_timeout_seconds
            session = self._sessions[is_fresh] = aiohttp.ClientSession(
                connector=_Connector(
                    self._clock,
                    limit=0,  # A wait for a connection would be timed. Requests are counted before they come here.
                    force_close=is_fresh,
                    ttl_dns_cache=DNS_CACHE_SECONDS,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                timeout=aiohttp.ClientTimeout(
                    total=None,
                    connect=seconds,
                    sock_connect=seconds,
                    sock_read=self._settings.first_byte_timeout_seconds,
                ),
                read_bufsize=READ_BUFFER_BYTES,
                max_line_size=MAX_HEADER_BYTES,
                max_field_size=MAX_HEADER_BYTES,
                max_headers=MAX_HEADERS,
                request_class=_Sent,
                response_class=_Answer,
                middlewares=(_without_repeating,),
            )
        return session


def agent_headers(settings: Api) -> tuple[tuple[str, str], ...]:
    """Only gzip is accepted: its checksum and length prove that a body is complete."""
    contact = f" (+{settings.contact})" if settings.contact else ""
    return (
        ("User-Agent", f"haulier/{version('haulier')}{contact}"),
        ("Accept", "application/json, */*;q=0.8"),
        ("Accept-Encoding", "gzip"),
    )


class _Line:
    """One connection, with its current answer."""

    def __init__(self, protocol: ResponseHandler) -> None:
        self.answer: ref[_Answer] | None = None
        if (closed := protocol.closed) is not None:
            closed.add_done_callback(self._end)

    def _end(self, closed: asyncio.Future[None]) -> None:
        """Fail the body's reader, which aiohttp lets wait forever after a bad chunk."""
        if not closed.cancelled():
            closed.exception()
        answer = self.answer() if self.answer is not None else None
        if answer is not None and not answer.content.is_eof() and answer.content.exception() is None:
            answer.content.set_exception(aiohttp.ClientPayloadError("a chunk that cannot be read"))


class _Sent(aiohttp.ClientRequest):
    """Remembers its connection. (aiohttp's traces would cost a tenth of a request's CPU.)"""

    is_reused = False
    ready_at = 0.0
    """Monotonic."""


class _Connector(aiohttp.TCPConnector):
    def __init__(self, clock: Clock, **options: Any) -> None:
        super().__init__(**options)
        self._our_clock = clock

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        if isinstance(req, _Sent):
            req.is_reused = connection.protocol in _Answer.lines
            req.ready_at = self._our_clock.monotonic()
        return connection


class _Answer(aiohttp.ClientResponse):
    """Remembers its connection, which aiohttp returns to the pool before the body is checked."""

    lines: ClassVar[WeakKeyDictionary[ResponseHandler, _Line]] = WeakKeyDictionary()
    wire: ResponseHandler
    ready_at = 0.0

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        assert connection.protocol is not None
        self.wire = connection.protocol
        line = self.lines.get(self.wire)
        if line is None:
            line = self.lines[self.wire] = _Line(self.wire)
        line.answer = None
        answer = await super().start(connection)
        line.answer = ref(self)
        return answer

    def drop(self) -> None:
        """Close the connection, so that leftover bytes reach no other request; unless it serves one already."""
        self.close()
        line = self.lines[self.wire]
        if line.answer is not None and line.answer() is self:
            self.wire.close()


class _LostError(Exception):
    """The connection ended before the headers were complete. (aiohttp repeats requests after errors of its own.)"""

    def __init__(self, text: str, *, has_begun: bool, is_reused: bool) -> None:
        self.has_begun = has_begun
        self.is_reused = is_reused
        super().__init__(text)


async def _without_repeating(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    assert isinstance(request, _Sent)
    try:
        answer = await handler(request)
    except (aiohttp.ClientConnectorError, TimeoutError):
        raise
    except aiohttp.ServerDisconnectedError as exc:
        has_begun = not isinstance(exc.message, str)
        raise _LostError("closed by the server", has_begun=has_begun, is_reused=request.is_reused) from exc
    except OSError as exc:
        if _is_about_certificates(exc.__cause__):
            # A TLS 1.3 server checks the client's certificate after our side of the handshake.
            raise TransportError(
                Fault.TLS, f"the server refuses the client certificate: {_describe(exc.__cause__)}"
            ) from exc
        raise _LostError(_describe(exc), has_begun=False, is_reused=request.is_reused) from exc
    assert isinstance(answer, _Answer)
    answer.ready_at = request.ready_at
    return answer


def _is_about_certificates(exc: BaseException | None) -> TypeGuard[ssl.SSLError]:
    """Alerts about certificates (RFC 8446 6.2); others, such as a bad record, are about the line."""
    return isinstance(exc, ssl.SSLError) and any(
        word in exc.reason for word in ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")
    )


def _lost_connection_error(error: _LostError) -> TransportError:
    if error.has_begun:
        return TransportError(Fault.CUT, "the connection ended in the middle of the answer's headers")
    return TransportError(Fault.CONNECT, f"the connection was lost before an answer came: {error}")


def _translate_error(exc: Exception, settings: Api) -> TransportError:
    """Translate an error of aiohttp, whose text may hold an address with a key."""
    match exc:
        case aiohttp.ConnectionTimeoutError():
            return TransportError(Fault.CONNECT, f"no connection within {settings.connect_timeout_seconds:g} seconds")
        case TimeoutError():
            seconds = settings.first_byte_timeout_seconds
            return TransportError(Fault.TIMEOUT, f"no first byte of an answer within {seconds:g} seconds")
        case aiohttp.ClientConnectorCertificateError():
            return TransportError(
                Fault.TLS, f"the server's certificate is not trusted: {_describe(exc.certificate_error)}"
            )
        case aiohttp.ClientConnectorSSLError():
            cause = exc.os_error
            is_closed = isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError)
            if is_closed or (isinstance(cause, ssl.SSLError) and cause.reason == "TLSV1_ALERT_INTERNAL_ERROR"):
                return TransportError(
                    Fault.CONNECT, f"the server ended the connection during the TLS handshake: {_describe(cause)}"
                )
            return TransportError(Fault.TLS, f"TLS failed: {_describe(exc.os_error)}")
        case aiohttp.ClientConnectorDNSError():
            return TransportError(
                Fault.DNS, f"the host name '{exc.host}' cannot be resolved: {_describe(exc.os_error)}"
            )
        case aiohttp.ClientProxyConnectionError():
            return TransportError(Fault.CONNECT, f"the proxy cannot be reached: {_describe(exc.os_error)}")
        case aiohttp.ClientConnectorError():
            return TransportError(Fault.CONNECT, f"cannot connect to {exc.host}:{exc.port}: {_describe(exc.os_error)}")
        case aiohttp.ClientHttpProxyError() if exc.status >= 500:
            return TransportError(Fault.CONNECT, f"the proxy answers CONNECT with status {exc.status}")
        case aiohttp.ClientHttpProxyError():
            return TransportError(Fault.PROXY, f"the proxy refuses the connection with status {exc.status}")
        case ValueError():
            # A page token of the API may hold a line end.
            return TransportError(
                Fault.REDIRECT, "the address or a header has characters that are not allowed; nothing was sent"
            )
        case aiohttp.ClientConnectionError():
            return TransportError(Fault.CONNECT, "the connection was closed before an answer came")
        case _:
            return TransportError(Fault.PROTOCOL, "the answer is not valid HTTP")


def _describe(exc: BaseException) -> str:
    """Words of OpenSSL or the system, which hold no address."""
    if isinstance(exc, ConnectionRefusedError):
        return os.strerror(errno.ECONNREFUSED).lower()  # asyncio says "Connect call failed", and the address again.
    for attribute in ("verify_message", "reason", "strerror"):
        words = getattr(exc, attribute, None)
        if words:
            return str(words)
    return type(exc).__name__
