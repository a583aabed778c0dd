"""The items that a run would have, counted, with some of each stream to look at."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime

from haulier.app.claim_checks import require_starts
from haulier.app.open_source import LiveSource
from haulier.app.run_time import run_time
from haulier.cli.output import say
from haulier.items.ranges import IdRange
from haulier.items.span_of import span_of
from haulier.items.workitem import WorkItem
from haulier.runs.plan import SHARD_ITEMS, PlanSurvey
from haulier.runs.records import PlannedItem, Seal
from haulier.runs.watermark.fold import read_watermark
from haulier.sources.context import Context, RunInfo
from haulier.sources.context_log import ContextLog
from haulier.sources.finished import Finished

MAX_ITEMS = 1_000_000
"""An enumerator that never ends is read no further. Counting so many takes a minute."""
KEPT_ITEMS = 64
"""Items of a stream from which those are chosen that are looked at."""


@dataclass
class PlannedStream:
    """What is planned of one stream."""

    stream: str
    items: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    ids: int | None = 0
    """IDs in the ranges of all items together; None where an item has no range of IDs."""
    _kept: list[PlannedItem] = field(default_factory=list)
    _step: int = 1

    def add(self, item: PlannedItem) -> None:
        if self.items % self._step == 0:
            self._kept.append(item)
            if len(self._kept) > KEPT_ITEMS:
                del self._kept[1::2]
                self._step *= 2
        self.items += 1
        self.kinds[item.kind] = self.kinds.get(item.kind, 0) + 1
        if self.ids is not None:
            ids = ids_of(item)
            self.ids = None if ids is None else self.ids + ids

    def chosen(self, count: int) -> list[PlannedItem]:
        """So many items, or all that were kept, spread evenly; the one in the middle if it is one."""
        kept = len(self._kept)
        places = sorted({min(kept - 1, int((number + 0.5) * kept / count)) for number in range(count)}) if kept else []
        return [self._kept[place] for place in places]


@dataclass(frozen=True)
class Enumerated:
    streams: tuple[PlannedStream, ...]
    seal: Seal
    """What a plan would say of itself. There is no file of it."""
    snapshot_time: datetime
    requests: int
    """Of the enumeration, and of the question for the API's time."""
    is_cut: bool
    """There are more items than were asked for."""

    @property
    def items(self) -> int:
        return sum(stream.items for stream in self.streams)


async def enumerate_items(source: LiveSource, mode: str, streams: tuple[str, ...], max_items: int) -> Enumerated:
    """Enumerate as a run that starts now. Nothing is claimed, written or sent to the queue."""
    before = source.timed_transport.answers
    finished, moment = Finished(), source.clock.now()
    if mode == "incremental":
        await require_starts(source, streams)
        finished = (await read_watermark(source.lake, source.app.name)).finished
        moment = run_time(await source.client.ask_time(), say)
    moment = moment.replace(microsecond=0)
    context = replace(context_of(source, mode, moment), finished=finished)
    found = {stream: PlannedStream(stream) for stream in streams}
    is_cut = False

    async def first() -> AsyncGenerator[WorkItem]:
        nonlocal is_cut
        left = max_items
        async with aclosing(source.items(mode, streams, context)) as items:
            async for item in items:
                if not left:
                    is_cut = True
                    return
                left -= 1
                yield item

    survey = PlanSurvey(mode, moment)
    try:
        async with aclosing(first()) as items:
            async for fresh in survey.fresh(items, SHARD_ITEMS):
                for item in fresh:
                    found[item.stream].add(item)
        seal = survey.sealed("", (), finished, source.clock.now())
    finally:
        survey.close()
    requests = source.timed_transport.answers - before
    return Enumerated(tuple(found.values()), seal, moment, requests, is_cut)


def context_of(source: LiveSource, mode: str, moment: datetime) -> Context:
    log = ContextLog(logging.getLogger("haulier.processor"), {"item_key": "plan"})
    return Context(source.client.session(), RunInfo("plan", mode, moment), 1, log, source.shared)


def ids_of(item: PlannedItem) -> int | None:
    """How many IDs its range has; None without one."""
    found = span_of(bytes(item.payload))
    span = None if found is None else found[1]
    return span.end - span.start if isinstance(span, IdRange) else None
