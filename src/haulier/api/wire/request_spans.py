"""A span for each request that leaves: repeats, redirects and those for an access token too."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import Request, Response, TransportError
from haulier.api.http.urls import LinkError, origin
from haulier.clock import Clock
from haulier.telemetry import names
from haulier.telemetry.seam import Attributes, SpanKind, Telemetry, TraceSpan, Value

MAX_URL_CHARACTERS = 500

_VARIABLE_PART = re.compile(r"[^/]*\d[^/]*")
_VERSION = re.compile(r"v\d+(\.\d+)?")

Exchange = Callable[[Request], Awaitable[Response]]


class RequestSpans:
    """Around an exchange, which may send a request again by itself and says so before."""

    def __init__(
        self, telemetry: Telemetry, redactor: Redactor, api_url: str, exchange: Exchange, clock: Clock
    ) -> None:
        self._telemetry = telemetry
        self._clock = clock
        self._redactor = redactor
        self._origin = origin(api_url)
        self._exchange = exchange
        self._place_of = functools.lru_cache(maxsize=64)(self._find_place)

    async def send(self, request: Request) -> Response:
        few, began_at = self._few_of(request), self._clock.monotonic()
        ended: dict[str, Value] = {names.ERROR_TYPE: "cancelled"}

        def measure() -> None:
            nonlocal began_at
            now = self._clock.monotonic()
            self._telemetry.record(names.REQUEST_DURATION, now - began_at, {**few, **ended})
            began_at = now

        with contextlib.ExitStack() as stack:
            span = stack.enter_context(self._open(request, few))

            async def send_again() -> None:
                nonlocal ended, span
                await request.before_follow_up()
                ended = {names.ERROR_TYPE: "connection"}
                span.fail("connection")
                stack.close()
                measure()
                span = stack.enter_context(self._open(request, few))
                ended = {names.ERROR_TYPE: "cancelled"}

            try:
                response = await self._exchange(request.replace(before_follow_up=send_again))
                span.set(
                    {
                        names.STATUS_CODE: response.status,
                        names.RESPONSE_BYTES: response.wire_bytes,
                        names.FIRST_BYTE_SECONDS: round(response.first_byte_seconds, 6),
                    }
                )
                ended = {names.STATUS_CODE: response.status}
                if response.status >= 400:
                    ended[names.ERROR_TYPE] = str(response.status)
                    span.fail(str(response.status))
                return response
            except TransportError as error:
                ended = {names.ERROR_TYPE: error.kind.value}
                span.fail(error.kind.value)
                raise
            finally:
                measure()

    def _few_of(self, request: Request) -> dict[str, Value]:
        """What has few values, so that metrics may bear it too."""
        end = request.url.find("/", len("https://"))
        few = {names.METHOD: request.method, **self._place_of(request.url if end < 0 else request.url[:end])}
        if request.trail is not None and request.trail.stream:
            few[names.STREAM] = request.trail.stream
        return few

    def _find_place(self, url: str) -> Attributes:
        place: dict[str, Value] = {names.SERVER_ADDRESS: urlsplit(self._redactor.redact(url)).hostname or ""}
        try:
            found = origin(url)
        except LinkError:
            found = None
        if found is not None:
            place[names.SERVER_PORT] = found[2]
        if found != self._origin:
            place[names.IS_OF_ISSUER] = True
        return place

    def _open(self, request: Request, few: Attributes) -> contextlib.AbstractContextManager[TraceSpan]:
        trail, url = request.trail, self._redactor.redact(request.shown_url)
        attributes: dict[str, Value] = {
            **few,
            names.URL: url[:MAX_URL_CHARACTERS],
            names.URL_TEMPLATE: template_of(urlsplit(url).path)[:MAX_URL_CHARACTERS],
        }
        if request.body:
            attributes[names.REQUEST_BYTES] = len(request.body)
        if trail is not None:
            if trail.run_id:
                attributes[names.RUN_ID] = trail.run_id
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
