"""W7: a feed was read by a run that does not count any more. Its next first request must not leave anything out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from haulier.api.paging.feed_pages import Feed
from haulier.errors import NewerFormatError, UsageError
from haulier.items.feed_start import FeedStart, feed_of
from haulier.items.span_group import group_of
from haulier.items.workitem import WorkItem
from haulier.lake.paths import edits_root, versions_root
from haulier.queues.envelope import Envelope
from haulier.queues.seam import Lease
from haulier.runs.records import Record, decode_record
from haulier.runs.run import Run
from haulier.runs.watermark import fold as watermark
from haulier.runs.watermark.edits import EditRecord, write_edit
from haulier.runs.watermark.feed_moves import FeedRecord, digest, note_feed
from haulier.runs.watermark.fold import VersionRecord, fold_watermark, read_watermark
from haulier.sources.feeds import FeedDivision
from haulier.sources.finished import Finished
from haulier.sources.recipe import FeedRecipe
from tests.harness.cuts.calls import Cuts
from tests.runs.rig import SOURCE, Place, Process, thing


@dataclass(frozen=True)
class Mail(WorkItem, stream="things", kind="things_new_feed"):
    since: FeedStart


@dataclass(frozen=True)
class MailOf(WorkItem, stream="things", kind="things_new_feeds"):
    value: str
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


async def night(place: Place, value: str = "") -> tuple[MailProcess, Run]:
    """A run that is partial, and reads the feed, or that of a value, from where it is known to be."""
    place.clock.advance(3600)
    process = MailProcess(place, "mail", Cuts(), None)
    run = await process.claim(mode="incremental")
    known = await finished(place)

    async def given() -> AsyncIterator[WorkItem]:
        yield MailOf(value, known.feed("things", value=value)) if value else Mail(known.feed("things"))
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
    why = rf"has read the feed of 'things' does not count any more \({run.run_id} (was reopened|is cancelled)\)"
    with pytest.raises(UsageError, match=why):
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


@pytest.mark.parametrize("is_edited", [False, True])
async def test_g1_the_feeds_that_a_lost_run_read_are_lost_and_no_others(place: Place, is_edited: bool) -> None:
    """Also one that a person let begin anew before the run: its first request was that run's. A value that comes months
    later was read by nobody, and begins."""
    group = group_of({"value": "in"})
    if is_edited:
        lake = place.process().lake
        await write_edit(lake, place.clock, SOURCE, "things", (), who="ana", why="from now on", group=group)
    process, run = await night(place, "in")
    assert (await finished(place)).feed("things", value="in") == FeedStart("t1")
    await process.redriver.redrive(run)
    known = await finished(place)
    assert known.lost_feed("things", value="in") == f"{run.run_id} was reopened"
    assert known.lost_feed("things", value="out") == ""
    await process.work(run)
    await process.closer.close(run)
    known = await finished(place)
    assert (known.feed("things", value="in"), known.lifted_feeds) == (FeedStart("t1"), {})


async def test_an_older_haulier_refuses_the_edit_of_one_feed(place: Place) -> None:
    """It would take the token of one value for that of all, and leave out what lies between."""
    lake = place.process().lake
    for number, (group, expected) in enumerate([("", 1), (group_of({"value": "in"}), 2), ("", 1)], 1):
        await write_edit(lake, place.clock, SOURCE, "things", (), who="ana", why="moved", feed="mine", group=group)
        await finished(place)
        for folder in (edits_root(SOURCE), versions_root(SOURCE)):
            body = await lake.read(f"{folder}/{number}.json")
            assert body is not None
            assert decode_record(VersionRecord if folder == versions_root(SOURCE) else EditRecord, body, "").format == (
                expected
            )
            if expected == 2:
                with pytest.raises(NewerFormatError, match="has format 2; this haulier knows formats up to 1"):
                    decode_record(Record, body, "an edit")
