"""OAuth 2 client credentials (RFC 6749 4.4): one token for all processes, renewed before it expires."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import KW_ONLY, dataclass, field, replace
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec

from haulier.api.errors import Fault
from haulier.api.http.redactor import Redactor
from haulier.api.http.retry_after import DAY_SECONDS, retry_after_seconds
from haulier.api.http.transport import Request, Response, TransportError
from haulier.api.identity.auth import Authorizer, BareSender, Secret, basic_value, header_value, reveal, with_header
from haulier.api.identity.shared_token import SharedToken, TokenFile
from haulier.clock import Clock, wall_seconds
from haulier.errors import UsageError

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

_SHOWN_CHARACTERS = 200
_PASSED_ON = {Fault.DNS, Fault.TIMEOUT, Fault.SLOW, Fault.TLS, Fault.PROXY, Fault.AUTH}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """``Authorization: Bearer`` with a token from ``token_url``. Only that issuer sees the secret."""

    token_url: str
    client_id: str | Secret
    client_secret: str | Secret = field(repr=False)
    _: KW_ONLY
    scope: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    """Further form fields for the issuer, such as ``audience`` or ``resource``."""
    in_body: bool = False
    """Send id and secret as form fields, for issuers without Basic, which RFC 6749 2.3.1 prefers."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.token_url)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        if not is_safe or not parts.hostname or parts.username is not None or not self.token_url.isprintable():
            raise UsageError(
                "token_url must be an https:// address without a user name: the client_secret is sent there."
            )

    def open(self, send_bare: BareSender, clock: Clock, redactor: Redactor, shared: TokenFile) -> Authorizer:
        identity = reveal(self.client_id), reveal(self.client_secret)
        if not all(identity):
            raise UsageError("client_id or client_secret for this API is empty. Set both.")
        redactor.add(identity[1])
        request = _token_request(self, identity)
        redactor.add(dict(request.headers).get("Authorization", "").partition(" ")[2])
        # Processes with other credentials or another scope cannot use our token.
        key = "\n".join((*identity, request.url)).encode() + request.body
        return _ClientTokens(request, send_bare, clock, redactor, shared, key)


@dataclass(frozen=True, slots=True)
class _Token:
    """Times are monotonic; infinite without an expiry."""

    value: str = field(repr=False)
    issued_at: float
    renew_at: float
    ends_at: float
    is_ours: bool = True
    """Whether this process fetched it."""


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float | str | None = None


class _Refused(msgspec.Struct):
    error: str = ""
    error_description: str = ""


class _ClientTokens:
    """Implements `Authorizer`."""

    def __init__(
        self, request: Request, send_bare: BareSender, clock: Clock, redactor: Redactor, shared: TokenFile, key: bytes
    ) -> None:
        self._request = request
        self._send_bare = send_bare
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
        self._not_before = 0.0
        """The issuer asked to wait until then."""
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
        return with_header(request, "Authorization", _header(token))

    def bare(self, url: str) -> str:
        return url

    def note_good(self, request: Request) -> None:
        token = self._token
        if token is None or token.value == self._good:
            return
        if ("Authorization", _header(token)) in request.headers:
            self._good = token.value

    async def renew(self, refused: Request, answer: Response, *, is_again: bool = False) -> bool:
        if answer.status != 401:
            return False
        token = self._token
        if token is not None:
            if ("Authorization", _header(token)) not in refused.headers:
                return True
            if not self._may_be_revoked(token, is_again):
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

    async def _renew_once(self) -> _Token:
        """Concurrent callers share one request to the issuer, and its error."""
        attempts = self._attempts
        async with self._lock:
            if self._attempts == attempts:
                await self._attempt()
            if self._failed is not None or self._token is None:
                failed = self._failed or TransportError(Fault.CONNECT, "the token was refused meanwhile")
                raise TransportError(failed.kind, failed.text)
            return self._token

    async def _attempt(self) -> None:
        try:
            async with self._shared.lock(self._clock):
                self._token = self._take_shared() or await self._fetch()
            self._failed = None
        except TransportError as error:
            # A bad answer of the issuer must not count against the item.
            kind = error.kind if error.kind in _PASSED_ON else Fault.CONNECT
            self._failed = TransportError(kind, f"the issuer of the access token: {error.text}")
        self._attempts += 1

    def _take_shared(self) -> _Token | None:
        """Take another process's token, unless it is the one to be replaced."""
        kept = self._shared.read(self._key)
        if kept is None or kept.value in self._refused or (self._token is not None and kept.value == self._token.value):
            return None
        now, since = self._clock.monotonic(), wall_seconds(self._clock)
        if kept.renew_at <= since:
            return None
        self._redactor.add(kept.value)
        ahead = now - since
        return _Token(kept.value, kept.issued_at + ahead, kept.renew_at + ahead, kept.ends_at + ahead, is_ours=False)

    async def _fetch(self) -> _Token:
        await self._clock.sleep(self._apart_until - self._clock.monotonic())
        now = self._clock.monotonic()
        if now < self._not_before:
            raise TransportError(Fault.CONNECT, f"it asked to wait for another {self._not_before - now:.0f} seconds")
        token = self._read(await self._send_bare(self._request), now)
        behind = wall_seconds(self._clock) - self._clock.monotonic()
        times = (token.issued_at + behind, token.renew_at + behind, token.ends_at + behind)
        self._shared.write(SharedToken(token.value, *times), self._key)
        return token

    def _read(self, answer: Response, now: float) -> _Token:
        if answer.status != 200:
            raise self._refusal(answer, now)
        try:
            granted = msgspec.json.decode(answer.body, type=_Granted)
            value = header_value(granted.access_token, "access token")
        except (msgspec.DecodeError, UsageError) as exc:
            raise TransportError(Fault.PROTOCOL, "it answered 200 without an access token") from exc
        self._redactor.add(value)
        life = _seconds(granted.expires_in)
        # Never in the first half of its life: a minute before the end would be at once for a short life.
        renew_after = max(life / 2, min(life * RENEW_AT_LIFE_SHARE, life - RENEW_EARLY_SECONDS))
        return _Token(value, now, now + renew_after, now + life)

    def _refusal(self, answer: Response, now: float) -> TransportError:
        if answer.status in {408, 425, 429} or answer.status >= 500:
            wait = retry_after_seconds(answer.headers, self._clock.now())
            if wait is not None and wait > DAY_SECONDS:
                return TransportError(Fault.AUTH, f"it answered {answer.status} and asks to wait for more than a day")
            self._not_before = now + (wait or 0.0)
            return TransportError(Fault.CONNECT, f"it answered {answer.status}")
        try:
            said = msgspec.json.decode(answer.body, type=_Refused)
        except msgspec.DecodeError:
            said = _Refused()
        words = self._redactor.redact(" ".join(part for part in (said.error, said.error_description) if part))
        return TransportError(Fault.AUTH, f"it refused with {answer.status} {words[:_SHOWN_CHARACTERS]}".rstrip())


def _token_request(declared: ClientCredentials, identity: tuple[str, str]) -> Request:
    form = [("grant_type", "client_credentials"), *declared.parameters]
    if declared.scope:
        form.append(("scope", declared.scope))
    headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")]
    if declared.in_body:
        form += [("client_id", identity[0]), ("client_secret", identity[1])]
    else:
        headers.append(("Authorization", basic_value(quote_plus(identity[0]), quote_plus(identity[1]))))
    return Request("POST", declared.token_url, tuple(headers), urlencode(form).encode())


def _header(token: _Token) -> str:
    return f"Bearer {token.value}"


def _seconds(expires_in: float | str | None) -> float:
    try:
        life = float(expires_in) if expires_in is not None else math.inf
    except ValueError:
        return math.inf
    return life if life > 0 else math.inf
