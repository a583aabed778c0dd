"""What a plan reads, added up while it is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from haulier.items.feed_start import feed_of
from haulier.items.span_of import span_of
from haulier.items.spans import Span
from haulier.items.windows import TimeWindow
from haulier.runs.records import Overlaps, PlannedItem
from haulier.runs.watermark.span_table import SpanTable
from haulier.sources.finished import Finished


@dataclass(frozen=True)
class PlannedSpans:
    """``is_kept``: the run is an incremental one. Nothing is noted of others.

    What lies after ``until``, the time of the run, is not finished by it: its records are still to come.
    """

    is_kept: bool
    until: datetime | None = None
    spans: SpanTable = field(default_factory=SpanTable)
    spanless: dict[str, int] = field(default_factory=dict)
    """By stream, items of which no one span is told."""
    ahead: dict[str, int] = field(default_factory=dict)
    """By stream, windows that end after the time of the run."""
    feeds: dict[str, tuple[int, int]] = field(default_factory=dict)
    """As in `Seal`."""

    def add(self, items: Iterable[PlannedItem]) -> None:
        for item in items if self.is_kept else ():
            found = span_of(bytes(item.payload))
            if found is None and (feed := feed_of(bytes(item.payload))) is not None:
                on, anew = self.feeds.get(item.stream, (0, 0))
                self.feeds[item.stream] = (on + 1, anew) if feed[1].feed else (on, anew + 1)
            elif found is None:
                self.spanless[item.stream] = self.spanless.get(item.stream, 0) + 1
            else:
                self._add_span(item.stream, *found)

    def _add_span(self, stream: str, group: str, span: Span) -> None:
        if self.until is not None and isinstance(span, TimeWindow) and span.end > self.until:
            self.ahead[stream] = self.ahead.get(stream, 0) + 1
            if span.start >= self.until:
                return
            span = TimeWindow(span.start, self.until)
        self.spans.add(stream, group, span)

    def overlaps(self, finished: Finished) -> Overlaps:
        """By stream, what was finished before, in any group."""
        shared = self.spans.common(SpanTable.of(finished.spans))
        return {stream: tuple((span.start, span.end) for span in spans) for stream, spans in shared.by_stream().items()}
