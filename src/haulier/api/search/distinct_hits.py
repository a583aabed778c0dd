from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Final

_PARTS: Final = 64
"""One after the other is compared, so that little is in memory beside the numbers."""


class DistinctHits:
    """Finds a document that came twice, with 8 bytes for each. Two of a million different ones share a number in one of
    30 million items, which begins again for it."""

    def __init__(self) -> None:
        self._parts = [array("q") for _ in range(_PARTS)]
        self.count = 0

    def add(self, places: Iterable[int]) -> None:
        for place in places:
            self._parts[place % _PARTS].append(place)
            self.count += 1

    def doubled(self) -> int:
        """How many came that were there already."""
        return sum(len(part) - len(set(part)) for part in self._parts)
