"""Records that appear or vanish while a client pages through them. Offsets do not survive that; cursors do."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from itertools import islice
from typing import Literal

_MISSING_EVERY_RANKS = 10
"""With `insert`, one rank of this many is missing at first."""
_FIRST_MISSING_RANK = 4
_MAX_LOOKBACK_RANKS = 1_000
"""Ranks that are searched for one to move, so that a request stays cheap."""


class Drift:
    """The ranks that exist now. Equal requests in equal order give equal drift."""

    def __init__(self, kind: Literal["insert", "delete"]) -> None:
        self.kind = kind
        self._moved: list[int] = []

    def count(self, first: int, last: int) -> int:
        moved = bisect_left(self._moved, last) - bisect_left(self._moved, first)
        if self.kind == "delete":
            return last - first - moved
        return last - first - (_missing_below(last) - _missing_below(first)) + moved

    def is_there(self, rank: int) -> bool:
        return self.count(rank, rank + 1) == 1

    def ranks(self, first: int, last: int, skip: int, most: int) -> Sequence[int]:
        """List the existing ranks in [first, last): at most ``most``, after the first ``skip``."""
        start, stop = first, last
        while start < stop:
            middle = (start + stop) // 2
            if self.count(first, middle + 1) > skip:
                stop = middle
            else:
                start = middle + 1
        return list(islice((rank for rank in range(start, last) if self.is_there(rank)), most))

    def move(self, first: int, before: int) -> bool:
        """Let the last record in [first, before) vanish, or the last missing one appear. False if there is none."""
        wanted = self.kind == "delete"
        for rank in range(before - 1, max(first, before - _MAX_LOOKBACK_RANKS) - 1, -1):
            if self.is_there(rank) is wanted:
                insort(self._moved, rank)
                return True
        return False


def _missing_below(rank: int) -> int:
    return (rank + _MISSING_EVERY_RANKS - 1 - _FIRST_MISSING_RANK) // _MISSING_EVERY_RANKS
