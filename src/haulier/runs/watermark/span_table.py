"""Sets of spans, of several streams and groups: what a run has read, or what all of them have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from haulier.items.ranges import IdRange
from haulier.items.span_group import ALL_GROUPS
from haulier.items.spans import Span, merge, overlaps, without
from haulier.items.windows import TimeWindow

Ends = tuple[int | datetime, int | datetime]
"""A span in a record: its start and its end, which is the first beyond it."""
SpanLists = dict[str, dict[str, tuple[Ends, ...]]]
"""A table in a record: by stream, then by group."""

_AT_ONCE = 4_096
"""Spans that wait to be merged."""

_Place = tuple[str, str, type[IdRange] | type[TimeWindow]]


class SpanTable:
    """Spans by stream and group, merged. IDs and times of one group are kept apart."""

    def __init__(self) -> None:
        self._spans: dict[_Place, tuple[Any, ...]] = {}
        self._waiting: dict[_Place, list[Any]] = {}

    @classmethod
    def read(cls, lists: Mapping[str, Mapping[str, Iterable[Ends]]]) -> SpanTable:
        """Raises ``ValueError`` for what are no spans."""
        table = cls()
        for stream, groups in lists.items():
            for group, spans in groups.items():
                for kind in (IdRange, TimeWindow):
                    table._spans[stream, group, kind] = ()
                for ends in spans:
                    table.add(stream, group, span_between(*ends))
        return table

    @classmethod
    def of(cls, spans: Mapping[str, Mapping[str, Iterable[Span]]]) -> SpanTable:
        return cls.read(
            {
                stream: {group: [(span.start, span.end) for span in found] for group, found in groups.items()}
                for stream, groups in spans.items()
            }
        )

    def written(self) -> SpanLists:
        return {
            stream: {group: tuple((span.start, span.end) for span in spans) for group, spans in groups.items()}
            for stream, groups in self.spans().items()
        }

    def spans(self) -> dict[str, dict[str, tuple[Span, ...]]]:
        """By stream, then by group. A group whose spans were all taken is there, with none."""
        found: dict[str, dict[str, tuple[Span, ...]]] = {}
        for place in sorted(self._places(), key=lambda place: (place[0], place[1], place[2].__name__)):
            stream, group, _ = place
            known = found.setdefault(stream, {}).get(group, ())
            found[stream][group] = (*known, *self._of(place))
        return found

    def by_stream(self) -> dict[str, tuple[Span, ...]]:
        """What each stream has in any group, merged."""
        found: dict[str, tuple[Span, ...]] = {}
        for kind in (IdRange, TimeWindow):
            every: dict[str, list[Any]] = {}
            for place in sorted(self._places(), key=lambda place: place[:2]):
                if place[2] is kind:
                    every.setdefault(place[0], []).extend(self._of(place))
            found |= {stream: (*found.get(stream, ()), *merge(spans)) for stream, spans in every.items() if spans}
        return found

    def first_times(self) -> dict[str, datetime]:
        """Where the first window of each stream begins, in any group."""
        found: dict[str, datetime] = {}
        for place in self._places():
            if place[2] is TimeWindow and (spans := self._of(place)):
                found[place[0]] = min(spans[0].start, found.get(place[0], spans[0].start))
        return found

    def add(self, stream: str, group: str, span: Span) -> None:
        place = (stream, group, type(span))
        waiting = self._waiting.setdefault(place, [])
        waiting.append(span)
        if len(waiting) >= _AT_ONCE:
            self._merge(place)

    def put(self, other: SpanTable) -> None:
        """Add all of another table."""
        for place in other._places():
            self._spans[place] = merge((*self._of(place), *other._of(place)))

    def take(self, other: SpanTable) -> None:
        """Remove all of another table."""
        for place in other._places() & self._places():
            self._spans[place] = without(self._of(place), other._of(place))

    def common(self, other: SpanTable) -> SpanTable:
        """What both cover."""
        found, others = SpanTable(), other._places()
        for place in self._places():
            known = place if place in others else _everywhere(place)
            if shared := overlaps(self._of(place), other._of(known)):
                found._spans[place] = shared
        return found

    def drop(self, streams: Collection[str]) -> None:
        for place in self._places():
            if place[0] in streams:
                del self._spans[place]

    def spread(self, other: SpanTable) -> None:
        """Give each group of another table, that has no spans here, those of `ALL_GROUPS`."""
        for place in other._places() - self._places():
            if everywhere := self._of(_everywhere(place)):
                self._spans[place] = everywhere

    def _places(self) -> set[_Place]:
        for place in self._waiting:
            self._merge(place)
        return set(self._spans)

    def _of(self, place: _Place) -> tuple[Any, ...]:
        return self._spans.get(place, ())

    def _merge(self, place: _Place) -> None:
        if waiting := self._waiting[place]:
            self._spans[place] = merge((*self._of(place), *waiting))
            waiting.clear()


def span_between(start: int | datetime, end: int | datetime) -> Span:
    """Raises ``ValueError`` for what is no span."""
    if isinstance(start, int) and isinstance(end, int):
        return IdRange(start, end)
    if isinstance(start, datetime) and isinstance(end, datetime):
        return TimeWindow(start, end)
    raise ValueError(f"{start} to {end} is neither a range of IDs nor a window of time")


def _everywhere(place: _Place) -> _Place:
    return place[0], ALL_GROUPS, place[2]
