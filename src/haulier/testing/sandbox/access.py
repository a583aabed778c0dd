"""The credentials that the sandbox requires: a token, a key, Basic, Digest, a token that it issues, or a session."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import parse_qs, unquote_plus, unquote_to_bytes

import msgspec

from haulier.testing.sandbox.settings import SandboxSettings
from haulier.testing.sandbox.wire import Answer, RequestHead

TOKEN_TARGET = b"/oauth2/token"
SESSION_TARGET = b"/session"
ISSUES = {TOKEN_TARGET: ("oauth2", "refresh"), SESSION_TARGET: ("login",)}
"""Where something is issued, and with which `auth`."""
KEY_HEADER = b"x-api-key"
KEY_PARAMETER = "api_key"
_REALM = "sandbox"
_SESSION_COOKIE = re.compile(rb"(?:^|; )SID=([^;]+)")
_DIGEST_FIELD = re.compile(r'(\w+)="?([^",]+)"?')
_CHALLENGES = {"basic": b'Basic realm="sandbox"', "bearer": b"Bearer", "oauth2": b"Bearer", "refresh": b"Bearer"}
_FIELDS = ("token", "auth", "client_id", "access_token_seconds", "access_token_answers", "is_one_access_token")


class Access:
    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._secret = (settings.token or "").encode()
        self._issued: dict[bytes, float] = {}
        self._answers: dict[bytes, int] = {}
        """The number of answers that each issued token got."""
        self.issued = 0
        self._refresh = self._secret
        """The refresh token that is good; empty after the grant was revoked."""
        self._nonce = hashlib.blake2b(f"{settings.seed} nonce".encode(), digest_size=16).hexdigest()

    def is_for(self, settings: SandboxSettings) -> bool:
        """Whether these settings require the same credentials. If not, the issued tokens become invalid."""
        return all(getattr(settings, name) == getattr(self._settings, name) for name in _FIELDS)

    def allows(self, head: RequestHead, now: float) -> bool:
        """Whether the request carries the required credentials. An issued token counts this answer."""
        match self._settings.auth:
            case "bearer":
                return _is_same(_credentials(head, b"bearer"), self._secret)
            case "basic":
                return _is_same(_decode(_credentials(head, b"basic")), self._secret)
            case "header":
                return _is_same(head.get(KEY_HEADER), self._secret)
            case "query":
                target = head.raw.split(b" ", 2)[1].decode("latin-1")
                keys = parse_qs(target.partition("?")[2]).get(KEY_PARAMETER, [""])
                return len(keys) == 1 and _is_same(keys[0].encode(), self._secret)
            case "digest":
                return _is_same(self._digest(head), b"right")
            case "path":
                first, slash, _ = head.raw.split(b" ", 2)[1][1:].partition(b"/")
                return bool(slash) and _is_same(unquote_to_bytes(first), self._secret)
            case "login":
                cookie = _SESSION_COOKIE.search(head.get(b"cookie"))
                return self._serves(cookie[1] if cookie else _credentials(head, b"bearer"), now)
            case "oauth2" | "refresh":
                return self._serves(_credentials(head, b"bearer"), now)

    def bare_target(self, target: bytes) -> bytes:
        """Without the key in front, if it belongs there."""
        first, slash, rest = target[1:].partition(b"/")
        is_key = self._settings.auth == "path" and slash and _is_same(unquote_to_bytes(first), self._secret)
        return b"/" + rest if is_key else target

    def _serves(self, token: bytes, now: float) -> bool:
        if now >= self._issued.get(token, float("-inf")):
            return False
        self._answers[token] = self._answers.get(token, 0) + 1
        if self._answers[token] == self._settings.access_token_answers:
            del self._issued[token]
        return True

    def _digest(self, head: RequestHead) -> bytes:
        """``right`` for the answer to our challenge (RFC 7616)."""
        said = dict(_DIGEST_FIELD.findall(head.get(b"authorization").decode("latin-1")))
        user, _, password = self._secret.decode().partition(":")
        method, target = head.raw.split(b" ", 2)[:2]
        first = _sha256(f"{user}:{_REALM}:{password}")
        second = _sha256(f"{method.decode()}:{target.decode('latin-1')}")
        words = (self._nonce, said.get("nc", ""), said.get("cnonce", ""), "auth", second)
        is_right = hmac.compare_digest(said.get("response", ""), _sha256(":".join((first, *words))))
        return b"right" if is_right and said.get("uri") == target.decode("latin-1") else b""

    def challenge(self) -> tuple[tuple[bytes, bytes], ...]:
        if self._settings.auth == "digest":
            fields = f'realm="{_REALM}", nonce="{self._nonce}", qop="auth", algorithm=SHA-256'
            return ((b"WWW-Authenticate", f"Digest {fields}".encode()),)
        challenge = _CHALLENGES.get(self._settings.auth)
        return ((b"WWW-Authenticate", challenge),) if challenge else ()

    def log_in(self, body: bytes, now: float) -> Answer:
        """Answer POST /session: ``user`` and ``password``, as JSON or a form."""
        try:
            said = msgspec.json.decode(body, type=dict[str, str])
        except msgspec.DecodeError:
            said = {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}
        if not _is_same(f"{said.get('user', '')}:{said.get('password', '')}".encode(), self._secret):
            return _refused(401, "wrong user or password")
        token = self._new_token(now)
        cookie = (b"Set-Cookie", f"SID={token}; Path=/; HttpOnly".encode())
        body = msgspec.json.encode({"token": token, "expires_in": int(self._settings.access_token_seconds)})
        return Answer(200, body, headers=((b"Cache-Control", b"no-store"), cookie))

    def issue(self, head: RequestHead, body: bytes, now: float) -> Answer:
        """Answer POST /oauth2/token: client credentials (RFC 6749, 4.4) in Basic or as form fields."""
        form = parse_qs(body.decode("latin-1"))
        if self._settings.auth == "refresh":
            return self._refreshed(form, now)
        if form.get("grant_type") != ["client_credentials"]:
            return _refused(400, "unsupported_grant_type")
        client_id, _, secret = _decode(_credentials(head, b"basic")).decode("latin-1").partition(":")
        client_id = unquote_plus(client_id) or form.get("client_id", [""])[0]
        secret = unquote_plus(secret) or form.get("client_secret", [""])[0]
        if client_id != self._settings.client_id or not _is_same(secret.encode(), self._secret):
            return _refused(401, "invalid_client")
        return self._granted(now)

    def _refreshed(self, form: dict[str, list[str]], now: float) -> Answer:
        """The client is a public one, and tells its id in the form."""
        if form.get("grant_type") != ["refresh_token"]:
            return _refused(400, "unsupported_grant_type")
        if form.get("client_id") != [self._settings.client_id]:
            return _refused(401, "invalid_client")
        said = form.get("refresh_token", [""])[0].encode()
        if not self._refresh or not _is_same(said, self._refresh):
            self._refresh = b""
            self._issued.clear()
            return _refused(400, "invalid_grant")
        text = f"{self._settings.seed} {self._settings.token} refresh {self.issued + 1}"
        self._refresh = hashlib.blake2b(text.encode(), digest_size=16).hexdigest().encode()
        return self._granted(now, {"refresh_token": self._refresh.decode()})

    def _new_token(self, now: float) -> str:
        self.issued += 1
        text = f"{self._settings.seed} {self._settings.token} {self.issued}"
        token = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        is_one = self._settings.is_one_access_token
        self._issued = {each: ends_at for each, ends_at in self._issued.items() if ends_at > now and not is_one}
        self._answers = {each: count for each, count in self._answers.items() if each in self._issued}
        self._issued[token.encode()] = now + self._settings.access_token_seconds
        return token

    def _granted(self, now: float, more: Mapping[str, str] = MappingProxyType({})) -> Answer:
        token = self._new_token(now)
        expires_in = int(self._settings.access_token_seconds)
        issued = {"access_token": token, "token_type": "Bearer", "expires_in": expires_in}
        return Answer(200, msgspec.json.encode(issued | dict(more)), headers=((b"Cache-Control", b"no-store"),))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _refused(status: int, code: str) -> Answer:
    """Write an error as RFC 6749, 5.2 wants it."""
    return Answer(status, msgspec.json.encode({"error": code}))


def _credentials(head: RequestHead, scheme: bytes) -> bytes:
    said, _, credentials = head.get(b"authorization").partition(b" ")
    return credentials.strip() if said.lower() == scheme else b""


def _decode(credentials: bytes) -> bytes:
    try:
        return base64.b64decode(credentials, validate=True)
    except binascii.Error:
        return b""


def _is_same(said: bytes, secret: bytes) -> bool:
    return hmac.compare_digest(said, secret)
