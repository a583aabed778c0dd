"""What the API was asked in a check, and what it answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, urlsplit

from haulier.api.http.transport import Request, Response, Transport
from haulier.clock import Clock, wall_seconds


@dataclass
class AnswerLog:
    """A transport that keeps the last request and answer. Credentials are added below it."""

    clock: Clock
    request: Request | None = None
    response: Response | None = None
    requests: int = 0
    ahead_seconds: list[float] = field(default_factory=list)
    """How far the API's clock is ahead of ours, by each answer with a `Date`, to a second or so."""
    _transport: Transport | None = None

    def around(self, transport: Transport) -> Transport:
        self._transport = transport
        return self

    async def send(self, request: Request) -> Response:
        assert self._transport is not None
        self.request, self.response = request, None
        self.requests += 1
        sent_at = wall_seconds(self.clock)
        response = await self._transport.send(request)
        self.response = response
        told = _moment(response.headers.get("Date", ""))
        if told is not None:
            # It is made between the two moments, and cut to a second.
            middle = (sent_at + wall_seconds(self.clock)) / 2
            self.ahead_seconds.append(told.timestamp() + 0.5 - middle)
        return response

    @property
    def parameters(self) -> dict[str, str]:
        """Of the last request, by name."""
        return {} if self.request is None else dict(parse_qsl(urlsplit(self.request.url).query, keep_blank_values=True))

    @property
    def clock_ahead_seconds(self) -> float | None:
        """By the middle one of the answers."""
        told = sorted(self.ahead_seconds)
        return told[len(told) // 2] if told else None


def _moment(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None
