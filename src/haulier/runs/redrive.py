"""Redrives (C6, C7): another try for poisoned items, as often as a person asks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from haulier.runs import ledger_schema as table
from haulier.runs.closing import Closer
from haulier.runs.concurrency import run_each
from haulier.runs.ledger import Ledger
from haulier.runs.lost_queue import require_queue_of
from haulier.runs.poison.previewed import Numbered, PreviewBatch
from haulier.runs.poison.selection import ALL_POISON, PoisonSelection
from haulier.runs.records import RedriveRecord, encode_record
from haulier.runs.reopen import UNEXPLAINED, Decision, refuse_final, reopen, require_open_or_partial, standing_verdict
from haulier.runs.run import Run
from haulier.runs.send import send_again
from haulier.runs.state import FINAL_VERDICTS


@dataclass(frozen=True)
class Redriver:
    closer: Closer

    async def redrive(self, run: Run, selection: PoisonSelection = ALL_POISON, decision: Decision = UNEXPLAINED) -> int:
        """Redrive the run's poisoned items that are meant, and return how many were sent.

        Raises `UsageError`, before anything is written, after a final verdict, for keys that are not poisoned, and
        for a queue that does not exist.
        Repeatable: what an earlier redrive left undone is sent.
        """
        await require_open_or_partial(self.closer, run)
        await require_queue_of(self.closer.lake, self.closer.queue, run)
        ledger = Ledger(self.closer.lake, run.paths)
        sent = 0
        try:
            await _read(ledger, run)
            where = self._where(selection)
            await _require_poisoned(selection, ledger, run, where)
            async for items in self._chosen(run, ledger, selection, where):
                await self._redrive(run, ledger, items, decision)
                sent += len(items)
        finally:
            ledger.close()
        return sent

    async def preview(self, run: Run, selection: PoisonSelection) -> AsyncIterator[PreviewBatch]:
        """What `redrive` would send, the poisoned first. Nothing is written; raises what that would raise of run and
        keys."""
        await refuse_final(self.closer, run)
        ledger = Ledger(self.closer.lake, run.paths)
        try:
            await _read(ledger, run)
            where = self._where(selection)
            await _require_poisoned(selection, ledger, run, where)
            others = f"({where}) AND NOT ({table.LIVE_POISON})"
            for meant, is_live in ((f"({where}) AND {table.LIVE_POISON}", True), (others, False)):
                async for items in self._chosen(run, ledger, selection, meant):
                    yield PreviewBatch(items, is_live)
        finally:
            ledger.close()

    async def _chosen(
        self, run: Run, ledger: Ledger, selection: PoisonSelection, where: str
    ) -> AsyncIterator[list[Numbered]]:
        async for items in ledger.items(where, "poison"):
            if chosen := await selection.pick(self.closer.lake, run.paths, items):
                yield chosen

    def _where(self, selection: PoisonSelection) -> str:
        """Where objects may land after a closing, a redrive settles those of poisoned items as well (C9)."""
        found, late = table.REDRIVABLE, table.LATE_OBJECT
        if selection.is_redriven:
            found, late = table.REDRIVEN, table.REDRIVEN_LATE
        return found if self.closer.lake.capabilities.sweep_fences else f"({found}) OR ({late})"

    async def _redrive(self, run: Run, ledger: Ledger, items: list[Numbered], decision: Decision) -> None:
        """Record, reopen, send, in this order: so the next redrive sees where this one died."""
        lake = self.closer.lake

        async def record(numbered: Numbered) -> None:
            item, number = numbered
            redrive = RedriveRecord(
                number=number,
                key=item.key,
                redriven_at=self.closer.clock.now(),
                by=decision.by,
                why=decision.why,
            )
            await lake.create(run.paths.numbered("redrives", item.key, number), encode_record(redrive))

        await run_each(record, items, self.closer.lake.capabilities.in_flight)
        while items:
            verdict = await standing_verdict(self.closer, run)
            if verdict is not None and verdict.verdict in FINAL_VERDICTS:
                return  # It ended meanwhile; its messages would go unworked.
            if verdict is not None:
                await reopen(self.closer, run, verdict.number)
            await send_again(self.closer.queue, run.paths, items, self.closer.messages)
            items = await self._unheard(run, ledger, items)

    async def _unheard(self, run: Run, ledger: Ledger, items: list[Numbered]) -> list[Numbered]:
        """Return items whose message may have met a closed run: a partial closing is in force again, and they have
        neither ended nor been poisoned anew."""
        verdict = await standing_verdict(self.closer, run)
        if verdict is None or verdict.verdict in FINAL_VERDICTS:
            return []
        await _read(ledger, run)
        number = {item.key: number for item, number in items}
        unheard = []
        async for found in ledger.items(table.REDRIVABLE, "poison"):
            unheard += [(item, poison) for item, poison in found if number.get(item.key) == poison]
        return unheard


async def _require_poisoned(selection: PoisonSelection, ledger: Ledger, run: Run, where: str) -> None:
    await selection.require_poisoned(ledger, run, where, table.LIVE_POISON, "redriven")


async def _read(ledger: Ledger, run: Run) -> None:
    await ledger.refresh()
    await ledger.fold_objects(run.file.streams)
