"""W7: a feed was read by a run that does not count any more. Its next first request must not leave anything out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from haulier.api.paging.feed_pages import Feed
from haulier.errors import UsageError
from haulier.items.feed_start import FeedStart, feed_of
from haulier.items.workitem import WorkItem
from haulier.queues.envelope import Envelope
from haulier.queues.seam import Lease
from haulier.runs.run import Run
from haulier.runs.watermark import fold as watermark
from haulier.runs.watermark.edits import write_edit
from haulier.runs.watermark.feed_moves import FeedRecord, digest, note_feed
from haulier.runs.watermark.fold import fold_watermark, read_watermark
from haulier.sources.feeds import FeedDivision
from haulier.sources.finished import Finished
from haulier.sources.recipe import FeedRecipe
from tests.harness.cuts.calls import Cuts
from tests.runs.rig import SOURCE, Place, Process, thing


@dataclass(frozen=True)
class Mail(WorkItem, stream="things", kind="things_new_feed"):
    since: FeedStart


class MailProcess(Process):
    """Reads the feed to t1, and fails for a thing."""

    async def _ask(self, run: Run, lease: Lease, envelope: Envelope) -> None:
        if envelope.kind == "things":
            await self.poison(run, envelope)
        else:
            found = feed_of(bytes(envelope.payload))
            assert found is not None
            record = FeedRecord(key=envelope.key, stream="things", start=digest(found[1].feed), end="t1", by="p")
            await note_feed(self.lake, run.paths, bytes(envelope.payload), record, "")
            await self._note_empty(run, envelope.key)
        await self.queue.complete([lease])


async def night(place: Place) -> tuple[MailProcess, Run]:
    """A run that is partial, and reads the feed from where it is known to be."""
    place.clock.advance(3600)
    process = MailProcess(place, "mail", Cuts(), None)
    run = await process.claim(mode="incremental")
    since = (await finished(place)).feed("things")

    async def given() -> AsyncIterator[WorkItem]:
        yield Mail(since)
        yield thing(1)

    await process.enqueuer.enqueue(run, given)
    await process.work(run)
    verdict = await process.closer.close(run)
    assert verdict is not None
    assert verdict.verdict == "partial"
    return process, run


async def finished(place: Place) -> Finished:
    lake = place.process().lake
    state = await fold_watermark(lake, place.clock, SOURCE, "p")
    assert await read_watermark(lake, SOURCE) == state
    return state.finished


def check(known: Finished, feed: FeedRecipe) -> None:
    FeedDivision("things", "things_new_feed", "here", feed)._check_lost(known)


@pytest.mark.parametrize("how", ["open", "cancelled", "folded"])
async def test_g1_a_lost_place_is_not_replaced_by_now(place: Place, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`first = { since = "now" }`: what changed since the run that does not count any more would be in none."""
    from_now = FeedRecipe(Feed(token="sync", query="since"), (("since", "now"),))
    monkeypatch.setattr(watermark, "KEPT_RUNS", 1)
    process, run = await night(place)
    assert (await finished(place)).feed("things") == FeedStart("t1")
    for _ in range(2 if how == "folded" else 0):
        await night(place)
        await finished(place)
    await process.redriver.redrive(run)
    if how == "cancelled":
        await process.closer.end(run, "cancelled")
    known = await finished(place)
    assert known.feed("things") == FeedStart()
    with pytest.raises(UsageError, match="has read the feed of 'things' does not count any more"):
        check(known, from_now)
    check(known, FeedRecipe(Feed(token="sync", query="since")))
    check(known, FeedRecipe(Feed(token="sync", query="since"), from_now.begin, begin_reads_all=True))
    check(Finished(), from_now)
    await write_edit(process.lake, place.clock, SOURCE, "things", (), who="ana", why="from now on")
    check(await finished(place), from_now)
    if how == "open":
        await process.work(run)
        await process.closer.close(run)
        check(await finished(place), from_now)
