from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from haulier.items.codec import settled

ALL_GROUPS = "*"
"""Stands for every group that no run has read since a person said what is finished. No items have it."""

_EXACT = 2.0**53
"""Whole numbers below it are the same as integers and as floats."""


def group_of(others: Mapping[str, Any]) -> str:
    """The values of an item's fields besides its one span, as canonical JSON; "" where there are none.

    Items of one group make up one list of spans: the windows of one region, say.
    """
    if not others:
        return ""
    values = {name: settled(value, f".{name}") for name, value in others.items()}
    return written_group(msgspec.json.decode(msgspec.json.encode(values)))


def written_group(others: object) -> str:
    """The same of values as JSON has them. A person writes 1 where the item's field, a float, has 1.0: both are 1."""
    return msgspec.json.encode(_with_whole_numbers(others), order="sorted").decode()


def _with_whole_numbers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    if isinstance(value, dict):
        return {name: _with_whole_numbers(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(each) for each in value]
    return value
