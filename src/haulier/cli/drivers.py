"""Working a run to its end: in this process, or in a fleet of child processes."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from haulier.api.scope.failures import NO_FAILURES, Failures
from haulier.api.scope.row import ScopeRow, decode
from haulier.app.open_source import LiveSource, Options, scope_name
from haulier.cli.account import Account
from haulier.cli.command_lines import child_command, typed_command
from haulier.cli.estimate import Lesson
from haulier.cli.fleet import Fleet
from haulier.cli.output import log_words, say
from haulier.cli.progress import ProgressView, Traffic, open_progress
from haulier.cli.signals import on_signals
from haulier.errors import HaulierError
from haulier.runs.run import Run
from haulier.worker.loop import Worker
from haulier.worker.watch import Watch

STALLED = 1
"""The exit code of a process whose event loop hung for a whole lease: a fault, and its parent starts another."""


FIRST_SECONDS = 0.5
"""Before the first look at the account, which reads the whole plan: the first requests leave meanwhile."""


class Driver(Protocol):
    """Works runs, one after the other."""

    def command_to_go_on(self, mode: str) -> str:
        """What a person types to go on with the open run of ``mode``; where none is open, it starts one."""
        ...

    def around(self, run: Run) -> contextlib.AbstractAsyncContextManager[None]:
        """Around planning a run and driving it: what may begin before the plan stands."""
        ...

    async def drive(self, run: Run) -> tuple[int, str]:
        """Work until the run is closed, or it cannot go on. Returns the exit code and, if it is not 0, why."""
        ...


class _Driver:
    """What both kinds of driver know."""

    def __init__(self, site: LiveSource, source: str, options: Options) -> None:
        self._site = site
        self._source = source
        self._options = options

    def command_to_go_on(self, mode: str) -> str:
        return typed_command("run", self._source, self._options, mode)

    def _watch(self, run: Run) -> Watch:
        site = self._site
        return Watch(site.lake, site.queue, site.closer, site.app.name, only=run.run_id)


class LocalDriver(_Driver):
    """Works a run in this process."""

    def around(self, run: Run) -> contextlib.AbstractAsyncContextManager[None]:
        return contextlib.nullcontext()

    async def drive(self, run: Run) -> tuple[int, str]:
        site = self._site
        isolate = child_command("isolate", self._source, self._options)
        worker = Worker(site.worker_deps(isolate), self._watch(run), end_stalled)
        view = open_progress(run.run_id, site.clock)
        with on_signals(saying(worker.drain, view.say, self._options), worker.stop_now):
            lesson = await Lesson.of(site, run)
            async with shown(view, Account(site.lake, run), site, lambda _: site.client.scope.in_use, lesson):
                code = await worker.run()
        return code, worker.reason


class FleetDriver(_Driver):
    """Works a run in child processes; this one plans, watches and closes."""

    def __init__(self, site: LiveSource, source: str, options: Options, workers: int) -> None:
        super().__init__(site, source, options)
        self._workers = workers
        self._say: Callable[[str], None] = say
        self._fleet: Fleet | None = None
        self._work: asyncio.Future[int] | None = None

    @contextlib.asynccontextmanager
    async def around(self, run: Run) -> AsyncIterator[None]:
        """The children start while the plan is written, and wait for it: they take as long to be there as this did."""
        more = ("--run", run.run_id, "--with-parent", *log_words())
        command = child_command("work", self._source, self._options, *more)
        fleet = self._fleet = Fleet(command, self._workers, self._watch(run), lambda line: self._say(line))
        work = self._work = asyncio.ensure_future(fleet.run())
        try:
            yield
        finally:
            if not work.done():
                fleet.drain("its parent")
            await asyncio.wait([work])

    async def drive(self, run: Run) -> tuple[int, str]:
        fleet, work = self._fleet, self._work
        assert fleet is not None
        assert work is not None
        self._site.client.scope.hand_over()
        fleet.wake()
        view = open_progress(run.run_id, self._site.clock)
        self._say = view.say
        with on_signals(saying(fleet.drain, view.say, self._options), fleet.stop_now):
            lesson = await Lesson.of(self._site, run)
            async with shown(view, Account(self._site.lake, run), self._site, in_flight_of_all, lesson):
                code = await asyncio.shield(work)
        self._say = say
        return code, fleet.reason


def saying(drain: Callable[[str], None], say: Callable[[str], None], options: Options) -> Callable[[str], None]:
    """``drain``, which takes a while, and words for whoever waits for it."""

    def drained(why: str) -> None:
        say(
            f"Stopping because of {why}: no new item is begun, and those under way have "
            f"{options.worker.grace_seconds:g} seconds to end. A second Ctrl-C stops at once."
        )
        drain(why)

    return drained


def in_flight_of_all(row: ScopeRow) -> int:
    """What every worker of the source says in its beats, wherever it runs."""
    # While shares move from one to another, a peak may be of a share that was given away since.
    return sum(min(member.peak, member.share) for member in row.members.values())


@contextlib.asynccontextmanager
async def shown(
    view: ProgressView,
    account: Account,
    site: LiveSource,
    in_flight: Callable[[ScopeRow], int],
    lesson: Lesson | None = None,
) -> AsyncIterator[None]:
    """A progress view that follows an account until it is left; then both are closed. What is learned of the run's cost
    on the way is said beside it."""

    async def show() -> None:
        # What cannot be shown now is shown later: it is the work that says what fails.
        with contextlib.suppress(HaulierError):
            if (progress := await account.progress()) is not None:
                row = decode(await site.rows.read(scope_name(site.app)))
                failures = functools.reduce(Failures.with_more, account.of_runs(row.failures), NO_FAILURES)
                view.show(progress, Traffic(in_flight(row), failures))
                if lesson is not None and (learned := await lesson.learn(progress)):
                    view.say(learned)

    async def follow() -> None:
        await asyncio.sleep(FIRST_SECONDS)
        while True:
            await show()
            await asyncio.sleep(view.every_seconds)

    task = asyncio.ensure_future(follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await site.client.scope.tell_failures()
        await show()
        view.close()
        account.close()


def end_stalled() -> None:
    """End this process now, from any thread: its leases are about to be somebody else's."""
    os._exit(STALLED)
