"""An API that bears so many requests at once, and workers that would send more, on a virtual clock."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from multidict import CIMultiDict, CIMultiDictProxy

from haulier.api.http.transport import Response
from haulier.api.scope.scope import Scope
from haulier.api.scope.settings import ScopeSettings
from haulier.clock import Clock
from haulier.rows.memory import MemoryRows, RowStore
from haulier.testing.clock import FakeClock

SERVICE_SECONDS = 0.5
NOISE = 0.3
REFUSAL_SECONDS = 0.05
HEADERS = CIMultiDictProxy(CIMultiDict[str]())


@dataclass
class Knee:
    """Serves ``knee`` requests at once at full speed. Above it they wait (``queue``), all slow down (``thrash``), or
    are refused (``429``). Service is lognormal; one in a hundred takes five times as long."""

    clock: Clock
    shape: str
    knee: int = 12
    later_pages: float = 1.0
    """How long a later page takes, of a first one's time."""
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    in_flight: int = 0
    serving: int = 0
    line: list[asyncio.Future[None]] = field(default_factory=list)
    good: int = 0
    refused: int = 0
    history: list[tuple[float, int]] = field(default_factory=list)

    async def send(self, *, is_first_page: bool = True) -> Response:
        began_at = self.clock.monotonic()
        self._count(1)
        try:
            if self.shape == "429" and self.in_flight > self.knee:
                await self.clock.sleep(REFUSAL_SECONDS)
                self.refused += 1
                return self._response(429, began_at)
            if self.shape == "queue":
                await self._turn()
            seconds = self._service() * (1.0 if is_first_page else self.later_pages)
            if self.shape == "thrash":
                seconds *= max(1.0, (self.in_flight / self.knee) ** 1.5)
            await self.clock.sleep(seconds)
            if self.shape == "queue":
                self._served()
            self.good += 1
            return self._response(200, began_at)
        finally:
            self._count(-1)

    def mean_in_flight(self, since: float) -> float:
        """Over the time from ``since`` until now."""
        area, level, at = 0.0, 0, since
        for when, count in self.history:
            if when > since:
                area += level * (when - at)
                at = when
            level = count
        now = self.clock.monotonic()
        return (area + level * (now - at)) / (now - since)

    def first_at(self, count: int) -> float:
        """When so many were first in flight."""
        return next((when for when, level in self.history if level >= count), float("inf"))

    def _count(self, change: int) -> None:
        self.in_flight += change
        self.history.append((self.clock.monotonic(), self.in_flight))

    def _service(self) -> float:
        seconds = SERVICE_SECONDS * self.rng.lognormvariate(-(NOISE**2) / 2, NOISE)
        return seconds * 5 if self.rng.random() < 0.01 else seconds

    async def _turn(self) -> None:
        if self.serving >= self.knee:
            turn = asyncio.get_running_loop().create_future()
            self.line.append(turn)
            await turn
        else:
            self.serving += 1

    def _served(self) -> None:
        if self.line and self.serving <= self.knee:
            self.line.pop(0).set_result(None)
        else:
            self.serving -= 1

    def _response(self, status: int, began_at: float) -> Response:
        seconds = self.clock.monotonic() - began_at
        return Response(status, HEADERS, b"", first_byte_seconds=seconds, seconds=seconds)


class Crowd:
    """Workers with endless work on one scope; ``before``: of which others left something in the store."""

    def __init__(
        self,
        shape: str,
        workers: int,
        *,
        in_flight: int = 50,
        seed: int = 1,
        later_pages: float = 1.0,
        is_fixed: bool = False,
        knee: int = 12,
        before: Crowd | None = None,
        work: int = 30,
    ) -> None:
        self.clock: FakeClock = FakeClock() if before is None else before.clock
        self.api = Knee(self.clock, shape, knee, rng=random.Random(seed), later_pages=later_pages)
        self.began_at = self.clock.monotonic()
        self.store: RowStore = RowStore() if before is None else before.store
        settings = ScopeSettings("scope/knee", in_flight, request_deadline_seconds=30.0, is_fixed=is_fixed)
        self.scopes = [
            Scope(settings, f"w{n}", MemoryRows(self.store), self.clock, random.Random(seed * 100 + n))
            for n in range(workers)
        ]
        self.tasks: list[asyncio.Task[None]] = []
        self.work = work
        """Requests that each worker would send at once."""

    async def __aenter__(self) -> Crowd:
        for scope in self.scopes:
            await scope.join()
            scope.has_work = True
            self.tasks.append(asyncio.create_task(scope.run()))
            self.tasks += [asyncio.create_task(self._work(scope)) for _ in range(self.work)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)
        for scope in self.scopes:
            await scope.leave()

    async def _work(self, scope: Scope) -> None:
        page = 0
        while True:
            is_first_page = page % 10 == 0
            async with scope.slot():
                response = await self.api.send(is_first_page=is_first_page)
            if response.status == 200:
                page += 1
                scope.note_success(response, is_first_page=is_first_page)
            else:
                scope.note_failure(response)
                await self.clock.sleep(1.0)
