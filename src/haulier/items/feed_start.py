"""Where an item of a feed begins to read."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from haulier.items.span_group import written_group

_SHOWN_DIGITS: Final = 12


@dataclass(frozen=True)
class FeedStart:
    """The token, link or validator that an earlier run of a feed ended with; "" where the feed begins.

    An item with one field of this type reads a feed: ``since: FeedStart``. Its processor says where it ended with
    ``ctx.api.end_feed(token, item.since)``, and ``ctx.finished.feed("users")`` is where the next run begins.
    """

    feed: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class FeedEnd:
    """An item of a feed read it from ``start`` to ``end``."""

    start: str
    end: str
    has_expired: bool = False
    """It was to begin elsewhere, where the API does not go on any more."""


def token_mark(token: str) -> str:
    """Tells tokens apart, and shows none of it: some hold more than a place."""
    return hashlib.sha256(token.encode()).hexdigest()[:_SHOWN_DIGITS] if token else ""


def shown_parameters(payload: bytes) -> bytes:
    """The parameters of an item for people, with the mark of a token in its place, and links without their queries."""
    if not any(mark in payload for mark in (b'"feed"', b"?", b"\\u")):
        return payload
    return msgspec.json.encode(_shown(msgspec.json.decode(payload)))


def redacted_parameters(payload: bytes, redact: Callable[[str], str]) -> bytes:
    """With each text as ``redact`` shows it: a link may have a credential in its path."""

    def redacted(value: Any) -> Any:
        if isinstance(value, str):
            return redact(value)
        if isinstance(value, list):
            return [redacted(member) for member in value]
        return {name: redacted(member) for name, member in value.items()} if isinstance(value, dict) else value

    return msgspec.json.encode(redacted(msgspec.json.decode(payload)))


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return _without_query(value)
    if isinstance(value, list):
        return [_shown(member) for member in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"feed"} and isinstance(value["feed"], str):
        return {"feed": token_mark(value["feed"])}
    return {name: _shown(member) for name, member in value.items()}


def _without_query(text: str) -> str:
    """Also of a link as it is written in JSON, which a parent's field is."""
    if text.startswith('"'):
        with contextlib.suppress(msgspec.DecodeError, UnicodeEncodeError):
            return msgspec.json.encode(_without_query(msgspec.json.decode(text, type=str))).decode()
    path, mark, _ = text.partition("?")
    return f"{path}?***" if mark and ("/" in path or not path) else text


def feed_of(payload: bytes) -> tuple[str, FeedStart] | None:
    """The one feed among the parameters of an item, and before it the group, as `items.span_of.span_of`."""
    starts: list[FeedStart] = []
    others: dict[str, Any] = {}
    for name, value in msgspec.json.decode(payload, type=dict[str, Any]).items():
        if isinstance(value, dict) and value.keys() == {"feed"} and isinstance(value["feed"], str):
            starts.append(FeedStart(value["feed"]))
        else:
            others[name] = value
    if len(starts) != 1:
        return None
    return written_group(others) if others else "", starts[0]
