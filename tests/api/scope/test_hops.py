"""Requests that one request takes besides itself: redirects, and a repeat with renewed credentials (G5)."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

from haulier.api.client import Client
from haulier.api.errors import Action
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import NO_HEADERS, Request, Response
from haulier.api.limits.budget import Rate
from haulier.api.scope.scope import Scope
from haulier.api.scope.settings import ScopeSettings
from haulier.api.settings import Api
from haulier.errors import UsageError
from haulier.rows.memory import MemoryRows, RowStore
from haulier.testing.clock import FakeClock


class Moved:
    """An API that has moved: each answer is one redirect away, and comes a tenth of a second later."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.sent_at: list[float] = []
        self.scope: Scope

    async def send(self, request: Request) -> Response:
        for hop in range(2):
            if hop:
                await request.before_follow_up()
            self.sent_at.append(self._clock.monotonic())
            await self._clock.sleep(0.05)
        return Response(200, NO_HEADERS, b"{}")


@contextlib.asynccontextmanager
async def asking(
    clock: FakeClock, *, tasks: int = 4, between_seconds: float = 0.0, **settings: object
) -> AsyncIterator[tuple[Moved, list[int], list[UsageError]]]:
    """Tasks that ask as fast as they are let: the API, the requests of each item by its account, and what ended it."""
    api, accounts, errors = Moved(clock), [], []
    scope = Scope(
        ScopeSettings("scope/x", tasks, is_fixed=True, **settings),  # type: ignore[arg-type]
        "w1",
        MemoryRows(RowStore()),
        clock,
        random.Random(7),
    )
    api.scope = scope
    scope.note_run("full-1")
    client = Client(Api("http://api.test"), api, scope, clock, random.Random(7), Redactor())

    async def ask() -> None:
        try:
            while True:
                item = client.session()
                await item.json("/items")
                accounts.append(item.usage.requests)
                if between_seconds:
                    await clock.sleep(between_seconds)
        except UsageError as error:
            errors.append(error)

    async with scope.joined():
        working = [asyncio.ensure_future(ask()) for _ in range(tasks)]
        try:
            yield api, accounts, errors
        finally:
            for task in working:
                task.cancel()
            await asyncio.wait(working)


async def test_g5_the_pace_counts_each_hop() -> None:
    """G5: of 20 requests a second no more than 20 come in any second, and each item's account has them all."""
    clock = FakeClock()
    async with asking(clock, rates=(Rate(20, 1.0),)) as (api, accounts, _):
        await clock.run_for(10.0)
    settled = [at for at in api.sent_at if at >= api.sent_at[0] + 2.0]
    assert max(sum(start <= at < start + 1.0 for at in settled) for start in settled) <= 20
    assert len(api.sent_at) >= 0.8 * 10 * 19
    assert set(accounts) == {2}


async def test_g5_max_requests_counts_each_hop() -> None:
    """`max_requests` is all that a run may send. What is redirected when it is used up is not followed."""
    clock = FakeClock()
    async with asking(clock, max_requests=40) as (api, _, errors):
        await clock.run_for(60.0)
    assert len(errors) == 4
    assert len(api.sent_at) == 40


async def test_g5_max_requests_counts_the_hops_of_a_good_request_that_is_sent_again() -> None:
    """An item takes two of five requests, the witness two more; of the next item the first is the last."""
    clock = FakeClock()
    async with asking(clock, tasks=1, between_seconds=20.0, max_requests=5) as (api, accounts, errors):
        await clock.run_for(10.0)
        assert (len(api.sent_at), accounts, errors) == (2, [2], [])
        asked = asyncio.ensure_future(api.scope.action_now())
        await clock.run_for(5.0)
        assert (asked.result(), len(api.sent_at)) == (Action.OK, 4)
        await clock.run_for(60.0)
    assert (len(api.sent_at), accounts, len(errors)) == (5, [2], 1)
