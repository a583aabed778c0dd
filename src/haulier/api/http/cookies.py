"""Cookies of one item (RFC 6265), for APIs that pin a session by them.

They go to the API's own host alone, are shared with no other item, and are neither shown nor kept."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from haulier.api.http.retry_after import parse_http_date

MAX_COOKIES: Final = 50
"""The least that a browser must keep for a host (RFC 6265, 6.1); of more, the oldest go."""
MAX_COOKIE_BYTES: Final = 4096
"""The same for one cookie."""
_MAX_AGE_SECONDS: Final = 400 * 86_400
"""Longest life, as browsers have it; longer ones would leave the range of `datetime`."""

_DASHES: Final = re.compile(r"(?<=\d)-([A-Za-z]{3})-(?=\d{4})")
_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class _Cookie:
    value: str
    is_secure: bool
    expires: datetime | None


class ItemCookies:
    """Takes what answers set, and gives what a request sends."""

    def __init__(self) -> None:
        self._cookies: dict[tuple[str, str], _Cookie] = {}
        """By path and name."""

    def take(self, url: str, lines: Iterable[str], now: datetime) -> None:
        """Read the lines `Set-Cookie` of an answer from ``url``. What cannot be read, or is for another host, is left
        out, as a browser does."""
        for line in lines:
            self._take(url, line, now)

    def header(self, url: str, now: datetime) -> str:
        """Return `Cookie` for a request; "" for none. Longer paths come first."""
        parts = urlsplit(url)
        self._cookies = {key: each for key, each in self._cookies.items() if not _is_over(each, now)}
        found = [
            (path, name, cookie)
            for (path, name), cookie in self._cookies.items()
            if _is_below(parts.path or "/", path) and (parts.scheme == "https" or not cookie.is_secure)
        ]
        found.sort(key=lambda each: -len(each[0]))
        return "; ".join(f"{name}={cookie.value}" for _, name, cookie in found)

    def _take(self, url: str, line: str, now: datetime) -> None:
        pair, *rest = line.split(";")
        name, is_pair, value = (part.strip() for part in pair.partition("="))
        is_sendable = line.isascii() and line.isprintable() and len(pair) <= MAX_COOKIE_BYTES
        if not is_pair or not name or not is_sendable:
            return
        attributes = {key.strip().lower(): text.strip() for key, _, text in (each.partition("=") for each in rest)}
        parts = urlsplit(url)
        if not _is_for(parts.hostname or "", attributes.get("domain", "")):
            return
        path = attributes.get("path", "")
        if not path.startswith("/"):
            path = parts.path.rpartition("/")[0] or "/"
        cookie = _Cookie(value, "secure" in attributes, _end_of(attributes, now))
        key = (path, name)
        if _is_over(cookie, now):
            self._cookies.pop(key, None)
            return
        self._cookies[key] = cookie
        while len(self._cookies) > MAX_COOKIES:
            del self._cookies[next(iter(self._cookies))]


def _is_for(host: str, domain: str) -> bool:
    domain = domain.lstrip(".").lower()
    return not domain or host == domain or host.endswith(f".{domain}")


def _is_below(path: str, of: str) -> bool:
    return path == of or path.startswith(of if of.endswith("/") else f"{of}/")


def _is_over(cookie: _Cookie, now: datetime) -> bool:
    return cookie.expires is not None and cookie.expires <= now


def _end_of(attributes: dict[str, str], now: datetime) -> datetime | None:
    """`Max-Age` counts for more than `Expires`; without a readable one a cookie lasts as long as its item."""
    seconds = attributes.get("max-age", "")
    if _WHOLE_NUMBER.fullmatch(seconds):
        return now + timedelta(seconds=min(int(seconds), _MAX_AGE_SECONDS)) if int(seconds) > 0 else now
    # Many a server writes `Wed, 09-Jun-2032`, with dashes.
    return parse_http_date(_DASHES.sub(r" \1 ", attributes.get("expires", "")), now)
