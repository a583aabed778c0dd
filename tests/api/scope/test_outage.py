"""An API that goes down and comes back, as several workers see it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from haulier.api.errors import Action, ApiError, Fault
from haulier.api.http.transport import Request, Response, TransportError
from haulier.api.limits.breaker import Breaker
from haulier.api.scope.row import decode
from haulier.api.scope.scope import Scope
from haulier.api.scope.settings import ScopeSettings
from haulier.errors import UsageError
from haulier.rows.memory import MemoryRows, RowStore
from haulier.testing.clock import FakeClock
from tests.harness.health import is_healthy
from tests.seams.object_rows import ObjectRows, VersionedObjects

MOST = 60
"""Requests that a run may send: enough for an outage to begin, and for a few probes."""

HEADERS = CIMultiDictProxy(CIMultiDict[str]())


@dataclass
class Api:
    """Answers in half a second; while it is down in 50 ms with a 503, or by refusing the connection."""

    clock: FakeClock
    is_down: bool = False
    down_seconds: float = 0.05
    refuses: bool = False
    poisonous: set[str] = field(default_factory=set)
    sent: list[float] = field(default_factory=list)

    async def send(self, request: Request) -> Response:
        self.sent.append(self.clock.monotonic())
        if self.is_down or request.url in self.poisonous:
            await self.clock.sleep(self.down_seconds)
            if self.refuses:
                raise TransportError(Fault.CONNECT, "connection refused")
            return Response(503, HEADERS, b"", seconds=self.down_seconds)
        await self.clock.sleep(0.5)
        return Response(200, HEADERS, b"", first_byte_seconds=0.5, seconds=0.5)

    def sent_since(self, moment: float) -> int:
        return sum(when >= moment for when in self.sent)


@dataclass
class Queue:
    """Items, and what became of them. A charged item comes again after a while, as an uncharged one does."""

    ready: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)
    freed: int = 0
    poisoned: list[str] = field(default_factory=list)
    actions: set[Action] = field(default_factory=set)


class Worker:
    """Takes items for its share, as the worker loop does."""

    def __init__(self, rig: Rig, name: str) -> None:
        self.rig = rig
        rows = MemoryRows(rig.store) if rig.bears is None else ObjectRows(rig.objects, rig.bears)
        self.scope = Scope(rig.settings, name, rows, rig.clock, random.Random(name))
        self.scope.attach(rig.api.send)
        self.attempts: set[asyncio.Task[None]] = set()
        self.tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self.scope.note_run("full-1")
        await self.scope.join()
        self.tasks = [asyncio.create_task(self.scope.run()), asyncio.create_task(self._loop())]

    async def _loop(self) -> None:
        while True:
            queue = self.rig.queue
            while queue.ready and len(self.attempts) < self.scope.share:
                task = asyncio.create_task(self._attempt(queue.ready.pop(0)))
                self.attempts.add(task)
                task.add_done_callback(self.attempts.discard)
            self.scope.has_work = bool(self.attempts)
            await self.rig.clock.sleep(0.5 if self.scope.share else 10.0)

    async def _attempt(self, item: str) -> None:
        """As `Requester` and `decide` together: two repeats in place, then charged or free."""
        queue = self.rig.queue
        is_charged = False
        try:
            for _ in range(3):
                if await self._request(item):
                    queue.done.append(item)
                    return
                await self.rig.clock.sleep(0.5)
            is_charged = await self.scope.is_api_up()
        except UsageError:
            return
        except ApiError as error:
            queue.actions.add(error.action)
        if is_charged:
            queue.failures[item] = queue.failures.get(item, 0) + 1
            if queue.failures[item] == 5:
                queue.poisoned.append(item)
                return
        else:
            queue.freed += 1
        await self.rig.clock.sleep(5.0)
        queue.ready.append(item)

    async def _request(self, item: str) -> bool:
        request = Request("GET", item)
        response = None
        async with self.scope.slot():
            try:
                response = await self.rig.api.send(request)
            except TransportError as error:
                self.scope.note_failure(reason=error.text)
                return False
        if response.status == 200:
            self.scope.note_success(response, request=request)
            return True
        self.scope.note_failure(response)
        return False

    async def kill(self) -> None:
        tasks = [*self.tasks, *self.attempts]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


class Rig:
    def __init__(self, beat_seconds: float = 1.0, bears: float | None = None) -> None:
        """``bears`` is the number of operations a second that the rows should bear."""
        self.bears = bears
        self.objects = VersionedObjects()
        self.clock = FakeClock()
        self.api = Api(self.clock)
        self.store = RowStore()
        self.queue = Queue()
        self.settings = ScopeSettings(
            "scope/x", 8, request_deadline_seconds=5.0, beat_seconds=beat_seconds, is_fixed=True
        )
        self.workers: list[Worker] = []

    async def start(self, *names: str) -> None:
        for name in names:
            self.workers.append(Worker(self, name))
            await self.workers[-1].start()

    async def kill(self, worker: Worker) -> None:
        self.workers.remove(worker)
        await worker.kill()

    @property
    def breaker(self) -> Breaker:
        return decode(self.store.rows["scope/x"] if self.bears is None else self.objects.objects["scope/x"][1]).breaker


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    yield rig
    for worker in [*rig.workers]:
        await rig.kill(worker)


def items(count: int) -> list[str]:
    return [f"item-{n}" for n in range(count)]


@pytest.mark.parametrize(("refuses", "hours"), [(False, 6), (True, 1)])
async def test_hours_of_outage(refuses: bool, hours: int) -> None:
    """G4, G5: nothing is charged for an outage, hardly anything is sent into it, and all is done after it."""
    rig = Rig(beat_seconds=10.0)
    rig.api.refuses = refuses
    rig.queue.ready = items(800)
    await rig.start("a", "b")
    await rig.clock.run_for(20)
    assert 0 < len(rig.queue.done) < 800
    rig.api.is_down, began_at = True, rig.clock.monotonic()
    await rig.clock.run_for(hours * 3600)
    assert rig.api.sent_since(began_at) <= 150
    assert rig.breaker.is_open
    rig.api.is_down, ended_at = False, rig.clock.monotonic()
    await rig.clock.run_for(370)
    assert rig.api.sent_since(ended_at) > 1
    await rig.clock.run_for(300)
    for worker in [*rig.workers]:
        await rig.kill(worker)
    assert sorted(rig.queue.done) == sorted(items(800))
    assert not rig.queue.poisoned
    assert max(rig.queue.failures.values(), default=0) <= 1  # When it began, nobody could know yet.


@pytest.mark.parametrize("workers", [2, 8])
async def test_g4_g5_an_hour_of_outage_where_beats_are_rare(workers: int) -> None:
    rig = Rig(bears=2.0)
    rig.queue.ready = items(1_500)
    await rig.start(*(f"w{number}" for number in range(workers)))
    await rig.clock.run_for(60)
    assert 0 < len(rig.queue.done) < 1_500
    rig.api.is_down, began_at = True, rig.clock.monotonic()
    await rig.clock.run_for(3_600)
    assert rig.api.sent_since(began_at) <= 150
    assert rig.breaker.is_open
    before = rig.objects.operations
    await rig.clock.run_for(300)
    assert rig.objects.operations - before <= 1.5 * 2.0 * 300
    rig.api.is_down, ended_at = False, rig.clock.monotonic()
    await rig.clock.run_for(370)
    assert rig.api.sent_since(ended_at) > 1
    await rig.clock.run_for(600)
    for worker in [*rig.workers]:
        await rig.kill(worker)
    assert sorted(rig.queue.done) == sorted(items(1_500))
    assert not rig.queue.poisoned
    assert max(rig.queue.failures.values(), default=0) <= 1


async def test_says_since_when_and_why_and_takes_no_items(rig: Rig) -> None:
    """While it is open every worker's share is 0, who waits is sent away uncharged, and the row says why."""
    rig.queue.ready = items(1_000)
    await rig.start("a", "b", "c")
    await rig.clock.run_for(10)
    rig.api.is_down = rig.api.refuses = True
    await rig.clock.run_for(10)
    assert [worker.scope.share for worker in rig.workers] == [0, 0, 0]
    assert all(worker.scope.breaker.is_open for worker in rig.workers)
    assert rig.breaker.reason == "connection refused"
    assert rig.breaker.since == pytest.approx(rig.clock.now().timestamp() - 5, abs=5)
    with pytest.raises(ApiError, match=r"The API is down since .* \(connection refused\)") as caught:
        async with rig.workers[0].scope.slot():
            pass
    assert caught.value.action is Action.PAUSE
    assert rig.queue.actions <= {Action.PAUSE}
    await rig.clock.run_for(6)
    assert not any(worker.attempts for worker in rig.workers)


async def test_few_requests_before_it_opens(rig: Rig) -> None:
    """Failures in a row are told at once: three workers send some dozens of requests into an outage, not hundreds."""
    rig.queue.ready = items(1_000)
    await rig.start("a", "b", "c")
    await rig.clock.run_for(10)
    rig.api.is_down, began_at = True, rig.clock.monotonic()
    await rig.clock.run_for(12)
    assert rig.breaker.is_open
    assert rig.api.sent_since(began_at) <= 45


async def test_one_prober_and_slow_start(rig: Rig) -> None:
    """One worker at a time asks; once the API answers, requests start with one in flight."""
    rig.queue.ready = items(2_000)
    await rig.start("a", "b", "c")
    await rig.clock.run_for(10)
    rig.api.is_down = True
    await rig.clock.run_for(15)
    assert rig.breaker.is_open
    quiet_at = rig.clock.monotonic()
    await rig.clock.run_for(100)
    assert 1 <= rig.api.sent_since(quiet_at) <= 5
    rig.api.is_down, ended_at = False, rig.clock.monotonic()
    await rig.clock.run_for(400)
    after = [when for when in rig.api.sent if when >= ended_at]
    assert sum(when <= after[0] + 2.0 for when in after) <= 9
    assert len(after) > 100
    assert not rig.breaker.is_open


async def test_without_a_witness_an_item_shows_it(rig: Rig) -> None:
    """Workers that were started during the outage have no good request of their own: one item is tried now and then."""
    rig.queue.ready = items(300)
    await rig.start("a")
    await rig.clock.run_for(10)
    rig.api.is_down = True
    await rig.clock.run_for(15)
    assert rig.breaker.is_open
    await rig.kill(rig.workers[0])
    await rig.start("b")
    began_at = rig.clock.monotonic()
    await rig.clock.run_for(600)
    assert 1 <= rig.api.sent_since(began_at) <= 20
    rig.api.is_down = False
    await rig.clock.run_for(700)
    assert len(rig.queue.done) >= 300 - 8  # What the killed worker held is the queue's to hand out again.
    assert not rig.queue.failures


@pytest.mark.parametrize("is_known", [True, False], ids=["witness", "item"])
async def test_probes_are_requests_of_the_run(rig: Rig, is_known: bool) -> None:
    """G5: `max_requests` is kept in an outage too, whoever asks whether the API is back. Once it is used up, that is
    what is said, since the end of the outage would change nothing."""
    rig.settings = replace(rig.settings, max_requests=MOST)
    rig.queue.ready = items(300)
    await rig.start("a")
    await rig.clock.run_for(2)
    rig.api.is_down = True
    while not rig.breaker.is_open:
        await rig.clock.run_for(1)
    if not is_known:
        await rig.kill(rig.workers[0])
        await rig.start("b")
    began_at = rig.clock.monotonic()
    await rig.clock.run_for(3600)
    assert rig.api.sent_since(began_at) >= 3
    assert MOST - 10 <= len(rig.api.sent) <= MOST
    assert "has sent all of its max_requests" in str(rig.workers[0].scope.refusal)


async def test_who_asks_for_an_item_waits_for_a_request_of_the_run(rig: Rig) -> None:
    """G5: whether a failure is an item's own may not cost a request that the run does not have."""
    rig.settings = replace(rig.settings, max_requests=2)
    rig.queue.ready = items(2)
    await rig.start("a")
    await rig.clock.run_for(70)
    scope = rig.workers[0].scope
    assert (len(rig.api.sent), is_healthy(scope, rig.clock), scope.has_witness) == (2, False, True)
    asked = asyncio.create_task(scope.is_api_up())
    await rig.clock.run_for(10)
    assert (asked.result(), len(rig.api.sent)) == (False, 2)


async def test_prober_that_dies_is_replaced(rig: Rig) -> None:
    """The prober is killed in the middle of its probe: another one takes over."""
    rig.queue.ready = items(500)
    await rig.start("a", "b")
    await rig.clock.run_for(10)
    rig.api.is_down, rig.api.down_seconds = True, 2.0
    for _ in range(400):
        await rig.clock.run_for(0.1)
        if rig.breaker.prober:
            break
    prober = next(worker for worker in rig.workers if worker.scope._member == rig.breaker.prober)
    await rig.kill(prober)
    rig.api.is_down = False
    await rig.clock.run_for(120)
    assert not rig.breaker.is_open
    assert len(rig.queue.done) > 200


async def test_an_api_that_never_worked_does_not_open_it(rig: Rig) -> None:
    """Before the first success it is not an outage: the worker says that nothing has ever worked, and stops."""
    rig.api.is_down = True
    rig.queue.ready = items(100)
    await rig.start("a")
    await rig.clock.run_for(30)
    assert not rig.breaker.is_open
    assert not rig.workers[0].scope.has_ever_succeeded
    assert not rig.queue.failures


async def test_poisonous_items_at_the_end_are_charged(rig: Rig) -> None:
    """G4: the last items fail and nothing else is there to show that the API is well. The witness shows it: they are
    poisoned, and the run can close."""
    rig.queue.ready = items(60)
    rig.api.poisonous = {"item-57", "item-58", "item-59"}
    await rig.start("a", "b")
    await rig.clock.run_for(1_200)
    assert len(rig.queue.done) == 57
    assert sorted(rig.queue.poisoned) == ["item-57", "item-58", "item-59"]


async def test_probe_keeps_the_cap(rig: Rig) -> None:
    """G5: a probe is a request like any other. While all places are taken by requests that hang, nobody asks."""
    rig.settings = ScopeSettings("scope/x", 1, request_deadline_seconds=500.0)
    rig.queue.ready = items(1)
    await rig.start("a")
    await rig.clock.run_for(3)
    scope = rig.workers[0].scope
    async with scope.slot():
        for _ in range(20):
            scope.note_failure()
        before = len(rig.api.sent)
        asked = asyncio.create_task(scope.is_api_up())
        await rig.clock.run_for(100)
        assert len(rig.api.sent) == before
        assert asked.done()
        assert not asked.result()
    await rig.clock.run_for(100)
    assert len(rig.api.sent) > before


async def test_charge_asks_once_for_all(rig: Rig) -> None:
    """Many items that fail together with nothing good for a minute ask the witness once."""
    rig.queue.ready = items(1)
    await rig.start("a")
    await rig.clock.run_for(5)
    await rig.clock.run_for(70)
    scope = rig.workers[0].scope
    assert not is_healthy(scope, rig.clock)
    before = len(rig.api.sent)
    asked = [asyncio.create_task(scope.is_api_up()) for _ in range(20)]
    await rig.clock.run_for(2)
    assert [task.result() for task in asked] == [True] * 20
    assert len(rig.api.sent) == before + 1
    await rig.clock.run_for(70)
    rig.api.is_down = True
    asked = [asyncio.create_task(scope.is_api_up()) for _ in range(20)]
    await rig.clock.run_for(2)
    assert [task.result() for task in asked] == [False] * 20
    assert len(rig.api.sent) == before + 2


async def test_charge_without_a_witness(rig: Rig) -> None:
    """Who has never had a good answer charges nothing."""
    await rig.start("a")
    assert not await rig.workers[0].scope.is_api_up()
