from __future__ import annotations

from haulier.api.http.transport import Request, Response, Transport


class TimedTransport:
    """Counts what came back, so that a run can be estimated from it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.answers = 0
        self.seconds = 0.0
        """Of all answers together, each to its last byte."""
        self.body_bytes = 0
        """Of good answers, decoded."""
        self.wire_bytes = 0
        """The same, as they came."""

    @property
    def mean_seconds(self) -> float | None:
        """None before the first answer."""
        return self.seconds / self.answers if self.answers else None

    async def send(self, request: Request) -> Response:
        response = await self._transport.send(request)
        self.answers += 1
        self.seconds += response.seconds
        if 200 <= response.status < 300:
            self.body_bytes += len(response.body)
            self.wire_bytes += response.wire_bytes
        return response
