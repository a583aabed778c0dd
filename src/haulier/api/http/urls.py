"""Addresses of requests, and links from APIs, which are not trusted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, unquote_plus, urljoin, urlsplit

from haulier.errors import UsageError

Pairs = tuple[tuple[str, str], ...]
"""Query parameters in order; names may repeat."""
Query = Mapping[str, Any] | Iterable[tuple[str, Any]]
"""A caller's query: a list repeats its name, None is left out."""

# What RFC 3986 lets stand in a path or query as it is, and the sign of what is encoded already.
_PATH_SAFE: Final = "/:@!$&'()*+,;=-._~%"
_LINK_SAFE: Final = _PATH_SAFE + "?[]|"
# What no server takes for more than itself. Not in it: "+", which is read as a space; ";", at which Rack 2 and old
# servers part parameters, and for which Go drops them; and "?", at which many a server cuts the address once more.
_VALUE_SAFE: Final = "/:@!$'()*,-._~"
_BARE_PERCENT: Final = re.compile("%(?![0-9A-Fa-f]{2})")
# A backslash is a slash to some readers of addresses, and what `urlsplit` drops in silence, others do not.
_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f\\]")
# What RFC 3986 lets stand in a query, save "&"; the brackets and the bar stand bare in many an API's documentation.
_ENCODED: Final = re.compile(r"(?:[A-Za-z0-9\-._~!$'()*+,;=:@/?\[\]{}|]|%[0-9A-Fa-f]{2})*")
LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS: Final = {"http": 80, "https": 443}
_PLAIN_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.:-]+(?=[/?#]|\Z)")
"""Start of an address that fixes its origin."""
_CACHED_ADDRESSES: Final = 256
"""Parsing an address costs as much as reading an answer; all items of a stream share one."""


class Encoded(str):
    """A query value that is percent-encoded already and sent unchanged: ``{"tag": Encoded("a%2Cb")}``.

    Other values are encoded for you. Raises `UsageError` for ``&``, ``#``, a space, and a ``%`` that starts no code.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Encoded:
        match = _ENCODED.match(text)
        if match is not None and match.end() < len(text):
            wrong = text[match.end()]
            code = quote(wrong, safe="")
            raise UsageError(f"{wrong!r} is not allowed in a value that is already encoded. Write {code} in its place.")
        return super().__new__(cls, text)


class Link(str):
    """An address that a record gave, in place of a path: ``ctx.api.pages(Link(record["url"]), ...)``. It is whole, or
    relative to the API's url; its query is sent byte for byte, since it may be signed.

    Another origin is refused before anything is sent, with `ItemError`; unless ``link_origin="own"``, by which path and
    query are asked for at the API's own. ``link_base="api"`` puts them behind its url.
    """

    __slots__ = ("link_base", "link_origin")
    link_origin: str
    link_base: str

    def __new__(cls, text: str, link_origin: str = "", link_base: str = "") -> Link:
        self = super().__new__(cls, text)
        self.link_origin, self.link_base = link_origin, link_base
        return self


class LinkError(ValueError):
    """Why a link must not be followed, without the link."""


class OtherOriginError(LinkError):
    """It leads to another origin."""


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port (RFC 6454), normalized.

    Raises `LinkError`, also for a user name in the address: those credentials are not ours.
    """
    plain = _PLAIN_ORIGIN.match(url)
    return _read_origin(url if plain is None else plain[0])


@lru_cache(maxsize=_CACHED_ADDRESSES)
def _read_origin(url: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        if host and not host.isascii():
            host = host.encode("idna").decode()
    except ValueError as error:
        raise LinkError("it cannot be read as an address") from error
    if parts.scheme not in _PORTS:
        raise LinkError(f"its scheme is {parts.scheme!r}, not http or https")
    if "@" in parts.netloc:
        raise LinkError("it holds a user name")
    if not host:
        raise LinkError("it names no host")
    return parts.scheme, host, _PORTS[parts.scheme] if port is None else port


@lru_cache(maxsize=_CACHED_ADDRESSES)
def join(base: str, path: str) -> tuple[str, Pairs]:
    """Append ``path``, which may be a whole address; its query is returned apart. Raises `LinkError` for another
    origin."""
    path, _, query = path.partition("?")
    if re.match("[A-Za-z][A-Za-z0-9+.-]*://", path):
        url = resolve(path, base=base, home=base)
    else:
        url = base if not path else f"{base.rstrip('/')}/{_encode(path.lstrip('/'), _PATH_SAFE)}"
    return url, tuple(
        (unquote_plus(name), unquote_plus(value))
        for name, _, value in (piece.partition("=") for piece in query.split("&") if piece)
    )


def pairs_of(query: Query | None) -> Pairs:
    """Write a query as text. Raises `UsageError` for other values."""
    items = query.items() if isinstance(query, Mapping) else query or ()
    found: list[tuple[str, str]] = []
    for name, value in items:
        values = value if isinstance(value, list | tuple | set | frozenset) else (value,)
        found += [(name, text(name, one)) for one in values if one is not None]
    return tuple(found)


def text(name: str, value: Any) -> str:
    """Write `true`, `1.5`, `2026-11-23T22:25:00Z`."""
    match value:
        case bool():
            return "true" if value else "false"
        case Encoded():
            return value
        case str():
            return str(value)
        case int() | float() | Decimal():
            return str(value)
        case datetime():
            if value.utcoffset() is None:
                raise UsageError(
                    f"The time {value} for {name!r} has no time zone. Give an aware one, such as datetime.now(UTC)."
                )
            return value.isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case _:
            raise UsageError(
                f"The value of {name!r} is a {type(value).__name__}, which a query cannot hold. "
                "Give text, a number, a boolean, a date or time, or a list of these."
            )


def with_query(url: str, pairs: Pairs) -> str:
    if not pairs:
        return url
    query = "&".join(f"{quote_value(name)}={quote_value(value)}" for name, value in pairs)
    return f"{url}{'&' if '?' in url else '?'}{query}"


@lru_cache(maxsize=_CACHED_ADDRESSES)
def resolve(link: str, *, base: str, home: str) -> str:
    """Make a link absolute; its text is kept.

    Raises `LinkError` outside the origin of ``home``, since the credentials go along. Tried by `//host`, backslashes, a
    user name, another scheme or port.
    """
    url = absolute(link, base)
    found, own = origin(url), origin(home)
    if found != own:
        raise OtherOriginError(f"it leads to {_describe(found)}, and this API is {_describe(own)}")
    return _encode(url.partition("#")[0], _LINK_SAFE)


def absolute(link: str, base: str) -> str:
    """Make a link absolute, wherever it leads. Raises `LinkError` for what is no address."""
    if _FORBIDDEN.search(link):
        raise LinkError("it holds a backslash or a control character")
    link = link.strip(" ")
    try:
        parts, url = urlsplit(link), urljoin(base, link)
    except ValueError as error:
        raise LinkError("it cannot be read as an address") from error
    if (parts.scheme or link.startswith("//")) and not parts.netloc:
        # Python takes what follows `https:///` for a path, browsers for a host.
        raise LinkError("it names no host")
    return url


def quote_value(text: str) -> str:
    # Most are a word or a number, in which there is nothing to encode.
    if (text.isascii() and text.isalnum()) or isinstance(text, Encoded):
        return text
    return quote(text, safe=_VALUE_SAFE)


def _encode(url: str, safe: str) -> str:
    """Encode nothing twice. Headers may hold bytes that are not UTF-8."""
    return quote(_BARE_PERCENT.sub("%25", url).encode("utf-8", "surrogateescape"), safe=safe)


def _describe(found: tuple[str, str, int]) -> str:
    scheme, host, port = found
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" if port == _PORTS[scheme] else f"{scheme}://{host}:{port}"
