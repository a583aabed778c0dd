from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime

from haulier.errors import UsageError
from haulier.items.formats import DAY
from haulier.items.windows import TimeWindow, day_windows, time_windows
from haulier.items.workitem import WorkItem
from haulier.items.zones import MOMENT, day_start, local, zone_of
from haulier.sources.context import Context
from haulier.sources.recipe import Pairs, WindowsRecipe
from haulier.sources.templates import PlaceholderValues


class WindowsDivision:
    """Windows end at the run's snapshot time less the time that the API needs to settle."""

    placeholders = ("start", "end")

    def __init__(self, stream: str, kind: str, where: str, recipe: WindowsRecipe) -> None:
        @dataclass(frozen=True)
        class Windows(WorkItem, stream=stream, kind=kind):
            window: TimeWindow

        self.item: type[WorkItem] = Windows
        self.query: Pairs = recipe.query
        self._make = Windows
        self._recipe = recipe
        self._where = where

    async def items(self, context: Context) -> AsyncIterator[WorkItem]:
        """The windows ascend, without gap or overlap; they are equal for equal snapshot times."""
        start, end = self._recipe.start, self._end(context.snapshot_time)
        if start is None:
            raise UsageError(f"{self._where}: `start` is missing. Write, for example: start = 2013-01-01T00:00:00Z")
        if end <= start:
            raise UsageError(
                f"{self._where}: the start, {start:%Y-%m-%dT%H:%M:%SZ}, is not before the end, "
                f"{end:%Y-%m-%dT%H:%M:%SZ}. Write an earlier start."
            )
        for window in self._windows(start, end):
            yield self._make(window)

    def fill(self, item: WorkItem) -> PlaceholderValues:
        assert isinstance(item, self._make)
        start, end = self._recipe.bounds.of(item.window)
        if self._recipe.bounds.format.startswith("epoch_"):
            return {"start": int(start), "end": int(end)}
        return {"start": start, "end": end}

    def halves(self, item: WorkItem) -> tuple[WorkItem, ...]:
        """Empty for a single granule, and where the API is told the start alone."""
        assert isinstance(item, self._make)
        if self._recipe.only_start:
            return ()
        window, zone = item.window, zone_of(self._recipe.bounds.zone)
        if not self._recipe.bounds.is_by_date:
            return tuple(self._make(half) for half in window.halves(self._recipe.bounds.shortest) or ())
        first, beyond = local(window.start, zone).date(), local(window.end - MOMENT, zone).date() + DAY
        if (beyond - first).days < 2:
            return ()
        middle = day_start(first + (beyond - first) // 2, zone)
        return self._make(TimeWindow(window.start, middle)), self._make(TimeWindow(middle, window.end))

    def _windows(self, start: datetime, end: datetime) -> Iterator[TimeWindow]:
        if not self._recipe.bounds.is_by_date:
            return time_windows(start, end, step=self._recipe.step)
        # A date asks for its whole day, so the windows are whole days too: the first and the last one reach outside.
        zone = zone_of(self._recipe.bounds.zone)
        first, last = local(start, zone).date(), local(end - MOMENT, zone).date()
        return day_windows(first, last + DAY, zone=self._recipe.bounds.zone, days=self._recipe.step // DAY)

    def _end(self, snapshot_time: datetime) -> datetime:
        latest = snapshot_time - self._recipe.settle
        if self._recipe.end is not None:
            latest = min(latest, self._recipe.end)
        return latest
