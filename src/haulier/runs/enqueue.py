"""Enqueuing of a claimed run: plan (P1), first count of ``expect``, messages (P2), in this order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from haulier.clock import Clock
from haulier.errors import UsageError
from haulier.items.workitem import WorkItem
from haulier.lake.seam import Lake
from haulier.queues.seam import Queue
from haulier.runs.expect import Expect, ask_expect
from haulier.runs.open_run import require_open
from haulier.runs.plan import SHARD_ITEMS, read_seal, write_plan
from haulier.runs.records import Seal
from haulier.runs.run import Run
from haulier.runs.send import send_plan
from haulier.sources.finished import Finished
from haulier.telemetry.messages import NO_MESSAGE_SPANS, MessageSpans


@dataclass(frozen=True)
class Enqueuer:
    """``expect`` is needed for runs that promise a count."""

    lake: Lake
    queue: Queue
    clock: Clock
    expect: Expect | None = None
    shard_items: int = SHARD_ITEMS
    messages: MessageSpans = NO_MESSAGE_SPANS

    async def enqueue(
        self,
        run: Run,
        items: Callable[[], AsyncIterator[WorkItem]],
        on_sent: Callable[[int], None] = lambda items: None,
        *,
        on_planned: Callable[[Seal], Awaitable[None]] | None = None,
        finished: Finished | None = None,
    ) -> Seal:
        """Plan the run unless its plan is sealed, and send what was not sent. Repeatable, by several at once.

        ``items`` is called only without a seal, ``on_sent`` as by `send_plan`. ``on_planned`` is awaited between plan
        and messages; nothing is sent if it raises. ``finished`` is as for `write_plan`. Raises `RunEndedError` where
        the run was superseded or cancelled.
        """
        with self.messages.enqueue(run.run_id):
            seal = await self.plan(run, items, finished)
            if on_planned is not None:
                await on_planned(seal)
            await require_open(self.lake, run)
            await send_plan(self.lake, self.queue, run.paths, seal, on_sent, self.messages)
            return seal

    async def plan(
        self, run: Run, items: Callable[[], AsyncIterator[WorkItem]], finished: Finished | None = None
    ) -> Seal:
        """Seal the plan, and ask for the first count of ``expect``. Nothing is sent."""
        seal = await read_seal(self.lake, run.paths)
        if seal is None:
            until = run.file.snapshot_time
            seal = await write_plan(self.lake, run.paths, self.clock, items(), self.shard_items, finished, until)
        if run.file.has_expect:
            if self.expect is None:
                raise UsageError(
                    f"Run {run.run_id} promises a count (`expect`), which only its API can tell: "
                    "enqueue it with `haulier run SOURCE` or `haulier enqueue SOURCE`."
                )
            # Before the first message: an API that grows from here on grows between the two counts.
            await ask_expect(self.lake, run, self.clock, "before", self.expect)
        return seal
