"""Records that appear or vanish while somebody walks through them: what an offset cannot survive, and a cursor can."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from itertools import islice
from typing import Literal

# With `insert`, the records of these ranks are missing at first.
_MISSING_EVERY = 10
_MISSING_AT = 4
_LOOKED_BACK = 1_000


class Drift:
    """Which ranks are there now. The same requests in the same order, the same drift."""

    def __init__(self, kind: Literal["insert", "delete"]) -> None:
        self.kind = kind
        self._moved: list[int] = []

    def count(self, first: int, last: int) -> int:
        """How many of the ranks [first, last) are there."""
        moved = bisect_left(self._moved, last) - bisect_left(self._moved, first)
        if self.kind == "delete":
            return last - first - moved
        return last - first - (_missing_below(last) - _missing_below(first)) + moved

    def is_there(self, rank: int) -> bool:
        """Whether there is a record of that rank now."""
        return self.count(rank, rank + 1) == 1

    def ranks(self, first: int, last: int, skip: int, most: int) -> Sequence[int]:
        """Of those that are there in [first, last), ``most`` after the first ``skip``."""
        start, stop = first, last
        while start < stop:
            middle = (start + stop) // 2
            if self.count(first, middle + 1) > skip:
                stop = middle
            else:
                start = middle + 1
        return list(islice((rank for rank in range(start, last) if self.is_there(rank)), most))

    def happen(self, first: int, before: int) -> bool:
        """The nearest record in [first, before) vanishes, or the nearest missing one appears; whether there was one."""
        wanted = self.kind == "delete"
        for rank in range(before - 1, max(first, before - _LOOKED_BACK) - 1, -1):
            if self.is_there(rank) is wanted:
                insort(self._moved, rank)
                return True
        return False


def _missing_below(rank: int) -> int:
    """How many ranks below that are missing at first."""
    return (rank + _MISSING_EVERY - 1 - _MISSING_AT) // _MISSING_EVERY
