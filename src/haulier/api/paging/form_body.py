"""A POST's form, where the body is no JSON."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from msgspec import Raw

from haulier.api.http.urls import Pairs

FORM_TYPE: Final = "application/x-www-form-urlencoded"


def with_form_field(form: Pairs, name: str, value: Any) -> Pairs:
    """Set a field, in its old place if it had one."""
    text = form_text(value)
    if form_field(form, name) is None:
        return (*form, (name, text))
    return tuple((known, text if known == name else old) for known, old in form)


def form_field(form: Pairs, name: str) -> str | None:
    return next((value for known, value in form if known == name), None)


def encoded_form(form: Pairs) -> bytes:
    return urlencode(form, errors="surrogatepass").encode()


def form_text(value: Any) -> str:
    """A token of the API's keeps its digits."""
    if isinstance(value, Raw):
        text = bytes(value)
        return msgspec.json.decode(text, type=str) if text.startswith(b'"') else text.decode()
    return str(value).lower() if isinstance(value, bool) else str(value)
