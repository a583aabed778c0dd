"""Working a run to its end: in this process, or in a fleet of child processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from typing import Protocol

from haulier.app.site import LiveSite, Options
from haulier.cli.fleet import Fleet
from haulier.cli.progress import ProgressView, open_progress
from haulier.cli.signals import on_signals
from haulier.cli.words import child_command
from haulier.errors import HaulierError
from haulier.runs.ledger import Ledger
from haulier.runs.run import Run
from haulier.worker.loop import Worker
from haulier.worker.watch import Watch

STALLED = 1
"""The exit code of a process whose event loop hung for a whole lease: a fault, and its parent starts another."""


class Driver(Protocol):
    """Works runs, one after the other."""

    source: str

    async def drive(self, run: Run) -> tuple[int, str]:
        """Work until the run is closed, or it cannot go on. Returns the exit code and, if it is not 0, why."""
        ...


class LocalDriver:
    """Works a run in this process."""

    def __init__(self, site: LiveSite, source: str, options: Options) -> None:
        self.source = source
        self._site = site
        self._options = options

    async def drive(self, run: Run) -> tuple[int, str]:
        site = self._site
        watch = Watch(site.lake, site.queue, site.closer, site.app.name, only=run.run_id)
        worker = Worker(site.parts(child_command("isolate", self.source, self._options)), watch, end_stalled)
        with on_signals(worker.drain, worker.stop_now):
            async with shown(site, run) as view:
                view.worker = worker
                code = await worker.run()
        return code, worker.reason


class FleetDriver:
    """Works a run in child processes; this one plans, watches and closes."""

    def __init__(self, site: LiveSite, source: str, options: Options, workers: int) -> None:
        self.source = source
        self._site = site
        self._options = options
        self._workers = workers

    async def drive(self, run: Run) -> tuple[int, str]:
        site = self._site
        watch = Watch(site.lake, site.queue, site.closer, site.app.name, only=run.run_id)
        command = child_command("work", self.source, self._options, "--run", run.run_id, "--with-parent")
        async with shown(site, run) as view:
            fleet = Fleet(command, self._workers, watch, view.say)
            with on_signals(fleet.drain, fleet.stop_now):
                code = await fleet.run()
        return code, fleet.reason


@contextlib.asynccontextmanager
async def shown(site: LiveSite, run: Run) -> AsyncIterator[ProgressView]:
    """A progress view of the run that follows its ledger."""
    ledger = Ledger(site.lake, run.paths)
    view = open_progress(run.run_id, site.clock)

    async def follow() -> None:
        while True:
            if await ledger.refresh():
                view.show(await ledger.progress(), site.client)
            await asyncio.sleep(view.every_seconds)

    task = asyncio.ensure_future(follow())
    try:
        yield view
    finally:
        task.cancel()
        await asyncio.wait([task])
        with contextlib.suppress(HaulierError):
            if await ledger.refresh():
                view.show(await ledger.progress(), site.client)
        view.close()
        ledger.close()


def end_stalled() -> None:
    """End this process now, from any thread: its leases are about to be somebody else's."""
    os._exit(STALLED)
