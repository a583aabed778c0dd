"""Text and numbers of JSON, as they go into a request."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from haulier.api.records.paths import first_byte


def scalar_text(value: Raw) -> str | None:
    """Keep the digits that came; None for what is neither text nor number."""
    kind = first_byte(value)
    if kind == b'"':
        return msgspec.json.decode(value, type=str)
    return bytes(value).decode() if kind in b"-0123456789" else None
