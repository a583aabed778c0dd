"""Sends a request with slots, credentials, redirects and a deadline."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from haulier.api.errors import Fault
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import Request, Response, TransportError
from haulier.api.identity.auth import Authorizer
from haulier.api.identity.cookies import with_cookies
from haulier.api.identity.shared_token import TokenFile
from haulier.api.settings import Api
from haulier.api.wire.gzip_file import unzipped
from haulier.api.wire.redirects import MAX_REDIRECTS, check_kept, next_request, origin_of
from haulier.clock import Clock

MAX_RENEWALS = 5
"""Renewals for one request. More than one is needed where a token serves few answers, or others revoke it."""
_REFUSALS = {400, 401, 403}
"""Statuses by which APIs refuse credentials; each kind of credentials says which of them a renewal may cure."""

Exchange = Callable[[Request], Awaitable[Response]]
"""Sends one request unchanged and reads its answer, whatever the status. Raises `TransportError`."""


class Sender:
    """Implements `Transport.send` over an exchange. Resolves the credentials when it is made (`UsageError`).

    Other origins than that of ``settings.url`` are refused: credentials and headers are for that API alone. Requests
    above ``settings.in_flight`` wait, untimed. Not so if ``is_gated``: the caller counts them, by a limit that a person
    may have raised.
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
        is_gated: bool,
    ) -> None:
        self._settings = settings
        self._exchange = exchange
        self._clock = clock
        self._origin = origin_of(settings.url)
        self._agent = agent
        self._headers = _merge_headers(settings.headers, agent)
        self._slots: AbstractAsyncContextManager[None] = (
            contextlib.nullcontext() if is_gated else asyncio.Semaphore(settings.highest_in_flight)
        )
        self._authorizer: Authorizer | None = None
        self._redactor = redactor
        redactor.add_headers(settings.headers)
        if settings.auth is not None:
            self._authorizer = settings.auth.open(self.send_bare, clock, redactor, shared)

    async def send(self, request: Request) -> Response:
        if request.part == "foreign file":
            async with self._slots:
                return await unzipped(await self.send_bare(request), self._settings.max_body_bytes, request.format)
        if origin_of(request.url) != self._origin:
            raise TransportError(
                Fault.REDIRECT, "the address is of another origin than the API's url; nothing was sent there"
            )
        headers = _merge_headers(request.headers, self._headers)
        async with self._slots:
            answer = await self._send_timed(self._follow, request.replace(headers=headers))
            return await unzipped(answer, self._settings.max_body_bytes, request.format)

    async def send_bare(self, request: Request) -> Response:
        """Send to an issuer of credentials: any origin, without the API's headers and redirects. A path instead of an
        address is one of the API itself, and has its headers.

        It takes no slot, since the requests that wait for the credentials hold them.
        """
        url, headers = request.url, self._agent
        if url.startswith("/"):
            url, headers = self._settings.url.rstrip("/") + url, self._headers
        return await self._send_timed(
            self._exchange, request.replace(url=url, headers=_merge_headers(request.headers, headers))
        )

    async def _send_timed(self, act: Exchange, request: Request) -> Response:
        seconds = self._settings.request_timeout_seconds
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout(seconds):
                answer = await act(request)
        except TimeoutError as exc:
            raise TransportError(Fault.TIMEOUT, f"no complete answer within {seconds:g} seconds") from exc
        return answer.with_seconds(self._clock.monotonic() - started)

    def _follow_up(self, request: Request, answer: Response) -> Request | None:
        """None, too, where the address of a file leads elsewhere: `haulier.api.jobs` looks at the answer then."""
        try:
            follow_up = next_request(request, answer)
        except TransportError as error:
            if request.part == "file":
                return None
            if self._authorizer is None:
                raise
            # The address may have a key in its path.
            raise TransportError(error.kind, self._redactor.redact(error.text)) from None
        if follow_up is None or self._authorizer is None:
            return follow_up
        return follow_up.replace(url=self._authorizer.bare(follow_up.url))

    async def _follow(self, request: Request) -> Response:
        """Credentials are added anew for each hop; messages are made from ``request``, which has none."""
        asked, redirects, renewals = request, 0, 0
        sent = request
        while True:
            signed = request if self._authorizer is None else await self._authorizer.apply(request)
            if request.cookies is not None:
                # Their paths are those of the address that leaves, which may have a key in front.
                found = request.cookies.header(signed.url, self._clock.now())
                signed = with_cookies(signed, tuple(found.split("; ")) if found else ())
            # A login page behind a redirect is the refusal of what was sent first: others may have logged in meanwhile.
            sent = sent if redirects else signed
            answer = await self._exchange(signed)
            if request.cookies is not None:
                request.cookies.take(signed.url, answer.headers.getall("Set-Cookie", ()), self._clock.now())
            is_refused = False
            if self._authorizer is not None:
                is_refused = request.is_refusal is not None and request.is_refusal(answer)
                judged = replace(answer, status=401) if is_refused else answer
                if judged.status < 300:  # A redirect may lead to a login.
                    self._authorizer.note_good(signed)
                elif judged.status in _REFUSALS and renewals < MAX_RENEWALS:
                    renewals += 1
                    if await self._authorizer.renew(sent if is_refused else signed, judged, is_again=renewals > 1):
                        await request.before_follow_up()
                        if is_refused:
                            request, redirects = asked, 0
                        continue
            follow_up = None if is_refused else self._follow_up(request, answer)
            if follow_up is None:
                if redirects:
                    check_kept(asked, request, answer)
                # Only an authorizer may have put credentials into the address.
                return answer if self._authorizer is None else replace(answer, url=self._authorizer.bare(request.url))
            redirects += 1
            if redirects > MAX_REDIRECTS:
                raise TransportError(Fault.REDIRECT, f"more than {MAX_REDIRECTS} redirects, probably in a circle")
            await request.before_follow_up()
            request = follow_up


def _merge_headers(
    stronger: tuple[tuple[str, str], ...], weaker: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    if not stronger:
        return weaker
    given = {name.lower() for name, _ in stronger}
    return (*(header for header in weaker if header[0].lower() not in given), *stronger)
