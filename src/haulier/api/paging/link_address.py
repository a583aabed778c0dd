"""Where a link leads, as its source declares: behind a proxy many an API builds links with its inner host, or without
the proxy's prefix."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

from haulier.api.http.urls import absolute, origin, resolve
from haulier.errors import UsageError

LinkOrigin = Literal["", "own"]
"""``own``: path and query of a link are asked for at the API's own origin, whatever host and scheme it names."""
LinkBase = Literal["", "api"]
"""``api``: path and query of a link go behind the API's url."""
LINK_ORIGIN_WORDS: Final[tuple[str, ...]] = tuple(word for word in get_args(LinkOrigin) if word)
LINK_BASE_WORDS: Final[tuple[str, ...]] = tuple(word for word in get_args(LinkBase) if word)

_CACHED_ADDRESSES: Final = 256


def check_link_words(link_origin: str, link_base: str) -> None:
    if link_origin not in get_args(LinkOrigin):
        raise UsageError(f"link_origin is {link_origin!r}; write 'own', or leave it out.")
    if link_base not in get_args(LinkBase):
        raise UsageError(f"link_base is {link_base!r}; write 'api', or leave it out.")


def address_of(link: str, *, base: str, home: str, link_origin: str = "", link_base: str = "") -> str:
    """Return the address that is asked for: of the origin of ``home``, the API's url, in any case. Raises `LinkError`.

    ``base``: what the link is relative to.
    """
    if not link_origin and not link_base:
        return resolve(link, base=base, home=home)
    return _own_address(link, base, home, link_origin, link_base)


@lru_cache(maxsize=_CACHED_ADDRESSES)
def _own_address(link: str, base: str, home: str, link_origin: str, link_base: str) -> str:
    if link.strip(" ")[:1] in ("", "?", "#"):
        return resolve(link, base=base, home=home)  # Of the page that it came with, at whatever address that was asked.
    parts = urlsplit(home)
    top = f"{parts.scheme}://{parts.netloc}"
    url = absolute(link, f"{top}/" if link_base else base)
    # Also read where it is replaced: what names no host, or a user, is no address of the API's.
    if origin(url) != origin(home) and not link_origin:
        return resolve(url, base=base, home=home)  # Which says where it leads.
    found = urlsplit(url)
    path = found.path if found.path.startswith("/") else f"/{found.path}"
    query = f"?{found.query}" if found.query else ""
    return resolve(f"{home.rstrip('/') if link_base else top}{path}{query}", base=home, home=home)
