"""How much the items of an increment read: seconds of windows, or IDs of ranges."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from haulier.runs.records import Seal
from haulier.runs.watermark.span_table import Ends


def growth(now: Seal, then: Seal, stream: str) -> float | None:
    """How many times as much an increment reads as an earlier one did. None where their spans do not tell."""
    sizes = _size(now, stream), _size(then, stream)
    if sizes[0] is None or sizes[1] is None or sizes[0][1] != sizes[1][1] or not sizes[1][0]:
        return None
    return sizes[0][0] / sizes[1][0]


def _size(seal: Seal, stream: str) -> tuple[float, bool] | None:
    """And whether it is in IDs."""
    if seal.spanless.get(stream):
        return None
    spans = [*_spans(seal, stream)]
    are_ids = {isinstance(start, int) for start, _ in spans}
    return (sum(_length(ends) for ends in spans), are_ids.pop()) if len(are_ids) == 1 else None


def _spans(seal: Seal, stream: str) -> Iterator[Ends]:
    for spans in seal.spans.get(stream, {}).values():
        yield from spans


def _length(ends: Ends) -> float:
    start, end = ends
    if isinstance(start, datetime) and isinstance(end, datetime):
        return (end - start).total_seconds()
    assert isinstance(start, int)
    assert isinstance(end, int)
    return float(end - start)
