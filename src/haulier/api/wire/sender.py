"""What lies between a request and the exchanges that answer it: slots, credentials, redirects, the deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from haulier.api.errors import Fault
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import Request, Response, TransportError
from haulier.api.identity.auth import Authorizer
from haulier.api.identity.shared_token import TokenFile
from haulier.api.settings import Api
from haulier.api.wire.redirects import MAX_REDIRECTS, check_kept, next_request, origin_of
from haulier.clock import Clock

MAX_RENEWALS = 5
"""Of the credentials, for one request. Once is the rule; where a token serves few answers, or others who use the same
client revoke it, a request may meet one that is used up more than once."""

Exchange = Callable[[Request], Awaitable[Response]]
"""Sends one request as it is and reads its answer, whatever the status; raises `TransportError`. The ``url`` of the
answer is the request's."""


class Sender:
    """Implements `Transport.send` over an exchange. Resolves the credentials when it is made (`UsageError`).

    Requests to another origin than ``settings.url`` are refused unsent: credentials and headers are for that API
    alone. At most ``settings.in_flight`` requests are out; others wait, untimed.
    """

    def __init__(
        self,
        settings: Api,
        exchange: Exchange,
        *,
        clock: Clock,
        redactor: Redactor,
        agent: tuple[tuple[str, str], ...],
        shared: TokenFile,
    ) -> None:
        self._settings = settings
        self._exchange = exchange
        self._clock = clock
        self._origin = origin_of(settings.url)
        self._agent = agent
        self._headers = _merge_headers(settings.headers, agent)
        self._slots = asyncio.Semaphore(settings.highest_in_flight)
        self._authorizer: Authorizer | None = None
        redactor.add_headers(settings.headers)
        if settings.auth is not None:
            self._authorizer = settings.auth.open(self.send_bare, clock, redactor, shared)

    async def send(self, request: Request) -> Response:
        """See `Transport.send`."""
        if origin_of(request.url) != self._origin:
            raise TransportError(
                Fault.REDIRECT, "an address that is not of the API's own origin; nothing was sent there"
            )
        headers = _merge_headers(request.headers, self._headers)
        async with self._slots:
            return await self._send_timed(self._follow, request.replace(headers=headers))

    async def send_bare(self, request: Request) -> Response:
        """To where credentials are fetched: any origin, none of the API's headers or credentials, no redirects.

        It takes no slot, since those who wait for the credentials hold them.
        """
        return await self._send_timed(
            self._exchange, request.replace(headers=_merge_headers(request.headers, self._agent))
        )

    async def _send_timed(self, act: Exchange, request: Request) -> Response:
        seconds = self._settings.request_timeout_seconds
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout(seconds):
                answer = await act(request)
        except TimeoutError as exc:
            raise TransportError(Fault.TIMEOUT, f"no whole answer within {seconds:g} seconds") from exc
        return answer.with_seconds(self._clock.monotonic() - started)

    async def _follow(self, request: Request) -> Response:
        """``request`` never carries the credentials: they are put on anew for each hop, and no text is made from
        those."""
        asked, redirects, renewals = request, 0, 0
        while True:
            signed = request if self._authorizer is None else await self._authorizer.apply(request)
            answer = await self._exchange(signed)
            if self._authorizer is not None:
                if answer.status < 400:
                    self._authorizer.note_good(signed)
                elif answer.status == 401 and renewals < MAX_RENEWALS:
                    renewals += 1
                    if await self._authorizer.renew(signed, is_again=renewals > 1):
                        await request.onward()
                        continue
            onward = next_request(request, answer)
            if onward is None:
                if redirects:
                    check_kept(asked, request, answer)
                # Where there are no credentials, the address of the exchange has none to take out.
                return answer if self._authorizer is None else replace(answer, url=self._authorizer.bare(request.url))
            redirects += 1
            if redirects > MAX_REDIRECTS:
                raise TransportError(Fault.REDIRECT, f"more than {MAX_REDIRECTS} redirects: they lead in a circle")
            await request.onward()
            request = onward


def _merge_headers(
    stronger: tuple[tuple[str, str], ...], weaker: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """A request's own headers win over those of the settings, and these over haulier's."""
    if not stronger:
        return weaker
    given = {name.lower() for name, _ in stronger}
    return (*(header for header in weaker if header[0].lower() not in given), *stronger)
