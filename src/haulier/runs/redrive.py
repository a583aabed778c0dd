"""C6 and C7: another go for poisoned items, as often as a person asks, and again where an earlier try died."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass

from haulier.clock import Clock
from haulier.errors import UsageError
from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.queues.seam import Queue
from haulier.runs.closing import Closer
from haulier.runs.ledger import Ledger
from haulier.runs.records import PlannedItem, PoisonRecord, RedriveRecord, Reopened, decode_record, encode_record
from haulier.runs.run import Run
from haulier.runs.send import send_again
from haulier.runs.state import FINAL, closing_in_force

_LIVE = "is_planned AND NOT is_split AND receipt IS NULL AND NOT is_empty AND poison > redrive"
_DIED = "is_planned AND NOT is_split AND receipt IS NULL AND NOT is_empty AND NOT has_object AND poison = redrive AND poison > 0"


@dataclass(frozen=True)
class Redriver:
    """Sends poisoned items of a run anew."""

    lake: Lake
    queue: Queue
    clock: Clock
    closer: Closer

    async def redrive(self, run: Run, keys: Collection[str] | None = None) -> list[str]:
        """Redrive the run's poisoned items (only ``keys``, if given). Returns the keys that were sent.

        Refused with `UsageError` after a verdict that is final. Repeatable: what a dead redrive left is sent again.
        """
        await self._require_open_or_partial(run)
        ledger = Ledger(self.lake, run.paths)
        try:
            await ledger.refresh()
            await ledger.fold_objects(run.file.streams)
            sent: list[str] = []
            async for items in ledger.items(f"({_LIVE}) OR ({_DIED})"):
                sent += await self._redrive(run, [item for item, _ in items if keys is None or item.key in keys])
        finally:
            ledger.close()
        if keys is not None and (unknown := sorted(set(keys) - set(sent))):
            raise UsageError(
                f"Not poisoned in run {run.run_id}: {', '.join(unknown)}. "
                "`haulier poison list SOURCE` shows the keys that can be redriven."
            )
        return sent

    async def _redrive(self, run: Run, items: list[PlannedItem]) -> list[str]:
        if not items:
            return []
        numbered = []
        for item in items:
            number = await newest_poison(self.lake, run.paths, item.key)
            record = RedriveRecord(number=number, key=item.key, redriven_at=self.clock.now())
            await self.lake.create(run.paths.numbered("redrives", item.key, number), encode_record(record))
            numbered.append((item, number))
        await self._reopen(run)
        while True:
            await send_again(self.queue, run.run_id, numbered)
            if not await self._reopen(run):
                return [item.key for item in items]

    async def _reopen(self, run: Run) -> bool:
        """Reopen the closing in force, if it is partial; one without a verdict is finished first."""
        while True:
            closing = await closing_in_force(self.lake, run.paths)
            if closing is None:
                return False
            if closing.verdict is None:
                if await self.closer.close(run) is None and await closing_in_force(self.lake, run.paths) is not None:
                    raise UsageError(
                        f"Run {run.run_id} is being closed and needs its API for that: run `haulier work SOURCE` first."
                    )
                continue
            if closing.verdict.verdict in FINAL:
                return False
            record = Reopened(number=closing.number, by=self.closer.name, reopened_at=self.clock.now())
            await self.lake.create(run.paths.closing(closing.number, "reopened"), encode_record(record))
            return True

    async def _require_open_or_partial(self, run: Run) -> None:
        closing = await closing_in_force(self.lake, run.paths)
        if closing is not None and closing.verdict is not None and closing.verdict.verdict in FINAL:
            raise UsageError(
                f"Run {run.run_id} is {closing.verdict.verdict}, which is final: nothing of it can be redriven. "
                "`haulier run SOURCE` starts a new run."
            )


async def newest_poison(lake: Lake, paths: RunPaths, key: str) -> int:
    """The number of a key's newest poison record; 0 if it has none."""
    names = await lake.names(f"{paths.folder('poison')}/{key}")
    return max((int(name.removesuffix(".json")) for name in names if name.removesuffix(".json").isdigit()), default=0)


async def poisoned(lake: Lake, run: Run) -> AsyncIterator[PoisonRecord]:
    """The newest poison record of each item of a run that is poisoned now, in the order of their keys."""
    ledger = Ledger(lake, run.paths)
    try:
        await ledger.refresh()
        async for rows in ledger.select(_LIVE, "key, poison"):
            for key, number in rows:
                record = await read_poison(lake, run.paths, str(key), int(str(number)))
                if record is not None:
                    yield record
    finally:
        ledger.close()


async def read_poison(lake: Lake, paths: RunPaths, key: str, number: int) -> PoisonRecord | None:
    """One poison record, or None."""
    path = paths.numbered("poison", key, number)
    body = await lake.read(path)
    return None if body is None else decode_record(PoisonRecord, body, path)
