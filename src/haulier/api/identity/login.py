"""Session logins: a user name and password are posted to the API itself, which gives a token or a cookie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import HEADER_NAME, Request, Response
from haulier.api.identity.auth import Authorizer, BareSender
from haulier.api.identity.cookies import cookies_of, with_cookies
from haulier.api.identity.issuer import CarriedToken, TokenAnswer, text_at
from haulier.api.identity.revealed import add_secrets, revealed
from haulier.api.identity.shared_token import TokenFile
from haulier.api.identity.token_endpoint import Endpoint
from haulier.api.identity.token_holder import Carrier, HeaderCarrier, TokenHolder
from haulier.api.records.paths import check_path
from haulier.clock import Clock
from haulier.errors import UsageError

_GOOD: Final = frozenset({200, 201, 204})
_MOVED: Final = frozenset({302, 303})
"""A form for browsers leads on to another page, and sets its cookie on the way."""


@dataclass(frozen=True, slots=True)
class Login(CarriedToken):
    """A session: ``json`` or ``form`` is posted to ``path`` of the API. What comes back goes with each request, and is
    asked for again after a 401."""

    path: str
    """Below the API's url; it may have a query."""
    _: KW_ONLY
    json: Mapping[str, Any] | None = field(default=None, repr=False)
    form: Mapping[str, Any] | None = field(default=None, repr=False)
    token_at: str = ""
    """Place of the token in the answer's body."""
    token_header: str = ""
    """The answer's header with the token."""
    cookie: str = ""
    """The name of the cookie that goes with each request."""

    def __post_init__(self) -> None:
        shown = self.path.partition("?")[0]
        if not shown.startswith("/") or shown.startswith("//"):
            raise UsageError(f"The path of a login begins with a slash, such as /session, and not {shown!r}.")
        if "#" in self.path:
            raise UsageError("The path of a login has a fragment, which is never sent. Remove it.")
        if (self.json is None) == (self.form is None):
            raise UsageError("A login sends one body. Give `json` or `form`, and not both.")
        if sum(map(bool, (self.token_at, self.token_header, self.cookie))) != 1:
            raise UsageError("A login gives a token or a cookie. Give one of `token_at`, `token_header` and `cookie`.")
        if self.cookie and (self.header, self.prefix) != ("Authorization", "Bearer"):
            raise UsageError("`header` and `prefix` are for a token; a cookie goes in the header Cookie. Remove them.")
        for name in (self.token_header, self.cookie):
            if name and not HEADER_NAME.fullmatch(name):
                raise UsageError(f"'{name}' is not a valid name. Write one such as X-Auth-Token or JSESSIONID.")
        if self.token_at:
            check_path(self.token_at)
        self.check_carrying()

    def open(self, send_bare: BareSender, clock: Clock, redactor: Redactor, shared: TokenFile) -> Authorizer:
        declared = self.form if self.json is None else self.json
        add_secrets(declared, redactor)
        sent = revealed(declared)
        if self.json is None:
            kind, body = "application/x-www-form-urlencoded", urlencode(sent).encode()
        else:
            kind, body = "application/json", msgspec.json.encode(sent)
        request = Request("POST", self.path, (("Content-Type", kind), ("Accept", "application/json")), body)
        good = _GOOD | _MOVED if self.cookie else _GOOD
        answer = TokenAnswer(self._token_of(), self.expires, clock, redactor, good)
        carrier: Carrier = HeaderCarrier(self.header, self.prefix)
        if self.cookie:
            carrier = CookieCarrier(self.cookie)
        elif self.header.lower() != "authorization":
            redactor.add_name(self.header)
        key = f"{self.path}\n{self.cookie}\n{self.token_at}\n{self.token_header}\n".encode() + body
        called = f"the login at {self.path.partition('?')[0]}"
        return TokenHolder(Endpoint(request, send_bare, answer), carrier, clock, redactor, shared, key, called)

    def _token_of(self) -> Any:
        if self.token_at:
            return text_at(self.token_at)
        if self.token_header:
            return lambda answer: _in_header(answer, self.token_header)
        return lambda answer: _in_cookie(answer, self.cookie)


@dataclass(frozen=True, slots=True)
class CookieCarrier:
    """Adds one cookie to those that a request has."""

    name: str

    def put(self, request: Request, token: str) -> Request:
        return with_cookies(request, (f"{self.name}={token}",))

    def has(self, request: Request, token: str) -> bool:
        return f"{self.name}={token}" in cookies_of(request)


def _in_header(answer: Response, name: str) -> str:
    found = answer.headers.get(name, "")
    if not found:
        raise LookupError(f"it has no header {name}")
    return found


def _in_cookie(answer: Response, name: str) -> str:
    """The last one counts, as in a browser. One that is set to nothing was deleted."""
    found = ""
    for line in answer.headers.getall("Set-Cookie", ()):
        set_name, _, value = line.partition(";")[0].partition("=")
        if set_name.strip() == name:
            found = value.strip()
    if not found:
        raise LookupError(f"it sets no cookie {name}")
    return found
