"""Masks fields of a request whose names tell of a secret (G7): of its query, and of a body in JSON, a form or XML."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote_plus

from haulier.api.http.redactor import MASK, is_telling

_PARSED_BYTES = 1 << 20
"""A longer body is looked at as text, and only its beginning, since no more of it is shown."""
_TEXT_BYTES = 1 << 16

_SHORT_NAME = re.compile(r"(?i)(?:^|[^a-z])(?:sig|pass|passwd|passphrase|pwd|jwt|pin|otp|sid|credentials?)(?:[^a-z]|$)")
_WHOLE_NAMES = frozenset({"code"})
"""As a part of a name it is mostly that of a country or a product."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Repeats are bounded, as in the redactor.
_PAIR = re.compile(r"([?&;\s]|^)([^=&;\s?\"'<>{}]{1,100})=([^&;\s]+)")
_MEMBER = re.compile(r"""(["']([^"'\\]{1,100})["']\s{0,20}:\s{0,20})("(?:\\.|[^"\\])*"?|[^\s,}\]]+)""")
_ELEMENT = re.compile(r"(<(?:[\w-]{1,40}:)?([\w.-]{1,100})(?:\s[^<>]{0,500})?>)([^<]+)")


def is_secret_name(name: str) -> bool:
    """Rather one too many: what is masked by its name is only missing in what a person reads."""
    return is_telling(name) or name.lower() in _WHOLE_NAMES or bool(_SHORT_NAME.search(_CAMEL.sub("_", name)))


def masked_url(url: str) -> str:
    address, mark, query = url.partition("?")
    return address + mark + _PAIR.sub(_masked_pair, query)


def masked_body(body: bytes) -> bytes:
    """As it is where no name tells."""
    if len(body) <= _PARSED_BYTES:
        document = _Document()
        try:
            found = json.loads(body, object_pairs_hook=document.masked)
        except (ValueError, RecursionError):
            pass
        else:
            return json.dumps(found, ensure_ascii=False).encode(errors="replace") if document.has_secret else body
    text = body[:_TEXT_BYTES].decode(errors="surrogateescape")
    text = _ELEMENT.sub(_masked_value, _MEMBER.sub(_masked_value, _PAIR.sub(_masked_pair, text)))
    return text.encode(errors="surrogateescape")


class _Document:
    """JSON while it is parsed: a name that comes twice is seen twice."""

    def __init__(self) -> None:
        self.has_secret = False

    def masked(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            is_masked = value not in (None, "") and not isinstance(value, bool) and is_secret_name(name)
            self.has_secret |= is_masked
            found[name] = MASK if is_masked else value
        return found


def _masked_pair(found: re.Match[str]) -> str:
    before, name, value = found.groups()
    return f"{before}{name}={MASK if is_secret_name(unquote_plus(name)) else value}"


def _masked_value(found: re.Match[str]) -> str:
    before, name, value = found.groups()
    if not is_secret_name(name):
        return found[0]
    quote = '"' if value.startswith('"') else ""
    return f"{before}{quote}{MASK}{quote}"
