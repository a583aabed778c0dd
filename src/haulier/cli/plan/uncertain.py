"""A figure that is known only roughly."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Uncertain(msgspec.Struct, frozen=True, kw_only=True):
    """``high`` is None where nothing that was seen bounds it: the figure is at least ``low``."""

    low: float
    likely: float
    high: float | None

    @property
    def is_exact(self) -> bool:
        return self.low == self.high

    def __add__(self, other: Uncertain) -> Uncertain:
        return Uncertain(
            low=self.low + other.low,
            likely=self.likely + other.likely,
            high=None if self.high is None or other.high is None else self.high + other.high,
        )

    def __mul__(self, other: Uncertain | float) -> Uncertain:
        by = other if isinstance(other, Uncertain) else exactly(other)
        return Uncertain(
            low=self.low * by.low,
            likely=self.likely * by.likely,
            high=None if self.high is None or by.high is None else self.high * by.high,
        )

    def at_least(self, least: float) -> Uncertain:
        return Uncertain(
            low=max(self.low, least),
            likely=max(self.likely, least),
            high=None if self.high is None else max(self.high, least),
        )

    def at_most(self, most: float | None) -> Uncertain:
        """Nothing where ``most`` is None. What is surely taken stays."""
        if most is None:
            return self
        most = max(most, self.low)
        return Uncertain(
            low=self.low, likely=min(self.likely, most), high=most if self.high is None else min(self.high, most)
        )


NOTHING = Uncertain(low=0.0, likely=0.0, high=0.0)


def exactly(figure: float) -> Uncertain:
    return Uncertain(low=figure, likely=figure, high=figure)


def at_least(figure: float, likely: float | None = None) -> Uncertain:
    return Uncertain(low=figure, likely=figure if likely is None else likely, high=None)


def between(low: float, likely: float, high: float | None) -> Uncertain:
    """In order, whatever the rounding made of it."""
    likely = max(low, likely)
    return Uncertain(low=low, likely=likely, high=None if high is None else max(high, likely))


def sum_of(figures: Iterable[Uncertain]) -> Uncertain:
    total = NOTHING
    for figure in figures:
        total += figure
    return total
