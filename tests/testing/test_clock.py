"""A clock that a test turns by hand."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest

from haulier.clock import Clock, wall_seconds
from haulier.testing.clock import FakeClock

START = datetime(2026, 11, 23, 22, 25, tzinfo=UTC)


async def test_it_stands_still_until_it_is_turned() -> None:
    """Wall and monotonic time move together, and by nothing else."""
    clock: Clock = FakeClock()
    turned = FakeClock()
    assert clock.now() == START
    turned.advance(90.5)
    assert turned.now() == START + timedelta(seconds=90.5)
    assert turned.monotonic() - clock.monotonic() == 90.5
    assert wall_seconds(turned) == START.timestamp() + 90.5


async def test_setting_the_wall_is_noticed_by_nobody_who_waits() -> None:
    """A correction of the machine's clock moves no deadline."""
    clock = FakeClock()
    sleeper = asyncio.create_task(clock.sleep(10))
    await clock.wait_for_sleepers()
    clock.set_wall(START + timedelta(days=1))
    await asyncio.sleep(0)
    assert clock.now() == START + timedelta(days=1)
    assert not sleeper.done()
    clock.advance(10)
    await sleeper


async def test_sleepers_wake_in_the_order_of_their_deadlines() -> None:
    """Not before, and of equal ones who slept first wakes first."""
    clock, woken = FakeClock(), list[str]()

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    async with asyncio.TaskGroup() as tasks:
        for name, seconds in (("third", 3), ("first", 1), ("second", 2), ("also second", 2)):
            tasks.create_task(sleep(name, seconds))
        await clock.wait_for_sleepers(4)
        clock.advance(1.9)
        await clock.wait_for_sleepers(3)
        await asyncio.sleep(0)
        assert woken == ["first"]
        clock.advance(2)
    assert woken == ["first", "second", "also second", "third"]


async def test_no_time_to_sleep_is_no_sleep() -> None:
    """Zero and less give way once and return."""
    clock = FakeClock()
    await clock.sleep(0)
    await clock.sleep(-1)
    assert clock.sleeping == 0


@pytest.mark.parametrize("periods", [(3.0,), (3.0, 0.25)])
async def test_time_runs_from_one_deadline_to_the_next(periods: tuple[float, ...]) -> None:
    """What sleeps in a loop wakes as often as it would in life, at the right times."""
    clock, ticks = FakeClock(), list[float]()
    start = clock.monotonic()

    async def tick(seconds: float) -> None:
        while True:
            await clock.sleep(seconds)
            ticks.append(clock.monotonic() - start)

    tasks = [asyncio.create_task(tick(seconds)) for seconds in periods]
    await clock.run_for(10)
    assert ticks == sorted(seconds * number for seconds in periods for number in range(1, int(10 / seconds) + 1))
    assert clock.monotonic() - start == 10
    for task in tasks:
        task.cancel()
    await clock.run_for(5)
    assert max(ticks) <= 10
    assert clock.monotonic() - start == 15


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    """It neither counts nor holds time up."""
    clock = FakeClock()
    sleeper = asyncio.create_task(clock.sleep(5))
    await clock.wait_for_sleepers()
    assert clock.sleeping == 1
    sleeper.cancel()
    await asyncio.wait([sleeper])
    assert clock.sleeping == 0
    clock.advance(10)


async def test_sleepers_of_other_threads_wake_too() -> None:
    """A lease keeper has a thread and an event loop of its own."""
    clock, woken = FakeClock(), threading.Event()

    def sleep_in_thread() -> None:
        asyncio.run(clock.sleep(5))
        woken.set()

    thread = threading.Thread(target=sleep_in_thread)
    thread.start()
    await clock.wait_for_sleepers()
    assert not woken.is_set()
    clock.advance(5)
    await asyncio.to_thread(thread.join)
    assert woken.is_set()


async def test_a_sleeper_whose_event_loop_has_ended_holds_nobody_up() -> None:
    """Time goes on without it."""
    clock = FakeClock()

    def leave_asleep() -> None:
        loop = asyncio.new_event_loop()
        task = loop.create_task(clock.sleep(5))
        loop.run_until_complete(clock.wait_for_sleepers())
        task.cancel()
        loop.run_until_complete(asyncio.wait([task]))
        loop.close()

    await asyncio.to_thread(leave_asleep)
    clock.advance(10)
    assert clock.sleeping == 0
