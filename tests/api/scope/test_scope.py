"""Several scopes over one store, each as a worker would use it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec
import pytest

from haulier.api.errors import ApiError
from haulier.api.scope.changes import with_hold, with_limit, with_pause_lifted
from haulier.api.scope.orders import Hold, InFlightLimit
from haulier.api.scope.row import FORMAT, ScopeRow, decode, encode
from haulier.api.scope.scope import Scope
from haulier.api.scope.settings import ScopeSettings
from haulier.clock import wall_seconds
from haulier.errors import NewerFormatError, QueueUnavailableError
from haulier.rows.memory import MemoryRows, RowStore
from haulier.testing.clock import FakeClock
from tests.harness.health import is_healthy


class Store(MemoryRows):
    """Rows that can be unreachable, and can lose an answer."""

    def __init__(self, store: RowStore) -> None:
        super().__init__(store)
        self.is_down = False
        self.loses_answers = False
        self.updates = 0

    async def update(self, name: str, change: Callable[[bytes | None], bytes]) -> bytes:
        if self.is_down:
            raise QueueUnavailableError("the queue is away")
        self.updates += 1
        body = await super().update(name, change)
        if self.loses_answers:
            raise QueueUnavailableError("the answer is away")
        return body


@dataclass
class Api:
    """What the API sees."""

    in_flight: int = 0
    peak: int = 0
    served: dict[str, int] = field(default_factory=dict)

    @contextlib.contextmanager
    def request(self, name: str) -> Iterator[None]:
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            yield
            self.served[name] = self.served.get(name, 0) + 1
        finally:
            self.in_flight -= 1


class Worker:
    """Keeps its gate full with requests of some length."""

    def __init__(self, fleet: Fleet, name: str, seconds: float = 0.5, tasks: int = 20) -> None:
        self.fleet, self.name = fleet, name
        self.store = Store(fleet.store)
        self.scope = Scope(fleet.settings, name, self.store, fleet.clock, random.Random(name))
        self.seconds, self.tasks = seconds, tasks
        self.running: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self.scope.join()
        self.scope.has_work = self.tasks > 0
        self.running = [asyncio.create_task(self.scope.run())]
        self.running += [asyncio.create_task(self._requests()) for _ in range(self.tasks)]

    async def _requests(self) -> None:
        while True:
            await self.ask()

    async def ask(self) -> None:
        async with self.scope.slot():
            with self.fleet.api.request(self.name):
                await self.fleet.clock.sleep(self.seconds)

    async def kill(self) -> None:
        """As SIGKILL: nothing is said to anyone."""
        for task in self.running:
            task.cancel()
        await asyncio.wait(self.running)


class Fleet:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = RowStore()
        self.api = Api()
        self.settings = ScopeSettings("scope/flights", in_flight=6, request_deadline_seconds=5.0, is_fixed=True)
        self.workers: list[Worker] = []

    async def start(self, *names: str, **how: Any) -> list[Worker]:
        started = [Worker(self, name, **how) for name in names]
        self.workers += started
        for worker in started:
            await worker.start()
        return started

    @property
    def shares(self) -> list[int]:
        return [worker.scope.share for worker in self.workers]


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    fleet = Fleet()
    yield fleet
    for worker in fleet.workers:
        if worker.running:
            await worker.kill()


async def test_share_is_known_before_the_first_beat_of_run(fleet: Fleet) -> None:
    """`join` is enough to know how much to dequeue."""
    (alone,) = await fleet.start("a", tasks=0)
    assert alone.scope.share == 6
    (late,) = await fleet.start("b", tasks=0)
    assert late.scope.share == 0


async def test_all_together_keep_the_cap_and_use_it(fleet: Fleet) -> None:
    """G5: four busy workers have exactly the cap in flight, shared evenly."""
    await fleet.start("a", "b", "c")
    await fleet.clock.run_for(5)
    await fleet.start("d")
    await fleet.clock.run_for(5)
    assert sorted(fleet.shares) == [1, 1, 2, 2]
    fleet.api.served.clear()
    await fleet.clock.run_for(20)
    assert fleet.api.peak == 6
    assert sum(fleet.api.served.values()) >= 0.95 * 20 * 6 / 0.5


async def test_a_share_moves_between_two_beats(fleet: Fleet) -> None:
    """A newcomer asks, who has too much gives back what ended, the newcomer takes it: three steps, and no beat each."""
    old, *_ = await fleet.start("a", "watcher", seconds=0.1)
    await fleet.clock.run_for(5.1)
    new, *_ = await fleet.start("b", seconds=0.1)
    assert new.scope.share == 0
    beats = old.store.updates
    await fleet.clock.run_for(0.85)
    assert (old.scope.share, new.scope.share) == (2, 2)
    assert fleet.api.peak == 6
    settled = old.store.updates
    assert settled - beats <= 5  # Each is a write that is flushed.
    await fleet.clock.run_for(10.0)
    assert old.store.updates - settled <= 11  # One a second again.


async def test_who_hands_over_leaves_its_share_at_once(fleet: Fleet) -> None:
    """The parent of workers has asked what it had to; the first of them has all of the cap from the moment it joins."""
    parent, *_ = await fleet.start("parent", tasks=0)
    parent.scope.has_work = None
    parent.scope.hand_over()
    await fleet.clock.run_for(0.01)
    (child,) = await fleet.start("child")
    assert (parent.scope.share, child.scope.share) == (0, 6)


async def test_who_handed_over_can_ask_again(fleet: Fleet) -> None:
    """The parent asks for the count when its workers are done, or while they are at work."""
    parent, child = await fleet.start("parent", "child", tasks=0)
    parent.scope.has_work = None
    parent.scope.hand_over()
    await fleet.clock.run_for(3.0)
    assert (parent.scope.share, child.scope.share) == (0, 6)
    asking = asyncio.create_task(parent.ask())
    await fleet.clock.run_for(1.2)  # Half a second of it is the request's own.
    assert asking.done()
    assert fleet.api.served == {"parent": 1}


async def test_more_workers_than_requests_allowed(fleet: Fleet) -> None:
    """With eight workers and six requests allowed, everybody gets work done, and the cap is in use."""
    await fleet.start(*"abcdefgh", tasks=2)
    await fleet.clock.run_for(10)
    fleet.api.served.clear()
    await fleet.clock.run_for(200)
    assert fleet.api.peak == 6
    assert sum(fleet.api.served.values()) >= 0.9 * 200 * 6 / 0.5
    assert min(fleet.api.served[name] for name in "abcdefgh") >= 0.6 * 200 * 6 / 0.5 / 8


async def test_pause_stops_this_process_at_once_and_the_others_within_a_beat(fleet: Fleet) -> None:
    """G5: after a pause no request starts here, and none anywhere a beat later, until it is over."""
    first, second = await fleet.start("a", "b", seconds=0.1)
    await fleet.clock.run_for(4)
    await first.scope.pause(30.0)
    fleet.api.served.clear()
    await fleet.clock.run_for(0.15)
    assert fleet.api.served["a"] <= 3  # What was in flight.
    await fleet.clock.run_for(1.0)
    assert fleet.api.in_flight == 0
    assert second.scope.pause_seconds_left > 0.0
    served = dict(fleet.api.served)
    await fleet.clock.run_for(28.8)
    assert fleet.api.served == served
    assert fleet.shares == [3, 3]
    await fleet.clock.run_for(3.3)
    assert fleet.api.served != served


async def test_release_is_slow(fleet: Fleet) -> None:
    """After a pause the scope has one request in flight, and then doubles."""
    first, _ = await fleet.start("a", "b", seconds=0.3)
    await fleet.clock.run_for(4)
    await first.scope.pause(2.0)
    await fleet.clock.run_for(2.0)
    peaks = []
    for _ in range(5):
        fleet.api.peak = 0
        await fleet.clock.run_for(0.99)
        peaks.append(fleet.api.peak)
    assert peaks[0] <= 1
    assert peaks[1] <= 2
    assert peaks[2] <= 4
    assert peaks[4] == 6


async def test_long_pause_takes_no_items(fleet: Fleet) -> None:
    """In a pause that lasts the share is 0, so that nobody dequeues what would only wait; in a short one it stays."""
    (worker,) = await fleet.start("a")
    await worker.scope.pause(5.0)
    assert worker.scope.share == 6
    await worker.scope.pause(60.0)
    assert worker.scope.share == 0
    await fleet.clock.run_for(66.0)
    assert worker.scope.share == 6


async def test_g5_a_hold_stops_everybody_within_a_beat_and_outlives_them(fleet: Fleet) -> None:
    """Nobody sends or takes items for as long as it stands, whoever joins; who is to end does not wait for it. After it
    is lifted requests start slowly."""
    await fleet.start("a", "b")
    await fleet.clock.run_for(5.0)
    await order(fleet, lambda row: with_hold(row, Hold(by="ann@host", since=1.0)))
    await fleet.clock.run_for(2.0)
    served = dict(fleet.api.served)
    (ending,) = await fleet.start("ending", tasks=0)
    ending.scope.end_waits()
    with pytest.raises(ApiError, match="does not wait for the end of it"):
        await _enter(ending.scope)
    await fleet.clock.run_for(120.0)
    assert (fleet.api.served, fleet.api.in_flight, fleet.shares) == (served, 0, [0, 0, 0])
    for worker in fleet.workers:
        await worker.kill()
        await worker.scope.leave()
    await fleet.start("later")
    await fleet.clock.run_for(60.0)
    assert (fleet.api.served, fleet.shares) == (served, [0, 0, 0, 0])
    fleet.api.peak = 0
    await order(fleet, lambda row: with_pause_lifted(row, wall_seconds(fleet.clock)))
    await fleet.clock.run_for(1.5)
    assert 1 <= fleet.api.peak <= 2
    await fleet.clock.run_for(5.0)
    assert fleet.api.peak == 6


async def test_a_limit_moves_the_cap_of_all_within_seconds_above_and_below_their_own(fleet: Fleet) -> None:
    """All members together, whatever each has been told at its start; without it their own cap rules again."""
    workers = await fleet.start("a", "b")
    await fleet.clock.run_for(5.0)
    assert fleet.api.peak == 6
    for in_flight, expected in ((14, 14), (2, 2), (None, 6)):
        limit = None if in_flight is None else InFlightLimit(in_flight=in_flight, by="ann@host", since=1.0)
        await order(fleet, partial(with_limit, limit=limit))
        await fleet.clock.run_for(4.0)
        fleet.api.peak = 0
        await fleet.clock.run_for(4.0)
        assert fleet.api.peak == expected
        assert sum(worker.scope.share for worker in workers) == expected


async def test_newcomer_keeps_a_pause_that_it_did_not_hear(fleet: Fleet) -> None:
    """Who joins during a pause sends nothing before its end."""
    (first,) = await fleet.start("a", tasks=0)
    await first.scope.pause(30.0)
    await first.scope.leave()
    await first.kill()
    await fleet.clock.run_for(10.0)
    await fleet.start("b")
    await fleet.clock.run_for(19.9)
    assert fleet.api.peak == 0
    await fleet.clock.run_for(4.0)
    assert fleet.api.peak > 0


async def test_g5_refused_credentials_of_who_only_looks_stop_no_worker(fleet: Fleet) -> None:
    """A plan from a laptop with a wrong token. What the API asks it to wait holds for everybody."""
    (worker,) = await fleet.start("a", seconds=0.1)
    guest = Scope(replace(fleet.settings, is_guest=True), "laptop", Store(fleet.store), fleet.clock, random.Random(1))
    await guest.join()
    beats = asyncio.create_task(guest.run())
    await guest.pause(15.0, "status 401", is_of_credentials=True)
    await fleet.clock.run_for(3.0)
    assert guest.pause_seconds_left > 0.0
    assert worker.scope.pause_seconds_left == 0.0
    late = Scope(fleet.settings, "late", Store(fleet.store), fleet.clock, random.Random(2))
    await late.join()
    assert late.pause_seconds_left == 0.0, "and none that comes later"
    await late.leave()
    await guest.pause(10.0, "status 429")
    await fleet.clock.run_for(2.0)
    assert 7.0 < worker.scope.pause_seconds_left < 8.1
    await worker.scope.pause(20.0, "status 401", is_of_credentials=True)
    await fleet.clock.run_for(2.0)
    assert guest.pause_seconds_left > 17.0
    beats.cancel()


async def test_pause_written_while_the_store_is_away_is_told_later(fleet: Fleet) -> None:
    """A pause counts here at once; the others hear of it with the first beat that works."""
    first, second = await fleet.start("a", "b", seconds=0.1)
    await fleet.clock.run_for(3)
    first.store.is_down = True
    await first.scope.pause(30.0)
    assert first.scope.pause_seconds_left > 0.0
    assert second.scope.pause_seconds_left == 0.0
    first.store.is_down = False
    await fleet.clock.run_for(2.0)
    assert second.scope.pause_seconds_left > 0.0


async def test_a_pause_that_is_written_after_a_lift_of_it_is_not_told(fleet: Fleet) -> None:
    """Refused before the lift, and written after it: whoever lifted the pause has lifted this one too."""
    (first,) = await fleet.start("a", seconds=0.1)
    await fleet.clock.run_for(3)
    await MemoryRows(fleet.store).update(
        fleet.settings.name, lambda body: encode(with_pause_lifted(decode(body), wall_seconds(fleet.clock)))
    )
    await first.scope.pause(3_600.0, "status 429")
    assert first.scope.pause_seconds_left == 0.0
    await first.scope.pause(3_600.0, "status 429")
    assert first.scope.pause_seconds_left > 0.0, "it is asked for again"


async def test_unreachable_row_stops_the_sending_after_two_beats(fleet: Fleet) -> None:
    """A member that cannot beat keeps its share for two beats, then sends nothing until it can beat again."""
    (worker,) = await fleet.start("a", seconds=0.1)
    await fleet.clock.run_for(3)
    worker.store.is_down = True
    await fleet.clock.run_for(1.0)
    fleet.api.served.clear()
    await fleet.clock.run_for(0.9)
    assert fleet.api.served
    await fleet.clock.run_for(0.3)
    assert fleet.api.in_flight == 0
    assert worker.scope.share == 0
    fleet.api.served.clear()
    await fleet.clock.run_for(50)
    assert not fleet.api.served
    worker.store.is_down = False
    await fleet.clock.run_for(1.2)
    assert fleet.api.served


async def test_lost_answers_never_lift_the_cap(fleet: Fleet) -> None:
    """A store that makes every change and loses every answer lets nobody have more than the row says."""
    first, second = await fleet.start("a", "b")
    await fleet.clock.run_for(3)
    for turn in range(20):
        first.store.loses_answers = turn % 3 != 0
        second.store.loses_answers = turn % 4 != 0
        await fleet.clock.run_for(1.0)
    assert fleet.api.peak == 6


async def test_stopped_member_sends_nothing_before_it_beat_again(fleet: Fleet) -> None:
    """The process was stopped for three beats: its gate stays shut until the row knows of it again."""
    (worker,) = await fleet.start("a", tasks=0)
    worker.running[0].cancel()
    fleet.clock.advance(3.0)
    entered = asyncio.create_task(_enter(worker.scope))
    await asyncio.sleep(0)
    assert worker.scope.waiting == 1
    worker.running.append(asyncio.create_task(worker.scope.run()))
    await fleet.clock.run_for(1.1)
    assert entered.done()


async def test_death_frees_the_share_after_the_deadline(fleet: Fleet) -> None:
    """A killed worker's share goes to the others when none of its requests can be in flight any more."""
    first, second = await fleet.start("a", "b")
    await fleet.clock.run_for(5)
    await first.kill()
    fleet.workers.remove(first)
    await fleet.clock.run_for(7)
    assert second.scope.share == 3
    await fleet.clock.run_for(3)
    assert second.scope.share == 6


async def test_leave_frees_at_once_and_shuts_the_gate(fleet: Fleet) -> None:
    """A worker that leaves frees its share with one write, and sends nothing after it."""
    first, second = await fleet.start("a", "b", tasks=0)
    first.running.pop().cancel()
    await first.scope.leave()
    second.scope.has_work = True
    await fleet.clock.run_for(1.1)
    assert second.scope.share == 6
    entered = asyncio.create_task(_enter(first.scope))
    await fleet.clock.run_for(30)
    assert not entered.done()
    entered.cancel()


async def test_leave_without_a_store_is_no_error(fleet: Fleet) -> None:
    """A worker can end while the queue is away."""
    (worker,) = await fleet.start("a", tasks=0)
    worker.store.is_down = True
    await worker.scope.leave()


async def test_joined_beats_for_the_length_of_a_block(fleet: Fleet) -> None:
    """`joined` keeps the share fresh in the block, and frees it after it, whatever the block raises."""
    scope = Worker(fleet, "a").scope

    async def block() -> None:
        async with scope.joined():
            await fleet.clock.run_for(30)
            assert scope.share == 6
            raise KeyError

    with pytest.raises(KeyError):
        await block()
    (other,) = await fleet.start("b", tasks=0)
    assert other.scope.share == 6


async def test_join_without_a_store_says_so(fleet: Fleet) -> None:
    """A worker that cannot reach the row at the start has no share to work with: its error passes."""
    worker = Worker(fleet, "a")
    worker.store.is_down = True
    with pytest.raises(QueueUnavailableError):
        await worker.scope.join()


async def test_newer_row_is_refused_and_left_alone(fleet: Fleet) -> None:
    """A row of a newer haulier is refused in words and not touched."""
    body = msgspec.json.encode({"v": FORMAT + 1})
    fleet.store.rows["scope/flights"] = body
    worker = Worker(fleet, "a")
    with pytest.raises(NewerFormatError, match="scope row"):
        await worker.scope.join()
    assert fleet.store.rows["scope/flights"] == body


async def test_health_is_the_whole_scopes(fleet: Fleet) -> None:
    """G4: a success anywhere makes every member's scope healthy for 60 seconds, and proven."""
    first, second = await fleet.start("a", "b", tasks=0)
    assert not is_healthy(second.scope, fleet.clock)
    assert not second.scope.has_ever_succeeded
    first.scope.note_success()
    assert is_healthy(first.scope, fleet.clock)
    await fleet.clock.run_for(2.1)
    assert is_healthy(second.scope, fleet.clock)
    await fleet.clock.run_for(57)
    assert is_healthy(first.scope, fleet.clock)
    await fleet.clock.run_for(3)
    assert not is_healthy(first.scope, fleet.clock)
    assert not is_healthy(second.scope, fleet.clock)
    assert first.scope.has_ever_succeeded
    assert second.scope.has_ever_succeeded


async def test_health_survives_jumps_of_the_wall_clock(fleet: Fleet) -> None:
    """A wall clock that is set by an hour makes a healthy scope neither ill nor healthy for an hour."""
    first, second = await fleet.start("a", "b", tasks=0)
    first.scope.note_success()
    await fleet.clock.run_for(2.1)
    for hours in (1, -2):
        fleet.clock.set_wall(fleet.clock.now() + timedelta(hours=hours))
        assert is_healthy(second.scope, fleet.clock)
    await fleet.clock.run_for(61)
    assert not is_healthy(second.scope, fleet.clock)
    first.scope.note_success()
    await fleet.clock.run_for(2.1)
    assert is_healthy(second.scope, fleet.clock)


async def test_newcomer_knows_how_old_the_last_success_is(fleet: Fleet) -> None:
    """A worker that joins does not take a success of a minute ago for a fresh one."""
    (first,) = await fleet.start("a", tasks=0)
    first.scope.note_success()
    await fleet.clock.run_for(40)
    (late,) = await fleet.start("b", tasks=0)
    assert is_healthy(late.scope, fleet.clock)
    await fleet.clock.run_for(25)
    assert not is_healthy(late.scope, fleet.clock)
    assert late.scope.has_ever_succeeded


async def test_wall_clock_jumps_move_no_share(fleet: Fleet) -> None:
    """Clocks set by an hour forwards and back while all work: the cap holds, nobody is dropped."""
    await fleet.start("a", "b", "c")
    await fleet.clock.run_for(5)
    for hours in (1, -3, 24, -48):
        fleet.clock.set_wall(fleet.clock.now() + timedelta(hours=hours))
        await fleet.clock.run_for(3)
        assert fleet.shares == [2, 2, 2]
    assert fleet.api.peak == 6


async def test_idle_worker_gives_its_share_to_who_works(fleet: Fleet) -> None:
    """A worker without an item for two beats keeps at most one place, and has more again once it works."""
    busy, idle = await fleet.start("a", "b")
    await idle.kill()
    idle.running = [asyncio.create_task(idle.scope.run())]
    idle.scope.has_work = False
    await fleet.clock.run_for(5)
    assert fleet.shares == [5, 1]
    idle.scope.has_work = True
    await fleet.clock.run_for(4)
    assert fleet.shares == [3, 3]
    assert busy.scope.in_use <= 3


async def test_one_write_a_beat(fleet: Fleet) -> None:
    """A worker in balance writes the row once a second, however many requests it makes."""
    (worker,) = await fleet.start("a", seconds=0.05)
    await fleet.clock.run_for(3)
    worker.store.updates = 0
    await fleet.clock.run_for(10)
    assert 9 <= worker.store.updates <= 11


async def order(fleet: Fleet, change: Callable[[ScopeRow], ScopeRow]) -> None:
    """As a command does, which is no member."""
    await Store(fleet.store).update("scope/flights", lambda body: encode(change(decode(body))))


async def _enter(scope: Scope) -> None:
    async with scope.slot():
        pass
