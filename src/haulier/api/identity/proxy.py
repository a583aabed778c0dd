"""The proxy that a source declares; proxies of the environment are ignored."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from haulier.api.http.redactor import Redactor
from haulier.api.identity.auth import Secret, basic_value, reveal
from haulier.errors import UsageError


@dataclass(frozen=True, slots=True)
class Proxy:
    """A resolved proxy. Its headers are sent to it alone."""

    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def open_proxy(declared: str | Secret, redactor: Redactor) -> Proxy:
    """Resolve the proxy. The `UsageError` does not repeat the address, which may hold a password."""
    text = reveal(declared).strip()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"} or parts.query:
        raise UsageError(
            "The address of the proxy is not valid. Write it like http://user:password@proxy.example.com:3128."
        )
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if ":" in user:
        raise UsageError("The user name for the proxy contains a colon, which Basic authentication does not allow.")
    redactor.add(password)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    url = f"{parts.scheme}://{host}:{port or (443 if parts.scheme == 'https' else 80)}"
    return Proxy(url, (("Proxy-Authorization", basic_value(user, password)),) if user else ())
