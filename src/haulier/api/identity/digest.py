"""Digest authentication (RFC 7616; RFC 2617 for servers without ``qop``): the password itself is never sent."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import quote, urlsplit

from haulier.api.errors import Fault
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import Request, Response, TransportError
from haulier.api.identity.auth import Authorizer, BareSender, Secret, reveal, with_header
from haulier.api.identity.cookies import with_cookies
from haulier.api.identity.shared_token import TokenFile
from haulier.clock import Clock
from haulier.errors import UsageError

ALGORITHMS: Final = {
    "SHA-512-256": "sha512_256",
    "SHA-256": "sha256",
    "MD5": "md5",
}
"""The strongest first. Each also with ``-sess``."""
MAX_CHALLENGE_CHARACTERS: Final = 8192
MAX_FRESH_NONCES: Final = 64
"""Kept for requests to come; a request that finds none uses the newest again."""

_SCHEME: Final = re.compile(r"(?i)(?:^|,)\s*([a-z][a-z0-9-]*)\s+(?=[a-z0-9_-]+\s*=)")
_FIELD: Final = re.compile(r'([A-Za-z0-9_*-]+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^\s,"]+))')


@dataclass(frozen=True, slots=True)
class Digest:
    """``Authorization: Digest`` with MD5, SHA-256 or SHA-512-256. A request without credentials asks the server how."""

    user: str | Secret = field(repr=False)
    password: str | Secret = field(repr=False)

    def open(self, send_bare: BareSender, clock: Clock, redactor: Redactor, shared: TokenFile) -> Authorizer:
        user, password = reveal(self.user), reveal(self.password)
        if not user or not user.isprintable():
            raise UsageError("The user name for this API is empty, or has a line end. Check its variable.")
        redactor.add(password or user)
        return DigestSigner(user, password)


@dataclass(frozen=True, slots=True)
class Challenge:
    realm: str
    nonce: str = field(repr=False)
    algorithm: str
    """As the server wrote it; empty for none, which is MD5."""
    qop: str
    """``auth``, or empty for a server that has none."""
    opaque: str | None = field(default=None, repr=False)
    cookies: tuple[str, ...] = field(default=(), repr=False)
    """Set beside the nonce: some servers keep there which nonces are theirs."""
    is_stale: bool = False
    """The nonce was too old, and the credentials right."""

    @property
    def hash_name(self) -> str:
        return ALGORITHMS[_plain(self.algorithm)]

    @property
    def is_session(self) -> bool:
        return self.algorithm.lower().endswith("-sess")


class DigestSigner:
    """Implements `Authorizer`. Each request has a count of its own; for a strict server one that arrives behind a later
    one is stale, and is repeated with a new nonce. A nonce that came with a refusal goes to one request first: some
    servers take each only once."""

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password
        self._fresh: deque[Challenge] = deque(maxlen=MAX_FRESH_NONCES)
        self._challenge: Challenge | None = None
        self._count = 0
        self._good = ""
        """The last nonce that worked."""
        self._refused = ""
        """The last one that was refused though it was new: the password is wrong."""

    async def apply(self, request: Request) -> Request:
        if self._fresh:
            self._challenge, self._count = self._fresh.popleft(), 0
        challenge = self._challenge
        if challenge is None:
            return request
        self._count += 1
        client_nonce = secrets.token_hex(16)
        value = authorization(challenge, self._user, self._password, request, client_nonce, self._count)
        return with_header(with_cookies(request, challenge.cookies), "Authorization", value)

    def bare(self, url: str) -> str:
        return url

    async def renew(self, refused: Request, answer: Response, *, is_again: bool = False) -> bool:
        if answer.status != 401:
            return False
        challenge = strongest(answer.headers.getall("WWW-Authenticate", ()))
        if challenge is None:
            return False  # The API asks for other credentials.
        used, count = _nonce_of(refused)
        # A nonce that has worked has run out, and one that others had before may be good for one request alone, also
        # where the server does not call it stale.
        if used and not challenge.is_stale and used != self._good and (count == 1 or used == self._refused):
            self._refused = used
            return False
        self._fresh.append(replace(challenge, cookies=_set_cookies(answer)))
        return True

    def note_good(self, request: Request) -> None:
        self._good = _nonce_of(request)[0] or self._good


def authorization(
    challenge: Challenge, user: str, password: str, request: Request, client_nonce: str, count: int
) -> str:
    """The value of the header (RFC 7616 3.4)."""
    parts = urlsplit(request.url)
    uri = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    counted = f"{count:08x}"

    def hashed(*words: str) -> str:
        return hashlib.new(challenge.hash_name, ":".join(words).encode(), usedforsecurity=False).hexdigest()

    first = hashed(user, challenge.realm, password)
    if challenge.is_session:
        first = hashed(first, challenge.nonce, client_nonce)
    second = hashed(request.method, uri)
    if challenge.qop:
        response = hashed(first, challenge.nonce, counted, client_nonce, challenge.qop, second)
    else:
        response = hashed(first, challenge.nonce, second)
    fields = [_named(user), f"realm={_quoted(challenge.realm)}", f"nonce={_quoted(challenge.nonce)}"]
    fields += [f"uri={_quoted(uri)}", f'response="{response}"']
    if challenge.algorithm:
        fields.append(f"algorithm={challenge.algorithm}")
    if challenge.opaque is not None:
        fields.append(f"opaque={_quoted(challenge.opaque)}")
    if challenge.qop:
        fields += [f"qop={challenge.qop}", f"nc={counted}"]
    if challenge.qop or challenge.is_session:
        fields.append(f'cnonce="{client_nonce}"')
    return "Digest " + ", ".join(fields)


def strongest(lines: Iterable[str]) -> Challenge | None:
    """The challenge with the strongest algorithm of these headers; None without one for Digest. Raises `TransportError`
    (AUTH) where there are only such that cannot be answered."""
    found = [fields for line in lines for fields in _digest_fields(line)]
    known = [fields for fields in found if _is_known(fields)]
    if found and not known:
        asked = ", ".join(
            f"{fields.get('algorithm', 'MD5')} with qop {fields.get('qop') or 'none'}" for fields in found
        )
        raise TransportError(
            Fault.AUTH,
            f"the API asks for Digest by {asked[:200]}; haulier answers {', '.join(ALGORITHMS)} with qop auth",
        )
    if not known:
        return None
    order = list(ALGORITHMS)
    fields = min(known, key=lambda each: order.index(_plain(each.get("algorithm", ""))))
    return Challenge(
        fields["realm"],
        fields["nonce"],
        fields.get("algorithm", ""),
        "auth" if fields.get("qop") else "",
        fields.get("opaque"),
        is_stale=fields.get("stale", "").lower() == "true",
    )


def _digest_fields(line: str) -> Iterable[dict[str, str]]:
    starts = list(_SCHEME.finditer(line[:MAX_CHALLENGE_CHARACTERS]))
    ends = [*(each.start() for each in starts[1:]), len(line)]
    for start, end in zip(starts, ends, strict=False):
        if start[1].lower() == "digest":
            pairs = _FIELD.findall(line[start.end() : end])
            yield {name.lower(): re.sub(r"\\(.)", r"\1", quoted) or bare for name, quoted, bare in pairs}


def _is_known(fields: dict[str, str]) -> bool:
    qops = [word.strip().lower() for word in fields.get("qop", "").split(",")]
    is_qop_known = "qop" not in fields or "auth" in qops
    return {"realm", "nonce"} <= fields.keys() and is_qop_known and _plain(fields.get("algorithm", "")) in ALGORITHMS


def _plain(algorithm: str) -> str:
    return re.sub(r"(?i)-sess$", "", algorithm).upper() or "MD5"


def _nonce_of(request: Request) -> tuple[str, int]:
    """The nonce of a signed request, and which one with that nonce it was."""
    for name, value in request.headers:
        if name == "Authorization" and value.startswith("Digest "):
            fields = next(iter(_digest_fields(value)))
            return fields["nonce"], int(fields.get("nc", "1"), 16)
    return "", 0


def _named(user: str) -> str:
    """RFC 7616 3.4.4 for names that are not ASCII."""
    return f"username={_quoted(user)}" if user.isascii() else f"username*=UTF-8''{quote(user, safe='')}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _set_cookies(answer: Response) -> tuple[str, ...]:
    """Without those that are set to nothing, which deletes them."""
    lines = (line.partition(";")[0].strip() for line in answer.headers.getall("Set-Cookie", ()))
    return tuple(line for line in lines if line.partition("=")[2])
