"""Bodies of searches."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from msgspec import Raw

from haulier.api.search.search import Search
from haulier.items.formats import EPOCH
from haulier.items.windows import TimeWindow

Span = tuple[int, int]
"""From the first moment up to but not including the second, in the search's unit."""

_MILLISECOND: Final = timedelta(milliseconds=1)


def span_of(search: Search, window: TimeWindow) -> Span:
    """Neighbouring windows share their edge: both are rounded up, to the finest that the field is asked for."""
    step = timedelta(seconds=1) if search.unit == "s" else _MILLISECOND
    return -((EPOCH - window.start) // step), -((EPOCH - window.end) // step)


def search_body(search: Search, span: Span | None, size: int) -> dict[str, Any]:
    """All of the query filters, so nothing is scored. The total is counted to its end."""
    return {"size": size, "query": _filter(search, span), "track_total_hits": True}


def lacking_body(search: Search) -> dict[str, Any]:
    """Counts documents without a time, which no window finds."""
    lacking = {"bool": {"must_not": [{"exists": {"field": search.time}}], "filter": _conditions(search, None)}}
    return {"size": 0, "query": lacking, "track_total_hits": True}


def page_body(
    body: dict[str, Any],
    point: str,
    keep_alive: str,
    sort: str,
    after: list[Raw],
    part: tuple[int, int] | None,
) -> dict[str, Any]:
    """A page of a point in time. ``part``: which slice of how many."""
    page: dict[str, Any] = {**body, "pit": {"id": point, "keep_alive": keep_alive}, "sort": [sort]}
    if after:
        page["search_after"] = after
    if part is not None:
        page["slice"] = {"id": part[0], "max": part[1]}
    return page


def _filter(search: Search, span: Span | None) -> dict[str, Any]:
    return {"bool": {"filter": _conditions(search, span)}}


def _conditions(search: Search, span: Span | None) -> list[Any]:
    conditions = [] if search.query is None else [search.query]
    return conditions if span is None else [_range(search, span), *conditions]


def _range(search: Search, span: Span) -> dict[str, Any]:
    """Half-open, since both ends of a rounding are its own (`lte` with ``||/d`` leaves out 999 us of a ``date_nanos``).
    The format is said, as the field's own may read numbers otherwise."""
    start, end = span
    if search.unit:
        return {"range": {search.time: {"gte": start, "lt": end}}}
    if start >= 0:
        return {"range": {search.time: {"gte": start, "lt": end, "format": "epoch_millis"}}}
    # Elasticsearch 7 reads no negative ones.
    texts = {"gte": _iso(start), "lt": _iso(end), "format": "strict_date_optional_time"}
    return {"range": {search.time: texts}}


def _iso(milliseconds: int) -> str:
    moment = EPOCH + milliseconds * _MILLISECOND
    # A year before 1000 has four digits too, which `strftime` does not give.
    return f"{moment.year:04}-{moment:%m-%dT%H:%M:%S}.{moment.microsecond // 1_000:03}Z"
