"""Spans of IDs and of time, in words and from words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from haulier.errors import UsageError
from haulier.items.ranges import IdRange
from haulier.items.spans import LOWEST_ID, LOWEST_TIME, Span
from haulier.items.windows import TimeWindow
from haulier.plurals import count_of

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def read_edge(option: str, text: str) -> int | datetime:
    """Raises `UsageError` for what is neither an ID nor a time with its zone."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{option} {text!r} is neither a time nor an ID. Write a time such as 2026-11-29T02:00:00Z, or a whole "
            "number."
        ) from None
    if moment.tzinfo is None:
        whole = moment.isoformat(timespec="seconds")
        raise UsageError(f"{option} {text!r} has no time zone. Write, for UTC: {option} {whole}Z")
    return moment.astimezone(UTC)


def size_of(spans: Sequence[Span]) -> str:
    """How much some spans of one kind are together."""
    if isinstance(spans[0], IdRange):
        return count_of(sum(span.size for span in spans if isinstance(span, IdRange)), "ID")
    return duration(sum((span.duration for span in spans if isinstance(span, TimeWindow)), timedelta()))


def shown(edge: int | datetime) -> str:
    """An end of a span, for people."""
    if isinstance(edge, int):
        return str(edge)
    return edge.astimezone(UTC).isoformat().replace("+00:00", "Z")


def duration(span: timedelta) -> str:
    """Its two largest units: ``1 d 2 h``."""
    seconds = int(span.total_seconds())
    parts: list[str] = []
    for size, unit in _UNITS:
        if seconds >= size and len(parts) < 2:
            parts.append(f"{seconds // size:,} {unit}")
            seconds %= size
    return " ".join(parts) or f"{span / timedelta(milliseconds=1):g} ms"


def span_words(span: Span) -> str:
    if span.start in (LOWEST_TIME, LOWEST_ID):
        return f"all before {shown(span.end)}"
    return f"{shown(span.start)} to {shown(span.end)} ({size_of([span])})"
