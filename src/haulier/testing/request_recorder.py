"""A transport that notes each request, and lets it pass."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from haulier.api.http.transport import Request, Response, Transport
from haulier.testing.run_result import RequestMade


class RequestRecorder:
    """Credentials are added below it: it never sees a header of theirs."""

    def __init__(self) -> None:
        self.requests: list[RequestMade] = []
        self.redact: Callable[[str], str] = lambda text: text
        self._transport: Transport | None = None

    def around(self, transport: Transport) -> Transport:
        self._transport = transport
        return self

    async def send(self, request: Request) -> Response:
        assert self._transport is not None
        place = len(self.requests)
        self.requests.append(self._made(request, None))
        response = await self._transport.send(request)
        self.requests[place] = self._made(request, response.status)
        return response

    def _made(self, request: Request, status: int | None) -> RequestMade:
        parts = urlsplit(self.redact(request.url))
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        return RequestMade(request.method, target, status, request.body)
