"""A span for each request that leaves: repeats, redirects and those for an access token too."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import Request, Response, TransportError
from haulier.api.http.urls import LinkError, origin
from haulier.telemetry import names
from haulier.telemetry.seam import SpanKind, Telemetry, TraceSpan, Value

MAX_URL_CHARACTERS = 500

_VARIABLE_PART = re.compile(r"[^/]*\d[^/]*")
_VERSION = re.compile(r"v\d+(\.\d+)?")

Exchange = Callable[[Request], Awaitable[Response]]


class RequestSpans:
    """Around an exchange, which may send a request again by itself and says so before."""

    def __init__(self, telemetry: Telemetry, redactor: Redactor, api_url: str, exchange: Exchange) -> None:
        self._telemetry = telemetry
        self._redactor = redactor
        self._origin = origin(api_url)
        self._exchange = exchange

    async def send(self, request: Request) -> Response:
        with contextlib.ExitStack() as stack:
            span = stack.enter_context(self._open(request))

            async def send_again() -> None:
                nonlocal span
                await request.before_follow_up()
                span.fail("connection")
                stack.close()
                span = stack.enter_context(self._open(request))

            try:
                response = await self._exchange(request.replace(before_follow_up=send_again))
            except TransportError as error:
                span.fail(error.kind.value)
                raise
            span.set(
                {
                    names.STATUS_CODE: response.status,
                    names.RESPONSE_BYTES: response.wire_bytes,
                    names.FIRST_BYTE_SECONDS: round(response.first_byte_seconds, 6),
                }
            )
            if response.status >= 400:
                span.fail(str(response.status))
            return response

    def _open(self, request: Request) -> contextlib.AbstractContextManager[TraceSpan]:
        parts, trail = urlsplit(request.url), request.trail
        attributes: dict[str, Value] = {
            names.METHOD: request.method,
            names.URL: self._redactor.redact(request.url)[:MAX_URL_CHARACTERS],
            names.URL_TEMPLATE: template_of(parts.path),
            names.SERVER_ADDRESS: parts.hostname or "",
        }
        try:
            of_request = origin(request.url)
        except LinkError:
            of_request = None
        if of_request is not None:
            attributes[names.SERVER_PORT] = of_request[2]
        if of_request != self._origin:
            attributes[names.IS_OF_ISSUER] = True
        if request.body:
            attributes[names.REQUEST_BYTES] = len(request.body)
        if trail is not None:
            if trail.run_id:
                attributes[names.RUN_ID] = trail.run_id
            if trail.stream:
                attributes[names.STREAM] = trail.stream
            if trail.times_sent:
                attributes[names.RESEND_COUNT] = trail.times_sent
            attributes[names.WAIT_SECONDS] = round(trail.wait_seconds, 6)
            trail.times_sent += 1
            trail.wait_seconds = 0.0
        return self._telemetry.span(request.method, SpanKind.CLIENT, attributes)


def template_of(path: str) -> str:
    """The path with ``{}`` for each part with a digit, but for a version: few values, by which to group."""
    parts = path.split("/")
    return "/".join("{}" if _VARIABLE_PART.fullmatch(part) and not _VERSION.fullmatch(part) else part for part in parts)
