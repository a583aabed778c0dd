from __future__ import annotations

from haulier.api.http.transport import Request, Response, Transport


class TimedTransport:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._answers = 0
        self._seconds = 0.0

    @property
    def mean_seconds(self) -> float | None:
        """Counted to the last byte of an answer; None before the first."""
        return self._seconds / self._answers if self._answers else None

    async def send(self, request: Request) -> Response:
        response = await self._transport.send(request)
        self._answers += 1
        self._seconds += response.seconds
        return response
