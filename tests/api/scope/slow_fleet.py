"""Many members over rows that cost, by virtual time: what the API and the store see."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from haulier.api.http.transport import NO_HEADERS, Response
from haulier.api.limits.budget import parse_rate
from haulier.api.limits.schedule import Schedule
from haulier.api.scope.row import ScopeRow, decode, encode
from haulier.api.scope.scope import Scope
from haulier.api.scope.settings import ScopeSettings
from haulier.errors import HaulierError, QueueUnavailableError
from tests.harness.virtual_time import VirtualTime
from tests.seams.object_rows import ObjectRows, VersionedObjects

OPERATIONS_PER_SECOND = 2.0
ANSWER_SECONDS = 0.03
DEADLINE_SECONDS = 30.0
FIRST_BYTE_SECONDS = 0.2
REQUEST_SECONDS = 1.0
"""Half of it to half more."""


@dataclass
class Api:
    in_flight: int = 0
    peak: int = 0
    served: int = 0


@dataclass
class Member:
    """A worker that has always work, and sends as much as it may."""

    scope: Scope
    name: str
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    last_sent_at: float = 0.0
    is_draining: bool = False


class SlowFleet:
    def __init__(
        self,
        time: VirtualTime,
        in_flight: int | Schedule,
        rate: str = "",
        max_requests: int | None = None,
    ) -> None:
        self.time = time
        self.began_at = time.monotonic()
        self.store = VersionedObjects()
        self.api = Api()
        self.settings = ScopeSettings(
            "scope/flights",
            in_flight=in_flight,
            request_deadline_seconds=DEADLINE_SECONDS,
            is_fixed=True,
            rates=(parse_rate(rate),) if rate else (),
            max_requests=max_requests,
        )
        self.is_store_away = False
        self.store_seconds = 0.0
        """It takes so much longer to change anything."""
        self.members: list[Member] = []
        self.born = 0
        self.rng = random.Random(12)

    @property
    def row(self) -> ScopeRow:
        return decode(self.store.objects[self.settings.name][1])

    @property
    def senders(self) -> list[Member]:
        return [one for one in self.members if one.scope.share]

    async def order(self, change: Callable[[ScopeRow], ScopeRow]) -> None:
        """As a command does, which is no member."""
        await FleetRows(self, 0.0).update(self.settings.name, lambda body: encode(change(decode(body))))

    def join(self, fast_seconds: float = 0.0) -> Member:
        """``fast_seconds``: how far its machine's clock is ahead of the others'."""
        rows = FleetRows(self, -fast_seconds)
        self.born += 1
        name = f"w{self.born:03}"
        member = Member(
            Scope(self.settings, name, rows, MachineClock(self.time, fast_seconds), random.Random(name)), name
        )
        self.members.append(member)
        member.tasks.append(asyncio.create_task(self._live(member)))
        return member

    async def _live(self, member: Member) -> None:
        await asyncio.sleep(self.rng.uniform(0.0, 5.0))
        member.scope.note_run("run")
        await member.scope.join()
        async with asyncio.TaskGroup() as group:
            group.create_task(member.scope.run())
            group.create_task(self._work(member, group))

    async def _work(self, member: Member, group: asyncio.TaskGroup) -> None:
        """As a worker's loop: takes items for its share alone."""
        scope = member.scope
        under_way: set[asyncio.Task[None]] = set()
        while True:
            while len(under_way) < scope.share and not member.is_draining:
                task = group.create_task(self._ask(member))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            scope.has_work = bool(under_way)
            await asyncio.sleep(0.25)

    async def _ask(self, member: Member) -> None:
        with contextlib.suppress(HaulierError):  # The requests of the run are spent.
            await self._send(member)

    async def _send(self, member: Member) -> None:
        async with member.scope.slot():
            self.api.in_flight += 1
            self.api.peak = max(self.api.peak, self.api.in_flight)
            member.last_sent_at = self.time.monotonic()
            seconds = self.rng.uniform(0.5, 1.5) * REQUEST_SECONDS
            asyncio.get_running_loop().call_later(seconds, self._note_answered)  # Whether or not anybody listens then.
            await asyncio.sleep(seconds)
            # It bears whatever it is asked at once.
            member.scope.note_success(
                Response(200, NO_HEADERS, b"", first_byte_seconds=FIRST_BYTE_SECONDS, seconds=FIRST_BYTE_SECONDS)
            )

    def _note_answered(self) -> None:
        self.api.in_flight -= 1
        self.api.served += 1

    def knows(self, member: Member) -> bool:
        """Whether it has joined."""
        return member.name in self.row.members

    async def leave(self, member: Member) -> None:
        member.is_draining = True
        while member.scope.in_use or member.scope.waiting:
            await asyncio.sleep(0.1)
        await self.kill(member)
        await member.scope.leave()

    async def kill(self, member: Member) -> None:
        """As SIGKILL: nothing is said to anyone; the API answers what is under way."""
        self.members.remove(member)
        member.tasks[0].cancel()
        await asyncio.wait(member.tasks)

    async def end(self) -> None:
        for member in list(self.members):
            await self.kill(member)

    async def operations_in(self, seconds: float) -> float:
        """Operations a second."""
        before = self.store.operations
        await asyncio.sleep(seconds)
        return (self.store.operations - before) / seconds


@dataclass
class MachineClock:
    time: VirtualTime
    fast_seconds: float

    def now(self) -> datetime:
        return self.time.now() + timedelta(seconds=self.fast_seconds)

    def monotonic(self) -> float:
        return self.time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self.time.sleep(seconds)


class FleetRows(ObjectRows):
    def __init__(self, fleet: SlowFleet, ahead_seconds: float) -> None:
        super().__init__(fleet.store, OPERATIONS_PER_SECOND, ANSWER_SECONDS)
        self._fleet = fleet
        self._ahead_seconds = ahead_seconds

    @property
    def ahead_seconds(self) -> float:
        return self._ahead_seconds

    async def read(self, name: str) -> bytes | None:
        self._require_store()
        return await super().read(name)

    async def update(self, name: str, change: Callable[[bytes | None], bytes]) -> bytes:
        self._require_store()
        await asyncio.sleep(self._fleet.store_seconds)
        return await super().update(name, change)

    def _require_store(self) -> None:
        if self._fleet.is_store_away:
            raise QueueUnavailableError("the store is away")


@contextlib.asynccontextmanager
async def slow_fleet(
    time: VirtualTime,
    members: int,
    in_flight: int | Schedule,
    rate: str = "",
    max_requests: int | None = None,
) -> AsyncIterator[SlowFleet]:
    fleet = SlowFleet(time, in_flight, rate, max_requests)
    for _ in range(members):
        fleet.join()
    yield fleet
    await fleet.end()
