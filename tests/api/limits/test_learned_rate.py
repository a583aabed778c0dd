"""A pace that no header tells, found from refusals (G5)."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace
from multidict import CIMultiDict, CIMultiDictProxy

from haulier.api.http.transport import Response
from haulier.api.limits.learned_rate import (
    CEILING_SECONDS,
    CHANCE_REFUSALS,
    CHANCE_SECONDS,
    FIRST_CUT_FACTOR,
    NO_PACE,
    OFTEN_REFUSALS,
    PROVEN_FACTOR,
    LearnedRate,
    after_refusal,
    grow,
)
from haulier.api.scope.scope import Scope
from haulier.api.scope.settings import ScopeSettings
from haulier.rows.memory import MemoryRows, RowStore
from haulier.testing.clock import FakeClock

HEADERS = CIMultiDictProxy(CIMultiDict[str]())


def sending(learned: LearnedRate, time: float, seconds: int, rate: int) -> LearnedRate:
    """So many requests a second from ``time`` on, told of each second."""
    for second in range(1, seconds + 1):
        learned = grow(learned, time + second, rate)
    return learned


def refused_at(learned: LearnedRate, time: float, *, wait: float = 1.0, refusals: int = 1) -> LearnedRate:
    return after_refusal(learned, wait, refusals, time, is_row=False)


def found(rates: list[tuple[int, int]]) -> tuple[LearnedRate, float]:
    """Refused after each of so many seconds at such a rate, with a second's pause after each."""
    learned, time = LearnedRate(), 0.0
    for seconds, rate in rates:
        learned = sending(learned, time, seconds, rate)
        learned = refused_at(learned, time + seconds)
        time += seconds + 1
    return learned, time


def test_nothing_is_paced_before_a_refusal() -> None:
    assert sending(LearnedRate(), 0.0, 100, 50).pace == NO_PACE


def test_the_first_refusal_begins_below_what_was_sent_and_grows() -> None:
    learned, time = found([(10, 20)])
    assert learned.pace == pytest.approx(FIRST_CUT_FACTOR * 20)
    assert sending(learned, time, 3, 18).pace == pytest.approx(FIRST_CUT_FACTOR * 20 * 1.5**3)


def test_no_pace_grows_in_a_pause() -> None:
    learned, _ = found([(10, 20)])
    assert sending(refused_at(learned, 10.5, wait=30.0), 10.5, 30, 0).pace == learned.pace


def test_a_pace_that_was_refused_again_stays_below_that_for_five_minutes() -> None:
    """At one pace the same number came through: it is a limit. And more is tried after them."""
    learned, time = found([(10, 20), (5, 18), (5, 18)])
    ceiling = 18.0
    assert learned.pace == pytest.approx(PROVEN_FACTOR * 5 * 18 / 6)
    for _ in range(int(CEILING_SECONDS) - 10):
        learned = sending(learned, time, 1, 10)
        assert learned.pace <= ceiling
        time += 1
    assert learned.pace > PROVEN_FACTOR * ceiling
    assert sending(learned, time, 100, 10).pace > ceiling


def test_refusals_of_one_moment_count_once() -> None:
    """Twelve requests in flight are refused together; that cuts nothing twelve times."""
    once, time = found([(10, 20)])
    again = refused_at(once, time - 0.5)
    assert (again.pace, again.odd) == (once.pace, once.odd)
    assert again.resumed_at == time + 0.5, "the pause lasts as long as the last of them asks for"


def test_a_pace_that_nobody_needed_is_no_ceiling() -> None:
    """What was refused is what was sent, not what might have been."""
    learned, _ = found([(10, 20), (20, 18), (20, 18)])
    assert learned.pace <= 18.0


def test_refusals_below_what_is_proven_come_by_chance() -> None:
    """100 requests went through in five seconds and a pause, so that 16 a second are borne: whoever sends ten is not
    refused for that. An hour later it is looked at again."""
    learned, time = found([(10, 20), (5, 18), (5, 18)])
    for turn in range(CHANCE_REFUSALS):
        assert not learned.is_by_chance(time), turn
        learned = sending(learned, time, 3, 10)
        learned = refused_at(learned, time + 3)
        time += 4
    assert learned.is_by_chance(time)
    assert learned.pace == NO_PACE
    assert not learned.is_by_chance(time + CHANCE_SECONDS)


def test_far_more_or_far_fewer_at_one_pace_come_by_chance() -> None:
    assert found([(5, 100), (1, 90), (6, 90), (1, 90)])[0].pace == NO_PACE
    assert found([(5, 100), (3, 90), (3, 90), (3, 90)])[0].pace < NO_PACE


@pytest.mark.parametrize("wait", [5.0, 30.0])
def test_who_counts_by_windows_is_not_paced(wait: float) -> None:
    """The wait is all that it needs; and where windows let through what they like, there are none."""
    learned, time = LearnedRate(), 0.0
    for rate in (100, 100, 100, 40, 100):
        assert not learned.is_by_chance(time)
        learned = sending(learned, time, 3, rate)
        learned = refused_at(learned, time + 3, wait=wait)
        assert learned.pace == NO_PACE
        time += 3 + wait
    assert learned.is_by_chance(time)


def test_who_asks_for_a_minute_means_everybody() -> None:
    """Limits of that kind are many and change; who goes on is shut out."""
    learned, time = LearnedRate(), 0.0
    for rate in (100, 10, 100, 10, 100, 10):
        learned = sending(learned, time, 3, rate)
        learned = refused_at(learned, time + 3, wait=60.0)
        time += 63
    assert not learned.is_by_chance(time)


def test_what_was_no_chance_after_all_is_a_limit_for_an_hour() -> None:
    """One after another, or one in ten: then it is not believed again so soon."""
    chance = LearnedRate(by_chance_until=CHANCE_SECONDS)
    row = after_refusal(chance, 1.0, 1, 5.0, is_row=True)
    many = sending(chance, 0.0, 5, 10)
    for _ in range(OFTEN_REFUSALS):
        assert many.is_by_chance(5.0)
        many = refused_at(many, 5.0)
    few = refused_at(sending(chance, 0.0, 5, 10), 5.0)
    assert (row.is_by_chance(5.0), many.is_by_chance(5.0), few.is_by_chance(5.0)) == (False, False, True)
    for wrong in (row, many):
        time = 5.0
        for seconds in (5, 1, 6, 1, 6, 1):
            wrong = refused_at(sending(wrong, time, seconds, 90), time + seconds)
            time += seconds + 1
        assert not wrong.is_by_chance(time)


def test_an_api_that_takes_nothing_is_no_api_that_refuses_by_chance() -> None:
    """It is down, or shut: refusals without good answers between them say nothing of a pace."""
    learned, time = found([(10, 20), (5, 18), (5, 18)])
    before = learned
    for _ in range(10):
        learned = refused_at(grow(learned, time + 0.1, 1), time + 0.1)
        time += 2
    assert (learned.pace, learned.odd) == (before.pace, before.odd)


def test_what_no_limit_explains_is_forgotten() -> None:
    """Two of them prove chance; one that came long before the other proves nothing."""
    odd = LearnedRate(before=100, before_pace=NO_PACE, odd=1, refused_at=0.0, resumed_at=10.0, sent=1_000)
    late = after_refusal(replace(odd, at=1_000.0), 10.0, 1, 1_000.0, is_row=False)
    soon = after_refusal(replace(odd, at=100.0), 10.0, 1, 100.0, is_row=False)
    assert (soon.is_by_chance(100.0), late.is_by_chance(1_000.0), late.odd) == (True, False, 1)


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
    clock, store, good = FakeClock(), RowStore(), 0
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
                if not scope.note_throttled(1.0, Response(status, HEADERS, b"", seconds=0.05)):
                    await scope.pause(1.0)

    settings = ScopeSettings("scope/x", 12, request_deadline_seconds=5.0)
    scopes = [Scope(settings, f"w{n}", MemoryRows(store), clock, random.Random(n)) for n in range(workers)]
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
