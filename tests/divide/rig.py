"""A source, its API on loopback, and a whole worker in this process, under a clock that runs fast."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from haulier.api.http.redactor import Redactor
from haulier.api.wire.aiohttp_transport import AiohttpTransport
from haulier.app.app import App
from haulier.app.open_source import LiveSource
from haulier.app.run_start import WantedRun, claim, start
from haulier.clock import Clock, SystemClock
from haulier.config.source_file import load_source
from haulier.lake.local.lake import LocalLake
from haulier.queues.envelope import Envelope, decode
from haulier.queues.memory import MemoryQueue, MemoryStore
from haulier.rows.memory import MemoryRows, RowStore
from haulier.runs.records import ChildList, PoisonRecord, VerdictRecord, decode_record
from haulier.runs.redrive import Redriver
from haulier.runs.run import Run
from haulier.worker.settings import WorkerSettings
from tests.harness.wiring import open_source, worker_of

FACTOR = 50.0
"""A backoff of half a minute takes half a second."""

TOML = """
source = "shop"

[api]
url = "{url}"
in_flight = 4

[streams.items]
get = "/items"
query = {{ limit = 100 }}
records = "items"
pages = {{ cursor = "next", query = "cursor" }}
total = {{ at = "total", is = "exact" }}
{more}

[streams.items.full.ids]
query = {{ from_id = "{{start}}", to_id = "{{end}}" }}
last = {last}
step = {step}
"""


class FastClock:
    """The machine's clock, `FACTOR` times as fast."""

    def __init__(self) -> None:
        self._real = SystemClock()
        self._began_at = self._real.monotonic()

    def monotonic(self) -> float:
        return self._began_at + (self._real.monotonic() - self._began_at) * FACTOR

    def now(self) -> datetime:
        return datetime(2026, 11, 24, tzinfo=UTC) + timedelta(seconds=self.monotonic() - self._began_at)

    async def sleep(self, seconds: float) -> None:
        await self._real.sleep(seconds / FACTOR)


def shop(folder: Path, url: str, *, step: int = 5_000, more: str = "", last: object = None) -> App:
    """The sandbox's items by ID, as a source file says it."""
    path = folder / "shop.toml"
    newest = '{ get = "/items/newest", at = "id" }' if last is None else last
    path.write_text(TOML.format(url=url, step=step, more=more, last=newest))
    return App.from_settings(load_source(path, {}))


class NotedQueue(MemoryQueue):
    """Remembers what was sent."""

    def __init__(self, store: MemoryStore, clock: Clock) -> None:
        super().__init__(store, clock)
        self.store = store
        self.sent: list[Envelope] = []

    async def enqueue(self, bodies: Sequence[bytes], *, delay_seconds: float = 0.0, is_first: bool = False) -> None:
        self.sent += map(decode, bodies)
        await super().enqueue(bodies, delay_seconds=delay_seconds, is_first=is_first)


@dataclass
class Shop:
    """What a test looks at afterwards."""

    site: LiveSource
    queue: NotedQueue
    run: Run
    workers: int = 0

    async def work(self) -> tuple[int, str]:
        """One more worker, to its end: its exit code, and why."""
        self.workers += 1
        deps = dataclasses.replace(self.site.worker_deps(), name=f"w{self.workers}")
        worker = worker_of(deps)
        return await worker.run(), worker.reason

    async def verdict(self) -> VerdictRecord:
        found = await self.site.closer.close(self.run)
        assert found is not None, "the run is open"
        return found

    async def redrive(self) -> int:
        return await Redriver(self.site.closer).redrive(self.run)

    @property
    def root(self) -> Path:
        return Path(self.site.lake.locate(self.run.paths.root))

    @property
    def poison(self) -> dict[str, PoisonRecord]:
        """The newest record of each key."""
        found = {}
        for path in sorted((self.root / "poison").glob("*/*.json"), key=lambda path: int(path.stem)):
            found[path.parent.name] = decode_record(PoisonRecord, path.read_bytes(), path.name)
        return found

    @property
    def divided(self) -> dict[str, ChildList]:
        paths = (self.root / "children").glob("*.json")
        return {path.stem: decode_record(ChildList, path.read_bytes(), path.name) for path in paths}

    @property
    def messages(self) -> list[Envelope]:
        """What stands in the queue."""
        return [decode(message.body) for _, message in sorted(self.queue.store.messages.items())]

    @property
    def records(self) -> list[Any]:
        """What stands in the lake, by the standard library alone."""
        lake = Path(self.site.lake.locate(self.run.paths.bronze("items")))
        lines = [line for path in lake.glob("*.ndjson.gz") for line in gzip.decompress(path.read_bytes()).splitlines()]
        return [json.loads(line) for line in lines]

    @property
    def ids(self) -> list[int]:
        return sorted(record["id"] for record in self.records)


@contextlib.asynccontextmanager
async def opened(app: App, folder: Path, *, max_failures: int = 2) -> AsyncIterator[Shop]:
    """A planned and enqueued run of the app. Leases are long: the clock is fast, and the keeper's is not.

    Items are poisoned sooner than in life, unless a test is about that.
    """
    clock, redactor, store = FastClock(), Redactor(), MemoryStore()
    settings = WorkerSettings(lease_seconds=10_000.0, max_failures=max_failures)
    lake, queue = LocalLake(folder / "lake", clock), NotedQueue(store, clock)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(lake.close)
        transport = AiohttpTransport(app.api, clock=SystemClock(), redactor=redactor)
        stack.push_async_callback(transport.close)
        site = await stack.enter_async_context(
            open_source(
                app,
                lake=lake,
                queue=queue,
                open_queue=lambda: MemoryQueue(store, clock),
                rows=MemoryRows(RowStore()),
                api=transport,
                clock=clock,
                settings=settings,
                redactor=redactor,
            )
        )
        run = await claim(site, WantedRun("full", app.selected([])))
        await start(site, run, _nothing)
        yield Shop(site, queue, run)


async def _nothing(*_: object) -> None:
    pass
