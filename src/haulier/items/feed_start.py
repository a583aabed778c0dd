"""Where an item of a feed begins to read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from haulier.items.span_group import written_group


@dataclass(frozen=True)
class FeedStart:
    """The token, link or validator that an earlier run of a feed ended with; "" where the feed begins.

    An item with one field of this type reads a feed: ``since: FeedStart``. Its processor says where it ended with
    ``ctx.api.end_feed(token, item.since)``, and ``ctx.finished.feed("users")`` is where the next run begins.
    """

    feed: str = field(default="", repr=False)


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
