"""Who may see the page, and who may click on it. Pure: text in, a decision out."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from haulier.errors import UsageError

LEAST_TOKEN_CHARACTERS = 16
"""A token is guessed over the network, as fast as the server answers: 16 of 64 characters are 96 bits."""
MOST_TOKEN_CHARACTERS = 200
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
PAGE_HEADER = "x-haulier-token"
_TOKEN = re.compile(r"[A-Za-z0-9._~-]+")
"""Characters that stand in a URL as they are."""
_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{1,5})?")


def new_token() -> str:
    return secrets.token_urlsafe(24)


def require_token(token: str) -> str:
    """Raises `UsageError`, which does not repeat it (G7)."""
    if not LEAST_TOKEN_CHARACTERS <= len(token) <= MOST_TOKEN_CHARACTERS or not _TOKEN.fullmatch(token):
        raise UsageError(
            f"The token of the dashboard (--token or HAULIER_DASHBOARD_TOKEN) has {len(token)} characters: write "
            f"{LEAST_TOKEN_CHARACTERS} to {MOST_TOKEN_CHARACTERS} of A-Z, a-z, 0-9, '-', '.', '_' and '~', such as "
            '`python -c "import secrets; print(secrets.token_urlsafe(24))"` prints. Without one, haulier makes one '
            "where it is needed."
        )
    return token


@dataclass(frozen=True)
class Access:
    token: str = field(default="", repr=False)
    """What a visitor has to show; empty: nothing, since only this machine is listened to."""
    page_token: str = field(default_factory=new_token, repr=False)
    """Of this process. A page of another origin cannot read it, and so cannot click."""
    port: int = 0

    @property
    def cookie_name(self) -> str:
        """Cookies are shared by all ports of a host, and so by two dashboards."""
        return f"haulier-{self.port}"

    @property
    def cookie(self) -> str:
        """It shows that the token was known, and does not tell it to other servers of the host."""
        return hmac.new(self.token.encode(), b"haulier dashboard", hashlib.sha256).hexdigest()

    def is_token(self, shown: str) -> bool:
        return bool(self.token) and _is_same(shown, self.token)

    def is_cookie(self, shown: str) -> bool:
        return not self.token or _is_same(shown, self.cookie)

    def is_page_token(self, shown: str) -> bool:
        return _is_same(shown, self.page_token)

    def problem_of_host(self, host: str) -> str:
        """Why a request to that ``Host`` is refused; empty if it is not.

        Without a token a page of another site could reach this server under its own name, once that name's address is
        changed to this machine's (DNS rebinding). With one it cannot: it has no cookie under its name.
        """
        name = host_name(host)
        if name is None:
            return "The request does not say which host it is meant for."
        if self.token or name in LOOPBACK_NAMES or is_loopback(name):
            return ""
        return (
            f"This dashboard answers to {' and '.join(sorted(LOOPBACK_NAMES - {'::1'}))} alone, not to {name}. Behind "
            "a proxy, or under another name, start it with a token (HAULIER_DASHBOARD_TOKEN)."
        )


def host_name(host: str) -> str | None:
    """The name in a ``Host`` header, without its port; None if it is none."""
    found = _HOST.fullmatch(host)
    return None if found is None else (found["ipv6"] or found["name"]).lower().rstrip(".")


def is_loopback(name: str) -> bool:
    """Whether it is an address, as all that begin with 127, that nobody can give to another machine."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_same_origin(host: str, origin: str | None, fetch_site: str | None) -> bool:
    """Whether a page of this server sends the request, or a program that is no browser. The scheme is not compared: a
    proxy in front may speak https."""
    if origin is not None:
        return urlsplit(origin).netloc.lower() == host.lower()
    return fetch_site in (None, "same-origin")


def _is_same(shown: str, wanted: str) -> bool:
    """In a time that tells nothing of how much is right."""
    return hmac.compare_digest(shown.encode(errors="replace"), wanted.encode())
