"""Whole workers of one source in this process, by a virtual time. Only the API is made up: it answers in here."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, TypeVarTuple
from urllib.parse import parse_qsl, urlsplit

from haulier.api.errors import Fault
from haulier.api.http.transport import NO_HEADERS, Request, Response, TransportError
from haulier.app.app import App
from haulier.app.open_source import LiveSource
from haulier.app.run_start import WantedRun, claim, start
from haulier.config.source_file import load_source
from haulier.lake.local.lake import LocalLake
from haulier.lake.local.threads import Call, LocalThreads, Together
from haulier.queues.memory import MemoryQueue, MemoryStore
from haulier.rows.memory import MemoryRows, RowStore
from haulier.runs.records import PoisonRecord, VerdictRecord, decode_record
from haulier.runs.run import Run
from tests.harness.virtual_time import VirtualTime
from tests.harness.wiring import open_source, worker_of

S = TypeVar("S")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

TOML = """
source = "shop"

[api]
url = "{url}"
in_flight = {in_flight}

[streams.items]
get = "/items"
records = "items"
pages = {{ cursor = "next", query = "cursor" }}

[streams.items.full.ids]
query = {{ from_id = "{{start}}", to_id = "{{end}}" }}
last = {last}
step = 1
"""

ANSWER_SECONDS = 0.5


@dataclass(frozen=True)
class Failure:
    """How a request fails."""

    seconds: float
    status: int = 0
    fault: Fault | None = None
    body: bytes = b'{"error": "out of order"}'


FAILURES = {
    "503": Failure(0.05, status=503),
    "500": Failure(0.05, status=500),
    "time-out": Failure(30.0, fault=Fault.TIMEOUT),
    "refused connection": Failure(0.001, fault=Fault.CONNECT),
}
"""How an API is down."""
UNREADABLE = Failure(ANSWER_SECONDS, status=200, body=b'{"items": [{"id": 1')


@dataclass
class Api:
    """Answers each ID with its record, in half a second. Implements the transport seam."""

    time: VirtualTime
    failure: Failure | None = None
    """What becomes of everybody's requests at present."""
    of_item: dict[int, Failure] = field(default_factory=dict)
    """What becomes of an item's requests, always."""
    sent: list[float] = field(default_factory=list)
    failed: list[float] = field(default_factory=list)
    """When requests were sent into the outage."""
    answered: list[float] = field(default_factory=list)

    async def send(self, request: Request) -> Response:
        sent_at = self.time.monotonic()
        self.sent.append(sent_at)
        id = int(dict(parse_qsl(urlsplit(request.url).query))["from_id"])
        failure = self.failure or self.of_item.get(id)
        if self.failure is not None:
            self.failed.append(sent_at)
        if failure is not None:
            await self.time.sleep(failure.seconds)
            if failure.fault is not None:
                raise TransportError(failure.fault, f"no answer: {failure.fault}")
            return Response(failure.status, NO_HEADERS, failure.body, seconds=failure.seconds, url=request.url)
        await self.time.sleep(ANSWER_SECONDS)
        self.answered.append(self.time.monotonic())
        return Response(
            200,
            NO_HEADERS,
            b'{"items": [{"id": %d}], "next": null}' % id,
            first_byte_seconds=ANSWER_SECONDS,
            seconds=ANSWER_SECONDS,
            url=request.url,
        )


@dataclass
class Shop:
    """A planned and enqueued run of items of one ID each, and all that its workers call."""

    app: App
    api: Api
    lake: LocalLake
    store: MemoryStore
    rows: RowStore
    time: VirtualTime
    run: Run
    charged: int = 0
    """Failures that were held against items, so far."""

    async def work(self, name: str) -> tuple[int, str]:
        """One worker, to its end: its exit code, and why."""
        async with _site_of(self.app, self.api, self.lake, self.store, self.rows, self.time, name) as site:
            worker = worker_of(site.worker_deps())
            code = await worker.run()
            self.charged += worker.stats.retried
            return code, worker.reason

    async def verdict(self) -> VerdictRecord:
        async with _site_of(self.app, self.api, self.lake, self.store, self.rows, self.time, "closer") as site:
            found = await site.closer.close(self.run)
        assert found is not None, "the run is open"
        return found

    @property
    def poison(self) -> dict[str, PoisonRecord]:
        folder = Path(self.lake.locate(self.run.paths.folder("poison")))
        paths = folder.glob("*/*.json")
        return {path.parent.name: decode_record(PoisonRecord, path.read_bytes(), path.name) for path in paths}

    @property
    def objects(self) -> int:
        return sum(1 for _ in Path(self.lake.locate(self.run.paths.bronze("items"))).glob("*.ndjson.gz"))


@contextlib.asynccontextmanager
async def opened(time: VirtualTime, folder: Path, *, items: int, in_flight: int = 16) -> AsyncIterator[Shop]:
    """A run of so many items."""
    path = folder / "shop.toml"
    path.write_text(TOML.format(url="http://shop.invalid", last=items, in_flight=in_flight))
    app, api, store = App.from_settings(load_source(path, {})), Api(time), MemoryStore()
    rows = RowStore()
    lake = LocalLake(folder / "lake", time)
    lake._threads = _AtOnce(str(folder))
    async with _site_of(app, api, lake, store, rows, time, "planner") as site:
        run = await claim(site, WantedRun("full", app.selected([])))
        await start(site, run, _nothing)
    yield Shop(app, api, lake, store, rows, time, run)


@dataclass(frozen=True)
class Story:
    """What came of an outage. Seconds are virtual."""

    done_before: int
    into_it: int
    """Requests that were sent into it, ..."""
    at_first: int
    """... and those of its first minute."""
    longest_wait_seconds: float
    """Between two requests, as long as it lasted."""
    back_after_seconds: float
    """From its end to the first good answer."""
    codes: list[int]
    charged: int
    verdict: VerdictRecord
    poison: dict[str, PoisonRecord]
    objects: int


async def live_through(shop: Shop, failure: Failure, *, workers: int, after_seconds: float, hours: float) -> Story:
    """So many workers work the run to its end, and for some hours of it everybody's requests fail."""
    time, api = shop.time, shop.api
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(shop.work(f"w{number}")) for number in range(workers)]
        await time.sleep(after_seconds)
        began_at, done_before = time.monotonic(), shop.objects
        api.failure = failure
        await time.sleep(hours * 3_600)
        ended_at, api.failure = time.monotonic(), None
    if not api.failed:
        raise SystemExit(f"The run ended before the outage began, after {after_seconds:g} s: it needs more items.")
    moments = [*api.failed, ended_at]
    return Story(
        done_before=done_before,
        into_it=len(api.failed),
        at_first=sum(sent_at < began_at + 60 for sent_at in api.failed),
        longest_wait_seconds=max(later - earlier for earlier, later in itertools.pairwise(moments)),
        back_after_seconds=min(at for at in api.answered if at > ended_at) - ended_at,
        codes=[task.result()[0] for task in tasks],
        charged=shop.charged,
        verdict=await shop.verdict(),
        poison=shop.poison,
        objects=shop.objects,
    )


@contextlib.asynccontextmanager
async def _site_of(
    app: App, api: Api, lake: LocalLake, store: MemoryStore, rows: RowStore, time: VirtualTime, name: str
) -> AsyncIterator[LiveSource]:
    """What a worker process has open, with all the limits of life."""
    async with open_source(
        app,
        lake=lake,
        queue=MemoryQueue(store, time),
        open_queue=lambda: MemoryQueue(store, time),
        rows=MemoryRows(rows),
        api=api,
        clock=time,
        name=name,
    ) as site:
        yield site


class _AtOnce(LocalThreads):
    """The lake's work is done on the event loop: it takes no virtual time, and threads would take much real time."""

    async def run(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        return work(*arguments)

    async def together(self, work: Together[S, T], one: S) -> T:
        call: Call[S, T] = Call(one)
        work([call])
        call.tell()
        return await call.ended()


async def _nothing(*_: object) -> None:
    pass
