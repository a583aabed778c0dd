from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from haulier.items.codec import settled

ALL_GROUPS = "*"
"""Stands for every group that no run has read since a person said what is finished. No items have it."""


def group_of(others: Mapping[str, Any]) -> str:
    """The values of an item's fields besides its one span, as canonical JSON; "" where there are none.

    Items of one group make up one list of spans: the windows of one region, say.
    """
    if not others:
        return ""
    values = {name: settled(value, f".{name}") for name, value in others.items()}
    return msgspec.json.encode(values, order="sorted").decode()
