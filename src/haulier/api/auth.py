"""Who we are to the API: declared without a secret's value, opened once, applied to each request."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from haulier.api.redactor import Redactor
from haulier.api.transport import Request, Response
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


class Wire(Protocol):
    """Sends a request as it is: how an authorizer asks for a token."""

    async def __call__(self, request: Request) -> Response: ...


class Authorizer(Protocol):
    """Opened credentials. May be called by any number of tasks at once."""

    async def apply(self, request: Request) -> Request:
        """``request`` with the credentials on it. Raises `TransportError` where they cannot be had."""
        ...

    async def renew(self, refused: Request) -> bool:
        """After a 401 to ``refused`` (as `apply` returned it): true if there are other credentials now, so that it
        may be repeated once."""
        ...


class Auth(Protocol):
    """Credentials as declared in `Api`: comparable, printable without their value."""

    def open(self, wire: Wire, clock: Clock, redactor: Redactor) -> Authorizer:
        """Resolve the secrets (`UsageError` for a missing variable) and register them with ``redactor``."""
        ...


@dataclass(frozen=True, slots=True)
class Bearer:
    """``Authorization: Bearer <token>``; ``prefix`` for APIs that say ``token`` or ``ApiKey`` instead."""

    token: str | Secret = field(repr=False)
    prefix: str = "Bearer"

    def open(self, wire: Wire, clock: Clock, redactor: Redactor) -> Authorizer:
        token = header_value(reveal(self.token), "token")
        redactor.add(token)
        return FixedHeader("Authorization", f"{self.prefix} {token}".strip())


@dataclass(frozen=True, slots=True)
class FixedHeader:
    """An authorizer whose credentials are one header that never changes."""

    name: str
    value: str = field(repr=False)

    async def apply(self, request: Request) -> Request:
        return with_header(request, self.name, self.value)

    async def renew(self, refused: Request) -> bool:
        return False


def with_header(request: Request, name: str, value: str) -> Request:
    """``request`` with this one header ``name`` and no other of that name."""
    others = tuple(header for header in request.headers if header[0].lower() != name.lower())
    return replace(request, headers=(*others, (name, value)))


def header_value(text: str, what: str) -> str:
    """``text``, fit for a header: a secret from a file or shell often brings its line end. Raises `UsageError`."""
    text = text.strip()
    if not text or not text.isascii() or not text.isprintable():
        raise UsageError(f"The {what} of this API's credentials is empty or has characters that no header may carry.")
    return text
