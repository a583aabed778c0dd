"""Many members over rows that cost, by virtual time: what the API and the store see."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from haulier.api.scope.row import ScopeRow, decode
from haulier.api.scope.scope import Scope, ScopeSettings
from tests.harness.virtual_time import VirtualTime
from tests.seams.object_rows import ObjectRows, VersionedObjects

OPERATIONS_PER_SECOND = 2.0
ANSWER_SECONDS = 0.03
DEADLINE_SECONDS = 30.0


@dataclass
class Api:
    in_flight: int = 0
    peak: int = 0
    served: int = 0


@dataclass
class Member:
    """A worker that has always work, and sends as much as it may."""

    scope: Scope
    rows: ObjectRows
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    last_sent_at: float = 0.0


class SlowFleet:
    def __init__(self, time: VirtualTime, in_flight: int, request_seconds: float = 1.0) -> None:
        self.time = time
        self.store = VersionedObjects()
        self.api = Api()
        self.settings = ScopeSettings(
            "scope/flights", in_flight=in_flight, request_deadline_seconds=DEADLINE_SECONDS, is_fixed=True
        )
        self.request_seconds = request_seconds
        self.members: list[Member] = []
        self.born = 0
        self.rng = random.Random(12)

    @property
    def row(self) -> ScopeRow:
        return decode(self.store.objects[self.settings.name][1])

    @property
    def senders(self) -> list[Member]:
        return [one for one in self.members if one.scope.share]

    def join(self) -> Member:
        rows = ObjectRows(self.store, OPERATIONS_PER_SECOND, ANSWER_SECONDS)
        self.born += 1
        name = f"w{self.born:03}"
        member = Member(Scope(self.settings, name, rows, self.time, random.Random(name)), rows)
        self.members.append(member)
        member.tasks.append(asyncio.create_task(self._live(member)))
        return member

    async def _live(self, member: Member) -> None:
        await asyncio.sleep(self.rng.uniform(0.0, 5.0))
        await member.scope.join()
        async with asyncio.TaskGroup() as group:
            group.create_task(member.scope.run())
            group.create_task(self._work(member, group))

    async def _work(self, member: Member, group: asyncio.TaskGroup) -> None:
        """As a worker's loop: takes items for its share alone."""
        scope = member.scope
        under_way: set[asyncio.Task[None]] = set()
        while True:
            while len(under_way) < scope.share:
                task = group.create_task(self._ask(member))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            scope.has_work = bool(under_way)
            await asyncio.sleep(0.25)

    async def _ask(self, member: Member) -> None:
        async with member.scope.slot():
            self.api.in_flight += 1
            self.api.peak = max(self.api.peak, self.api.in_flight)
            member.last_sent_at = self.time.monotonic()
            await asyncio.sleep(self.rng.uniform(0.5, 1.5) * self.request_seconds)
            self.api.in_flight -= 1
            self.api.served += 1
            member.scope.note_success()

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


@contextlib.asynccontextmanager
async def slow_fleet(
    time: VirtualTime, members: int, in_flight: int, request_seconds: float = 1.0
) -> AsyncIterator[SlowFleet]:
    fleet = SlowFleet(time, in_flight, request_seconds)
    for _ in range(members):
        fleet.join()
    yield fleet
    await fleet.end()
