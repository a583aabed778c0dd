"""An issued token: one for all requests and all processes, renewed before it ends and when it was revoked."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from haulier.api.errors import Fault
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import Request, Response, TransportError
from haulier.api.identity.auth import with_header
from haulier.api.identity.issuer import Issued, Issuer, IssuerBusyError, RefusedError
from haulier.api.identity.shared_token import SharedToken, TokenFile
from haulier.clock import Clock, wall_seconds

RENEW_EARLY_SECONDS = 60.0
"""Time before its expiry at which a token is renewed, to be valid when a request arrives."""
RENEW_AT_LIFE_SHARE = 0.8
"""Share of its life after which a short-lived token is renewed."""
MIN_REVOKED_AGE_SECONDS = 10.0
"""Age from which a refused token that never worked counts as revoked. A younger one is not the trouble: another would
be refused as well. A token that has worked was revoked at any age."""
MIN_TOKEN_INTERVAL_SECONDS = 1.0
"""Shortest time between a revoked token and the next one, to spare the issuer."""
MAX_REFUSED_TOKENS = 16
"""Refused tokens that are not taken from other processes again."""
RENEWAL_RETRY_SECONDS = 10.0
"""Wait after a failed early renewal, while the old token is valid."""


REFUSAL_SECONDS: Final = 600.0
"""Time for which an issuer that refused is not asked again with the same secret, by no process; less where the last one
ends before."""

_PASSED_ON: Final = frozenset({Fault.TLS, Fault.PROXY, Fault.AUTH})


@dataclass(frozen=True, slots=True)
class _Token:
    """Times are monotonic; infinite without an expiry."""

    value: str = field(repr=False)
    issued_at: float
    renew_at: float
    ends_at: float
    is_ours: bool = True
    """Whether this process fetched it."""


class Carrier(Protocol):
    """How a token goes along with a request."""

    def put(self, request: Request, token: str) -> Request: ...

    def has(self, request: Request, token: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class HeaderCarrier:
    name: str
    prefix: str

    def put(self, request: Request, token: str) -> Request:
        return with_header(request, self.name, self._value(token))

    def has(self, request: Request, token: str) -> bool:
        return (self.name, self._value(token)) in request.headers

    def _value(self, token: str) -> str:
        return f"{self.prefix} {token}" if self.prefix else token


class TokenHolder:
    """Implements `Authorizer`."""

    def __init__(
        self,
        issuer: Issuer,
        carrier: Carrier,
        clock: Clock,
        redactor: Redactor,
        shared: TokenFile,
        key: bytes,
        called: str = "the issuer of the access token",
    ) -> None:
        """Processes with another ``key`` cannot use our token. ``called`` names the issuer in messages."""
        self._issuer = issuer
        self._carrier = carrier
        self._called = called
        self._clock = clock
        self._redactor = redactor
        self._shared = shared
        self._key = key
        self._lock = asyncio.Lock()
        self._token: _Token | None = None
        self._good = ""
        """The last token that worked."""
        self._refused: deque[str] = deque(maxlen=MAX_REFUSED_TOKENS)
        self._attempts = 0
        self._failed: TransportError | None = None
        self._refusal: SharedToken | None = None
        self._not_before = 0.0
        """The issuer is not asked until then."""
        self._busy = ""
        """Why."""
        self._apart_until = 0.0

    async def apply(self, request: Request) -> Request:
        token, now = self._token, self._clock.monotonic()
        if token is None or now >= token.ends_at:
            token = await self._renew_once()
        elif now >= token.renew_at and not self._lock.locked():
            try:
                token = await self._renew_once()
            except TransportError:
                # The old token is still valid.
                if self._token is token:
                    self._token = replace(token, renew_at=now + RENEWAL_RETRY_SECONDS)
        return self._carrier.put(request, token.value)

    def bare(self, url: str) -> str:
        return url

    def note_good(self, request: Request) -> None:
        token = self._token
        if token is None or token.value == self._good:
            return
        if self._carrier.has(request, token.value):
            self._good = token.value

    async def renew(self, refused: Request, answer: Response, *, is_again: bool = False) -> bool:
        if answer.status != 401:
            return False
        token = self._token
        if token is not None:
            if not self._carrier.has(refused, token.value):
                return True
            if not self._may_be_revoked(token, is_again):
                if token.is_ours and token.value != self._good:
                    await self._warn_others(token)
                return False
            self._refused.append(token.value)
            # Other requests now wait for the new token.
            self._token = None
            self._apart_until = min(token.issued_at, self._clock.monotonic()) + MIN_TOKEN_INTERVAL_SECONDS
        await self._renew_once()
        return True

    def _may_be_revoked(self, token: _Token, is_again: bool) -> bool:
        """Whether another token may do better than this refused one."""
        if token.value == self._good:
            return True
        # A token left by another process may have expired long ago.
        return not is_again and (
            not token.is_ours or self._clock.monotonic() - token.issued_at >= MIN_REVOKED_AGE_SECONDS
        )

    async def _warn_others(self, token: _Token) -> None:
        """A login may answer a wrong password with a session that is worth nothing: not one for each process."""
        async with self._lock, self._shared.lock(self._clock):
            kept = self._shared.read(self._key)
            if kept is not None and kept.value == token.value:
                self._shared.write(self._refused_now("the API answers 401 to what it gave"), self._key)

    def _refused_now(self, text: str) -> SharedToken:
        now = wall_seconds(self._clock)
        return SharedToken("", now, now + REFUSAL_SECONDS, now + REFUSAL_SECONDS, text)

    def _check_refusal(self) -> None:
        now = wall_seconds(self._clock)
        for known in (self._shared.read(self._key), self._refusal):
            if known is not None and known.refusal and known.issued_at <= now < known.ends_at:
                raise TransportError(
                    Fault.AUTH,
                    f"{known.refusal}. With the same secret it is not asked again until all workers have ended, "
                    f"or {REFUSAL_SECONDS / 60:.0f} minutes have passed",
                )

    async def _renew_once(self) -> _Token:
        """Concurrent callers share one request to the issuer, and its error."""
        attempts = self._attempts
        async with self._lock:
            if self._attempts == attempts:
                await self._attempt()
            if self._failed is not None or self._token is None:
                failed = self._failed or TransportError(Fault.ISSUER, "the token was refused meanwhile")
                raise TransportError(failed.kind, failed.text)
            return self._token

    async def _attempt(self) -> None:
        try:
            async with self._shared.lock(self._clock):
                token = self._take_shared()
                if token is None:
                    self._check_refusal()
                    token = await self._fetch()
            self._token, self._failed = token, None
        except TransportError as error:
            # A bad answer of the issuer must not count against the item.
            kind = error.kind if error.kind in _PASSED_ON else Fault.ISSUER
            self._failed = TransportError(kind, f"{self._called}: {error.text}")
        self._attempts += 1

    def _take_shared(self) -> _Token | None:
        """Take another process's token, unless it is the one to be replaced."""
        kept = self._shared.read(self._key)
        if (
            kept is None
            or kept.refusal
            or kept.value in self._refused
            or (self._token is not None and kept.value == self._token.value)
        ):
            return None
        now, since = self._clock.monotonic(), wall_seconds(self._clock)
        if kept.renew_at <= since:
            return None
        self._redactor.add_renewed(kept.value)
        ahead = now - since
        return _Token(kept.value, kept.issued_at + ahead, kept.renew_at + ahead, kept.ends_at + ahead, is_ours=False)

    async def _fetch(self) -> _Token:
        await self._clock.sleep(self._apart_until - self._clock.monotonic())
        now = self._clock.monotonic()
        if now < self._not_before:
            raise TransportError(Fault.CONNECT, f"{self._busy}; asked again in {self._not_before - now:.0f} seconds")
        try:
            token = _token(await self._issuer.issue(), now)
        except IssuerBusyError as busy:
            self._not_before, self._busy = now + busy.wait_seconds, busy.text
            raise
        except RefusedError as refused:
            self._refusal = self._refused_now(refused.text)
            self._shared.write(self._refusal, self._key)
            raise
        behind = wall_seconds(self._clock) - self._clock.monotonic()
        times = (token.issued_at + behind, token.renew_at + behind, token.ends_at + behind)
        self._shared.write(SharedToken(token.value, *times), self._key)
        return token


def _token(issued: Issued, now: float) -> _Token:
    # Never in the first half of its life: a minute before the end would be at once for a short life.
    life = issued.life_seconds
    renew_after = max(life / 2, min(life * RENEW_AT_LIFE_SHARE, life - RENEW_EARLY_SECONDS))
    return _Token(issued.value, now, now + renew_after, now + life)
