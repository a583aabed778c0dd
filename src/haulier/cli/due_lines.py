"""What an incremental run reads, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from haulier.cli.span_words import shown, size_of, span_words
from haulier.items.ranges import IdRange
from haulier.items.spans import Span, without
from haulier.items.windows import TimeWindow
from haulier.plurals import are, count_of
from haulier.runs.records import Overlaps, Seal
from haulier.runs.watermark.span_table import SpanTable, span_between


def due_lines(seal: Seal, snapshot_time: datetime) -> Iterator[str]:
    """A line for each stream: what is new, the holes, and what is read once more."""
    overlaps = SpanTable.read({stream: {"": spans} for stream, spans in seal.overlaps.items()}).by_stream()
    for stream, spans in SpanTable.read(seal.spans).by_stream().items():
        for kind in (IdRange, TimeWindow):
            planned = [span for span in spans if isinstance(span, kind)]
            if planned:
                again = [span for span in overlaps.get(stream, ()) if isinstance(span, kind)]
                yield f"  {stream}: {due_words(planned, again)}"
    for stream, (on, anew) in seal.feeds.items():
        parts = [f"{count_of(on, 'feed')} {'goes' if on == 1 else 'go'} on where {'it' if on == 1 else 'they'} ended"]
        parts = parts if on else []
        if anew:
            parts.append(f"{count_of(anew, 'feed')} {'is' if anew == 1 else 'are'} read from the beginning")
        yield f"  {stream}: {', '.join(parts)}"
    for stream, windows in seal.ahead.items():
        ends, count = ("ends", "it counts") if windows == 1 else ("end", "they count")
        yield (
            f"  {stream}: {count_of(windows, 'window')} {ends} after the time of this run; {count} as finished up to "
            f"{shown(snapshot_time)}, and what comes later is left to the next run"
        )
    for stream, items in seal.spanless.items():
        yield (
            f"  {stream}: {count_of(items, 'item')} of no one window or range of IDs: what {are(items)} read by "
            f"{'it' if items == 1 else 'them'} is never noted as finished"
        )


def again_lines(overlaps: Overlaps) -> Iterator[str]:
    """A line for each stream of which something was read that was finished before."""
    for stream, spans in overlaps.items():
        yield f"{stream}: {', '.join(span_words(span_between(*ends)) for ends in spans)}"


def due_words(planned: Sequence[Span], again: Sequence[Span], goes_on: str = "") -> str:
    """Say what is new among some spans of one kind, what fills holes, and what is read ``again``. ``goes_on`` says
    where the new ones begin, if they are not among them."""
    new: tuple[Span, ...] = without(planned, again)  # type: ignore[type-var]
    holes = new if goes_on else new[:-1]
    parts = [goes_on] if goes_on else []
    if new and not goes_on:
        parts.append(f"{size_of([new[-1]])} since {shown(new[-1].start)}")
    if holes:
        parts.append(f"{'a hole' if len(holes) == 1 else f'{len(holes):,} holes'} of {size_of(holes)}")
    if again:
        parts.append(f"the last {size_of(again)} once more")
    return ", and ".join(parts) or "nothing"
