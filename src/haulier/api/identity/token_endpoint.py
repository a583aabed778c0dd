"""Token endpoints of OAuth 2 and their habits: what all grants declare and send alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Final
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec

from haulier.api.http.redactor import Redactor
from haulier.api.http.secret_fields import is_secret_name
from haulier.api.http.transport import Request
from haulier.api.http.urls import LOOPBACK_HOSTS
from haulier.api.identity.auth import Authorizer, BareSender, basic_value
from haulier.api.identity.issuer import CarriedToken, Issued, Issuer, TokenAnswer, text_at
from haulier.api.identity.shared_token import TokenFile
from haulier.api.identity.token_holder import HeaderCarrier, TokenHolder
from haulier.api.records.paths import check_path
from haulier.clock import Clock
from haulier.errors import UsageError

SENDINGS: Final = ("form", "json")

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class EndpointToken(CarriedToken):
    """What all grants at a token endpoint declare alike."""

    _: KW_ONLY
    scope: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    """Further form fields for the issuer, such as ``audience`` or ``resource``. One named ``grant_type`` replaces the
    standard's."""
    send: str = "form"
    """``json`` for endpoints that want the fields as a JSON object."""
    token_at: str = "access_token"  # noqa: S105 - a path
    """Place of the token in the answer."""

    def check_endpoint(self, token_url: str, sent: str) -> None:
        """``sent`` names what the issuer is told. Raises `UsageError`."""
        parts = urlsplit(token_url)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS)
        if not is_safe or not parts.hostname or parts.username is not None or not token_url.isprintable():
            raise UsageError(f"token_url must be an https:// address without a user name: {sent} is sent there.")
        if self.send not in SENDINGS:
            raise UsageError(f"send must be one of {', '.join(SENDINGS)}, not {self.send!r}.")
        check_path(self.token_at)
        self.check_carrying()

    def fields(self, *of_grant: tuple[str, str]) -> Fields:
        own = {name for name, _ in self.parameters}
        scope = (("scope", self.scope),) if self.scope else ()
        return (*(pair for pair in of_grant if pair[0] not in own), *self.parameters, *scope)

    def request(self, token_url: str, fields: Fields, client: tuple[str, str], *, in_body: bool) -> Request:
        """``client`` is its id and secret. One without a secret tells its id alone, as a field (RFC 6749 3.2.1)."""
        headers = [("Accept", "application/json")]
        if in_body or not client[1]:
            named = (("client_id", client[0]), ("client_secret", client[1]))
            fields = (*fields, *(pair for pair in named if pair[1]))
        else:
            headers.append(("Authorization", basic_value(quote_plus(client[0]), quote_plus(client[1]))))
        return self.post(token_url, fields, headers)

    def post(self, token_url: str, fields: Fields, headers: Iterable[tuple[str, str]]) -> Request:
        if not fields:
            return Request("POST", token_url, tuple(headers))
        if self.send == "json":
            kind, body = "application/json", msgspec.json.encode(_object(fields))
        else:
            kind, body = "application/x-www-form-urlencoded", urlencode(fields).encode()
        return Request("POST", token_url, (("Content-Type", kind), *headers), body)

    def answer(self, clock: Clock, redactor: Redactor) -> TokenAnswer:
        return TokenAnswer(text_at(self.token_at), self.expires, clock, redactor)

    def hold(self, issuer: Issuer, clock: Clock, redactor: Redactor, shared: TokenFile, key: bytes) -> Authorizer:
        """Open the token that ``issuer`` issues."""
        for name, value in self.parameters:
            if is_secret_name(name):
                redactor.add(value)
        if self.header.lower() != "authorization":
            redactor.add_name(self.header)
        return TokenHolder(issuer, HeaderCarrier(self.header, self.prefix), clock, redactor, shared, key)


class Endpoint:
    """Implements `Issuer` by one request that is always the same."""

    def __init__(self, request: Request, send_bare: BareSender, answer: TokenAnswer) -> None:
        self._request = request
        self._send_bare = send_bare
        self._answer = answer

    async def issue(self) -> Issued:
        return self._answer.read(await self._send_bare(self._request))


def add_request_secrets(request: Request, redactor: Redactor) -> None:
    redactor.add(dict(request.headers).get("Authorization", "").partition(" ")[2])


def _object(fields: Fields) -> dict[str, str | list[str]]:
    """A name that comes several times has a list."""
    found: dict[str, str | list[str]] = {}
    for name, value in fields:
        before = found.get(name)
        found[name] = value if before is None else [*([before] if isinstance(before, str) else before), value]
    return found
