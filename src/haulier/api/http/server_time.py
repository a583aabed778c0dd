from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime

from haulier.api.errors import Fault
from haulier.api.http.retry_after import parse_http_date
from haulier.api.http.transport import Request, Transport, TransportError
from haulier.clock import Clock

TRIES = 4
AGAIN_SECONDS = 1.0
"""Before the second try, at most; twice as long before each further one."""

_LOST = frozenset({Fault.CONNECT, Fault.DNS, Fault.TIMEOUT, Fault.SLOW, Fault.CUT, Fault.PROTOCOL, Fault.ISSUER})
"""Another try may get an answer. Refused credentials are not sent again."""


@dataclass(frozen=True, slots=True)
class ServerTime:
    """What the API's clock showed between ``asked_at`` and ``answered_at`` of ours. It tells whole seconds."""

    asked_at: datetime
    answered_at: datetime
    date: datetime | None
    problem: str = ""
    """Why there is none, in words without secrets."""
    is_cached: bool = False
    """The answer, and so its date, may be older."""

    @property
    def ahead_seconds(self) -> float:
        """How far our clock is surely ahead of the API's; negative where it is behind."""
        if self.date is None:
            return 0.0
        ahead = (self.asked_at - self.date).total_seconds() - 1.0
        behind = (self.date - self.answered_at).total_seconds()
        return max(0.0, ahead) - max(0.0, behind)


async def ask_server_time(
    url: str,
    transport: Transport,
    slot: Callable[[], AbstractAsyncContextManager[None]],
    clock: Clock,
    rng: random.Random,
) -> ServerTime:
    """A HEAD request at the API's own address: every answer has a ``Date``, whatever its status (RFC 9110 6.6.1). Where
    there is none, it is asked once more. Raises `TransportError` where no answer comes after some tries: an API that is
    away for a moment is no reason to believe our own clock.

    A cache may answer with an older one, which is safe, and says so in ``Age``.
    """
    tries, method = 0, "HEAD"
    while True:
        tries += 1
        request = Request(method, url, (("Cache-Control", "no-cache"),))
        try:
            told = await _ask_once(request, transport, slot, clock)
        except TransportError as error:
            if error.kind not in _LOST or tries >= TRIES:
                raise
            # There are servers that hang up on a HEAD, firewalls that swallow it, and some send a body after it, which
            # no client can read.
            if error.kind in (Fault.PROTOCOL, Fault.TIMEOUT) or tries + 1 == TRIES:
                method = "GET"
        else:
            if told.date is not None or tries > 1:
                return told
        await clock.sleep(rng.uniform(0.0, AGAIN_SECONDS * 2.0 ** (tries - 1)))


async def _ask_once(
    request: Request, transport: Transport, slot: Callable[[], AbstractAsyncContextManager[None]], clock: Clock
) -> ServerTime:
    async with slot():
        asked_at = clock.now()
        try:
            answer = await transport.send(request)
        except TransportError as error:
            date = parse_http_date(error.date, asked_at) if request.method == "GET" else None
            if date is None and error.kind not in (Fault.REDIRECT, Fault.TOO_LARGE):
                raise
            # An answer, though its body cannot be had, or its `Date` is not known.
            problem, age = error.text, error.age
        else:
            date, age = parse_http_date(answer.headers.get("Date", ""), asked_at), answer.headers.get("Age", "")
            problem = f"the answer, with status {answer.status}, has no `Date` that can be read"
    is_cached = age.strip() not in ("", "0")
    return ServerTime(asked_at, clock.now(), date, "" if date else problem, is_cached=is_cached)
