"""P7: every answer that a publication can get, through a worker whose calls to the lake can be stopped in between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from haulier.errors import LakeUnavailableError, LeaseLostError, QueueUnavailableError, SweptError
from haulier.lake.local.lake import LocalLake
from haulier.lake.seam import Published, SecondsLeft, Spool
from haulier.queues.memory import MemoryQueue
from haulier.queues.seam import Lease
from haulier.runs.records import OpenedRecord, encode_record
from haulier.runs.run import Run
from haulier.worker.outcome import GIVE_UP_SECONDS
from haulier.worker.publication import publish
from tests.harness.cuts.calls import Cuts
from tests.harness.things import records_of, things
from tests.worker.rig import LEASE_SECONDS, Hand, Rig, key_of

ITEM = things(1, 4)

Act = Callable[[], Awaitable[object]]


async def work_and(rig: Rig, call: str, act: Act, *, is_after: bool = False) -> Hand:
    """Work the only message; ``act`` just before (or after) the worker's first call of that name to the lake."""
    done = False

    async def on_call(_number: int, name: str, after: bool) -> None:
        nonlocal done
        if not done and name == call and after == is_after:
            done = True
            await act()

    async with rig.hand(cuts=Cuts(on_call=on_call)) as hand:
        await hand.work()
    assert done, f"{call} was not called"
    return hand


def opening(rig: Rig, run: Run, number: int = 1, *, sweeps: bool = True) -> Act:
    async def act() -> None:
        record = OpenedRecord(number=number, by="closer", opened_at=rig.clock.now())
        await rig.lake.create(run.paths.closing(number, "opened"), encode_record(record))
        if sweeps:
            await rig.lake.sweep(run.paths.staging)

    return act


def staging(rig: Rig, run: Run) -> list[str]:
    return rig.files(run, "staging/*")


async def test_p7_ours(rig: Rig) -> None:
    """One object, whole, from this attempt; the receipt says what it holds, and the spool's own name is gone."""
    run = await rig.run(ITEM)
    async with rig.hand() as hand:
        await hand.work()
    (receipt,) = await rig.receipts(run)
    assert (receipt.records, receipt.requests, receipt.adopted) == (3, 1, False)
    assert rig.objects() == [key_of(ITEM)]
    assert staging(rig, run) == []
    assert rig.messages == []


async def test_p7_another_attempt_was_first(rig: Rig) -> None:
    """EEXIST, another's inode: ours is dropped, theirs is adopted, with its own count."""
    run = await rig.run(ITEM)
    theirs = records_of(ITEM.ids)[:2]
    await work_and(rig, "LocalLake.publish", lambda: rig.put_object(run, ITEM, theirs))
    (receipt,) = await rig.receipts(run)
    assert (receipt.records, receipt.adopted) == (2, True)
    facts = await rig.lake.adopt(run.paths.object("things", key_of(ITEM)))
    assert facts is not None
    assert facts.sha256 == receipt.sha256
    assert staging(rig, run) == []


async def test_p7_our_own_earlier_link_counts(rig: Rig, tmp_path: Path) -> None:
    """EEXIST, our own inode: the try before had won, whatever it said."""
    run = await rig.run(ITEM)
    path = rig.folder / "lake" / run.paths.object("things", key_of(ITEM))

    async def link() -> None:
        (spool,) = (rig.folder / "lake" / run.paths.staging).iterdir()
        path.parent.mkdir(parents=True)
        path.hardlink_to(spool)

    await work_and(rig, "LocalLake.publish", link)
    (receipt,) = await rig.receipts(run)
    assert (receipt.records, receipt.adopted) == (3, False)


async def test_p7_no_publication_while_a_closing_is_in_force(rig: Rig) -> None:
    """Looked for in the lake once the spool is whole: the bytes are dropped, nothing is charged, it comes again."""
    run = await rig.run(ITEM)
    hand = await work_and(rig, "LocalSpool.finish", opening(rig, run, sweeps=False), is_after=True)
    assert rig.objects() == []
    assert (rig.message.failures, rig.message.releases, rig.message.resent) == (0, 1, True)
    assert rig.delay_of() == GIVE_UP_SECONDS
    assert staging(rig, run) == []
    assert not hand.stop.event.is_set()


async def test_p7_swept_between_look_and_link(rig: Rig) -> None:
    """ENOENT, no name left: a closing swept the spool. Given up, uncharged."""
    run = await rig.run(ITEM)
    hand = await work_and(rig, "LocalLake.publish", opening(rig, run))
    assert rig.objects() == []
    assert (rig.message.failures, rig.message.releases, rig.message.resent) == (0, 1, True)
    assert not hand.stop.event.is_set()


async def test_p7_given_up_in_a_run_that_is_closed_by_then(rig: Rig) -> None:
    """The message is completed: nothing of a closed run is worked."""
    run = await rig.run(ITEM)
    await work_and(rig, "LocalLake.publish", lambda: rig.closer.end(run, "superseded"))
    # The sweep is what makes it give up; ``end`` does one when it tidies.
    assert rig.objects() == []
    assert rig.messages == []


async def test_p7_a_closing_that_opens_after_the_link_lists_the_object(rig: Rig) -> None:
    """An earlier link is in the list, a later one finds no spool: there is no third."""
    run = await rig.run(ITEM)
    await work_and(rig, "LocalLake.publish", opening(rig, run), is_after=True)
    verdict = await rig.close(run)
    assert verdict is not None
    assert (verdict.verdict, verdict.totals.done) == ("complete", 1)


async def test_p7_a_deadline_that_ran_out_is_renewed_and_closings_are_looked_for_again(rig: Rig) -> None:
    """The renewal may have taken long: back to step 2, where the closing that opened meanwhile is found."""
    run = await rig.run(ITEM)
    renewals: list[int] = []

    class Late(MemoryQueue):
        async def renew(self, leases: Sequence[Lease], lease_seconds: float) -> list[Lease | None]:
            renewals.append(len(leases))
            await opening(rig, run, sweeps=False)()
            return await super().renew(leases, lease_seconds)

    async with rig.hand(open_queue=lambda: Late(rig.store, rig.clock)) as hand:
        held = await hand.take()
        rig.turn(LEASE_SECONDS + 1)
        await hand.attempt(held)
    assert renewals == [1]
    assert rig.objects() == []
    assert (rig.message.releases, rig.message.failures) == (1, 0)


async def test_p7_an_expired_lease_that_nobody_took_is_revived(rig: Rig) -> None:
    """And the item published: the hour of work is not lost."""
    run = await rig.run(ITEM)
    await work_and(rig, "LocalSpool.finish", _later(rig, LEASE_SECONDS * 60))
    assert rig.objects() == [key_of(ITEM)]
    assert rig.messages == []
    assert len(await rig.receipts(run)) == 1


async def test_p7_a_lost_lease_publishes_nothing_and_touches_nothing(rig: Rig) -> None:
    """G2: another worker took the message in mid-item. The spool is dropped; no receipt, no release, no completion."""
    run = await rig.run(ITEM)

    async def another_takes_it() -> None:
        rig.turn(LEASE_SECONDS + 1)
        await rig.queue.dequeue(1, LEASE_SECONDS)

    await work_and(rig, "LocalSpool.finish", another_takes_it)
    assert rig.objects() == []
    assert await rig.receipts(run) == []
    assert (rig.message.releases, rig.message.failures, rig.leased) == (0, 0, 1)
    assert staging(rig, run) == []


async def test_p7_a_queue_that_is_busy_is_waited_for(rig: Rig) -> None:
    """Whether the lease is lost is only known once the queue answers."""
    run = await rig.run(ITEM)
    rig.settings = type(rig.settings)(lease_seconds=0.24)
    busy = Busy(3)
    async with rig.hand(open_queue=lambda: busy.client(rig)) as hand:
        held = await hand.take()
        rig.turn(1)
        await hand.attempt(held)
        await hand.settle()
    assert busy.refusals == 0
    assert rig.objects() == [key_of(ITEM)]
    assert len(await rig.receipts(run)) == 1


async def test_p7_a_spool_that_somebody_moved_means_that_the_lake_is_broken(rig: Rig) -> None:
    """Any other ENOENT: the worker stops with 4 and says so; nothing is charged."""
    run = await rig.run(ITEM)

    async def move() -> None:
        (spool,) = (rig.folder / "lake" / run.paths.staging).iterdir()
        spool.rename(rig.folder / "elsewhere")

    hand = await work_and(rig, "LocalLake.publish", move)
    assert (hand.stop.code, "lake is broken" in hand.stop.reason) == (4, True)
    assert (rig.message.failures, rig.message.releases) == (0, 1)
    assert rig.objects() == []


async def sweep_under(rig: Rig, run: Run) -> Hand:
    """Work every message there is, with somebody who empties staging though no closing is in force."""

    async def on_call(_number: int, name: str, is_after: bool) -> None:
        if name == "LocalLake.publish" and not is_after:
            await rig.lake.sweep(run.paths.staging)

    async with rig.hand(cuts=Cuts(on_call=on_call)) as hand:
        while not hand.stop.event.is_set() and (held := await hand.take()) is not None:
            await hand.attempt(held)
    return hand


async def test_p7_three_spools_lost_with_no_closing_in_force_stop_the_worker(rig: Rig) -> None:
    """Something else cleans there: exit 4, with the folder named, and the items handed back."""
    run = await rig.run(*(things(start, start + 1) for start in range(1, 6)))
    hand = await sweep_under(rig, run)
    assert (hand.stop.code, run.paths.staging in hand.stop.reason) == (4, True)
    assert sorted(message.releases for message in rig.messages) == [0, 0, 1, 1, 1]
    assert not any(message.failures for message in rig.messages)


async def test_p7_two_are_borne(rig: Rig) -> None:
    """And a good item in between begins the count anew."""
    run = await rig.run(things(1), things(2))
    hand = await sweep_under(rig, run)
    assert not hand.stop.event.is_set()
    hand.stop.note_good()
    hand.stop.note_give_up("staging")
    hand.stop.note_give_up("staging")
    assert not hand.stop.event.is_set()


async def test_p5_a_spool_is_of_one_attempt(rig: Rig) -> None:
    """Its name is never another's, even of the same worker and key; what a failed attempt wrote is dropped."""
    run = await rig.run(ITEM)
    seen: set[str] = set()

    async def look() -> None:
        seen.update(staging(rig, run))

    async def refuse() -> None:
        await look()
        raise LakeUnavailableError("the disk is full")

    for _ in range(3):
        await work_and(rig, "LocalSpool.finish", refuse, is_after=True)
        assert staging(rig, run) == []
        rig.turn(3_600)
    assert len(seen) == 3


async def test_a_publication_without_its_lease_is_refused(rig: Rig) -> None:
    """The rule by itself: no lease, no link, whatever the spool holds."""
    run = await rig.run(ITEM)
    async with rig.hand() as hand:
        held = await hand.take()
        assert held is not None
        held.is_lost = True
        spool = await rig.lake.open_spool(run.paths.staging, "mine")
        await spool.write([b"{}"])
        path = run.paths.object("things", key_of(ITEM))
        with pytest.raises(LeaseLostError):
            await publish(rig.lake, run, path, spool, held, hand.keeper, hand.state.run_cache, rig.clock)
        await spool.discard()
    assert rig.objects() == []


async def test_a_publication_into_a_closing_is_refused(rig: Rig) -> None:
    """Whatever became of the lease."""
    run = await rig.run(ITEM)
    async with rig.hand() as hand:
        held = await hand.take()
        assert held is not None
        spool = await rig.lake.open_spool(run.paths.staging, "mine")
        await spool.write([b"{}"])
        await opening(rig, run, sweeps=False)()
        path = run.paths.object("things", key_of(ITEM))
        with pytest.raises(SweptError):
            await publish(rig.lake, run, path, spool, held, hand.keeper, hand.state.run_cache, rig.clock)
        await spool.discard()
    assert rig.objects() == []


class Busy:
    """A queue whose renewals are refused so many times, as by one that another process holds."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals

    def client(self, rig: Rig) -> MemoryQueue:
        busy = self

        class Client(MemoryQueue):
            async def renew(self, leases: Sequence[Lease], lease_seconds: float) -> list[Lease | None]:
                if busy.refusals:
                    busy.refusals -= 1
                    raise QueueUnavailableError("another process holds it")
                return await super().renew(leases, lease_seconds)

        return Client(rig.store, rig.clock)


def _later(rig: Rig, seconds: float) -> Act:
    async def act() -> None:
        rig.turn(seconds)
        await asyncio.sleep(0)

    return act


class DoubtfulLake(LocalLake):
    """Its first publications have no answer."""

    def __init__(self, rig: Rig, doubts: Sequence[Act]) -> None:
        super().__init__(rig.folder / "lake", rig.clock)
        self._doubts = list(doubts)
        self.left: list[float] = []

    async def publish(self, spool: Spool, path: str, seconds_left: SecondsLeft | None = None) -> Published:
        assert seconds_left is not None
        self.left.append(seconds_left())
        if self._doubts:
            await self._doubts.pop(0)()
            return Published.AGAIN
        return await super().publish(spool, path, seconds_left)


async def publish_doubtfully(rig: Rig, run: Run, *doubts: Act, is_unknown: bool = False) -> tuple[Hand, DoubtfulLake]:
    """One publication over a lake that has these doubts, under a lease that is taken now."""
    lake = DoubtfulLake(rig, doubts)
    try:
        async with rig.hand() as hand:
            held = await hand.take()
            assert held is not None
            if is_unknown:
                held.lease = replace(held.lease, hold="unknown")
            spool = await lake.open_spool(run.paths.staging, "mine")
            await spool.write([b"{}"])
            path = run.paths.object("things", key_of(ITEM))
            try:
                await publish(lake, run, path, spool, held, hand.keeper, hand.state.run_cache, rig.clock)
            finally:
                await spool.discard()
    finally:
        await lake.close()
    return hand, lake


async def test_a_publication_that_nobody_can_tell_of_is_made_again(rig: Rig) -> None:
    """C9: with what is left of the lease then, which was renewed meanwhile if it had run out."""
    run = await rig.run(ITEM)
    later, much_later = _later(rig, LEASE_SECONDS / 2), _later(rig, LEASE_SECONDS * 60)
    _, lake = await publish_doubtfully(rig, run, later, much_later)
    assert lake.left == [LEASE_SECONDS, LEASE_SECONDS / 2, LEASE_SECONDS]
    assert rig.objects() == [key_of(ITEM)]


async def test_c9_the_right_to_put_under_an_unknown_lease_ends_too(rig: Rig) -> None:
    """A lease after the look at the closings that it follows; whoever woke later looks again."""
    run = await rig.run(ITEM)
    much_later = _later(rig, LEASE_SECONDS * 60)
    _, lake = await publish_doubtfully(rig, run, much_later, much_later, is_unknown=True)
    assert lake.left == [LEASE_SECONDS] * 3
    assert rig.objects() == [key_of(ITEM)]


async def test_a_publication_is_not_made_again_into_a_closing(rig: Rig) -> None:
    """It goes on at the look for closings (P7, step 2), not at the put."""
    run = await rig.run(ITEM)
    with pytest.raises(SweptError):
        await publish_doubtfully(rig, run, opening(rig, run, sweeps=False))
    assert rig.objects() == []


async def test_a_publication_is_not_made_again_without_its_lease(rig: Rig) -> None:
    """Another worker took the message while nobody could tell."""
    run = await rig.run(ITEM)

    async def another_takes_it() -> None:
        rig.turn(LEASE_SECONDS + 1)
        await rig.queue.dequeue(1, LEASE_SECONDS)

    with pytest.raises(LeaseLostError):
        await publish_doubtfully(rig, run, another_takes_it)
    assert rig.objects() == []
