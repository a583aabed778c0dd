"""A page on which a person would log in, in place of an answer."""

from __future__ import annotations

from typing import Final

_SNIFFED_BYTES: Final = 64 * 1024
_SIGNS: Final = (b'type="password"', b"type='password'", b"type=password")


def is_login_page(body: bytes) -> bool:
    page = body[:_SNIFFED_BYTES].lower()
    return any(sign in page for sign in _SIGNS)
