from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class IdRange:
    """The IDs from ``start`` up to but not including ``end``; ``ValueError`` where it would be empty."""

    start: int
    end: int

    def __post_init__(self) -> None:
        for name, value in (("start", self.start), ("end", self.end)):
            require_integer(f"The {name} of an ID range", value)
        if self.start >= self.end:
            raise ValueError(
                f"An ID range from {self.start} to {self.end} is empty: its end is the first ID after it, so at least "
                f"{self.start + 1}."
            )

    @property
    def size(self) -> int:
        """The number of IDs; the API may have fewer records."""
        return self.end - self.start

    def inclusive(self, first: str, last: str) -> dict[str, int]:
        """Query parameters for an API that includes both ends: ``{first: start, last: end - 1}``."""
        return _named(first, self.start, last, self.end - 1)

    def half_open(self, first: str, beyond: str) -> dict[str, int]:
        """Query parameters for an API that excludes the end: ``{first: start, beyond: end}``."""
        return _named(first, self.start, beyond, self.end)

    def halves(self) -> tuple[IdRange, IdRange] | None:
        """Two neighbouring ranges that make up this one; None for a single ID."""
        if self.size == 1:
            return None
        middle = self.start + self.size // 2
        return IdRange(self.start, middle), IdRange(middle, self.end)


def id_ranges(start: int, end: int, *, step: int) -> Iterator[IdRange]:
    """Ranges of ``step`` IDs that cover ``start`` up to but not including ``end``, without gap or overlap.

    Lazy. The last range may be shorter; ``start == end`` gives none. ``ValueError`` for a step below 1 or an end below
    the start.
    """
    for name, value in (("start", start), ("end", end), ("step", step)):
        require_integer(f"The {name} of id_ranges", value)
    if step < 1:
        raise ValueError(f"The step of id_ranges is {step}: write at least 1.")
    if start > end:
        raise ValueError(f"The end of id_ranges, {end}, is below its start, {start}: pass the first ID after the last.")
    return (IdRange(first, min(first + step, end)) for first in range(start, end, step))


def require_integer(what: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{what} is {value!r}: pass an integer.")


def _named(first: str, start: int, last: str, end: int) -> dict[str, int]:
    if first == last:
        raise ValueError(f"Both ends of an ID range would be sent as the parameter {first!r}: name two parameters.")
    return {first: start, last: end}
