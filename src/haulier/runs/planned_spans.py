"""What a plan reads, added up while it is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from haulier.items.span_of import span_of
from haulier.runs.records import Overlaps, PlannedItem
from haulier.runs.span_table import SpanTable
from haulier.sources.finished import Finished


@dataclass(frozen=True)
class PlannedSpans:
    """``is_kept``: the run is an incremental one. Nothing is noted of others."""

    is_kept: bool
    spans: SpanTable = field(default_factory=SpanTable)
    spanless: dict[str, int] = field(default_factory=dict)
    """By stream, items of which no one span is told."""

    def add(self, items: Iterable[PlannedItem]) -> None:
        for item in items if self.is_kept else ():
            found = span_of(bytes(item.payload))
            if found is None:
                self.spanless[item.stream] = self.spanless.get(item.stream, 0) + 1
            else:
                self.spans.add(item.stream, *found)

    def overlaps(self, finished: Finished) -> Overlaps:
        """By stream, what was finished before, in any group."""
        shared = self.spans.common(SpanTable.of(finished.spans))
        return {stream: tuple((span.start, span.end) for span in spans) for stream, spans in shared.by_stream().items()}
