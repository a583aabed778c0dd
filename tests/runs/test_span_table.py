"""Spans of many groups."""

from __future__ import annotations

import time

from haulier.items.ranges import IdRange
from haulier.items.span_group import ALL_GROUPS
from haulier.runs.watermark.span_table import SpanTable


def test_what_two_tables_share_is_found_group_by_group() -> None:
    """Of many thousands of groups too; a group that one of them lacks has there what all have."""
    spans = {str(number): (IdRange(number, number + 10),) for number in range(20_000)}
    known = {ALL_GROUPS: (IdRange(0, 5),)} | {str(number): (IdRange(0, 12),) for number in range(10_000)}
    table, other = SpanTable.of({"orders": spans}), SpanTable.of({"orders": known})
    began = time.perf_counter()
    shared = table.common(other)
    assert time.perf_counter() - began < 5, "a second for a million, and not minutes"
    found = shared.spans()["orders"]
    assert found["3"] == (IdRange(3, 12),)
    assert "20" not in found
    assert len(found) == 12
    assert SpanTable.of({"orders": {"new": (IdRange(2, 9),)}}).common(other).spans()["orders"] == {
        "new": (IdRange(2, 5),)
    }
