"""Budgets of requests: the pure parts, and several workers against an API that counts."""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given
from multidict import CIMultiDict, CIMultiDictProxy

from haulier.api.errors import Action, ApiError
from haulier.api.http.ratelimit_headers import rate_limits
from haulier.api.http.transport import Response
from haulier.api.limits.budget import (
    MAX_COUNTED_RUNS,
    UNLIMITED,
    WINDOW_SLICES,
    Budget,
    HeaderLimits,
    Quota,
    Rate,
    allowed_pace,
    counted_quotas,
    divide_pace,
    find_limits,
    learn_limits,
    remaining,
    run_quota,
    take,
)
from haulier.api.limits.schedule import parse_schedule
from haulier.api.scope.scope import Scope
from haulier.api.scope.settings import ScopeSettings
from haulier.errors import UsageError
from haulier.rows.memory import MemoryRows, RowStore
from haulier.testing.clock import FakeClock

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def read(**headers: str) -> HeaderLimits | None:
    fields = CIMultiDict((name.replace("_", "-"), value) for name, value in headers.items())
    return find_limits(rate_limits(CIMultiDictProxy(fields), NOW))


def read_limits(**headers: str) -> HeaderLimits:
    limits = read(**headers)
    assert limits is not None
    return limits


# -- pure parts --------------------------------------------------------------------------------------------------------


@given(
    st.one_of(st.floats(0, 1_000), st.just(UNLIMITED)),
    st.dictionaries(st.text("abc", max_size=3), st.one_of(st.floats(0, 100), st.just(UNLIMITED)), min_size=1),
)
def test_pace_is_shared_out_and_no_more(total: float, wanted: dict[str, float]) -> None:
    """The parts come to the whole pace; who wants least gets what it wants, and nobody starves."""
    given_out = divide_pace(total, wanted)
    if total >= UNLIMITED:
        assert set(given_out.values()) == {UNLIMITED}
    else:
        assert sum(given_out.values()) == pytest.approx(total)
        even = total / len(wanted)
        assert all(given_out[name] >= min(wish, even) * 0.999 for name, wish in wanted.items())


@pytest.mark.parametrize(
    ("total", "wanted", "expected"),
    [
        (19, {"a": UNLIMITED, "b": UNLIMITED}, {"a": 9.5, "b": 9.5}),
        (19, {"a": 1, "b": UNLIMITED}, {"a": 1, "b": 18}),
        (18, {"a": 2, "b": 4}, {"a": 8, "b": 10}),
        (0, {"a": UNLIMITED}, {"a": 0}),
    ],
)
def test_parts_table(total: int, wanted: dict[str, float], expected: dict[str, float]) -> None:
    """Who could use more gets what the others leave; what nobody wants is there for who begins."""
    assert divide_pace(total, wanted) == pytest.approx(expected)


@given(
    requests=st.integers(1, 60),
    seconds=st.sampled_from([100.0, 3_600.0, 86_400.0]),
    steps=st.lists(
        st.tuples(st.floats(0, 0.3), st.integers(0, 30), st.integers(0, 30), st.integers(1, 5)), max_size=40
    ),
)
def test_no_window_of_a_quota_is_ever_over(requests: int, seconds: float, steps: list[Any]) -> None:
    """In no stretch of the window's length is more used than the limit, wherever it begins and whatever is brought
    back when."""
    quota = Rate(requests, seconds).quota
    budget, wall, held, log = Budget(), 1.7e9, 0, []
    for part, ask, back, members in steps:
        wall += part * seconds
        back = min(back, held)
        budget, _ = take(budget, quota, -back, members, wall)
        budget, count = take(budget, quota, ask, members, wall)
        assert 0 <= count <= ask
        # What is brought back was taken in the step before, and not used.
        log.append((wall, count))
        held = min(count, 30)
        if back:
            log[-2] = (log[-2][0], log[-2][1] - back)
        assert sum(count for when, count in log if wall - when <= seconds) <= requests
        assert len(budget.spent.get(quota.key, ())) <= WINDOW_SLICES + 3
    assert msgspec.json.decode(msgspec.json.encode(budget), type=Budget) == budget


def test_what_is_brought_back_can_be_taken_again() -> None:
    """A member that took more than it used leaves the rest to the others."""
    quota = Quota("10/day", 10, 86_400.0)
    budget, first = take(Budget(), quota, 10, 1, 0.0)
    assert (first, remaining(budget, quota, 0.0)) == (10, 0)
    budget, _ = take(budget, quota, -4, 1, 1.0)
    assert remaining(budget, quota, 1.0) == 4


def test_little_is_shared_by_many() -> None:
    """The last requests of a quota are not all one member's."""
    quota = Quota("10/day", 10, 86_400.0)
    budget, count = take(Budget(), quota, 10, 4, 0.0)
    assert count == 2
    for _ in range(20):
        budget, count = take(budget, quota, 10, 4, 0.0)
    assert remaining(budget, quota, 0.0) == 0


def test_window_slides() -> None:
    """A day later what was taken may be taken again, and hardly a moment before."""
    quota = Quota("10/day", 10, 86_400.0)
    budget, _ = take(Budget(), quota, 10, 1, 0.0)
    assert remaining(budget, quota, 86_400.0) == 0
    assert remaining(budget, quota, 86_400.0 * (1 + 1 / WINDOW_SLICES)) == 10


def test_a_run_gets_nothing_back() -> None:
    """What a run has sent it has sent, however long it is open."""
    quota = run_quota("full-1", 5)
    budget, _ = take(Budget(), quota, 5, 1, 0.0)
    assert remaining(budget, quota, 1e8) == 0
    assert remaining(budget, run_quota("full-2", 5), 1e8) == 5
    assert remaining(budget, run_quota("full-1", 7), 1e8) == 2


def test_row_does_not_grow_with_runs() -> None:
    """The counts of old runs are dropped."""
    budget = Budget()
    for number in range(100):
        budget, _ = take(budget, run_quota(f"full-{number}", 5), 5, 1, float(number))
    assert len(budget.spent) == MAX_COUNTED_RUNS
    assert "run:full-99" in budget.spent


def test_pace_is_the_strictest_limit_with_a_margin() -> None:
    """Of several short limits the strictest rules, at 95 %; long ones are counted instead."""
    declared = (Rate(190, 10.0), Rate(20, 1.0), Rate(50_000, 86_400.0))
    assert allowed_pace(Budget(), declared, 0.0) == pytest.approx(18.05)
    assert [quota.requests for quota in counted_quotas(Budget(), declared)] == [47_500]
    assert allowed_pace(Budget(), (), 0.0) == UNLIMITED


def test_policies_are_learned_from_headers() -> None:
    """`RateLimit-Policy` is a limit like a declared one; units that are no requests are not ours to count."""
    limits = read(RateLimit_Policy='"burst";q=100;w=60,"daily";q=1000;w=86400,"bytes";q=9;w=9;qu="content-bytes"')
    assert limits == HeaderLimits((Rate(100, 60.0), Rate(1000, 86_400.0)))
    budget = learn_limits(Budget(), limits, 0.0)
    assert allowed_pace(budget, (), 0.0) == pytest.approx(95 / 60)
    assert [quota.requests for quota in counted_quotas(budget, ())] == [950]


@pytest.mark.parametrize(
    "headers",
    [
        {"RateLimit": '"default";r=50;t=30'},
        {"X_RateLimit_Remaining": "50", "X_RateLimit_Reset": "30"},
        {"RateLimit": "limit=100, remaining=50, reset=30"},
    ],
)
def test_rest_of_a_window_is_spread_over_it(headers: dict[str, str]) -> None:
    """Fifty requests left for thirty seconds: no more than those are sent until then."""
    budget = learn_limits(Budget(), read_limits(**headers), 1_000.0)
    assert allowed_pace(budget, (), 1_001.0) == pytest.approx(50 / 30)
    assert allowed_pace(budget, (), 1_030.0) == UNLIMITED


def test_rest_of_a_long_window_is_no_pace() -> None:
    """4,999 requests left for an hour are no reason to send one a second."""
    assert (
        allowed_pace(
            learn_limits(Budget(), read_limits(X_RateLimit_Remaining="4999", X_RateLimit_Reset="3600"), 0.0), (), 1.0
        )
        == UNLIMITED
    )


def test_no_headers_no_limits() -> None:
    """An API that says nothing limits nothing."""
    assert read(Content_Type="application/json") is None


# -- workers against an API that counts --------------------------------------------------------------------------------


@dataclass
class Counting:
    """An API with a bucket: ``rate`` a second, ``burst`` at once. It may say so in its headers."""

    clock: FakeClock
    rate: float = 20.0
    burst: float = 5.0
    policy: str = ""
    is_unlimited: bool = False
    level: float = 5.0
    at: float = 0.0
    sent: deque[float] = field(default_factory=deque)
    refused: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    async def send(self) -> Response:
        now = self.clock.monotonic()
        self.sent.append(now)
        self.level = min(self.burst, self.level + (now - self.at) * self.rate)
        self.at = now
        headers = CIMultiDict(self.headers)
        if self.policy:
            headers["RateLimit-Policy"] = self.policy
        await self.clock.sleep(0.1)
        if not self.is_unlimited and self.level < 1.0:
            self.refused += 1
            return Response(429, CIMultiDictProxy(headers), b"", seconds=0.1)
        self.level -= 1.0
        return Response(200, CIMultiDictProxy(headers), b"", first_byte_seconds=0.1, seconds=0.1)


class Team:
    """Workers that send as fast as they are let."""

    def __init__(self, workers: int, **settings: Any) -> None:
        self.clock = FakeClock()
        self.api = Counting(self.clock)
        self.store = RowStore()
        self.settings = ScopeSettings("scope/x", 12, request_deadline_seconds=5.0, **({"is_fixed": True} | settings))
        self.names = [f"w{n}" for n in range(workers)]
        self.scopes: list[Scope] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.errors: list[Exception] = []
        self.good = 0

    async def __aenter__(self) -> Self:
        for name in self.names:
            await self.add(name)
        return self

    async def add(self, name: str) -> None:
        scope = Scope(self.settings, name, MemoryRows(self.store), self.clock, random.Random(name))
        scope.note_run("full-1")
        await scope.join()
        self.scopes.append(scope)
        self.tasks.append(asyncio.create_task(scope.run()))
        self.tasks += [asyncio.create_task(self._work(scope)) for _ in range(6)]

    async def __aexit__(self, *_: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)

    async def _work(self, scope: Scope) -> None:
        while True:
            try:
                async with scope.slot():
                    response = await self.api.send()
            except (ApiError, UsageError) as error:
                self.errors.append(error)
                await self.clock.sleep(100.0)
                continue
            if response.status == 200:
                self.good += 1
                scope.note_success(response)
            else:
                await scope.pause(1.0)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("is_declared", [True, False], ids=["declared", "learned"])
async def test_20_a_second_with_a_bucket_of_5(workers: int, is_declared: bool) -> None:
    """G5: at most 5 refusals, and within 1.15 of the ideal time, with a limit declared or learned from headers."""
    async with Team(workers, rates=(Rate(20, 1.0),) if is_declared else (), is_fixed=False) as team:
        team.api.policy = "" if is_declared else '"default";q=20;w=1'
        began_at = team.clock.monotonic()
        while team.good < 1_000:
            await team.clock.run_for(0.5)
        assert team.clock.monotonic() - began_at <= 1.15 * 1_000 / 20
        assert team.api.refused <= 5


async def test_pace_goes_to_who_can_use_it() -> None:
    """One of three workers has work: it has nearly all of the pace."""
    async with Team(1, rates=(Rate(20, 1.0),)) as team:
        for name in ("idle1", "idle2"):
            scope = Scope(team.settings, name, MemoryRows(team.store), team.clock, random.Random(name))
            await scope.join()
            team.tasks.append(asyncio.create_task(scope.run()))
        await team.clock.run_for(5)
        before = team.good
        await team.clock.run_for(20)
        assert team.good - before >= 0.8 * 20 * 20 * 0.95


async def test_share_of_the_dead_is_used() -> None:
    """The part of a worker that was killed goes to the others within a few beats."""
    async with Team(2, rates=(Rate(20, 1.0),)) as team:
        await team.clock.run_for(5)
        for task in team.tasks[:7]:
            task.cancel()
        await team.clock.run_for(5)
        before = team.good
        await team.clock.run_for(10)
        assert team.good - before >= 0.9 * 10 * 19


async def test_an_hour_has_so_many_requests() -> None:
    """G5: of 200 requests an hour no more than 190 are sent in any, by three workers together; who waits goes away
    uncharged, and later on work goes on."""
    async with Team(3, rates=(Rate(200, 3_600.0),), beat_seconds=5.0) as team:
        team.api.is_unlimited = True
        await team.clock.run_for(600)
        assert 170 <= len(team.api.sent) <= 190
        assert {type(error) for error in team.errors} == {ApiError}
        assert {error.action for error in team.errors if isinstance(error, ApiError)} == {Action.PAUSE}
        assert "The limit of 200 requests in 3600 s is used up" in str(team.errors[0])
        assert [scope.share for scope in team.scopes] == [0, 0, 0]
        await team.clock.run_for(3_600)
        sent = list(team.api.sent)
        assert len(sent) > 190
        assert max(sum(start <= when < start + 3_600 for when in sent) for start in sent) <= 190


async def test_run_sends_no_more_than_it_may() -> None:
    """`max_requests` is kept by all workers together, whatever becomes of them; then it is said what to do."""
    async with Team(3, max_requests=100) as team:
        team.api.is_unlimited = True
        await team.clock.run_for(2.3)
        for task in team.tasks[:7]:
            task.cancel()
        await team.add("late")
        await team.clock.run_for(100)
        assert 80 <= len(team.api.sent) <= 100
        assert all(isinstance(error, UsageError) for error in team.errors)
        assert "max_requests = 100. Raise it and run again" in str(team.errors[0])


async def test_nothing_left_pauses_until_the_reset() -> None:
    """Headers that say "0 left, 40 s to go" stop the scope until then, before anything is refused."""
    async with Team(2) as team:
        team.api.is_unlimited = True
        team.api.headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "40"}
        await team.clock.run_for(2.0)
        sent = len(team.api.sent)
        await team.clock.run_for(37.0)
        assert len(team.api.sent) == sent
        team.api.headers = {}
        await team.clock.run_for(15.0)
        assert len(team.api.sent) > sent


async def test_cap_follows_the_time_of_day() -> None:
    """`in_flight` by the time of day: more at night, and less again in the morning."""
    table = {"default": 2, "22:26-22:28": 8, "zone": "UTC"}
    async with Team(0) as team:
        scope_settings = ScopeSettings("scope/y", parse_schedule(table), request_deadline_seconds=5.0, is_fixed=True)
        scopes = [
            Scope(scope_settings, name, MemoryRows(team.store), team.clock, random.Random(name)) for name in ("a", "b")
        ]
        for scope in scopes:
            await scope.join()
            scope.has_work = True
            team.tasks.append(asyncio.create_task(scope.run()))
        await team.clock.run_for(30)
        assert sum(scope.share for scope in scopes) == 2
        await team.clock.run_for(60)
        assert sum(scope.share for scope in scopes) == 8
        await team.clock.run_for(120)
        assert sum(scope.share for scope in scopes) == 2


@contextlib.asynccontextmanager
async def sender(max_requests: int) -> AsyncIterator[tuple[Scope, Callable[[int], Coroutine[None, None, int]]]]:
    """One member, and how to send requests with it: returns how many went out within ten seconds for each."""
    clock = FakeClock()
    settings = ScopeSettings("scope/z", 4, request_deadline_seconds=5.0, is_fixed=True, max_requests=max_requests)
    scope = Scope(settings, "a", MemoryRows(RowStore()), clock, random.Random(1))
    sent = 0

    async def send(requests: int) -> None:
        nonlocal sent
        for _ in range(requests):
            async with scope.slot():
                sent += 1
                await clock.sleep(0.1)

    async def sending(requests: int) -> int:
        nonlocal sent
        sent, task = 0, asyncio.create_task(send(requests))
        await clock.run_for(10.0 * requests)
        task.cancel()
        await asyncio.wait([task])
        return sent

    async with scope.joined():
        yield scope, sending


async def test_run_is_counted_as_long_as_an_item_of_it_is_in_work() -> None:
    """Two runs more that begin meanwhile are no reason to forget what the first one may still send."""
    async with sender(10) as (scope, sending):
        with scope.working_for("first"):
            assert await sending(8) == 8
            with scope.working_for("second"), scope.working_for("third"), scope.working_for("first"):
                assert await sending(4) == 2


async def test_g5_runs_that_are_worked_at_once_count_each_its_own_requests() -> None:
    """A full and an incremental run of one source: neither is stopped for what the other one sends."""
    async with sender(10) as (scope, sending):
        with scope.working_for("full"):
            assert await sending(6) == 6
            with scope.working_for("incremental"):
                assert await sending(9) == 9
            assert await sending(4) == 4
            with scope.working_for("incremental"):
                assert await sending(3) <= 1
            assert await sending(3) == 0
            with scope.working_for("trial"):
                assert await sending(8) == 8, "it has its own, though both of the others have none left"
            assert await sending(3) == 0
        assert await sending(2) == 2, "what is sent for no run in particular is counted by who has some left"
        assert await sending(2) == 0


async def test_run_that_is_over_does_not_stop_the_next_one() -> None:
    """The first run has sent all that it may, and ended. What it sent is not counted against the second."""
    async with sender(10) as (scope, sending):
        with scope.working_for("first"):
            assert await sending(10) == 10
        with scope.working_for("second"):
            assert await sending(12) == 10


async def test_run_without_an_item_in_work_counts_again_with_its_next_one() -> None:
    async with sender(10) as (scope, sending):
        with scope.working_for("first"):
            assert await sending(8) == 8
        for name in ("second", "third", "fourth"):
            with scope.working_for(name):
                assert await sending(1) == 1
        with scope.working_for("first"):
            assert await sending(4) <= 2
