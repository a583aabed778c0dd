"""OAuth 2 client credentials (RFC 6749 4.4)."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field

from haulier.api.http.redactor import Redactor
from haulier.api.identity.auth import Authorizer, BareSender, Secret, reveal
from haulier.api.identity.shared_token import TokenFile
from haulier.api.identity.token_endpoint import Endpoint, EndpointToken, add_request_secrets
from haulier.clock import Clock
from haulier.errors import UsageError


@dataclass(frozen=True, slots=True)
class ClientCredentials(EndpointToken):
    """``Authorization: Bearer`` with a token from ``token_url``. Only that issuer sees the secret."""

    token_url: str
    client_id: str | Secret
    client_secret: str | Secret = field(repr=False)
    _: KW_ONLY
    in_body: bool = False
    """Send id and secret as form fields, for issuers without Basic, which RFC 6749 2.3.1 prefers."""

    def __post_init__(self) -> None:
        self.check_endpoint(self.token_url, "the client_secret")

    def open(self, send_bare: BareSender, clock: Clock, redactor: Redactor, shared: TokenFile) -> Authorizer:
        identity = reveal(self.client_id), reveal(self.client_secret)
        if not all(identity):
            raise UsageError("client_id or client_secret for this API is empty. Set both.")
        redactor.add(identity[1])
        fields = self.fields(("grant_type", "client_credentials"))
        request = self.request(self.token_url, fields, identity, in_body=self.in_body)
        add_request_secrets(request, redactor)
        # Processes with other credentials or another scope cannot use our token.
        key = "\n".join((*identity, request.url)).encode() + request.body
        issuer = Endpoint(request, send_bare, self.answer(clock, redactor))
        return self.hold(issuer, clock, redactor, shared, key)
