"""Working a run to its end: in this process, or in a fleet of child processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from typing import Protocol

from haulier.app.site import LiveSite, Options
from haulier.cli.fleet import Fleet
from haulier.cli.output import is_quiet
from haulier.cli.progress import ProgressView, open_progress
from haulier.cli.signals import on_signals
from haulier.cli.words import child_command, typed_command
from haulier.errors import HaulierError
from haulier.runs.ledger import Ledger
from haulier.runs.run import Run
from haulier.worker.loop import Worker
from haulier.worker.watch import Watch

STALLED = 1
"""The exit code of a process whose event loop hung for a whole lease: a fault, and its parent starts another."""


class Driver(Protocol):
    """Works runs, one after the other."""

    def command_to_resume(self, mode: str) -> str:
        """What a person types to go on with a run of ``mode``."""
        ...

    async def drive(self, run: Run) -> tuple[int, str]:
        """Work until the run is closed, or it cannot go on. Returns the exit code and, if it is not 0, why."""
        ...


class _Driver:
    """What both kinds of driver know."""

    def __init__(self, site: LiveSite, source: str, options: Options) -> None:
        self._site = site
        self._source = source
        self._options = options

    def command_to_resume(self, mode: str) -> str:
        return typed_command("run", self._source, self._options, mode, "--resume-only")

    def _watch(self, run: Run) -> Watch:
        site = self._site
        return Watch(site.lake, site.queue, site.closer, site.app.name, only=run.run_id)


class LocalDriver(_Driver):
    """Works a run in this process."""

    async def drive(self, run: Run) -> tuple[int, str]:
        site = self._site
        isolate = child_command("isolate", self._source, self._options)
        worker = Worker(site.parts(isolate), self._watch(run), end_stalled)
        with on_signals(worker.drain, worker.stop_now):
            async with shown(site, run) as view:
                view.worker = worker
                code = await worker.run()
        return code, worker.reason


class FleetDriver(_Driver):
    """Works a run in child processes; this one plans, watches and closes."""

    def __init__(self, site: LiveSite, source: str, options: Options, workers: int) -> None:
        super().__init__(site, source, options)
        self._workers = workers

    async def drive(self, run: Run) -> tuple[int, str]:
        more = ("--run", run.run_id, "--with-parent", *(["--quiet"] if is_quiet() else []))
        command = child_command("work", self._source, self._options, *more)
        async with shown(self._site, run) as view:
            fleet = Fleet(command, self._workers, self._watch(run), view.say)
            with on_signals(fleet.drain, fleet.stop_now):
                code = await fleet.run()
        return code, fleet.reason


@contextlib.asynccontextmanager
async def shown(site: LiveSite, run: Run) -> AsyncIterator[ProgressView]:
    """A progress view of the run that follows its ledger."""
    ledger = Ledger(site.lake, run.paths)
    view = open_progress(run.run_id, site.clock)

    async def show() -> None:
        # What cannot be shown now is shown later: it is the work that says what fails.
        with contextlib.suppress(HaulierError):
            if await ledger.refresh():
                view.show(await ledger.progress(), site.client)

    async def follow() -> None:
        while True:
            await show()
            await asyncio.sleep(view.every_seconds)

    task = asyncio.ensure_future(follow())
    try:
        yield view
    finally:
        task.cancel()
        await asyncio.wait([task])
        await show()
        view.close()
        ledger.close()


def end_stalled() -> None:
    """End this process now, from any thread: its leases are about to be somebody else's."""
    os._exit(STALLED)
