"""A pace that no header tells, found from refusals (G5)."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from haulier.api.breaker import Slice
from haulier.api.learned_rate import CEILING_SECONDS, FAR_OFF, NO_PACE, LearnedRate, grown, refused
from haulier.api.scope import Scope, ScopeSettings
from haulier.api.transport import Response
from haulier.queues.memory import MemoryQueue, MemoryStore
from haulier.testing.clock import FakeClock

HEADERS = CIMultiDictProxy(CIMultiDict[str]())


def taken(good: int, time: float) -> tuple[Slice, ...]:
    """So many good answers within the last two seconds."""
    return (Slice(time - 2.0, good, 0),)


def test_nothing_is_paced_before_a_refusal() -> None:
    assert grown(LearnedRate(), 1e6).pace == NO_PACE


def test_the_first_refusal_begins_low_and_grows() -> None:
    """From what was taken in two seconds: a burst looks like more than comes in the long run."""
    learned = refused(LearnedRate(), taken(20, 10.0), 10.0)
    assert learned.pace == pytest.approx(9.0)
    for second in range(1, 11):
        learned = grown(learned, 10.0 + second)
    assert learned.pace == pytest.approx(9.0 * 1.15**10)


def test_it_stays_below_what_was_refused_for_five_minutes() -> None:
    """And tries more after them; far off it means nothing any more."""
    learned = refused(LearnedRate(pace=20.0), taken(40, 100.0), 100.0)
    assert (learned.ceiling, learned.pace) == (20.0, 18.0)
    for second in range(1, int(CEILING_SECONDS)):
        learned = grown(learned, 100.0 + second)
        assert learned.pace <= 19.0
    for second in range(100):
        learned = grown(learned, 100.0 + CEILING_SECONDS + second)
    assert FAR_OFF > learned.pace > 19.0 or learned.pace == NO_PACE


def test_refusals_of_one_moment_count_once() -> None:
    """Twelve requests in flight are refused together; that halves nothing twelve times."""
    once = refused(LearnedRate(pace=20.0), taken(40, 100.0), 100.0)
    assert refused(once, taken(40, 101.0), 101.0) == once
    assert refused(once, taken(40, 102.0), 102.0) != once


def test_a_pace_that_nobody_needed_is_no_ceiling() -> None:
    """What was refused is what was sent, not what might have been."""
    learned = refused(LearnedRate(pace=1_000.0), taken(20, 100.0), 100.0)
    assert learned.ceiling == pytest.approx(11.0)


def test_refusals_that_come_at_any_pace_are_not_about_it() -> None:
    """An API that refuses at random would else be paced down and down. It is told from one that has a limit by refusals
    below what it was seen to bear; an hour later it is looked at again."""
    learned, time = LearnedRate(), 0.0
    paces = []
    for _ in range(40):
        time += 8.0
        for _ in range(8):
            learned = grown(learned, time)
        learned = refused(learned, taken(200, time), time)
        paces.append(learned.pace)
    assert paces[:5] != [NO_PACE] * 5
    assert set(paces[8:]) == {NO_PACE}
    assert min(paces) >= 50.0
    assert refused(learned, taken(200, time + 3_600.0), time + 3_600.0).pace == pytest.approx(90.0)


def test_an_api_that_takes_nothing_is_asked_once_a_second() -> None:
    assert refused(LearnedRate(), (), 5.0).pace == 1.0
    assert refused(LearnedRate(pace=1.0), (), 5.0).pace == 1.0


@dataclass
class Bucket:
    """Twenty requests a second, five at once, and Retry-After: 1. It says nothing of that."""

    clock: FakeClock
    level: float = 5.0
    at: float = 0.0
    refused: list[float] = field(default_factory=list)
    early: int = 0

    async def send(self) -> int:
        now = self.clock.monotonic()
        # What was under way when the pause was told is not early.
        self.early += bool(self.refused) and self.refused[-1] + 0.3 < now < self.refused[-1] + 1.0
        self.level, self.at = min(5.0, self.level + (now - self.at) * 20.0), now
        is_good = self.level >= 1.0
        self.level -= is_good
        await self.clock.sleep(0.05)
        if not is_good:
            self.refused.append(now)
        return 200 if is_good else 429


@pytest.mark.parametrize("workers", [1, 3])
async def test_g5_a_limit_that_is_told_nowhere_is_found(workers: int) -> None:
    """G5: a handful of refusals in two minutes, none early, and nearly all that the API gives."""
    clock, store, good = FakeClock(), MemoryStore(), 0
    api = Bucket(clock, at=clock.monotonic())

    async def work(scope: Scope) -> None:
        nonlocal good
        while True:
            async with scope.slot():
                began_at = clock.monotonic()
                status = await api.send()
            if status == 200:
                good += 1
                seconds = clock.monotonic() - began_at
                scope.note_success(Response(200, HEADERS, b"", first_byte_seconds=seconds, seconds=seconds))
            else:
                scope.note_throttled()
                await scope.pause(1.0)

    settings = ScopeSettings("scope/x", 12, request_deadline_seconds=5.0)
    scopes = [Scope(settings, f"w{n}", MemoryQueue(store, clock), clock, random.Random(n)) for n in range(workers)]
    tasks = []
    for scope in scopes:
        await scope.join()
        scope.has_work = True
        tasks.append(asyncio.create_task(scope.run()))
        tasks += [asyncio.create_task(work(scope)) for _ in range(6)]
    await clock.run_for(120.0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert good >= 0.8 * 120 * 20
    assert len(api.refused) <= 10
    assert api.early == 0
