"""Cookies that belong to the credentials, beside those that a request has."""

from __future__ import annotations

from haulier.api.http.transport import Request
from haulier.api.identity.auth import with_header


def with_cookies(request: Request, pairs: tuple[str, ...]) -> Request:
    """Add ``name=value`` pairs; they replace others of the same name."""
    if not pairs:
        return request
    names = {pair.partition("=")[0] for pair in pairs}
    others = [cookie for cookie in cookies_of(request) if cookie.partition("=")[0] not in names]
    return with_header(request, "Cookie", "; ".join((*others, *pairs)))


def cookies_of(request: Request) -> list[str]:
    lines = [value for name, value in request.headers if name.lower() == "cookie"]
    return [cookie.strip() for line in lines for cookie in line.split(";") if cookie.strip()]
