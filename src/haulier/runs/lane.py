"""Which lane of the queue a run's messages go in."""

from __future__ import annotations

_FIRST_MODES = frozenset({"incremental", "trial"})
"""Small, and waited for. While they last, the items of full runs wait."""


def is_first_lane(mode: str) -> bool:
    return mode in _FIRST_MODES
