"""The cost of a plan, or of its rest, in requests and time."""

from __future__ import annotations

import math

from haulier.api.records.first_page import FirstPage
from haulier.app.open_source import LiveSource
from haulier.cli.due_lines import due_lines
from haulier.cli.output import say
from haulier.cli.plan.duration import ASSUMED_SECONDS, rate_seconds
from haulier.cli.plan.past import requests_an_item
from haulier.plurals import are, count_of, were
from haulier.runs.expect import expected_range
from haulier.runs.ledger import Ledger, Progress
from haulier.runs.records import EstimateRecord, Seal, encode_record
from haulier.runs.run import Run

MIN_ENDED_ITEMS = 3
"""Ended items by which the others are estimated."""


async def say_plan(source: LiveSource, run: Run, seal: Seal) -> None:
    """Say how many items a plan has, and what they cost by the times of the enumeration's requests."""
    dropped = f" ({count_of(seal.repeated, 'duplicate item')} {were(seal.repeated)} dropped)" if seal.repeated else ""
    say(f"  {count_of(seal.items, 'item')} in {count_of(len(seal.shards), 'shard')}{dropped}")
    for line in due_lines(seal, run.file.snapshot_time):
        say(line)
    await _say_promised(source, run)
    await _say_cost(source, run, seal.items, is_whole=True)


async def say_rest(source: LiveSource, run: Run, _seal: Seal) -> None:
    """Say the same of a resumed run's items that have not ended."""
    ledger = Ledger(source.lake, run.paths)
    try:
        await ledger.refresh()
        progress = await ledger.progress()
    finally:
        ledger.close()
    say(f"  {progress.missing:,} of {count_of(progress.planned - progress.split, 'item')} {are(progress.missing)} left")
    await _say_promised(source, run)
    if progress.missing:
        await _say_cost(source, run, progress.missing, is_whole=False)


class LateEstimate:
    """An estimate from the run itself, where no earlier run allowed one."""

    def __init__(self, source: LiveSource, run: Run, is_known: bool) -> None:
        self._source = source
        self._run = run
        self._is_over = is_known

    @classmethod
    async def open(cls, source: LiveSource, run: Run) -> LateEstimate:
        return cls(source, run, await requests_an_item(source.lake, run) is not None)

    async def line(self, progress: Progress) -> str:
        """Write the estimate, once: by the first page if it tells how many there are, else by the first items."""
        if self._is_over or not progress.missing:
            return ""
        said = await self._by_page(progress) or await self._by_items(progress)
        self._is_over = bool(said)
        return said

    async def _by_page(self, progress: Progress) -> str:
        items = progress.missing
        page: FirstPage | None = self._source.client.findings.first_page
        if page is None or not page.has_more or len(self._run.file.streams) != 1:
            return ""
        if page.total is not None:
            requests, of = items * math.ceil(page.total / page.records), page.total
        else:
            promised = (await expected_range(self._source.lake, self._run)).values()
            requests, of = math.ceil(sum(most for _, most in promised) / page.records), 0
        if requests <= items:
            return ""
        by = f"the first page, which has {page.records:,}{f' of {of:,}' if of else ''} records"
        await _keep(self._source, self._run, progress.requests + requests, by)
        return await _cost(self._source, requests, by)

    async def _by_items(self, progress: Progress) -> str:
        if progress.done < MIN_ENDED_ITEMS or progress.requests <= progress.done:
            return ""
        more, by = round(progress.requests / progress.done * progress.missing), f"the first {progress.done:,} items"
        await _keep(self._source, self._run, progress.requests + more, by)
        return await _cost(self._source, more, by, "more request")


async def _keep(source: LiveSource, run: Run, requests: int, by: str) -> None:
    """For `haulier plan --run`. The first one stands."""
    record = EstimateRecord(requests=requests, by=by, estimated_at=source.clock.now())
    await source.lake.create(run.paths.estimate, encode_record(record))


async def _say_promised(source: LiveSource, run: Run) -> None:
    promised = await expected_range(source.lake, run)
    for stream, (count, _) in promised.items():
        say(f"  {stream}: the API promises {count_of(count, 'record')}")


async def _say_cost(source: LiveSource, run: Run, items: int, *, is_whole: bool) -> None:
    each = await requests_an_item(source.lake, run)
    if each is None:
        span, how = await _times(source, items)
        say(f"  at least {count_of(items, 'request')}: {span} or more, {how}")
    else:
        requests, by = round(each * items), f"the last complete run, with {each:.3g} per item"
        if is_whole:
            await _keep(source, run, requests, by)
        say(await _cost(source, requests, by))


async def _cost(source: LiveSource, requests: int, by: str, noun: str = "request") -> str:
    span, how = await _times(source, requests)
    return f"  about {count_of(requests, noun)}, judging by {by}: {span}, {how}"


async def _times(source: LiveSource, requests: int) -> tuple[str, str]:
    limit, seconds = (await source.client.scope.known_row()).limit, source.timed_transport.mean_seconds
    in_flight = source.app.api.highest_in_flight if limit is None else limit.in_flight
    each = ASSUMED_SECONDS if seconds is None else seconds
    measured = "measured" if seconds is not None else "assumed"
    slowest = max([requests * each / in_flight, *(rate_seconds(requests, rate) for rate in source.app.api.rates)])
    return _span(slowest), f"{in_flight} in flight, {each:.2g} s each ({measured})"


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6_000 else f"{seconds / 3600:.1f} hours"
