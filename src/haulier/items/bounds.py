from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from typing import Literal

from haulier.items.formats import DAY, Format, check_format
from haulier.items.ranges import IdRange
from haulier.items.windows import TimeWindow
from haulier.items.zones import (
    MOMENT,
    ceiling,
    day_start,
    floor,
    fold_around,
    local,
    mark_from,
    mark_until,
    zone_of,
)

Edge = Literal["inclusive", "exclusive"]
_EDGES = ("inclusive", "exclusive")


@dataclass(frozen=True)
class Bounds:
    """How the ends of a half-open range or window are sent to an API, so that neighbours meet each record once.

    ``start`` and ``end`` say whether the API includes what equals the end. ``granule`` is the smallest difference
    between two records, 1 for IDs: an inclusive end is sent one granule earlier, and so is an exclusive start.
    ``format`` is ``iso``, ``date``, ``epoch_seconds``, ``epoch_milliseconds`` or strftime text, whose smallest step is
    the granule unless given. ``zone`` is the time zone of the text, and of the midnight from which granules count.

    Where the text cannot express an end, more is asked for, never less: a date asks for its whole local day.
    ``ValueError`` for wrong settings.
    """

    start: Edge = "inclusive"
    end: Edge = "exclusive"
    format: str = "iso"
    granule: timedelta | int | None = None
    zone: str = "UTC"

    def __post_init__(self) -> None:
        for name, edge in (("start", self.start), ("end", self.end)):
            if edge not in _EDGES:
                raise ValueError(f'The {name} of bounds is {edge!r}: write "inclusive" or "exclusive".')
        _check_granule(self.granule)
        zone_of(self.zone)
        self._check_format()

    @property
    def overlaps(self) -> bool:
        """Whether neighbouring windows may be sent as overlapping ones: rows then come in two objects, and none is
        lost.

        True for formats coarser than the granule, such as dates, and for local times, which a clock set back shows
        twice.
        """
        written = self._check_format()
        return written.is_date or written.is_local or self._is_coarse(written)

    @property
    def is_by_date(self) -> bool:
        """Whether the API is asked for whole local days."""
        return self._check_format().is_date

    @property
    def shortest(self) -> timedelta:
        """The shortest window that can be asked for without its neighbours."""
        written = self._check_format()
        granule, step = self._granule(written) // MOMENT, written.step // MOMENT
        return math.lcm(granule, step) * MOMENT

    def of(self, span: IdRange | TimeWindow) -> tuple[str, str]:
        """The start and the end as they are sent."""
        if isinstance(span, IdRange):
            return self._ids(span)
        return self._window(span)[:2]

    def widens(self, span: IdRange | TimeWindow) -> bool:
        """Whether what `of` gives may match records outside the span. Never for IDs."""
        return not isinstance(span, IdRange) and self._window(span)[2]

    def _ids(self, ids: IdRange) -> tuple[str, str]:
        if isinstance(self.granule, timedelta):
            raise ValueError(f"Bounds with a granule of {self.granule} are for time windows: IDs have granule 1.")
        start = ids.start - (self.start == "exclusive")
        end = ids.end - (self.end == "inclusive")
        return str(start), str(end)

    def _window(self, window: TimeWindow) -> tuple[str, str, bool]:
        if isinstance(self.granule, int):
            raise ValueError('Bounds with a granule of 1 are for IDs: write a duration for time windows, such as "1s".')
        written, zone = self._check_format(), zone_of(self.zone)
        return self._days(window, written, zone) if written.is_date else self._moments(window, written, zone)

    def _moments(self, window: TimeWindow, written: Format, zone: tzinfo) -> tuple[str, str, bool]:
        granule, step = self._granule(written), written.step
        is_coarse = self._is_coarse(written)
        start, end = window.start, window.end
        if self.start == "exclusive":
            start = mark_until(start, step, zone) - step if is_coarse else mark_until(start - MOMENT, granule, zone)
        if self.end == "inclusive" and not is_coarse:
            # A window between two marks has no record; no API likes an end before its start.
            end = max(start, mark_until(end - MOMENT, granule, zone))
        sent_start, sent_end = mark_until(start, step, zone), mark_from(end, step, zone)
        widens = (sent_start, sent_end) != (start, end)
        if is_coarse:
            # Whether "<= 12:30" takes in 12:30:01 differs between APIs, so both readings have to find every record.
            widens = widens or self.start == "exclusive" or self.end == "inclusive"
        if not written.is_local:
            return written.write(sent_start.astimezone(zone)), written.write(sent_end.astimezone(zone)), widens
        # An API may read a time that the clock shows twice as either, so what is sent lies outside of such an hour.
        early, late = local(sent_start, zone), local(sent_end, zone)
        before, after = fold_around(early, zone), fold_around(late, zone)
        if before is not None:
            early, widens = floor(before[0], step) - step, True
        if after is not None:
            late, widens = ceiling(after[1], step), True
        return written.write(early), written.write(late), widens

    def _days(self, window: TimeWindow, written: Format, zone: tzinfo) -> tuple[str, str, bool]:
        first, last = local(window.start, zone), local(window.end - MOMENT, zone)
        before, after = fold_around(first, zone), fold_around(last, zone)
        first_day = (first if before is None else before[0]).date()
        last_day = (last if after is None else after[1] - MOMENT).date()
        widens = day_start(first_day, zone) != window.start or day_start(last_day + DAY, zone) != window.end
        start = first_day - DAY if self.start == "exclusive" else first_day
        end = last_day if self.end == "inclusive" else last_day + DAY
        return written.write_date(start), written.write_date(end), widens

    def _check_format(self) -> Format:
        granule = self.granule if isinstance(self.granule, timedelta) else None
        return check_format(self.format, granule, is_utc=self.zone == "UTC")

    def _is_coarse(self, written: Format) -> bool:
        """Whether records may lie between two neighbouring texts."""
        return bool(self._granule(written) % written.step)

    def _granule(self, written: Format) -> timedelta:
        return self.granule if isinstance(self.granule, timedelta) else written.step


def _check_granule(granule: object) -> None:
    if granule is None or (type(granule) is int and granule == 1):
        return
    if not isinstance(granule, timedelta):
        raise ValueError(f"The granule of bounds is {granule!r}: write a duration for times, or 1 for IDs.")
    # Granules are counted from midnight, so that 15m and 1h stand on the local clock's own marks.
    if granule <= timedelta(0) or DAY % granule:
        raise ValueError(
            f"The granule of bounds is {granule}: write a duration that divides a day, such as 1s, 15m, 1h or 1d."
        )
