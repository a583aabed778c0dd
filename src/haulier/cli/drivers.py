"""Work a run to its end, here or in child processes."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from haulier.api.scope.failures import NO_FAILURES, Failures
from haulier.api.scope.row import ScopeRow
from haulier.app.open_source import LiveSource, Options
from haulier.cli.command_lines import child_command, run_command
from haulier.cli.estimate import LateEstimate
from haulier.cli.fleet import Fleet
from haulier.cli.leaving import LAST_SECONDS, PARENT_SECONDS
from haulier.cli.orders import hold_facts, hold_words
from haulier.cli.output import log_words, say
from haulier.cli.progress import ProgressView, Traffic, open_progress
from haulier.cli.progress_reader import ProgressReader
from haulier.cli.signals import on_signals
from haulier.errors import HaulierError
from haulier.runs.left_items import LeftItems
from haulier.runs.run import Run
from haulier.telemetry.names import ITEMS_LEFT
from haulier.telemetry.seam import NO_ATTRIBUTES
from haulier.worker.loop import Worker
from haulier.worker.watch import Watch

STALLED = 1
"""Exit code of a process whose event loop hung for a lease; its parent starts another."""

FIRST_LOOK_SECONDS = 0.5
"""Before progress is first read, which takes the whole plan: the first requests go ahead."""


class Driver(Protocol):
    def command_to_go_on(self, plans: str, max_items: int | None) -> str:
        """Write the command that goes on with the open run of a mode, or starts one; or a trial of it."""
        ...

    def around(self, run: Run) -> contextlib.AbstractAsyncContextManager[None]:
        """Enclose planning and driving, for what starts before the plan is written."""
        ...

    def note_sent(self) -> None:
        """Some of the plan is on the queue."""
        ...

    async def drive(self, run: Run) -> tuple[int, str]:
        """Work until the run is closed or cannot go on. Returns the exit code, and the reason if that is not 0."""
        ...


class _Driver:
    def __init__(self, source: LiveSource, typed: str, options: Options) -> None:
        self._source = source
        self._typed = typed
        self._options = options

    def command_to_go_on(self, plans: str, max_items: int | None) -> str:
        return run_command(self._typed, self._options, plans, max_items)

    def _watch(self, run: Run) -> Watch:
        source = self._source
        return Watch(source.lake, source.queue, source.closer, source.app.name, only=run.run_id)


class LocalDriver(_Driver):
    def around(self, run: Run) -> contextlib.AbstractAsyncContextManager[None]:
        return contextlib.nullcontext()

    def note_sent(self) -> None:
        """Work begins when all of it is sent."""

    async def drive(self, run: Run) -> tuple[int, str]:
        source = self._source
        isolate = child_command("isolate", self._typed, self._options)
        worker = Worker(source.worker_deps(isolate), self._watch(run), end_stalled)
        view = open_progress(run.run_id, source.clock)
        seconds = self._options.worker.grace_seconds + LAST_SECONDS
        with on_signals(announce(worker.drain, view.say, self._options), worker.stop_now, seconds=seconds):
            estimate = await LateEstimate.open(source, run)
            async with show_progress(
                view, ProgressReader(source.lake, run), source, lambda _: source.client.scope.in_use, estimate
            ):
                code = await worker.run()
        return code, worker.reason


class FleetDriver(_Driver):
    """Works a run in child processes. This process plans, watches and closes."""

    def __init__(self, source: LiveSource, typed: str, options: Options, workers: int) -> None:
        super().__init__(source, typed, options)
        self._workers = workers
        self._say: Callable[[str], None] = say
        self._fleet: Fleet | None = None
        self._work: asyncio.Future[int] | None = None

    @contextlib.asynccontextmanager
    async def around(self, run: Run) -> AsyncIterator[None]:
        """Start the children while the plan is written: they take a while, and wait for it."""
        more = ("--run", run.run_id, "--with-parent", *log_words())
        command = child_command("work", self._typed, self._options, *more)
        fleet = self._fleet = Fleet(command, self._workers, self._watch(run), lambda line: self._say(line))
        work = self._work = asyncio.ensure_future(fleet.run())
        try:
            yield
        finally:
            if not work.done():
                fleet.drain("its parent")
            await asyncio.wait([work])

    def note_sent(self) -> None:
        if self._fleet is not None:
            self._fleet.wake()

    async def drive(self, run: Run) -> tuple[int, str]:
        fleet, work = self._fleet, self._work
        assert fleet is not None
        assert work is not None
        self._source.client.scope.hand_over()
        fleet.wake()
        view = open_progress(run.run_id, self._source.clock)
        self._say = view.say
        seconds = self._options.worker.grace_seconds + PARENT_SECONDS
        with on_signals(announce(fleet.drain, view.say, self._options), fleet.stop_now, seconds=seconds):
            estimate = await LateEstimate.open(self._source, run)
            async with show_progress(
                view, ProgressReader(self._source.lake, run), self._source, in_flight_of_all, estimate
            ):
                code = await asyncio.shield(work)
        self._say = say
        return code, fleet.reason


def announce(drain: Callable[[str], None], say: Callable[[str], None], options: Options) -> Callable[[str], None]:
    """Wrap ``drain`` so that it tells the person who waits."""

    def drain_aloud(why: str) -> None:
        say(
            f"Stopping because of {why}: no new item is begun, and those under way have "
            f"{options.worker.grace_seconds:g} s to end. A second Ctrl-C stops at once."
        )
        drain(why)

    return drain_aloud


def in_flight_of_all(row: ScopeRow) -> int:
    """Sum the requests in flight of all workers, by their last beats."""
    # While shares move from one to another, a peak may be of a share that was given away since.
    return sum(min(member.peak, member.share) for member in row.members.values())


@contextlib.asynccontextmanager
async def show_progress(
    view: ProgressView,
    reader: ProgressReader,
    source: LiveSource,
    in_flight: Callable[[ScopeRow], int],
    estimate: LateEstimate | None = None,
) -> AsyncIterator[None]:
    """Let a view follow a reader, and close both; say an estimate of the cost when there is one."""

    left = LeftItems(source.clock)
    source.telemetry.observe(ITEMS_LEFT, lambda: [(items, NO_ATTRIBUTES) for items in left.readings])

    async def show() -> None:
        # What cannot be read now is shown later; the work itself says what fails.
        with contextlib.suppress(HaulierError):
            if (progress := await reader.read()) is not None:
                left.note("", progress.missing)
                row = await source.client.scope.known_row()
                failures = functools.reduce(Failures.with_more, reader.of_runs(row.failures), NO_FAILURES)
                held = hold_facts(row.held)
                view.show(progress, Traffic(in_flight(row), failures, hold_words(held) if held else ""))
                if estimate is not None and (line := await estimate.line(progress)):
                    view.say(line)

    async def follow() -> None:
        await asyncio.sleep(FIRST_LOOK_SECONDS)
        while True:
            await show()
            await asyncio.sleep(max(view.every_seconds, source.lake.capabilities.look_seconds))

    task = asyncio.ensure_future(follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await source.client.scope.tell_failures()
        await show()
        view.close()
        reader.close()


def end_stalled() -> None:
    """End this process at once, from any thread, before its leases run out."""
    os._exit(STALLED)
