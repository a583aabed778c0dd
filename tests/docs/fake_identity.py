"""The APIs of docs/apis/identity.md whose credentials are issued, signed or in the path."""

from __future__ import annotations

import hashlib
import re
import time
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.docs.fake_others import SECRET, by_ids
from tests.docs.fake_paging import FakeApi, Made, Record, things
from tests.docs.fake_server import Asked, Reply


class Meetings(Made):
    """Its token endpoint wants JSON, answers 201, nests the token and writes its end in milliseconds since 1970."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__(records, by_ids("meetings"))

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/v2/token":
            wanted = {"grant_type": "account_credentials", "client_id": SECRET, "client_secret": SECRET}
            assert asked.json == wanted
            return Reply({"data": {"token": "granted", "until": int(time.time() + 3600) * 1000}}, 201)
        if asked.headers.get("x-auth-token") != "granted":
            return Reply({"error": "invalid_token"}, 401)
        return super().answer(asked)


class Invoices(Made):
    """Every refresh token is good once, and an old one ends all; each access token is good for a few answers."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__(records, by_ids("bills"))
        self._refresh, self._access, self._left, self._count = SECRET, "", 0, 0

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/oauth2/token":
            form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
            if form.pop("refresh_token") != self._refresh:
                self._refresh = "nobody knows"
                return Reply({"error": "invalid_grant"}, 400)
            assert form == {"grant_type": "refresh_token"}
            assert asked.headers["authorization"] == f"Basic {b64encode(f'{SECRET}:{SECRET}'.encode()).decode()}"
            self._count += 1
            self._refresh, self._access, self._left = f"refresh-{self._count}", f"access-{self._count}", 8
            return Reply({"access_token": self._access, "refresh_token": self._refresh, "expires_in": 3600})
        if asked.headers.get("authorization") != f"Bearer {self._access}" or not self._left:
            return Reply({"error": "invalid_token"}, 401)
        self._left -= 1
        return super().answer(asked)


class Hotels(Made):
    """One live session, which ends after some answers; a login ends the one before."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__(records, by_ids("hotels"))
        self._sessions, self._left = 0, 0

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/v2/session":
            assert asked.json == {"user": SECRET, "password": SECRET}
            self._sessions, self._left = self._sessions + 1, 8
            return Reply({"data": {"token": f"session-{self._sessions}"}}, 201)
        if asked.headers.get("x-session") != f"session-{self._sessions}" or not self._left:
            return Reply({"error": "log in"}, 401)
        self._left -= 1
        return super().answer(asked)


class Cameras(Made):
    """Digest by MD5, with nonces that run out; a count that comes twice is refused."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__(records, by_ids("recordings"))
        self._counts: dict[str, set[str]] = {}

    def answer(self, asked: Asked) -> Reply:
        said = dict(re.findall(r'(\w+)="?([^",]+)"?', asked.headers.get("authorization", "")))
        words = (said.get("nonce"), said.get("nc"), said.get("cnonce"), "auth")
        first, second = _md5(f"{SECRET}:camera:{SECRET}"), _md5(f"GET:{asked.target}")
        is_right = said.get("response") == _md5(f"{first}:{':'.join(map(str, words))}:{second}")
        counts = self._counts.setdefault(said.get("nonce", ""), set())
        if is_right and said["nc"] not in counts and len(counts) < 9:
            counts.add(said["nc"])
            return super().answer(asked)
        stale = ", stale=true" if is_right else ""
        challenge = f'Digest realm="camera", nonce="n{len(self._counts)}", qop="auth", algorithm=MD5{stale}'
        return Reply({"error": "who are you?"}, 401, {"WWW-Authenticate": challenge})


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


class Campaigns(Made):
    """Knows the public key alone; a JWT that says it was issued in the future, or is good for long, is refused."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__(records, by_ids("campaigns"))
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.files = {
            "private-key.pem": self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        }

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/token":
            form = parse_qs(asked.body.decode())
            assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
            claims = jwt.decode(form["assertion"][0], self._key.public_key(), ["ES256"], audience=f"{asked.home}/token")
            assert (claims["iss"], claims["sub"], claims["scope"]) == (SECRET, SECRET, "campaigns.read")
            assert claims["exp"] - claims["iat"] <= 600
            return Reply({"access_token": "granted", "expires_in": 3600})
        if asked.headers.get("authorization") != "Bearer granted":
            return Reply({"error": "invalid_token"}, 401)
        return super().answer(asked)


def rates(asked: Asked, records: list[Record]) -> Reply:
    """Writes the key into its links, and answers 404 where it is missing."""
    if not asked.path.startswith(f"/v6/{SECRET}/"):
        return Reply({"error": "not found"}, 404)
    start = asked.number("after")
    more = f"{asked.home}{asked.path}?after={start + 50}" if start + 50 < len(records) else None
    return Reply({"rates": records[start : start + 50], "next": more})


IDENTITIES: dict[str, Callable[[], FakeApi]] = {
    "hotels": lambda: Hotels(things(900)),
    "cameras": lambda: Cameras(things(900)),
    "bills": lambda: Invoices(things(900)),
    "meetings": lambda: Meetings(things(900)),
    "campaigns": lambda: Campaigns(things(900)),
    "rates": lambda: Made(things(170), rates),
}
