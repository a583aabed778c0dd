"""Credentials, declared without the values of secrets."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Protocol
from urllib.parse import quote, unquote_plus

from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import HEADER_NAME, Request, Response
from haulier.api.identity.path_key import PathKey, check_key_path, written_key
from haulier.api.identity.shared_token import TokenFile
from haulier.clock import Clock
from haulier.errors import UsageError


def without_line_end(text: str) -> str:
    """Files of secrets end with one."""
    return text.rstrip("\r\n")


def found_value(secret: Secret, environ: Mapping[str, str]) -> str | None:
    return without_line_end(environ.get(secret.name, "")) or secret.default


@dataclass(frozen=True, slots=True)
class Secret:
    """The name of an environment variable, read when the client opens. Its value is shown nowhere."""

    name: str
    default: str | None = field(default=None, repr=False)

    def reveal(self, environ: Mapping[str, str] | None = None) -> str:
        """Read the value from ``environ``, or the process's. Raises `UsageError` where it is missing."""
        value = found_value(self, os.environ if environ is None else environ)
        if value is None:
            raise UsageError(f"The environment variable {self.name} is not set. Set it to the credential for this API.")
        return value


def env(name: str, default: str | None = None) -> Secret:
    """A secret in the environment variable ``name``; ``default`` is used where that is unset or empty."""
    return Secret(name, default)


def reveal(secret: str | Secret) -> str:
    return secret.reveal() if isinstance(secret, Secret) else secret


class BareSender(Protocol):
    async def __call__(self, request: Request) -> Response: ...


class Authorizer(Protocol):
    """Opened credentials, for any number of tasks at once."""

    async def apply(self, request: Request) -> Request:
        """Add the credentials. Raises `TransportError` where they cannot be fetched."""
        ...

    def bare(self, url: str) -> str:
        """Remove the credentials from ``url``; an API may write them into its links."""
        ...

    async def renew(self, refused: Request, answer: Response, *, is_again: bool = False) -> bool:
        """Renew after ``answer``, a 400, 401 or 403, to ``refused`` (as `apply` returned it). True: it may be repeated.
        ``is_again``: it was repeated before."""
        ...

    def note_good(self, request: Request) -> None:
        """``request`` is as `apply` returned it."""
        ...


class Auth(Protocol):
    """Credentials as declared in `Api`; their repr hides the values."""

    def open(self, send_bare: BareSender, clock: Clock, redactor: Redactor, shared: TokenFile) -> Authorizer:
        """Resolve the secrets (`UsageError`) and register them with ``redactor``. Fetched credentials may be ``shared``
        with other processes."""
        ...


@dataclass(frozen=True, slots=True)
class Bearer:
    """``Authorization: Bearer <token>``; ``prefix`` replaces ``Bearer``, with ``token`` or ``ApiKey`` for example."""

    token: str | Secret = field(repr=False)
    prefix: str = "Bearer"

    def open(self, send_bare: BareSender, clock: Clock, redactor: Redactor, shared: TokenFile) -> Authorizer:
        token = header_value(reveal(self.token), "token")
        redactor.add(token)
        return FixedHeader("Authorization", f"{self.prefix} {token}".strip())


@dataclass(frozen=True, slots=True)
class Basic:
    """``Authorization: Basic`` (RFC 7617) in UTF-8. The user name is hidden too, since it may be a key."""

    user: str | Secret = field(repr=False)
    password: str | Secret = field(default="", repr=False)

    def open(self, send_bare: BareSender, clock: Clock, redactor: Redactor, shared: TokenFile) -> Authorizer:
        user, password = reveal(self.user), reveal(self.password)
        if ":" in user:
            raise UsageError("The user name for this API contains a colon, which Basic authentication does not allow.")
        value = basic_value(user, password)
        for secret in (password or user, value.partition(" ")[2]):
            redactor.add(secret)
        return FixedHeader("Authorization", value)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key in a header, in the query or in the path; give one of them.

    In the query or path it is added to every request, links of the API included, and removed from addresses that are
    shown.
    """

    key: str | Secret = field(repr=False)
    _: KW_ONLY
    header: str = ""
    query: str = ""
    path: str = ""
    """Where the path of every address begins with the key: ``/{key}``, ``/bot{key}``, ``/v6/{key}``."""
    prefix: str = ""
    """Stands before the key in the header, with a space between."""

    def __post_init__(self) -> None:
        if sum(map(bool, (self.header, self.query, self.path))) != 1:
            raise UsageError(
                "An API key goes into a header, into the query or into the path. Give one of `header`, `query`, `path`."
            )
        if self.path:
            check_key_path(self.path)
        if self.header and not HEADER_NAME.fullmatch(self.header):
            raise UsageError(f"'{self.header}' is not a valid header name. Write one such as X-Api-Key.")
        if not self.header and self.prefix:
            raise UsageError("`prefix` is for a key in a header. Remove it, or give `header` instead.")

    def open(self, send_bare: BareSender, clock: Clock, redactor: Redactor, shared: TokenFile) -> Authorizer:
        key = header_value(reveal(self.key), "key")
        redactor.add(key)
        if self.path:
            redactor.add(written_key(key))
            return PathKey.of(self.path, key)
        redactor.add_name(self.header or self.query)
        if self.query:
            return FixedParameter(self.query, key)
        return FixedHeader(self.header, f"{self.prefix} {key}".strip())


@dataclass(frozen=True, slots=True)
class FixedHeader:
    name: str
    value: str = field(repr=False)

    async def apply(self, request: Request) -> Request:
        return with_header(request, self.name, self.value)

    def bare(self, url: str) -> str:
        return url

    async def renew(self, refused: Request, answer: Response, *, is_again: bool = False) -> bool:
        return False

    def note_good(self, request: Request) -> None:
        return


@dataclass(frozen=True, slots=True)
class FixedParameter:
    """Stands in each query exactly once."""

    name: str
    value: str = field(repr=False)

    async def apply(self, request: Request) -> Request:
        base, fragment, others = self._split(request.url)
        pair = f"{quote(self.name, safe='')}={quote(self.value, safe='')}"
        return request.replace(url=f"{base}?{'&'.join([*others, pair])}{fragment}")

    def bare(self, url: str) -> str:
        base, fragment, others = self._split(url)
        return f"{base}?{'&'.join(others)}{fragment}" if others else base + fragment

    async def renew(self, refused: Request, answer: Response, *, is_again: bool = False) -> bool:
        return False

    def note_good(self, request: Request) -> None:
        return

    def _split(self, url: str) -> tuple[str, str, list[str]]:
        """Drop our parameter; the others stay byte for byte, as they may be a signed cursor."""
        rest, hash_, fragment = url.partition("#")
        base, _, query = rest.partition("?")
        others = [pair for pair in query.split("&") if pair and unquote_plus(pair.partition("=")[0]) != self.name]
        return base, hash_ + fragment, others


def basic_value(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def with_header(request: Request, name: str, value: str) -> Request:
    others = tuple(header for header in request.headers if header[0].lower() != name.lower())
    return request.replace(headers=(*others, (name, value)))


def header_value(text: str, what: str) -> str:
    """Strip ``text``: secrets from files often end with a line end. Raises `UsageError`."""
    text = text.strip()
    if not text or not text.isascii() or not text.isprintable():
        raise UsageError(
            f"The {what} for this API is empty or has characters that headers do not allow. Check its variable."
        )
    return text
