"""APIs that refuse, made up, and whole clients that pull from them by a virtual time."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from multidict import CIMultiDict, CIMultiDictProxy

from haulier.api.client import Client, ItemPlace
from haulier.api.errors import ApiError, Fault
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import NO_HEADERS, Request, Response, TransportError
from haulier.api.scope.scope import Scope
from haulier.api.scope.settings import ScopeSettings
from haulier.api.settings import Api
from haulier.rows.memory import MemoryRows, RowStore
from tests.harness.virtual_time import VirtualTime

GRACE_SECONDS = 0.3
"""Other workers hear of a pause so much later: they look five times a second."""
HANGS_SECONDS = 60.0


@dataclass
class Refusing:
    """Answers after ``latency`` seconds; what it refuses, at once or as late as that. Implements the transport seam."""

    time: VirtualTime
    latency: float = 0.5
    retry_after: int = 1
    is_late: bool = False
    sent: int = 0
    good: int = 0
    refused: list[float] = field(default_factory=list)
    early: int = 0
    """Requests that were sent into a pause that it had asked for."""
    in_flight: int = 0
    peak: int = 0
    _until: float = 0.0
    _since: float = 0.0

    def refuses(self, now: float) -> bool:
        """Whether the request that comes now is refused."""
        return False

    def fails(self) -> str:
        """What else becomes of it: ``500``, ``hangs`` or nothing."""
        return ""

    async def send(self, request: Request) -> Response:
        now = self.time.monotonic()
        self.sent += 1
        self.early += self._since + GRACE_SECONDS < now < self._until
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            return await self._answer(request, now)
        finally:
            self.in_flight -= 1

    async def _answer(self, request: Request, now: float) -> Response:
        if self.refuses(now):
            if now >= self._until:
                self._since = now + (self.latency if self.is_late else 0.0)
            self._until = max(self._until, now + self.retry_after)
            self.refused.append(now)
            seconds = self.latency if self.is_late else 0.001
            await self.time.sleep(seconds)
            headers = CIMultiDictProxy(CIMultiDict({"Retry-After": str(self.retry_after)}))
            return Response(429, headers, b"{}", first_byte_seconds=seconds, seconds=seconds, url=request.url)
        kind = self.fails()
        if kind == "hangs":
            async with request.wait:
                await self.time.sleep(HANGS_SECONDS)
            raise TransportError(Fault.TIMEOUT, "no first byte")
        await self.time.sleep(self.latency)
        if kind == "500":
            return Response(500, NO_HEADERS, b"{}", first_byte_seconds=self.latency, seconds=self.latency)
        self.good += 1
        return Response(200, NO_HEADERS, b"{}", first_byte_seconds=self.latency, seconds=self.latency)


@dataclass
class Flaky(Refusing):
    """Fails by chance, whatever its load."""

    rate_429: float = 0.01
    burst: int = 1
    rate_500: float = 0.02
    rate_hang: float = 0.005
    seed: int = 1
    _left: int = 0

    def __post_init__(self) -> None:
        self._draw = random.Random(self.seed)

    def refuses(self, now: float) -> bool:
        if self._left:
            self._left -= 1
            return True
        if self._draw.random() < self.rate_429 / self.burst:
            self._left = self.burst - 1
            return True
        return False

    def fails(self) -> str:
        draw = self._draw.random()
        return "500" if draw < self.rate_500 else "hangs" if draw < self.rate_500 + self.rate_hang else ""


@dataclass
class Bucket(Refusing):
    """Lets so many a second through, and ``size`` at once."""

    rate: float = 20.0
    size: float = 5.0
    _level: float = 1e9
    _at: float = 0.0

    def refuses(self, now: float) -> bool:
        self._level = min(self.size, self._level + (now - self._at) * self.rate)
        self._at = now
        if self._level < 1.0 - 1e-9:
            return True
        self._level -= 1.0
        return False


@dataclass
class Window(Refusing):
    """Lets so many through in each window, and says when the next one begins."""

    quota: int = 200
    window: float = 10.0
    _number: int = -1
    _taken: int = 0

    def refuses(self, now: float) -> bool:
        number = int(now // self.window)
        if number != self._number:
            self._number, self._taken = number, 0
        self.retry_after = int((number + 1) * self.window - now) + 1
        self._taken += 1
        return self._taken > self.quota


@dataclass
class Cap(Refusing):
    """Refuses what comes while so many are under way."""

    most: int = 12

    def refuses(self, now: float) -> bool:
        return self.in_flight > self.most


@dataclass
class Pull:
    """Members of one scope that ask for ``items`` things, each until it is had, and begin as many as they have a share
    for, and a quarter more."""

    api: Refusing
    items: int
    in_flight: int = 64
    workers: int = 1
    is_fixed: bool = True
    seconds: float = 0.0

    @property
    def x_ideal(self) -> float:
        return self.seconds / (self.items * self.api.latency / self.in_flight)

    def run(self) -> Pull:
        """To its end, which takes so many virtual ``seconds``."""
        self.api.time.run(self._run())
        assert self.api.good == self.items
        return self

    async def _run(self) -> None:
        time, store = self.api.time, RowStore()
        todo = iter(range(self.items))
        began_at = time.monotonic()
        await asyncio.gather(*(self._work(number, store, todo) for number in range(self.workers)))
        self.seconds = time.monotonic() - began_at

    async def _work(self, number: int, store: RowStore, todo: Iterator[int]) -> None:
        time, rng = self.api.time, random.Random(number)
        settings = ScopeSettings("scope/shop", self.in_flight, is_fixed=self.is_fixed)
        scope = Scope(settings, f"w{number}", MemoryRows(store), time, rng)
        async with scope.joined():
            api = Api("http://shop.invalid", in_flight=self.in_flight)
            client = Client(api, self.api, scope, time, rng, Redactor())
            tasks: set[asyncio.Task[object]] = set()
            is_over = False
            while tasks or not is_over:
                while not is_over and len(tasks) < math.ceil(scope.share * 1.25):
                    item = next(todo, None)
                    is_over = item is None
                    if item is not None:
                        tasks.add(asyncio.create_task(self._have(client, item)))
                scope.has_work = bool(tasks)
                if tasks:
                    ended, tasks = await asyncio.wait(tasks, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)
                    for task in ended:
                        task.result()
                elif not is_over:
                    await time.sleep(0.1)

    async def _have(self, client: Client, item: int) -> None:
        """What gives an item back in a worker brings it again here."""
        while True:
            try:
                await client.session(ItemPlace("items", "run")).json("/items", {"id": item})
            except ApiError:
                await self.api.time.sleep(1.0)
            else:
                return
