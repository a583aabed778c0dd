"""JSON Web Tokens that the client signs itself (RFC 7523): as a grant, as the client's proof, or as the bearer."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Final

from haulier.api.http.redactor import Redactor
from haulier.api.http.retry_after import since_of
from haulier.api.http.transport import Response
from haulier.api.identity.auth import Authorizer, BareSender, Secret, reveal
from haulier.api.identity.issuer import Issued
from haulier.api.identity.revealed import add_secrets, revealed
from haulier.api.identity.shared_token import TokenFile
from haulier.api.identity.token_endpoint import EndpointToken, Fields
from haulier.api.identity.token_holder import HeaderCarrier, TokenHolder
from haulier.clock import Clock, wall_seconds
from haulier.errors import UsageError

ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512",
)  # fmt: skip
USES: Final = ("grant", "client", "bearer")
"""The grant jwt-bearer of RFC 7523, 2.1; by 2.2 proof of the client, whatever its grant; credentials of a request."""
ISSUED_EARLY_SECONDS: Final = 60
"""The issuer's clock may be behind ours, and would refuse a token from the future. At most half of a lifetime."""
MAX_SKEW_SECONDS: Final = 30.0
"""Clocks that differ by less are not the reason of a refusal."""
MAX_LIFETIME_SECONDS: Final = 3600
"""Google and Salesforce refuse longer ones; GitHub allows ten minutes."""

_REFUSALS: Final = frozenset({400, 401, 403})
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Jwt:
    """A token that haulier signs. Give ``key`` or ``key_file``, in PEM; for HS256 the ``key`` is the shared secret."""

    _: KW_ONLY
    key: str | Secret = field(default="", repr=False)
    key_file: str = ""
    algorithm: str = "RS256"
    issuer: str | Secret = ""
    """Claim ``iss``."""
    subject: str | Secret = ""
    """Claim ``sub``."""
    audience: str = ""
    """Claim ``aud``; the token_url where it is empty."""
    lifetime_seconds: float = 300.0
    """From the claim ``iat`` to ``exp``."""
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Further claims."""
    key_id: str = ""
    """Header ``kid``."""

    def __post_init__(self) -> None:
        if bool(self.key) == bool(self.key_file):
            raise UsageError("A JWT is signed with one key. Give `key` or `key_file`, and not both.")
        if self.algorithm not in ALGORITHMS:
            raise UsageError(f"algorithm must be one of {', '.join(ALGORITHMS)}, not {self.algorithm!r}.")
        if not 1 <= self.lifetime_seconds <= MAX_LIFETIME_SECONDS:
            raise UsageError(f"The lifetime of a JWT is from 1 s to {MAX_LIFETIME_SECONDS // 60} minutes.")
        if own := {"iss", "sub", "aud", "iat", "exp"} & self.claims.keys():
            raise UsageError(
                f"The claim {min(own)} is set by haulier. Write it as issuer, subject, audience or lifetime."
            )


class Signer:
    """Signs a new token each time. Making it finds a wrong key (`UsageError`)."""

    def __init__(self, declared: Jwt, audience: str, clock: Clock, redactor: Redactor) -> None:
        self._declared = declared
        self._clock = clock
        self._ahead_seconds = 0.0
        """How far the issuer's clock is ahead of ours."""
        self._key = _key_of(declared)
        redactor.add(self._key.strip())
        add_secrets(declared.claims, redactor)
        named = {"iss": reveal(declared.issuer), "sub": reveal(declared.subject), "aud": declared.audience or audience}
        self._claims = {**{name: value for name, value in named.items() if value}, **revealed(declared.claims)}
        self.sign()

    @property
    def seconds_left(self) -> float:
        """Of one that is signed now."""
        return self._declared.lifetime_seconds - self._early_seconds

    @property
    def _early_seconds(self) -> float:
        return min(ISSUED_EARLY_SECONDS, self._declared.lifetime_seconds / 2)

    @property
    def identity(self) -> bytes:
        """What tokens of other processes must have in common with ours."""
        return f"{self._key}\n{sorted(self._claims.items())!r}".encode()

    def sign(self) -> str:
        jwt = _library()
        issued_at = int(wall_seconds(self._clock) + self._ahead_seconds - self._early_seconds)
        times = {"iat": issued_at, "exp": issued_at + int(self._declared.lifetime_seconds)}
        headers = {"kid": self._declared.key_id} if self._declared.key_id else None
        try:
            signed = jwt.encode(
                {"jti": uuid.uuid4().hex, **self._claims, **times},
                self._key,
                algorithm=self._declared.algorithm,
                headers=headers,
            )
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, NotImplementedError) as exc:
            # It takes a public key, which has no method to sign. The library's words may repeat the key.
            raise UsageError(
                f"The key of the JWT cannot sign with {self._declared.algorithm}. It must be a private key in PEM "
                "without a password, of the kind of that algorithm; for HS256 the secret itself. Check its variable or "
                "file."
            ) from exc
        return str(signed)

    def takes_time(self, answer: Response) -> bool:
        """Whether a refusal shows that the issuer's clock is another one."""
        now = self._clock.now()
        ahead = (since_of(answer.headers, now) - now).total_seconds()
        if abs(ahead - self._ahead_seconds) <= MAX_SKEW_SECONDS:
            return False
        self._ahead_seconds = ahead
        return True


@dataclass(frozen=True, slots=True)
class JwtBearer(EndpointToken):
    """A token from ``token_url`` for a signed JWT (RFC 7523); without a ``token_url`` the JWT itself goes to the API.
    Needs the extra ``jwt``."""

    jwt: Jwt
    token_url: str = ""
    _: KW_ONLY
    use: str = "grant"
    """``grant``: the JWT is what is exchanged. ``client``: it proves the client, in place of a secret. ``bearer``: it
    goes in the header ``Authorization`` of a POST without fields, as GitHub's apps do."""
    client_id: str | Secret = ""
    """Sent along, where the issuer wants it."""

    def __post_init__(self) -> None:
        if self.use not in USES:
            raise UsageError(f"use must be one of {', '.join(USES)}, not {self.use!r}.")
        if self.token_url:
            self.check_endpoint(self.token_url, "a signed JWT")
            return
        self.check_carrying()
        if self.use != "grant" or self.scope or self.parameters or self.client_id or self.expires:
            raise UsageError("Without a token_url the JWT goes to the API itself. Remove the keys about an issuer.")

    def open(self, send_bare: BareSender, clock: Clock, redactor: Redactor, shared: TokenFile) -> Authorizer:
        signer = Signer(self.jwt, self.token_url, clock, redactor)
        if not self.token_url:
            carrier = HeaderCarrier(self.header, self.prefix)
            if self.header.lower() != "authorization":
                redactor.add_name(self.header)
            return TokenHolder(OwnToken(signer, redactor), carrier, clock, redactor, TokenFile(), b"")
        issuer = JwtExchange(self, signer, reveal(self.client_id), send_bare, clock, redactor)
        return self.hold(issuer, clock, redactor, shared, "\n".join((self.token_url, self.scope)).encode() + issuer.key)


class OwnToken:
    """Implements `Issuer` by a signature."""

    def __init__(self, signer: Signer, redactor: Redactor) -> None:
        self._signer = signer
        self._redactor = redactor

    async def issue(self) -> Issued:
        token = self._signer.sign()
        self._redactor.add_renewed(token)
        return Issued(token, self._signer.seconds_left)


class JwtExchange:
    """Implements `Issuer`: each request has a JWT of its own."""

    def __init__(
        self,
        declared: JwtBearer,
        signer: Signer,
        client_id: str,
        send_bare: BareSender,
        clock: Clock,
        redactor: Redactor,
    ) -> None:
        self._declared = declared
        self._signer = signer
        self._client_id = client_id
        self._send_bare = send_bare
        self._answer = declared.answer(clock, redactor)
        self._redactor = redactor
        self.key = signer.identity + repr((declared.use, declared.parameters, client_id)).encode()

    async def issue(self) -> Issued:
        answer = await self._ask()
        if answer.status in _REFUSALS and self._signer.takes_time(answer):
            answer = await self._ask()
        return self._answer.read(answer)

    async def _ask(self) -> Response:
        declared, token = self._declared, self._signer.sign()
        self._redactor.add_renewed(token)
        headers = [("Accept", "application/json")]
        fields: Fields = ()
        match declared.use:
            case "grant":
                fields = declared.fields(("grant_type", _GRANT), ("assertion", token))
            case "client":
                proof = (("client_assertion_type", _ASSERTION), ("client_assertion", token))
                fields = declared.fields(("grant_type", "client_credentials"), *proof)
            case _:
                fields = declared.fields()
                headers.append(("Authorization", f"Bearer {token}"))
        if self._client_id:
            fields = (*fields, ("client_id", self._client_id))
        return await self._send_bare(declared.post(declared.token_url, fields, headers))


def _key_of(declared: Jwt) -> str:
    if not declared.key_file:
        # A variable cannot always hold line ends, and no key in PEM has a backslash.
        key = reveal(declared.key)
        return key.replace("\\n", "\n") if key.lstrip().startswith("-----BEGIN") else key.strip()
    try:
        return Path(declared.key_file).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as exc:
        said = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise UsageError(
            f"The key file {declared.key_file} of the JWT cannot be read: {said}. Name one in PEM."
        ) from exc


def _library() -> Any:
    try:
        import jwt
    except ImportError as exc:
        raise UsageError(
            "The package PyJWT is not installed. In a checkout of haulier, type: pip install '.[jwt]'."
        ) from exc
    return jwt
