from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from haulier.items.ranges import IdRange
from haulier.items.span_group import written_group
from haulier.items.spans import Span
from haulier.items.windows import TimeWindow


def span_of(payload: bytes) -> tuple[str, Span] | None:
    """The one range of IDs or window of time among the parameters of an item, and before it the group: the other
    parameters, as `items.span_group` writes them. None where an item has no span, or several.

    It is told by the payload alone, so that the runs of an item class that is gone still count.
    """
    spans: dict[str, Span] = {}
    others: dict[str, Any] = {}
    for name, value in msgspec.json.decode(payload, type=dict[str, Any]).items():
        span = _span(value)
        if span is None:
            others[name] = value
        else:
            spans[name] = span
    if len(spans) != 1:
        return None
    (only,) = spans.values()
    return written_group(others) if others else "", only


def _span(value: object) -> Span | None:
    if not isinstance(value, dict) or value.keys() != {"start", "end"}:
        return None
    start, end = value["start"], value["end"]
    try:
        if type(start) is int and type(end) is int:
            return IdRange(start, end)
        return TimeWindow(datetime.fromisoformat(start), datetime.fromisoformat(end))
    except (TypeError, ValueError):
        return None
