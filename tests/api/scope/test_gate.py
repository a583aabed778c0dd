"""The gate of one process: order, cap, and what it measures."""

from __future__ import annotations

import asyncio

import pytest

from haulier.api.limits.pacer import NEVER_SECONDS
from haulier.api.scope.gate import Ahead, Gate
from haulier.testing.clock import FakeClock


class Door:
    """What the gate asks: opens at a time, or never."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.opens_at = 0.0

    def __call__(self) -> float:
        return max(0.0, self.opens_at - self.clock.monotonic())


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def door(clock: FakeClock) -> Door:
    return Door(clock)


@pytest.fixture
def gate(clock: FakeClock, door: Door) -> Gate:
    return Gate(clock, door)


class Requests:
    """Tasks that hold a slot until they are told to end."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.inside: list[object] = []
        self.ends: dict[object, asyncio.Event] = {}
        self.waits: list[tuple[object, float]] = []

    def start(self, name: object, ahead: Ahead | None = None) -> asyncio.Task[None]:
        self.ends[name] = asyncio.Event()
        return asyncio.create_task(self._run(name, ahead))

    async def _run(self, name: object, ahead: Ahead | None) -> None:
        async with self.gate.slot(lambda waits: self.waits.append((name, waits)), ahead):
            self.inside.append(name)
            await self.ends[name].wait()
            self.inside.remove(name)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_first_come_first_served_and_never_above_the_limit(gate: Gate) -> None:
    """Requests pass in the order in which they came, as many at once as the limit says (G5)."""
    requests = Requests(gate)
    gate.limit = 2
    tasks = [requests.start(n) for n in range(5)]
    await settle()
    assert requests.inside == [0, 1]
    requests.ends[1].set()
    await settle()
    assert requests.inside == [0, 2]
    gate.limit = 3
    await settle()
    assert requests.inside == [0, 2, 3]
    gate.limit = 1
    for n in (0, 2):
        requests.ends[n].set()
    await settle()
    assert requests.inside == [3]
    for end in requests.ends.values():
        end.set()
    await asyncio.gather(*tasks)
    assert (gate.in_use, gate.waiting) == (0, 0)


async def test_a_newcomer_does_not_overtake(gate: Gate) -> None:
    """Whoever comes while others wait stands behind them, even if a place is free at that moment."""
    requests = Requests(gate)
    first = requests.start("first")
    await settle()
    gate.limit = 1
    requests.ends["first"].set()
    async with gate.slot():  # The first was told, and has not run yet.
        assert first.done()


async def test_limit_zero_holds_until_it_is_raised(gate: Gate) -> None:
    """A share of 0 sends nothing, and says that it waits."""
    requests = Requests(gate)
    task = requests.start("a")
    await settle()
    assert requests.inside == []
    assert requests.waits == [("a", True)]
    gate.limit = 1
    await settle()
    assert requests.waits == [("a", True), ("a", False)]
    requests.ends["a"].set()
    await task


async def test_no_wait_is_not_reported(gate: Gate) -> None:
    """``waiting`` is told nothing by a request that passes at once."""
    requests = Requests(gate)
    gate.limit = 1
    task = requests.start("a")
    await settle()
    requests.ends["a"].set()
    await task
    assert requests.waits == []


async def test_door_opens_at_its_time(gate: Gate, door: Door, clock: FakeClock) -> None:
    """The head waits as long as the door says, asks again then, and not before."""
    requests = Requests(gate)
    gate.limit = 5
    door.opens_at = clock.monotonic() + 10.0
    tasks = [requests.start(n) for n in range(2)]
    await clock.run_for(9.9)
    assert requests.inside == []
    await clock.run_for(0.2)
    assert requests.inside == [0, 1]
    for end in requests.ends.values():
        end.set()
    await asyncio.gather(*tasks)


async def test_door_is_asked_again_after_a_wait(gate: Gate, door: Door, clock: FakeClock) -> None:
    """A pause that begins while somebody waits for a place holds them back when the place is free."""
    requests = Requests(gate)
    gate.limit = 1
    tasks = [requests.start(n) for n in range(2)]
    await settle()
    door.opens_at = clock.monotonic() + 5.0
    requests.ends[0].set()
    await settle()
    assert requests.inside == []
    await clock.run_for(5.1)
    assert requests.inside == [1]
    requests.ends[1].set()
    await asyncio.gather(*tasks)


async def test_door_that_never_opens_needs_a_poke(gate: Gate, clock: FakeClock) -> None:
    """A door without a time is asked again when the gate is poked."""
    gate = Gate(clock, lambda: NEVER_SECONDS if closed else 0.0)
    closed = True
    gate.limit = 1
    requests = Requests(gate)
    task = requests.start("a")
    await clock.run_for(1_000)
    assert requests.inside == []
    closed = False
    gate.poke()
    await settle()
    assert requests.inside == ["a"]
    requests.ends["a"].set()
    await task


@pytest.mark.parametrize("turns", range(8))
async def test_cancelled_at_any_moment_releases_once(gate: Gate, turns: int) -> None:
    """A request that is cancelled while it waits, passes or runs gives its place back exactly once."""
    requests = Requests(gate)
    gate.limit = 1
    first, second, third = (requests.start(n) for n in range(3))
    await settle()
    requests.ends[0].set()
    for _ in range(turns):
        await asyncio.sleep(0)
    second.cancel()
    requests.ends[2].set()
    await asyncio.wait([first, second, third])
    assert second.cancelled()
    assert third.done()
    assert (gate.in_use, gate.waiting) == (0, 0)


async def test_error_inside_releases(gate: Gate) -> None:
    """A request that fails gives its place back."""
    gate.limit = 1
    with pytest.raises(ZeroDivisionError):
        async with gate.slot():
            raise ZeroDivisionError
    assert gate.in_use == 0


async def test_alarm_of_a_cancelled_wait_is_put_out(gate: Gate, door: Door, clock: FakeClock) -> None:
    """Nobody is left asleep for a request that was cancelled."""
    gate.limit = 1
    door.opens_at = clock.monotonic() + 100.0
    requests = Requests(gate)
    task = requests.start("a")
    await settle()
    assert clock.sleeping == 1
    task.cancel()
    await asyncio.wait([task])
    await settle()
    assert clock.sleeping == 0


async def test_what_is_asked_ahead_gets_what_others_leave(gate: Gate) -> None:
    """It lets requests pass that came later, until it is wanted itself: then it is the last of them."""
    requests, early = Requests(gate), Ahead()
    gate.limit = 1
    tasks = [
        requests.start("running"),
        *(requests.start(name, ahead) for name, ahead in (("a", early), ("b", Ahead()))),
    ]
    await settle()
    tasks += [requests.start("later"), requests.start("last")]
    await settle()
    assert (requests.inside, gate.waiting) == (["running"], 4)
    requests.ends["running"].set()
    await settle()
    assert requests.inside == ["later"]
    early.want()
    tasks.append(requests.start("newest"))
    await settle()
    for name, following in (("later", "last"), ("last", "a"), ("a", "newest"), ("newest", "b")):
        requests.ends[name].set()
        await settle()
        assert requests.inside == [following]
    requests.ends["b"].set()
    await asyncio.gather(*tasks)
    assert (gate.in_use, gate.waiting) == (0, 0)


async def test_what_is_asked_ahead_can_be_given_up(gate: Gate) -> None:
    requests, early = Requests(gate), Ahead()
    for task in (requests.start("a", early), requests.start("b", Ahead())):
        await settle()
        task.cancel()
        await settle()
        assert task.cancelled()
    early.want()
    assert (gate.in_use, gate.waiting) == (0, 0)
