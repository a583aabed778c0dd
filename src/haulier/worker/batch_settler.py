"""P8: receipts are written in groups, and only then the leases behind them are completed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from haulier.clock import Clock
from haulier.errors import QueueUnavailableError
from haulier.lake.seam import Lake
from haulier.queues.seam import Queue
from haulier.runs.receipts import write_receipts
from haulier.runs.records import Receipt
from haulier.runs.run import Run
from haulier.telemetry.messages import NO_MESSAGE_SPANS, MessageSpans
from haulier.worker.keeper import HeldLease, LeaseKeeper
from haulier.worker.settings import GROUP_ITEMS, GROUP_SECONDS

logger = logging.getLogger("haulier.worker")


@dataclass(frozen=True)
class _Settled:
    held: HeldLease
    run: Run
    receipt: Receipt | None
    """None for an item that ended by another record, which is durable already."""
    trace: str


class BatchSettler:
    """Settles items in groups of `GROUP_ITEMS`, or of what a second brings."""

    def __init__(
        self,
        lake: Lake,
        queue: Queue,
        keeper: LeaseKeeper,
        clock: Clock,
        name: str,
        on_settled: Callable[[], None] = lambda: None,
        messages: MessageSpans = NO_MESSAGE_SPANS,
    ) -> None:
        self._lake = lake
        self._queue = queue
        self._keeper = keeper
        self._clock = clock
        self._name = name
        self._on_settled = on_settled
        self._messages = messages
        self._waiting: list[_Settled] = []
        self._held: set[HeldLease] = set()
        self._wake = asyncio.Event()
        self._is_stopping = False
        self._written = 0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def has(self, held: HeldLease) -> bool:
        return held in self._held

    def add(self, held: HeldLease, run: Run, receipt: Receipt | None, trace: str = "") -> None:
        """Settle soon; until then the lease is renewed. ``trace`` is that of the span which processed the item."""
        if receipt is not None:
            receipt = msgspec.structs.replace(receipt, ended=run.seconds_at(self._clock.now()))
        self._waiting.append(_Settled(held, run, receipt, trace))
        self._held.add(held)
        if len(self._waiting) >= GROUP_ITEMS:
            self._wake.set()

    def hurry(self) -> None:
        if self._waiting:
            self._wake.set()

    def stop(self) -> None:
        self._is_stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Raises `UnavailableError` if receipts cannot be written; nothing is lost."""
        while True:
            if len(self._waiting) < GROUP_ITEMS and not self._is_stopping:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), GROUP_SECONDS)
            self._wake.clear()
            while self._waiting:
                group = self._waiting[:GROUP_ITEMS]
                with contextlib.ExitStack() as spans:
                    for settled in group:
                        spans.enter_context(self._messages.settle(settled.run.run_id, settled.trace, len(group)))
                    await self._settle(group)
                del self._waiting[: len(group)]
                self._on_settled()
            if self._is_stopping:
                return

    async def _settle(self, group: list[_Settled]) -> None:
        by_run: dict[str, list[_Settled]] = defaultdict(list)
        for settled in group:
            if settled.receipt is not None:
                by_run[settled.run.run_id].append(settled)
        for members in by_run.values():
            self._written += 1
            receipts = [settled.receipt for settled in members if settled.receipt is not None]
            await write_receipts(self._lake, members[0].run.paths, self._name, self._written, receipts)
        lost = await self._complete([settled.held for settled in group])
        for settled in group:
            self._held.discard(settled.held)
        if lost:
            logger.info("items ended after their leases were lost; their results stand", extra={"items": lost})

    async def _complete(self, held: list[HeldLease]) -> int:
        leases = [await self._keeper.let_go(one) for one in held]
        while True:
            try:
                return len(await self._queue.complete(leases))
            except QueueUnavailableError as error:
                if self._is_stopping:
                    raise
                logger.warning("completions wait for the queue", extra={"error": str(error), "items": len(held)})
                await self._clock.sleep(GROUP_SECONDS)
