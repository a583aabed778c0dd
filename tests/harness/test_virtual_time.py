"""Time that passes only while nobody has anything to do."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest

from haulier.clock import Clock
from tests.harness.virtual_time import VirtualTime


def test_hours_of_sleep_pass_at_once_and_in_order() -> None:
    """Sleepers of the clock and of the event loop wake by one time, at their own moments."""
    time = VirtualTime()
    clock: Clock = time
    began_at, began = clock.monotonic(), clock.now()
    woken: list[float] = []

    async def sleep(seconds: float, *, is_by_clock: bool) -> None:
        await (clock.sleep(seconds) if is_by_clock else asyncio.sleep(seconds))
        woken.append(clock.monotonic() - began_at)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for number, seconds in enumerate((21_600.0, 0.5, 3_600.0, 60.0)):
                group.create_task(sleep(seconds, is_by_clock=number % 2 == 0))

    time.run(main())
    assert woken == pytest.approx([0.5, 60.0, 3_600.0, 21_600.0])
    assert clock.now() - began == pytest.approx(timedelta(hours=6), abs=timedelta(milliseconds=1))


def test_time_outs_go_by_it() -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3_600):
                await asyncio.Event().wait()

    time = VirtualTime()
    began_at = time.monotonic()
    time.run(main())
    assert time.monotonic() - began_at == pytest.approx(3_600)


def test_a_loop_in_another_thread_lives_by_it() -> None:
    """As the lease keeper does: each of the two wakes at its moments, and neither runs ahead of the other."""
    time = VirtualTime()
    began_at = time.monotonic()
    log: list[tuple[str, float]] = []

    async def tick(name: str, seconds: float) -> None:
        for _ in range(50):
            await asyncio.sleep(seconds)
            log.append((name, time.monotonic() - began_at))

    async def main() -> None:
        ready = threading.Event()

        async def other() -> None:
            ready.set()
            await tick("other", 2.0)

        thread = threading.Thread(target=lambda: asyncio.run(other()))
        thread.start()
        ready.wait()
        await tick("own", 3.0)
        thread.join()

    time.run(main())
    assert [moment for _, moment in log] == sorted(moment for _, moment in log)
    assert [moment for name, moment in log if name == "other"] == pytest.approx([2.0 * n for n in range(1, 51)])
    assert [moment for name, moment in log if name == "own"] == pytest.approx([3.0 * n for n in range(1, 51)])


def test_a_call_from_another_thread_takes_no_time() -> None:
    """What one loop asks of another is answered before any time passes, however long that takes."""
    time = VirtualTime()

    async def main() -> None:
        loops: list[asyncio.AbstractEventLoop] = []
        ready, is_over = threading.Event(), asyncio.Event()

        async def other() -> None:
            loops.append(asyncio.get_running_loop())
            ready.set()
            await is_over.wait()

        async def asked() -> float:
            return time.monotonic()

        thread = threading.Thread(target=lambda: asyncio.run(other()))
        thread.start()
        ready.wait()
        restless = asyncio.create_task(asyncio.sleep(1e6))
        for _ in range(200):
            at = time.monotonic()
            assert await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asked(), loops[0])) == at
            assert time.monotonic() == at
            await asyncio.sleep(0.25)
        loops[0].call_soon_threadsafe(is_over.set)
        restless.cancel()
        await asyncio.to_thread(thread.join)

    time.run(main())


def test_a_loop_that_was_given_something_does_not_fall_asleep() -> None:
    """It has looked for work already, and is about to sleep. Counted as asleep, it would let time pass before it
    answers. Threads come to this once in thousands of calls, so that the step is taken here by itself."""
    time = VirtualTime()

    async def main() -> None:
        other = asyncio.new_event_loop()
        try:
            assert time._fall_asleep(other, 3_600)  # type: ignore[arg-type]
            time._wake(other)  # type: ignore[arg-type]
            other.call_soon_threadsafe(lambda: None)
            assert not time._fall_asleep(other, 3_600)  # type: ignore[arg-type]
            assert time._fall_asleep(other, 3_600)  # type: ignore[arg-type]
        finally:
            other.close()

    time.run(main())


def test_no_time_passes_while_a_thread_works_for_it() -> None:
    time = VirtualTime()

    async def main() -> None:
        is_done, loop = asyncio.Event(), asyncio.get_running_loop()
        release = threading.Event()

        def work() -> None:
            release.wait()
            loop.call_soon_threadsafe(is_done.set)

        thread = threading.Thread(target=work)
        thread.start()
        alarm = asyncio.create_task(asyncio.sleep(5))
        at = time.monotonic()
        with time.busy():
            loop.call_soon(release.set)
            await is_done.wait()
            assert time.monotonic() == at
        await alarm
        assert time.monotonic() == pytest.approx(at + 5)
        thread.join()

    time.run(main())


def test_work_for_an_executor_is_done_at_once_and_tells_what_it_raises() -> None:
    time = VirtualTime()

    def refuse() -> None:
        raise OSError("no")

    async def main() -> None:
        at = time.monotonic()
        assert await asyncio.to_thread(lambda: 7) == 7
        with pytest.raises(OSError, match="no"):
            await asyncio.to_thread(refuse)
        assert time.monotonic() == at

    time.run(main())


def test_loops_are_the_usual_ones_afterwards() -> None:
    time = VirtualTime()
    time.run(asyncio.sleep(60))
    at = time.monotonic()
    asyncio.run(asyncio.sleep(0.001))
    assert time.monotonic() == at
