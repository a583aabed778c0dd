"""The wiring of a worker for tests: the real deps, over whatever lake, queue, API and clock a test has.

Random numbers are drawn from the worker's name, so that a test sees the same ones each time.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Callable, Mapping

from haulier.api.answers.judgement import Rule
from haulier.api.client import Client
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import Transport
from haulier.api.scope.scope import Scope
from haulier.api.scope.settings import ScopeSettings
from haulier.api.settings import Api
from haulier.app.app import App
from haulier.app.open_source import LiveSource, scope_settings
from haulier.app.timed_transport import TimedTransport
from haulier.clock import Clock
from haulier.items.registry import Registry
from haulier.items.workitem import WorkItem
from haulier.lake.seam import Lake
from haulier.queues.seam import Queue, QueueOpener
from haulier.rows.seam import Rows
from haulier.runs.closing import Closer
from haulier.worker.deps import Processor, WorkerDeps
from haulier.worker.loop import Worker
from haulier.worker.settings import WorkerSettings
from haulier.worker.watch import Watch


@contextlib.asynccontextmanager
async def open_client(
    settings: Api,
    *,
    api: Transport,
    rows: Rows,
    scope: ScopeSettings,
    clock: Clock,
    name: str = "w1",
    redactor: Redactor | None = None,
    rules: tuple[Rule, ...] = (),
) -> AsyncIterator[Client]:
    """A client that is a member of the scope while the block lasts."""
    rng = random.Random(name)
    shared = Scope(scope, name, rows, clock, rng)
    async with shared.joined():
        yield Client(settings, api, shared, clock, rng, redactor or Redactor(), rules)


@contextlib.asynccontextmanager
async def open_source(
    app: App,
    *,
    lake: Lake,
    queue: Queue,
    open_queue: QueueOpener,
    rows: Rows,
    api: Transport,
    clock: Clock,
    name: str = "w1",
    settings: WorkerSettings | None = None,
    redactor: Redactor | None = None,
) -> AsyncIterator[LiveSource]:
    """What a worker process of an app has open."""
    timed_transport, scope = TimedTransport(api), scope_settings(app)
    async with open_client(
        app.api, api=timed_transport, rows=rows, scope=scope, clock=clock, name=name, redactor=redactor, rules=app.rules
    ) as client:
        yield LiveSource(
            app=app,
            lake=lake,
            queue=queue,
            open_queue=open_queue,
            rows=rows,
            local_file=None,
            clock=clock,
            rng=random.Random(name),
            name=name,
            settings=settings or WorkerSettings(),
            client=client,
            timed_transport=timed_transport,
            shared=None,
        )


def deps_of(
    source: str,
    *,
    lake: Lake,
    queue: Queue,
    open_queue: QueueOpener,
    client: Client,
    clock: Clock,
    name: str,
    settings: WorkerSettings,
    processors: Mapping[type[WorkItem], Processor],
    isolate: tuple[str, ...] = (),
) -> WorkerDeps:
    """What a worker without an app is made of."""
    registry = Registry()
    for kind in processors:
        registry.add(kind)
    return WorkerDeps(
        source=source,
        lake=lake,
        queue=queue,
        open_queue=open_queue,
        client=client,
        registry=registry,
        processors=processors,
        closer=Closer(lake, queue, clock, name),
        clock=clock,
        rng=random.Random(name),
        name=name,
        settings=settings,
        isolate=isolate,
    )


def _refuse_to_hang() -> None:
    raise AssertionError("the event loop hung")


def worker_of(
    deps: WorkerDeps,
    watch: Watch | None = None,
    *,
    only: str | None = None,
    exit_idle: bool = False,
    on_stall: Callable[[], None] = _refuse_to_hang,
) -> Worker:
    """A whole worker. It watches all runs of its source, or ``only`` one."""
    watch = watch or Watch(deps.lake, deps.queue, deps.closer, deps.source, only)
    return Worker(deps, watch, on_stall, exit_idle=exit_idle)
