"""Discards (C7): a person does without poisoned items, for a reason."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from haulier.errors import UsageError
from haulier.runs import ledger_schema as table
from haulier.runs.closing import Closer
from haulier.runs.concurrency import run_each
from haulier.runs.ledger import Ledger
from haulier.runs.records import DiscardRecord, PlannedItem, encode_record
from haulier.runs.reopen import reopen, require_open_or_partial, standing_verdict
from haulier.runs.run import Run
from haulier.runs.state import FINAL_VERDICTS


@dataclass(frozen=True)
class Discarder:
    closer: Closer

    async def discard(self, run: Run, reason: str, keys: Collection[str] | None = None) -> int:
        """Discard the run's poisoned items (or those of ``keys``), and return how many were new. Repeatable.

        A partial run is open afterwards; whoever finds it drained closes it anew. Raises `UsageError`, before anything
        is written, after a final verdict, for keys that are not poisoned, and without a reason.
        """
        if not reason.strip():
            raise UsageError("A discard needs a reason, which is kept in the manifest. Write `--reason TEXT`.")
        await require_open_or_partial(self.closer, run)
        ledger = Ledger(self.closer.lake, run.paths)
        try:
            await ledger.refresh()
            if keys is not None:
                await _require_poisoned(ledger, run, keys)
            discarded = 0
            async for items in ledger.items(table.LIVE_POISON, "poison"):
                chosen = [(item, number) for item, number in items if keys is None or item.key in keys]
                await self._record(run, chosen, reason.strip())
                discarded += len(chosen)
            await ledger.refresh()
            await self._reopen(run, await ledger.count(table.DISCARDED))
        finally:
            ledger.close()
        return discarded

    async def _record(self, run: Run, items: list[tuple[PlannedItem, int]], reason: str) -> None:
        async def record(numbered: tuple[PlannedItem, int]) -> None:
            item, number = numbered
            discard = DiscardRecord(number=number, key=item.key, reason=reason, discarded_at=self.closer.clock.now())
            await self.closer.lake.create(run.paths.numbered("discards", item.key, number), encode_record(discard))

        await run_each(record, items, self.closer.lake.capabilities.in_flight)

    async def _reopen(self, run: Run, discarded: int) -> None:
        """Lift a partial closing that listed before these discards; a later one has seen them."""
        while (verdict := await standing_verdict(self.closer, run)) is not None:
            if verdict.verdict in FINAL_VERDICTS or verdict.totals.discarded >= discarded:
                return
            await reopen(self.closer, run, verdict.number)


async def _require_poisoned(ledger: Ledger, run: Run, keys: Collection[str]) -> None:
    unknown = set(keys)
    async for items in ledger.items(f"({table.LIVE_POISON}) OR ({table.DISCARDED})", "poison"):
        unknown -= {item.key for item, _ in items}
    if unknown:
        raise UsageError(
            f"Not poisoned in run {run.run_id}: {', '.join(sorted(unknown))}. "
            "`haulier poison list SOURCE` shows the keys that can be discarded."
        )
