"""Whole workers of one source in this process, by a virtual time. Only the API is not real: it answers in the process."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from haulier.api.client import Client
from haulier.api.redactor import Redactor
from haulier.api.scope import Scope
from haulier.api.transport import NO_HEADERS, Fault, Request, Response, TransportError
from haulier.app.app import App
from haulier.app.meter import Meter
from haulier.app.site import LiveSite, scope_settings
from haulier.app.starting import Wanted, claim, start
from haulier.config.source_file import load_source
from haulier.lake.local import LocalLake
from haulier.lake.seam import Lake
from haulier.queues.memory import MemoryQueue, MemoryStore
from haulier.runs.records import PoisonRecord, VerdictRecord, decode_record
from haulier.runs.run import Run
from haulier.testing.virtual_time import VirtualTime
from haulier.worker.loop import Worker
from haulier.worker.settings import WorkerSettings
from haulier.worker.watch import Watch

TOML = """
source = "shop"

[api]
url = "http://shop.invalid"
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
    on_answer: Callable[[int], None] = lambda answered: None

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
    """A planned and enqueued run of items of one ID each."""

    app: App
    api: Api
    lake: Lake
    store: MemoryStore
    time: VirtualTime
    run: Run
    codes: list[int] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    async def work(self, name: str) -> int:
        """One worker, to its end."""
        async with site_of(self.app, self.api, self.lake, self.store, self.time, name) as site:
            watch = Watch(site.lake, site.queue, site.closer, site.app.name)
            worker = Worker(site.parts(), watch, _never)
            self.codes.append(await worker.run())
            self.reasons.append(worker.reason)
        return self.codes[-1]

    @property
    def root(self) -> Path:
        return Path(self.lake.locate(self.run.paths.root))

    @property
    def poison(self) -> dict[str, PoisonRecord]:
        paths = (self.root / "poison").glob("*/*.json")
        return {path.parent.name: decode_record(PoisonRecord, path.read_bytes(), path.name) for path in paths}

    @property
    def objects(self) -> int:
        return sum(1 for _ in Path(self.lake.locate(self.run.paths.bronze("items"))).glob("*.ndjson.gz"))

    async def verdict(self, name: str = "closer") -> VerdictRecord | None:
        async with site_of(self.app, self.api, self.lake, self.store, self.time, name) as site:
            return await site.closer.close(self.run)


def _never() -> None:
    raise AssertionError("the event loop hung")


@contextlib.asynccontextmanager
async def site_of(
    app: App, api: Api, lake: Lake, store: MemoryStore, time: VirtualTime, name: str
) -> AsyncIterator[LiveSite]:
    """What a worker process has open, but for the API with the limits of life."""
    rng, redactor, queue = random.Random(name), Redactor(), MemoryQueue(store, time)
    scope = Scope(scope_settings(app), name, queue, time, rng)
    async with scope.joined():
        meter = Meter(api)
        yield LiveSite(
            app=app,
            lake=lake,
            queue=queue,
            open_queue=lambda: MemoryQueue(store, time),
            clock=time,
            rng=rng,
            name=name,
            settings=WorkerSettings(),
            client=Client(app.api, meter, scope, time, rng, redactor, app.rules),
            meter=meter,
            shared=None,
        )


@contextlib.asynccontextmanager
async def opened(time: VirtualTime, folder: Path, *, items: int, in_flight: int = 16) -> AsyncIterator[Shop]:
    path = folder / "shop.toml"
    path.write_text(TOML.format(last=items, in_flight=in_flight))
    app, api, store = App.from_settings(load_source(path, {})), Api(time), MemoryStore()
    local = LocalLake(folder / "lake", time)
    lake = time.watched(local)
    try:
        async with site_of(app, api, lake, store, time, "planner") as site:
            run = await claim(site, Wanted("full", app.selected([])))
            await start(site, run, _nothing)
        yield Shop(app, api, lake, store, time, run)
    finally:
        await local.close()


async def _nothing(*_: object) -> None:
    pass
