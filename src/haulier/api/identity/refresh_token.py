"""OAuth 2 refresh tokens (RFC 6749 6) and their rotation (RFC 9700 4.14): the grant outlives whatever is killed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from typing import Final

import msgspec

from haulier.api.errors import Fault
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import Request, Response, TransportError
from haulier.api.identity.auth import Authorizer, BareSender, Secret, header_value, reveal
from haulier.api.identity.grants import Grant, Grants, KeptGrants
from haulier.api.identity.issuer import Issued, RefusedError, TokenAnswer, refused_words, text_at
from haulier.api.identity.shared_token import TokenFile
from haulier.api.identity.token_endpoint import EndpointToken, add_request_secrets
from haulier.api.records.paths import check_path
from haulier.clock import Clock, wall_seconds
from haulier.errors import UsageError

USUAL_PLACE: Final = "refresh_token"
KEEP_TRIES: Final = 60
"""Tries, a second apart, to keep a new refresh token: nobody else has it."""

_GOOD: Final = frozenset({200, 201})


@dataclass(frozen=True, slots=True)
class RefreshToken(EndpointToken):
    """``Authorization: Bearer`` with a token that a refresh token is exchanged for. Where the issuer rotates refresh
    tokens, the newest is kept beside the queue, and ``refresh_token`` is only the first; a new one there, after the
    client was authorised anew, begins again."""

    token_url: str
    client_id: str | Secret
    refresh_token: str | Secret = field(repr=False)
    client_secret: str | Secret = field(default="", repr=False)
    """Empty for a public client."""
    _: KW_ONLY
    in_body: bool = False
    """Send id and secret as form fields, for issuers without Basic, which RFC 6749 2.3.1 prefers."""
    refresh_token_at: str = USUAL_PLACE
    """Place of the next refresh token in the answer."""

    def __post_init__(self) -> None:
        self.check_endpoint(self.token_url, "the refresh token")
        check_path(self.refresh_token_at)

    def open(self, send_bare: BareSender, clock: Clock, redactor: Redactor, shared: TokenFile) -> Authorizer:
        client = reveal(self.client_id), reveal(self.client_secret)
        first = header_value(reveal(self.refresh_token), "refresh token")
        if not client[0]:
            raise UsageError("client_id for this API is empty. Set it.")
        for secret in (client[1], first):
            redactor.add(secret)
        grants = shared.grants(first)
        if grants is None:
            raise UsageError("The issuer may replace a refresh token with each use, and nothing is kept here.")

        def request(token: str) -> Request:
            fields = self.fields(("grant_type", "refresh_token"), ("refresh_token", token))
            made = self.request(self.token_url, fields, client, in_body=self.in_body)
            add_request_secrets(made, redactor)
            return made

        key = "\n".join((self.token_url, *client, first, self.scope)).encode()
        # Of what a person changes without authorising anew, such as the client's secret, nothing is in it: the kept
        # token would not be found, and a void one sent.
        family = hashlib.sha256(f"haulier refresh token\n{client[0]}\n{first}".encode()).hexdigest()
        exchange = Refresher(
            request,
            send_bare,
            self.answer(clock, redactor),
            _refresh_token_at(self.refresh_token_at),
            grants,
            family,
            first,
            clock,
            redactor,
        )
        exchange.must_rotate = self.refresh_token_at != USUAL_PLACE
        exchange.variable = self.refresh_token.name if isinstance(self.refresh_token, Secret) else ""
        shared.before_close(exchange.settled)
        return self.hold(exchange, clock, redactor, shared, key + repr(self.parameters).encode())


class Refresher:
    """Implements `Issuer`. A refresh that has begun goes on though whoever asked for it is cancelled."""

    variable = ""
    """Has the first refresh token."""
    must_rotate = False
    """A place of the next token is declared, so that an answer without one is not understood."""

    def __init__(
        self,
        request: Callable[[str], Request],
        send_bare: BareSender,
        answer: TokenAnswer,
        new_token: Callable[[Response], str],
        grants: Grants,
        family: str,
        first: str,
        clock: Clock,
        redactor: Redactor,
    ) -> None:
        self._request = request
        self._send_bare = send_bare
        self._answer = answer
        self._new_token = new_token
        self._grants = grants
        self._family = family
        self._first = first
        self._clock = clock
        self._redactor = redactor
        self._under_way: asyncio.Task[Issued] | None = None
        self._unkept = ""
        """A new refresh token that could not be kept."""

    async def issue(self) -> Issued:
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.create_task(self._refresh())
            self._under_way.add_done_callback(_look_at)
        return await asyncio.shield(self._under_way)

    async def settled(self) -> None:
        """Wait for what is under way, however often this is cancelled: its answer has the next refresh token."""
        was_cancelled = False
        while self._under_way is not None and not self._under_way.done():
            try:
                await asyncio.wait([self._under_way])
            except asyncio.CancelledError:
                was_cancelled = True
        if was_cancelled:
            raise asyncio.CancelledError

    async def _refresh(self) -> Issued:
        async with self._grants.locked(self._clock) as kept:
            tried = ""
            while True:
                grant = await kept.read(self._family) or Grant(self._first)
                if self._unkept:
                    grant = Grant(self._unkept)
                self._redactor.add_renewed(grant.token)
                # Written first: it shows that the answer can be kept, and tells the next one of an answer that was not.
                await kept.write(self._family, Grant(grant.token, grant.asked_at or wall_seconds(self._clock)))
                self._unkept = ""
                answer = await self._ask(grant.token)
                if not _is_void(answer):
                    return await self._keep(kept, grant, answer)
                newer = await kept.read(self._family)
                if tried or newer is None or newer.token == grant.token:
                    await self._put_back(kept, grant)
                    raise self._void(grant, answer)
                tried = grant.token

    async def _ask(self, token: str) -> Response:
        seconds = self._grants.answer_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._send_bare(self._request(token))
        except TimeoutError as exc:
            raise TransportError(Fault.TIMEOUT, f"no complete answer within {seconds:g} seconds") from exc

    async def _keep(self, kept: KeptGrants, grant: Grant, answer: Response) -> Issued:
        if answer.status not in _GOOD:
            if answer.status < 500:
                await self._put_back(kept, grant)
            return self._answer.read(answer)
        # Kept before anything else is looked at: the old one may be void from here on.
        if token := self._new_token(answer):
            await self._keep_new(kept, token, grant.token)
            return self._answer.read(answer)
        # Of an answer that cannot be read the trace stays.
        issued = self._answer.read(answer)
        if not self.must_rotate:
            await self._put_back(kept, Grant(grant.token))
        return issued

    async def _put_back(self, kept: KeptGrants, grant: Grant) -> None:
        """The token was not used up: no trace but that of an earlier try stays. More cannot be spoilt here."""
        with contextlib.suppress(TransportError):
            await kept.write(self._family, grant)

    async def _keep_new(self, kept: KeptGrants, token: str, replaced: str) -> None:
        self._redactor.add_renewed(token)
        self._unkept = token
        for left in range(KEEP_TRIES, 0, -1):
            try:
                await kept.write(self._family, Grant(token), replaced)
            except TransportError:
                if left == 1:
                    raise
                await self._clock.sleep(1.0)
            else:
                self._unkept = ""
                return

    def _void(self, grant: Grant, answer: Response) -> TransportError:
        described = self._redactor.redact(refused_words(answer)[1])[:200].rstrip(".")
        said = f"{answer.status} invalid_grant{f' ({described})' if described else ''}"
        place = f"the variable {self.variable}" if self.variable else "refresh_token"
        text = f"it refused the refresh token with {said}. Authorise anew, and put the new refresh token into {place}"
        if grant.asked_at:
            moment = datetime.fromtimestamp(grant.asked_at, UTC)
            text += (
                f". A refresh at {moment:%Y-%m-%dT%H:%M:%SZ} was interrupted before its answer was kept: the issuer "
                "may have replaced the token then"
            )
        return RefusedError(text)


def _is_void(answer: Response) -> bool:
    return 400 <= answer.status < 500 and refused_words(answer)[0] == "invalid_grant"


def _look_at(done: asyncio.Task[Issued]) -> None:
    """Its error is told to whoever asked, if they are still there."""
    if not done.cancelled():
        done.exception()


def _refresh_token_at(path: str) -> Callable[[Response], str]:
    """Reads the new refresh token; empty where the issuer gives none: then the old one stays."""
    text_of = text_at(path)

    def read(answer: Response) -> str:
        try:
            return text_of(answer).strip()
        except (msgspec.DecodeError, LookupError):
            return ""

    return read
