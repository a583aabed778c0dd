"""An issuer that rotates refresh tokens, and an API that takes the access tokens of it: on one server."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from tests.api.wire.raw_server import Answer, Do, Seen, http


@dataclass
class RotatingIssuer:
    """A token is void from its use on. ``has_grace``: the newest used one may be used again, until its successor was
    used, as RFC 9700 4.14.2 leaves to issuers. Who comes with an older one has stolen it: the whole family ends."""

    has_grace: bool = False
    thinks_seconds: float = 0.0
    expires_in: float = 3600.0
    rotates: bool = True
    newest: str = "canary-first"
    used: list[str] = field(default_factory=list)
    is_revoked: bool = False
    refreshes: int = 0
    reuses: int = 0
    grants: int = 0
    """Of a person, who authorised anew."""
    access: set[str] = field(default_factory=set)
    under_way: int = 0
    most_under_way: int = 0
    loses_answers: int = 0
    """So many answers are lost behind the rotation."""

    def authorise(self) -> str:
        self.grants += 1
        self.newest, self.used, self.is_revoked = f"canary-first-{self.grants}", [], False
        return self.newest

    def answer(self, seen: Seen) -> Answer:
        if seen.target != "/token":
            is_good = seen.headers.get("Authorization", "").removeprefix("Bearer ") in self.access
            return [http(b"{}", status="200 OK" if is_good else "401 Unauthorized")]
        form = {name: values[0] for name, values in parse_qs(seen.body.decode()).items()}
        assert form["grant_type"] == "refresh_token"
        token = form["refresh_token"]
        if self.is_revoked or not self._takes(token):
            return [http(b'{"error":"invalid_grant","error_description":"unknown"}', status="400 Bad Request")]
        self.refreshes += 1
        if self.rotates and token == self.newest:
            self.used.append(token)
            self.newest = f"canary-refresh-{self.grants}-{len(self.used)}"
        access = f"canary-access-{self.refreshes}"
        self.access = {access, *list(self.access)[-8:]}
        granted = {"access_token": access, "expires_in": self.expires_in}
        if self.rotates:
            granted["refresh_token"] = self.newest
        if self.loses_answers:
            self.loses_answers -= 1
            return [Do.RESET]
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        return [self.thinks_seconds, http(json.dumps(granted).encode()), self._done]

    def _takes(self, token: str) -> bool:
        if token == self.newest:
            return True
        if token in self.used:
            self.reuses += 1
            if self.has_grace and token == self.used[-1]:
                return True
            self.is_revoked = True
        return False

    def _done(self) -> None:
        self.under_way -= 1
