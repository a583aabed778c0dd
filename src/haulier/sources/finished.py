from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from haulier.items.feed_start import FeedStart
from haulier.items.ranges import IdRange
from haulier.items.span_group import ALL_GROUPS, group_of
from haulier.items.spans import Span
from haulier.items.windows import TimeWindow


@dataclass(frozen=True)
class Finished:
    """What earlier incremental runs have finished, by stream: each planned item, with all that it was divided into.

    Pass it on: ``due_windows(ctx.finished.windows("orders"), ...)``. Empty in full runs.
    """

    spans: Mapping[str, Mapping[str, tuple[Span, ...]]] = field(default_factory=dict)
    """By stream, then by the group of `items.span_group`: merged and sorted. What `ALL_GROUPS` has is finished in every
    group that does not stand here."""
    starts: Mapping[str, datetime] = field(default_factory=dict)
    """By stream, the first moment that was ever said to be finished, or read, though in vain."""

    feeds: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    """By stream and group, where feeds go on; "" where one begins anew."""
    lifted_feeds: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    """By stream and group whose feed was read by a run that does not count any more: that run, and what it is."""

    def feed(self, stream: str, **others: Any) -> FeedStart:
        """Where a feed goes on; its beginning where no run has read it. ``others`` as in `windows`."""
        groups = self.feeds.get(stream, {})
        return FeedStart(groups.get(group_of(others), groups.get(ALL_GROUPS, "")))

    def lost_feed(self, stream: str, **others: Any) -> str:
        """Where a feed begins anew since a run that read it does not count any more: that run, and what it is. Else "".
        ``others`` as in `windows`."""
        group = group_of(others)
        place = group if group in self.feeds.get(stream, {}) else ALL_GROUPS
        return self.lifted_feeds.get(stream, {}).get(place, "")

    def windows(self, stream: str, **others: Any) -> tuple[TimeWindow, ...]:
        """Windows that are finished, sorted and apart. ``others`` are the values of the item's other fields, if it has
        any: ``ctx.finished.windows("orders", region="eu")``."""
        return tuple(span for span in self._of(stream, others) if isinstance(span, TimeWindow))

    def ids(self, stream: str, **others: Any) -> tuple[IdRange, ...]:
        """Ranges of IDs that are finished; otherwise as `windows`."""
        return tuple(span for span in self._of(stream, others) if isinstance(span, IdRange))

    def _of(self, stream: str, others: Mapping[str, Any]) -> tuple[Span, ...]:
        groups = self.spans.get(stream, {})
        return groups.get(group_of(others), groups.get(ALL_GROUPS, ()))
