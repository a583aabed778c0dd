"""The lease keeper, on a thread of its own: renews, revives, bears outages, and stops for a loop that hangs."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from haulier.clock import SystemClock
from haulier.errors import QueueUnavailableError
from haulier.queues.memory import MemoryQueue, MemoryStore
from haulier.queues.seam import Hold, Lease
from haulier.worker.keeper import HeldLease, LeaseKeeper

LEASE_SECONDS = 0.48
"""Renewed every 0.16 s; the loop is looked at every 0.04 s."""
PATIENT_SECONDS = 1.8

clock = SystemClock()


class Watched(MemoryQueue):
    """Says when it was asked to renew, and may be away."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store, clock)
        self.renewals: list[float] = []
        self.threads: set[str] = set()
        self.failing: Callable[[], Exception | None] = lambda: None

    async def renew(self, leases: Sequence[Lease], lease_seconds: float) -> list[Lease | None]:
        self.renewals.append(time.monotonic())
        self.threads.add(threading.current_thread().name)
        error = self.failing()
        if error is not None:
            raise error
        return await super().renew(leases, lease_seconds)


class Stand:
    """A keeper over a queue, and what it was told to do when the loop hangs."""

    def __init__(self, lease_seconds: float = LEASE_SECONDS) -> None:
        self.store = MemoryStore()
        self.queue = MemoryQueue(self.store, clock)
        self.watched = Watched(self.store)
        self.stalled = threading.Event()
        self.keeper = LeaseKeeper(lambda: self.watched, clock, lease_seconds, self.stalled.set)
        self.keeper.start()

    async def hold(self) -> HeldLease:
        await self.queue.enqueue([b"item"])
        sent_at = clock.monotonic()
        (lease,) = await self.queue.dequeue(1, LEASE_SECONDS)
        return self.keeper.hold(lease, sent_at)

    async def live(self, seconds: float) -> None:
        """The event loop goes on, and says so."""
        end = clock.monotonic() + seconds
        while clock.monotonic() < end:
            self.keeper.note_progress()
            await asyncio.sleep(LEASE_SECONDS / 24)

    async def is_free(self) -> bool:
        return bool(await self.queue.dequeue(1, LEASE_SECONDS))


@pytest.fixture
def stand() -> Iterator[Stand]:
    stand = Stand()
    yield stand
    stand.keeper.stop()


@pytest.fixture
def patient() -> Iterator[Stand]:
    """With a lease so long that a busy machine does not decide what is seen."""
    stand = Stand(PATIENT_SECONDS)
    yield stand
    stand.keeper.stop()


async def test_a_held_lease_never_runs_out(stand: Stand) -> None:
    """Renewed every third of it, from another thread than the event loop's, with a deadline ahead all the while."""
    held = await stand.hold()
    for _ in range(6):
        await stand.live(LEASE_SECONDS / 2)
        assert not await stand.is_free()
        assert held.deadline > clock.monotonic()
    assert stand.watched.threads == {"haulier-keeper"}
    gaps = [after - before for before, after in zip(stand.watched.renewals, stand.watched.renewals[1:], strict=False)]
    assert max(gaps) < LEASE_SECONDS


async def test_a_dropped_lease_runs_out(stand: Stand) -> None:
    held = await stand.hold()
    stand.keeper.drop(held)
    await stand.live(1.5 * LEASE_SECONDS)
    assert await stand.is_free()
    assert stand.watched.renewals == []


async def test_the_deadline_counts_from_before_the_renewal_was_sent(stand: Stand) -> None:
    """However long the queue took to answer."""
    held = await stand.hold()
    asked_at = clock.monotonic()
    assert await stand.keeper.renew(held)
    assert asked_at + LEASE_SECONDS <= held.deadline <= clock.monotonic() + LEASE_SECONDS


async def test_renewal_revives_what_nobody_took(stand: Stand) -> None:
    """A queue that was held for two leases by a stopped process: all leases ran out together, and come back."""
    held = await stand.hold()
    away = True
    stand.watched.failing = lambda: QueueUnavailableError("held by another") if away else None
    await stand.live(2 * LEASE_SECONDS)
    assert held.deadline < clock.monotonic()
    assert not held.is_lost
    away = False
    await stand.live(LEASE_SECONDS / 2)
    assert held.deadline > clock.monotonic()
    assert not await stand.is_free()


async def test_a_busy_queue_is_an_outage_and_is_tried_again_soon(stand: Stand) -> None:
    """Not a third of a lease later: until then it might be too late."""
    await stand.hold()
    refusals = 3

    def refuse() -> Exception | None:
        nonlocal refusals
        refusals -= 1
        return QueueUnavailableError("held by another") if refusals >= 0 else None

    stand.watched.failing = refuse
    await stand.live(LEASE_SECONDS)
    assert len(stand.watched.renewals) > 3
    assert not stand.stalled.is_set()


async def test_a_lost_lease_is_marked_and_let_go(stand: Stand) -> None:
    """Another worker took the message: it is asked for no more."""
    held = await stand.hold()
    (message,) = stand.store.messages.values()
    message.token += 1
    await stand.live(LEASE_SECONDS)
    assert held.is_lost
    assert not await stand.keeper.renew(held)
    asked = len(stand.watched.renewals)
    await stand.live(LEASE_SECONDS)
    assert len(stand.watched.renewals) == asked


async def test_one_renewal_for_all_leases(stand: Stand) -> None:
    """One transaction a third of a lease, however many items a worker holds."""
    for _ in range(50):
        await stand.hold()
    await stand.live(LEASE_SECONDS)
    assert 1 <= len(stand.watched.renewals) <= 10


async def test_a_loop_that_hangs_for_half_a_lease_is_renewed_for_no_more(patient: Stand) -> None:
    """Its leases run out, and others take its items; if it wakes in time it goes on."""
    await patient.hold()
    await patient.live(PATIENT_SECONDS / 2)
    hung_at = time.monotonic()
    time.sleep(PATIENT_SECONDS * 0.75)
    assert not patient.stalled.is_set()
    assert max(patient.watched.renewals) < hung_at + 0.56 * PATIENT_SECONDS
    woken_at = time.monotonic()
    await patient.live(PATIENT_SECONDS / 2)
    assert not patient.stalled.is_set()
    assert max(patient.watched.renewals) > woken_at


async def test_a_loop_that_hangs_for_a_lease_ends_its_process(stand: Stand) -> None:
    """Whether it holds anything or not: a worker that does nothing must not look alive."""
    await stand.live(LEASE_SECONDS / 4)
    assert stand.stalled.wait(20 * LEASE_SECONDS)


async def test_a_keeper_that_fails_ends_its_process(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    """A fault of ours in that thread must not leave a worker whose leases nobody renews."""
    stand.watched.failing = lambda: MemoryError()
    await stand.hold()
    await stand.live(LEASE_SECONDS)
    assert stand.stalled.is_set()
    assert "the lease keeper failed; this worker ends" in caplog.messages


async def test_a_stopped_keeper_renews_nothing_and_says_so(stand: Stand) -> None:
    held = await stand.hold()
    stand.keeper.stop()
    stand.keeper.stop()
    assert not await stand.keeper.renew(held)


async def test_asking_for_a_renewal_waits_while_the_queue_is_away(stand: Stand) -> None:
    """Whether the lease is lost is not known before."""
    held = await stand.hold()
    away = True
    stand.watched.failing = lambda: QueueUnavailableError("held by another") if away else None
    asking: asyncio.Task[Any] = asyncio.create_task(stand.keeper.renew(held))
    await stand.live(LEASE_SECONDS / 4)
    assert not asking.done()
    away = False
    await stand.live(LEASE_SECONDS / 4)
    assert await asking


class Receipts(Watched):
    """Gives a lease a new token with each renewal, takes its time, and says so when two overlap."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.under_way = 0
        self.overlaps = 0
        self.answer = threading.Event()

    async def renew(self, leases: Sequence[Lease], lease_seconds: float) -> list[Lease | None]:
        self.overlaps += self.under_way > 0
        self.under_way += 1
        bare = [dataclasses.replace(lease, token=lease.token.partition(" ")[0]) for lease in leases]
        renewed = await super().renew(bare, lease_seconds)
        number = len(self.renewals)
        while not self.answer.is_set():
            await asyncio.sleep(0.005)
        self.under_way -= 1
        return [lease and dataclasses.replace(lease, token=f"{lease.token} {number}") for lease in renewed]


@pytest.fixture
def slow(stand: Stand) -> Receipts:
    """The queue of the stand's keeper."""
    stand.watched = Receipts(stand.store)
    return stand.watched


async def test_a_lease_is_let_go_with_its_last_token(stand: Stand, slow: Receipts) -> None:
    """A renewal that is under way is waited for: its queue refuses the token of before, as it does a lost lease's."""
    held = await stand.hold()
    await stand.live(LEASE_SECONDS / 2)
    assert slow.under_way == 1
    letting_go = asyncio.create_task(stand.keeper.let_go(held))
    await stand.live(LEASE_SECONDS / 8)
    assert not letting_go.done()
    slow.answer.set()
    assert (await letting_go).token.endswith(" 1")
    await stand.live(LEASE_SECONDS)
    assert len(slow.renewals) == 1, "it is renewed no more"


async def test_renewals_of_one_lease_never_overlap(stand: Stand, slow: Receipts) -> None:
    """Two at once would have the same token, and one of them would be told that the lease is lost."""
    held = await stand.hold()
    await stand.live(LEASE_SECONDS / 2)
    asking = [asyncio.create_task(stand.keeper.renew(held)) for _ in range(3)]
    await stand.live(LEASE_SECONDS / 8)
    slow.answer.set()
    assert await asyncio.gather(*asking) == [True] * 3
    assert (slow.overlaps, held.is_lost) == (0, False)


async def test_an_attempt_that_is_cancelled_in_a_renewal_lets_go_with_its_last_token(
    stand: Stand, slow: Receipts
) -> None:
    """The queue has given a new token by then: a release with the one of before would hide the item for a lease."""
    held = await stand.hold()
    asking = asyncio.create_task(stand.keeper.renew(held))
    while not slow.under_way:
        await stand.live(LEASE_SECONDS / 24)
    asking.cancel()
    await asyncio.wait([asking])
    assert asking.cancelled()
    letting_go = asyncio.create_task(stand.keeper.let_go(held))
    await stand.live(LEASE_SECONDS / 8)
    assert not letting_go.done()
    slow.answer.set()
    assert (await letting_go).token.endswith(" 1")


async def test_a_cancelled_attempt_asks_no_more(stand: Stand) -> None:
    """Between two tries of a queue that is away: its lease is about to be released with the token that it has."""
    held = await stand.hold()
    stand.watched.failing = lambda: QueueUnavailableError("held by another")
    asking = asyncio.create_task(stand.keeper.renew(held))
    while not stand.watched.renewals:
        await stand.live(LEASE_SECONDS / 24)
    asking.cancel()
    await asyncio.wait([asking])
    await stand.keeper.let_go(held)
    asked = len(stand.watched.renewals)
    await stand.live(LEASE_SECONDS)
    assert len(stand.watched.renewals) == asked


class Doubting(Watched):
    """Answers one renewal of many with doubt, and never knows of it again, or does."""

    def __init__(self, store: MemoryStore, hold: Hold) -> None:
        super().__init__(store)
        self.hold = hold
        self.asked: list[int] = []

    async def renew(self, leases: Sequence[Lease], lease_seconds: float) -> list[Lease | None]:
        self.asked.append(len(leases))
        renewed = await super().renew(leases, lease_seconds)
        hold: Hold = "doubtful" if len(self.asked) == 1 else self.hold
        return [
            dataclasses.replace(lease, hold=hold) if lease and lease.body == b"item" else lease for lease in renewed
        ]


@pytest.mark.parametrize("hold", ["held", "unknown"])
async def test_a_doubtful_lease_alone_is_asked_for_again_and_soon(stand: Stand, hold: Hold) -> None:
    """It was perhaps not extended, and its deadline is moved by a good answer only."""
    watched = stand.watched = Doubting(stand.store, hold)
    held = await stand.hold()
    deadline = held.deadline
    await stand.queue.enqueue([b"other"])
    (lease,) = await stand.queue.dequeue(1, LEASE_SECONDS)
    stand.keeper.hold(lease, clock.monotonic())
    while len(watched.asked) < 3:
        await stand.live(LEASE_SECONDS / 24)
    assert watched.asked[:3] == [2, 1, 2 if hold == "held" else 1]
    assert watched.renewals[1] - watched.renewals[0] < LEASE_SECONDS / 4 < watched.renewals[2] - watched.renewals[1]
    assert (held.is_lost, held.is_unknown) == (False, hold == "unknown")
    assert (held.deadline > deadline) is (hold == "held")
