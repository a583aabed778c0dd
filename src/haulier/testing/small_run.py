"""One item, or a small run, worked within a test by the code that works every run."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import dataclasses
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from haulier.api.client import Client
from haulier.app.app import App
from haulier.app.open_source import LiveSource, Options, open_live
from haulier.app.run_start import WantedRun, new_run, start
from haulier.app.source_loader import load_app
from haulier.clock import Clock
from haulier.errors import ItemError, UnavailableError, UsageError
from haulier.items.ranges import IdRange
from haulier.items.span_group import ALL_GROUPS
from haulier.items.spans import Span, merge
from haulier.items.windows import TimeWindow
from haulier.items.workitem import WorkItem
from haulier.queues.memory import MemoryStore
from haulier.runs.enqueue import Enqueuer
from haulier.runs.records import Seal
from haulier.runs.run import Run, claim_run
from haulier.sources.finished import Finished
from haulier.testing.request_recorder import RequestRecorder
from haulier.testing.run_reader import read_result
from haulier.testing.run_result import RunResult
from haulier.testing.sandbox import Sandbox, SandboxSettings
from haulier.testing.undelayed_queue import UndelayedQueue
from haulier.worker.loop import Worker
from haulier.worker.settings import WorkerSettings
from haulier.worker.watch import Watch

LEASE_SECONDS = 86_400.0
"""A breakpoint may hold the event loop up for as long as a person looks at it."""


async def run_item(
    source: App | str | Path,
    item: WorkItem,
    *,
    api: SandboxSettings | str | None = None,
    mode: str = "full",
    now: datetime | None = None,
    allows_partial: bool = False,
) -> RunResult:
    """Work one item, and the parts that it is divided into, as a run would. The enumerator is not called.

    ``source`` is an `App`, or what the command line takes. ``api`` is another address for it, or the settings of a
    sandbox that is served meanwhile. ``mode`` and ``now`` are what ``ctx.run`` says. The first of ``items`` is the
    item itself; its parts stand behind it. One that fails is tried again at once, five times.

    Raises `ItemError` where something was poisoned, with its traceback, unless ``allows_partial``; another
    `HaulierError` where a run would stop.
    """
    async with _opened(source, api) as setting:
        app = setting.source.app
        if type(item) not in app.processors:
            raise UsageError(f"No processor for kind {item.kind!r}. Registered: {app.registry.names}.")
        wanted = new_run(setting.source, WantedRun(mode, (item.stream,)))
        live = setting.source
        run = await claim_run(live.lake, live.clock, dataclasses.replace(wanted, has_expect=False), _moment(now))
        await Enqueuer(live.lake, live.queue, live.clock).enqueue(run, lambda: _only(item))
        return await _finish(setting, run, allows_partial=allows_partial)


async def run_app(
    source: App | str | Path,
    mode: str = "full",
    *,
    streams: Iterable[str] = (),
    api: SandboxSettings | str | None = None,
    lake: str | Path | None = None,
    now: datetime | None = None,
    finished: Mapping[str, Iterable[TimeWindow | IdRange]] | None = None,
    allows_partial: bool = False,
) -> RunResult:
    """Plan, work and close a small run: all of it is in memory then, so some thousand records are enough.

    ``source`` is an `App`, or what the command line takes. ``api`` is another address for it, or the settings of a
    sandbox that is served meanwhile. ``lake`` is a folder; without one the run has an empty lake of its own. Give one
    where one run goes on from another, as incremental ones do. ``now`` is the time of the run.
    ``finished``: what each stream has finished, in the place of what the lake's runs have. An item that fails is tried
    again at once, five times.

    Raises `ItemError` where the run is not complete, unless ``allows_partial``; another `HaulierError` where it would
    stop.
    """
    async with _opened(source, api, lake) as setting:
        app = setting.source.app
        app.require_mode(mode)
        app.require_known_streams()
        live = setting.source
        # Nobody else claims runs here, and no clock of an API is asked.
        new = new_run(live, WantedRun(mode, app.selected(streams, mode)))
        run = await claim_run(live.lake, live.clock, new, _moment(now))
        known = None if finished is None else Finished({name: _in_all_groups(finished[name]) for name in finished})
        await start(live, run, _say_nothing, finished=known)
        return await _finish(setting, run, allows_partial=allows_partial)


@dataclass(frozen=True)
class _Setting:
    source: LiveSource
    recorder: RequestRecorder


@contextlib.asynccontextmanager
async def _opened(
    source: App | str | Path, api: SandboxSettings | str | None, lake: str | Path | None = None
) -> AsyncIterator[_Setting]:
    app = copy.copy(source if isinstance(source, App) else load_app(str(source)))
    recorder, store = RequestRecorder(), MemoryStore()
    async with contextlib.AsyncExitStack() as stack:
        if isinstance(api, SandboxSettings):
            api = (await stack.enter_async_context(Sandbox(api))).url
        if api is not None:
            app.api = dataclasses.replace(app.api, url=api)
        if lake is None:
            lake = await asyncio.to_thread(stack.enter_context, tempfile.TemporaryDirectory(prefix="haulier-test-"))
        options = Options(lake=str(lake), worker=WorkerSettings(LEASE_SECONDS, first_items=0)).apart(app)
        live = await stack.enter_async_context(open_live(app, options, around=recorder.around))
        recorder.redact = live.client.redactor.redact
        client = Client(
            app.api,
            live.timed_transport,
            live.client.scope,
            _HurriedClock(live.clock),
            live.rng,
            live.client.redactor,
            app.rules,
        )

        def open_queue() -> UndelayedQueue:
            return UndelayedQueue(store, live.clock)

        hurried = dataclasses.replace(live, client=client, queue=open_queue(), open_queue=open_queue)
        yield _Setting(hurried, recorder)


class _HurriedClock:
    """The client's: a request that failed is sent again at once. The pauses that an API asks for are the scope's."""

    def __init__(self, clock: Clock) -> None:
        self.now, self.monotonic = clock.now, clock.monotonic

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


def _moment(now: datetime | None) -> datetime | None:
    """In whole seconds, as runs have it."""
    if now is not None and now.utcoffset() is None:
        raise UsageError(f"now = {now.isoformat()} has no time zone (pass tzinfo=UTC).")
    return None if now is None else now.replace(microsecond=0)


async def _finish(setting: _Setting, run: Run, *, allows_partial: bool) -> RunResult:
    source = setting.source
    watch = Watch(source.lake, source.queue, source.closer, source.app.name, only=run.run_id)
    worker = Worker(source.worker_deps(), watch, _go_on)
    code = await worker.run()
    if code == 2:
        raise UsageError(worker.reason)
    if code:
        raise UnavailableError(worker.reason)
    result = await read_result(source.lake, run, source.app.registry, tuple(setting.recorder.requests))
    if result.state != "complete" and not allows_partial:
        raise ItemError(_explain(result))
    return result


def _explain(result: RunResult) -> str:
    """The first failure at length."""
    words = ", ".join(f"{reason}: {count:,}" for reason, count in result.reasons.items())
    if not result.poison:
        counts = ", ".join(f"{stream} {low:,} to {high:,}" for stream, (low, high) in result.expected.items())
        return f"The run is {result.state} ({words}): {len(result.lines):,} records, and the API promised {counts}."
    first = result.poison[0]
    return f"The run is {result.state} ({words}). Item {first.key} failed: {first.error}\n{first.traceback}".rstrip()


def _in_all_groups(spans: Iterable[TimeWindow | IdRange]) -> dict[str, tuple[Span, ...]]:
    windows: list[TimeWindow] = []
    ids: list[IdRange] = []
    for span in spans:
        if isinstance(span, TimeWindow):
            windows.append(span)
        else:
            ids.append(span)
    return {ALL_GROUPS: (*merge(windows), *merge(ids))}


async def _only(item: WorkItem) -> AsyncIterator[WorkItem]:
    yield item


async def _say_nothing(_source: LiveSource, _run: Run, _seal: Seal) -> None:
    return


def _go_on() -> None:
    """Nobody else has the items of a test."""
