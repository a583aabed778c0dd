from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from haulier.app.claim_checks import require_starts, say_changed_source
from haulier.app.open_source import LiveSource, OpenSource
from haulier.app.run_time import run_time
from haulier.errors import UsageError
from haulier.items.workitem import WorkItem
from haulier.plurals import count_of
from haulier.queues.seam import Queue
from haulier.runs.enqueue import Enqueuer
from haulier.runs.newest_runs import newest_first, open_run
from haulier.runs.open_run import while_open
from haulier.runs.records import Seal
from haulier.runs.run import TRIAL, NewRun, Run, claim_run, require_same_fingerprint
from haulier.runs.watermark.fold import fold_watermark
from haulier.sources.context import Context
from haulier.sources.context_log import ContextLog
from haulier.sources.finished import Finished

logger = logging.getLogger("haulier.enumerator")

UNTOLD_RUNS = 4
"""Each start looks at so many of the newest runs, so that an older one was looked at before."""

STALE_PLAN = timedelta(hours=6)
"""A plan may take hours, and is not to be superseded by each tick of cron. Last night's, which was cut off, would end
where it was claimed, and this night be complete up to then alone."""

OnPlanned = Callable[[LiveSource, Run, Seal], Awaitable[None]]
"""Called with the sealed plan, before its first item is enqueued."""
OnSent = Callable[[int, int], None]
"""Called after each shard: items on the queue so far, of all."""


@dataclass(frozen=True)
class WantedRun:
    plans: str
    """The mode whose items are planned."""
    streams: tuple[str, ...]
    max_items: int | None = None
    """A trial of so many items; None: all of them."""

    @property
    def mode(self) -> str:
        return self.plans if self.max_items is None else TRIAL


async def find_open(source: LiveSource, mode: str, say: Callable[[str], None]) -> Run | None:
    """The newest open run. Raises `UsageError` where this source would give its records another shape.

    A run without records is closed as superseded (C8) instead, and ``say`` is told: after a slip in the source file
    nobody has to know of ``--new``. So is an incremental one whose plan was cut off long ago.
    """
    while (run := await open_run(source.lake, source.app.name, mode)) is not None:
        if await _is_stale(source, run):
            await source.closer.end(run, "superseded")
            say(
                f"Run {run.run_id} was stopped before its plan was sealed, and would end there: it is closed as "
                "superseded, and a new one reads up to now."
            )
            continue
        fingerprint = source.app.fingerprint(run.plans, run.file.streams)
        if run.file.fingerprint == fingerprint:
            return run
        if not await _end_without_records(source, run):
            require_same_fingerprint(run, fingerprint)
        say(f"Run {run.run_id} was planned with another source file, and has no records: it is closed as superseded.")
    return None


async def _is_stale(source: LiveSource, run: Run) -> bool:
    """Whether the end of an incremental run is long past, and nothing of it was sent."""
    age = abs(source.clock.now() - run.file.created_at)  # The clock of whoever claimed it may have been ahead.
    return run.plans == "incremental" and age > STALE_PLAN and not await source.lake.exists(run.paths.seal)


async def _end_without_records(source: LiveSource, run: Run) -> bool:
    """Return whether the run was superseded; one on which somebody works is not."""
    if not await source.lake.exists(run.paths.seal):
        await source.closer.end(run, "superseded")
        return True
    if not source.queue.capabilities.exact_depth or await _is_worked(source.queue):
        return False
    return await source.closer.end_without_records(run)


async def _is_worked(queue: Queue) -> bool:
    """Whether a process that may be alive holds a lease."""
    dead = sum(holder.leases for holder in await queue.holders() if holder.whereabouts == "gone")
    return (await queue.depth()).leased > dead


async def claim(source: LiveSource, wanted: WantedRun, say: Callable[[str], None] = lambda text: None) -> Run:
    """Where two runs were claimed at the same moment, the older one is returned. ``say`` is told of clocks that
    differ, and of a source that was changed."""
    new = new_run(source, wanted)
    moment = None
    if wanted.plans == "incremental":
        await require_starts(source, wanted.streams)
        await say_changed_source(source, new, say)
        moment = run_time(await source.client.ask_time(), say)
    run = await claim_run(source.lake, source.clock, new, moment)
    if moment is not None:
        # The name of this second was taken. A window that ends in the next one is over only then.
        await source.clock.sleep((run.file.snapshot_time - moment).total_seconds())
    older = await open_run(source.lake, source.app.name, wanted.mode, before=run)
    if older is None or older.file.fingerprint != new.fingerprint or not is_of(older, wanted):
        return run
    # Both found nothing open and claimed one. Ours is not planned yet, so nothing is lost, and the API is pulled once.
    await source.closer.end(run, "superseded")
    return older


async def tell_untold(source: OpenSource) -> None:
    """Tell the newest verdicts whose tellers died over it (C10)."""
    closer, seen = source.closer, 0
    if closer.teller is None:
        return
    async for run, _, verdict in newest_first(source.lake, source.app.name):
        if verdict is not None:
            await closer.tell(run, verdict, was_open=False)
        seen += 1
        if seen >= UNTOLD_RUNS:
            return


def new_run(source: LiveSource, wanted: WantedRun) -> NewRun:
    from importlib.metadata import version

    return NewRun(
        source=source.app.name,
        mode=wanted.mode,
        fingerprint=source.app.fingerprint(wanted.plans, wanted.streams),
        streams=wanted.streams,
        has_expect=source.app.expect_of(wanted.mode, wanted.streams) is not None,
        version=version("haulier"),
        plans="" if wanted.max_items is None else wanted.plans,
        max_items=wanted.max_items,
    )


def is_of(run: Run, wanted: WantedRun) -> bool:
    return (run.file.streams, run.plans, run.file.max_items) == (wanted.streams, wanted.plans, wanted.max_items)


def require_covered(run: Run, wanted: WantedRun) -> None:
    if (run.plans, run.file.max_items) != (wanted.plans, wanted.max_items):
        raise UsageError(
            f"Run {run.run_id} is open, a trial of {count_of(run.file.max_items or 0, 'item')} of a run of mode "
            f"{run.plans}. Type the same to finish it; --then-new finishes it and then starts what you ask for; --new "
            "closes it as superseded instead."
        )
    if missing := sorted(set(wanted.streams) - set(run.file.streams)):
        raise UsageError(
            f"Run {run.run_id} is open, and does not include {', '.join(missing)}. `{run.command} --then-new` "
            "finishes it and then starts what you ask for; --new closes it as superseded instead."
        )


async def supersede(source: LiveSource, mode: str) -> list[str]:
    """Close every open run as superseded (C8), and return their names. Nothing is removed.

    Their fingerprints are not compared: this is the way on after a source file has changed.
    """
    ended: list[str] = []
    while (run := await open_run(source.lake, source.app.name, mode)) is not None:
        verdict = await source.closer.end(run, "superseded")
        if verdict.verdict == "superseded":
            ended.append(run.run_id)
    return ended


async def start(
    source: LiveSource,
    run: Run,
    on_planned: OnPlanned,
    on_sent: OnSent = lambda sent, planned: None,
    finished: Finished | None = None,
) -> Seal:
    """Plan the run unless it is sealed (P1), call ``on_planned``, and enqueue what is not yet on the queue (P2).

    ``finished`` takes the place of what the lake's runs have finished. Raises `RunEndedError` where somebody closes the
    run meanwhile.
    """
    source.client.scope.note_run(run.run_id, is_only=True)
    sent = planned = 0

    async def check_and_show(seal: Seal) -> None:
        nonlocal planned
        planned = seal.items
        _require_budget(source, run, seal)
        await on_planned(source, run, seal)

    def count(items: int) -> None:
        nonlocal sent
        sent += items
        on_sent(sent, planned)

    finished = await _finished(source, run) if finished is None else finished
    enqueuer = Enqueuer(source.lake, source.queue, source.clock, source.expect, messages=source.messages)
    work = enqueuer.enqueue(
        run, lambda: _enumerate(source, run, finished), count, on_planned=check_and_show, finished=finished
    )
    return await while_open(source.lake, source.clock, run, work)


async def _finished(source: LiveSource, run: Run) -> Finished:
    """What is finished, for a plan that is to be made. A sealed one stays as it is."""
    if run.plans != "incremental" or await source.lake.exists(run.paths.seal):
        return Finished()
    return (await fold_watermark(source.lake, source.clock, source.app.name, source.name)).finished


def _require_budget(source: LiveSource, run: Run, seal: Seal) -> None:
    most = source.app.api.max_requests
    if most is not None and seal.items > most:
        raise UsageError(
            f"The plan of run {run.run_id} has {seal.items:,} items, which take at least one request each, and "
            f"max_requests is {most:,}; nothing was enqueued. Raise max_requests and run again. Or plan larger items "
            f"and start a new run with `{run.command} --new`: until then this plan is kept."
        )


async def _enumerate(source: LiveSource, run: Run, finished: Finished) -> AsyncGenerator[WorkItem]:
    context = Context(
        api=source.client.session(),
        run=run.info,
        attempt=1,
        log=ContextLog(logger, {"run_id": run.run_id}),
        shared=source.shared,
        finished=finished,
    )
    left = math.inf if run.file.max_items is None else run.file.max_items
    # Closed here: what an enumerator that is not read to its end holds open is its own to let go of.
    async with contextlib.aclosing(source.items(run.plans, run.file.streams, context)) as items:
        async for item in items:
            yield item
            left -= 1
            if left <= 0:
                return


def is_queue_shared(source: OpenSource) -> bool:
    return source.queue.capabilities.is_shared


def require_shared_queue(source: OpenSource) -> None:
    if not is_queue_shared(source):
        raise UsageError(
            'A queue in memory cannot be shared between processes. Write queue = "sqlite", or leave --workers out.'
        )
