"""Discards (C7): a person does without poisoned items, for a reason."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from haulier.errors import UsageError
from haulier.runs import ledger_schema as table
from haulier.runs.closing import Closer
from haulier.runs.concurrency import run_each
from haulier.runs.ledger import Ledger
from haulier.runs.poison.previewed import Numbered, PreviewBatch
from haulier.runs.poison.selection import ALL_POISON, PoisonSelection
from haulier.runs.records import DiscardRecord, encode_record
from haulier.runs.reopen import Decision, refuse_final, reopen, require_open_or_partial, standing_verdict
from haulier.runs.run import Run
from haulier.runs.state import FINAL_VERDICTS


@dataclass(frozen=True)
class Discarder:
    closer: Closer

    async def discard(self, run: Run, decision: Decision, selection: PoisonSelection = ALL_POISON) -> int:
        """Discard the run's poisoned items that are meant, and return how many were new. Repeatable.

        A partial run is open afterwards; whoever finds it drained closes it anew. Raises `UsageError`, before anything
        is written, after a final verdict, for keys that are not poisoned, and without a reason.
        """
        if not decision.why.strip():
            raise UsageError("A discard needs a reason, which is kept in the manifest. Write `--why TEXT`.")
        await require_open_or_partial(self.closer, run)
        ledger = Ledger(self.closer.lake, run.paths)
        discarded = 0
        try:
            await ledger.refresh()
            async for items in self._chosen(run, ledger, selection):
                await self._record(run, items, decision)
                discarded += len(items)
            await ledger.refresh()
            await self._reopen(run, await ledger.count(table.DISCARDED))
        finally:
            ledger.close()
        return discarded

    async def preview(self, run: Run, selection: PoisonSelection) -> AsyncIterator[PreviewBatch]:
        """What `discard` would discard, in batches. Nothing is written; raises what that would raise of run and
        keys."""
        await refuse_final(self.closer, run)
        ledger = Ledger(self.closer.lake, run.paths)
        try:
            await ledger.refresh()
            async for items in self._chosen(run, ledger, selection):
                yield PreviewBatch(items, is_live=True)
        finally:
            ledger.close()

    async def _chosen(self, run: Run, ledger: Ledger, selection: PoisonSelection) -> AsyncIterator[list[Numbered]]:
        # A discard may be repeated.
        where = f"({table.LIVE_POISON}) OR ({table.DISCARDED})"
        await selection.require_poisoned(ledger, run, where, where, "discarded")
        async for items in ledger.items(table.LIVE_POISON, "poison"):
            if chosen := await selection.pick(self.closer.lake, run.paths, items):
                yield chosen

    async def _record(self, run: Run, items: list[Numbered], decision: Decision) -> None:
        async def record(numbered: Numbered) -> None:
            item, number = numbered
            discard = DiscardRecord(
                number=number,
                key=item.key,
                reason=decision.why.strip(),
                discarded_at=self.closer.clock.now(),
                by=decision.by,
            )
            await self.closer.lake.create(run.paths.numbered("discards", item.key, number), encode_record(discard))

        await run_each(record, items, self.closer.lake.capabilities.in_flight)

    async def _reopen(self, run: Run, discarded: int) -> None:
        """Lift a partial closing that listed before these discards; a later one has seen them."""
        while (verdict := await standing_verdict(self.closer, run)) is not None:
            if verdict.verdict in FINAL_VERDICTS or verdict.totals.discarded >= discarded:
                return
            await reopen(self.closer, run, verdict.number)
