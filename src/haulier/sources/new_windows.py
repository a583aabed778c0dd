from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import date, datetime

from haulier.errors import UsageError
from haulier.items.due import due_parts, due_starts
from haulier.items.formats import DAY
from haulier.items.ranges import IdRange
from haulier.items.spans import LOWEST_TIME
from haulier.items.windows import TimeWindow
from haulier.items.workitem import WorkItem
from haulier.items.zones import MOMENT, day_start, local, mark_until, zone_of
from haulier.sources.context import Context
from haulier.sources.finished import Finished
from haulier.sources.recipe import ALL_AT_ONCE
from haulier.sources.windows import WindowsDivision


class NewWindowsDivision(WindowsDivision):
    """Windows of an incremental run: those that no earlier one has finished, and the last ones once more."""

    async def items(self, context: Context) -> AsyncIterator[WorkItem]:
        """None where nothing is due. Raises `UsageError` where nobody says where to begin."""
        finished = context.finished.windows(self.item.stream)
        if finished and finished[-1].end > context.snapshot_time:
            context.log.warning(
                "what is finished ends after the time of this run, so new records until then count as read: "
                "a clock was ahead once, and `haulier state set` says up to when all is there",
                extra={"stream": self.item.stream, "finished_up_to": f"{finished[-1].end:%Y-%m-%dT%H:%M:%SZ}"},
            )
        for window in self.due(context.finished, context.snapshot_time):
            yield self._make(window)

    def due(self, all_finished: Finished, snapshot_time: datetime) -> Iterator[TimeWindow]:
        """What a run of that time reads. Raises `UsageError` as `items`."""
        finished = all_finished.windows(self.item.stream)
        start = self._recipe.start or all_finished.starts.get(self.item.stream)
        if start is None and finished:
            start = finished[0].start
        if start is None:
            raise no_start_error(self.item.stream)
        if start > snapshot_time:
            raise UsageError(
                f"{self._where}: the start, {start:%Y-%m-%dT%H:%M:%SZ}, is after the time of this run, "
                f"{snapshot_time:%Y-%m-%dT%H:%M:%SZ}. Write an earlier start."
            )
        due = self._due_days if self._recipe.bounds.is_by_date else self._due
        return due(finished, start, snapshot_time)

    def _due(self, finished: tuple[TimeWindow, ...], start: datetime, snapshot_time: datetime) -> Iterator[TimeWindow]:
        recipe = self._recipe
        # No window ends where the bounds cannot say it: its neighbour of the next night would overlap it.
        until = mark_until(snapshot_time - recipe.settle, recipe.bounds.shortest, zone_of(recipe.bounds.zone))
        if recipe.end is not None:
            until = min(until, recipe.end)
        if start >= until:
            return iter(())
        parts = due_starts if recipe.only_start else due_parts
        step = None if recipe.step == ALL_AT_ONCE else recipe.step
        return parts(finished, TimeWindow(start, until), step=step, lookback=recipe.lookback)

    def _due_days(
        self, finished: tuple[TimeWindow, ...], start: datetime, snapshot_time: datetime
    ) -> Iterator[TimeWindow]:
        """Whole local days that are over, counted as numbers: a day has 23, 24 or 25 hours, or none."""
        recipe, zone = self._recipe, zone_of(self._recipe.bounds.zone)

        def day_of(moment: datetime) -> int:
            return local(moment, zone).toordinal()

        def day_from(moment: datetime) -> int:
            return day_of(moment - MOMENT) + 1

        # Before LOWEST_TIME there is nothing, though it is no midnight but in UTC.
        first = day_from(start) if start == LOWEST_TIME else day_of(start)
        until = day_of(snapshot_time - recipe.settle)
        if recipe.end is not None:
            until = min(until, day_from(recipe.end))
        if first >= until:
            return
        # A day of which a part is finished is not.
        known = [(day_from(window.start), day_of(window.end)) for window in finished]
        lookback = 0
        if finished and finished[-1].end > start:
            newest = finished[-1].end
            lookback = day_of(newest) - day_of(start if newest - start <= recipe.lookback else newest - recipe.lookback)
        days = [IdRange(begin, end) for begin, end in known if begin < end]
        parts = due_starts if recipe.only_start else due_parts
        step = None if recipe.step == ALL_AT_ONCE else recipe.step // DAY
        for part in parts(days, IdRange(first, until), step=step, lookback=lookback):
            begin, end = (day_start(date.fromordinal(day), zone) for day in (part.start, part.end))
            if begin < end:
                yield TimeWindow(begin, end)


def no_start_error(stream: str, until: str = "TIME", why: str = "TEXT") -> UsageError:
    """``until``: up to when a full run has everything."""
    return UsageError(
        f"streams.{stream}.incremental.windows: there is no `start`, and no incremental run has finished a window yet. "
        "Write there from which time on the first run reads: start = 2013-01-01T00:00:00Z. Or, after a complete full "
        f"run, say up to when it has everything: haulier state set SOURCE {stream} --until {until} --why {why}"
    )
