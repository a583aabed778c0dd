"""Who we are to the API: declared without a secret's value, opened once, applied to each request."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Protocol
from urllib.parse import quote, unquote_plus

from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import HEADER_NAME, Request, Response
from haulier.api.identity.shared_token import TokenFile
from haulier.clock import Clock
from haulier.errors import UsageError


@dataclass(frozen=True, slots=True)
class Secret:
    """The name of an environment variable. Its value is read when the client is opened, and shown nowhere."""

    name: str
    default: str | None = field(default=None, repr=False)

    def reveal(self, environ: Mapping[str, str] | None = None) -> str:
        """The value, from ``environ`` or the process's environment. Raises `UsageError` that names a missing
        variable."""
        value = (os.environ if environ is None else environ).get(self.name) or self.default
        if value is None:
            raise UsageError(f"The environment variable {self.name} is not set. Set it to the credential of this API.")
        return value


def env(name: str, default: str | None = None) -> Secret:
    """A secret that stands in the environment variable ``name``; ``default`` serves where it is not set or empty."""
    return Secret(name, default)


def reveal(secret: str | Secret) -> str:
    """The value of a secret, however it was declared."""
    return secret.reveal() if isinstance(secret, Secret) else secret


class BareSender(Protocol):
    """Sends a request as it is: how an authorizer asks for a token."""

    async def __call__(self, request: Request) -> Response: ...


class Authorizer(Protocol):
    """Opened credentials. May be called by any number of tasks at once."""

    async def apply(self, request: Request) -> Request:
        """``request`` with the credentials on it. Raises `TransportError` where they cannot be had."""
        ...

    def bare(self, url: str) -> str:
        """``url`` as it may be shown and passed on: without credentials, which an API may write into its own links."""
        ...

    async def renew(self, refused: Request, *, is_again: bool = False) -> bool:
        """After a 401 to ``refused`` (as `apply` returned it): true if there are other credentials now, so that it
        may be repeated. ``is_again``: it was repeated before."""
        ...

    def note_good(self, request: Request) -> None:
        """``request`` (as `apply` returned it) was answered well, so the credentials on it work."""
        ...


class Auth(Protocol):
    """Credentials as declared in `Api`: comparable, printable without their value."""

    def open(self, send_bare: BareSender, clock: Clock, redactor: Redactor, shared: TokenFile) -> Authorizer:
        """Resolve the secrets (`UsageError` for a missing variable) and register them with ``redactor``. Credentials
        that are fetched may be ``shared`` with the other processes of the source."""
        ...


@dataclass(frozen=True, slots=True)
class Bearer:
    """``Authorization: Bearer <token>``; ``prefix`` for APIs that say ``token`` or ``ApiKey`` instead."""

    token: str | Secret = field(repr=False)
    prefix: str = "Bearer"

    def open(self, send_bare: BareSender, clock: Clock, redactor: Redactor, shared: TokenFile) -> Authorizer:
        token = header_value(reveal(self.token), "token")
        redactor.add(token)
        return FixedHeader("Authorization", f"{self.prefix} {token}".strip())


@dataclass(frozen=True, slots=True)
class Basic:
    """``Authorization: Basic`` (RFC 7617) in UTF-8. The user name is hidden too: many APIs put the key there."""

    user: str | Secret = field(repr=False)
    password: str | Secret = field(default="", repr=False)

    def open(self, send_bare: BareSender, clock: Clock, redactor: Redactor, shared: TokenFile) -> Authorizer:
        user, password = reveal(self.user), reveal(self.password)
        if ":" in user:
            raise UsageError("The user name of this API's credentials has a colon in it, which Basic cannot carry.")
        value = basic_value(user, password)
        for secret in (password or user, value.partition(" ")[2]):
            redactor.add(secret)
        return FixedHeader("Authorization", value)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key in a header of its own, or in the query: name the one or the other.

    In the query it is put on every request, links of the API's own included, and taken out of every address that is
    handed on.
    """

    key: str | Secret = field(repr=False)
    _: KW_ONLY
    header: str = ""
    query: str = ""
    prefix: str = ""
    """Stands before the key in the header, with a space between."""

    def __post_init__(self) -> None:
        if bool(self.header) == bool(self.query):
            raise UsageError("An API key goes into a header or into the query: name one of header and query.")
        if self.header and not HEADER_NAME.fullmatch(self.header):
            raise UsageError(f"'{self.header}' is not the name of a header.")
        if self.query and self.prefix:
            raise UsageError("A prefix goes before a key in a header; in the query there is none.")

    def open(self, send_bare: BareSender, clock: Clock, redactor: Redactor, shared: TokenFile) -> Authorizer:
        key = header_value(reveal(self.key), "key")
        redactor.add(key)
        redactor.add_name(self.header or self.query)
        if self.query:
            return FixedParameter(self.query, key)
        return FixedHeader(self.header, f"{self.prefix} {key}".strip())


@dataclass(frozen=True, slots=True)
class FixedHeader:
    """An authorizer whose credentials are one header that never changes."""

    name: str
    value: str = field(repr=False)

    async def apply(self, request: Request) -> Request:
        return with_header(request, self.name, self.value)

    def bare(self, url: str) -> str:
        return url

    async def renew(self, refused: Request, *, is_again: bool = False) -> bool:
        return False

    def note_good(self, request: Request) -> None:
        return


@dataclass(frozen=True, slots=True)
class FixedParameter:
    """An authorizer whose credentials are one query parameter. A link that leaves it out gets it, one that has it
    once has it once."""

    name: str
    value: str = field(repr=False)

    async def apply(self, request: Request) -> Request:
        base, fragment, others = self._split(request.url)
        pair = f"{quote(self.name, safe='')}={quote(self.value, safe='')}"
        return request.replace(url=f"{base}?{'&'.join([*others, pair])}{fragment}")

    def bare(self, url: str) -> str:
        base, fragment, others = self._split(url)
        return f"{base}?{'&'.join(others)}{fragment}" if others else base + fragment

    async def renew(self, refused: Request, *, is_again: bool = False) -> bool:
        return False

    def note_good(self, request: Request) -> None:
        return

    def _split(self, url: str) -> tuple[str, str, list[str]]:
        """What stands before the query and after it, and its parameters save ours, byte for byte: they may be a
        signed cursor."""
        rest, hash_, fragment = url.partition("#")
        base, _, query = rest.partition("?")
        others = [pair for pair in query.split("&") if pair and unquote_plus(pair.partition("=")[0]) != self.name]
        return base, hash_ + fragment, others


def basic_value(user: str, password: str) -> str:
    """The value of an ``Authorization: Basic`` header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def with_header(request: Request, name: str, value: str) -> Request:
    """``request`` with this one header ``name`` and no other of that name."""
    others = tuple(header for header in request.headers if header[0].lower() != name.lower())
    return request.replace(headers=(*others, (name, value)))


def header_value(text: str, what: str) -> str:
    """``text``, fit for a header: a secret from a file or shell often brings its line end. Raises `UsageError`."""
    text = text.strip()
    if not text or not text.isascii() or not text.isprintable():
        raise UsageError(f"The {what} of this API's credentials is empty or has characters that no header may carry.")
    return text
