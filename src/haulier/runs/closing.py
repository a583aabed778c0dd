"""Closing a run: C1-C4 and C8 of the protocol, one numbered attempt at a time. Several processes may close at once.

    open n ─► sweep staging ─► list ─┬─ a key is missing ─► verdict abandoned, send it again
                                     └─ adopt objects ─► manifest ─► verdict ─► signs
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from haulier.clock import Clock
from haulier.errors import DamagedObjectError
from haulier.lake.seam import Lake
from haulier.queues.seam import Queue
from haulier.runs.expect import Expect, ask_expect, expected_range, is_expect_missing
from haulier.runs.ledger import Ledger
from haulier.runs.manifest import manifest_totals, read_manifest, write_manifest
from haulier.runs.receipts import write_receipts
from haulier.runs.records import Opened, Receipt, Totals, VerdictRecord, encode_record
from haulier.runs.run import Run
from haulier.runs.send import send_again
from haulier.runs.signs import mend_signs
from haulier.runs.state import closing_in_force, newest_closing


@dataclass(frozen=True)
class _Finding:
    """What a closing found, before it is written down."""

    verdict: str
    reasons: dict[str, int] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    streams: dict[str, int] = field(default_factory=dict)
    expected: tuple[int, int] | None = None


@dataclass(frozen=True)
class Closer:
    """What a process closes runs with. ``expect`` is None where it has no API at hand."""

    lake: Lake
    queue: Queue
    clock: Clock
    name: str
    expect: Expect | None = None

    async def close(self, run: Run) -> VerdictRecord | None:
        """Bring the closing of a drained run, or one that stands without a verdict, to its verdict and signs.

        None: nothing was closed. Either items were missing, which were sent again, or the run has an ``expect`` that
        this process cannot ask (`is_expect_missing` tells which).
        """
        closing = await closing_in_force(self.lake, run.paths)
        if closing is not None and closing.verdict is not None:
            await mend_signs(self.lake, run, closing.verdict)
            return closing.verdict
        if await is_expect_missing(self.lake, run):
            if self.expect is None:
                return None
            await ask_expect(self.lake, run, self.clock, "after", self.expect)
        number = closing.number if closing is not None else await self._open(run)
        await self.lake.sweep(run.paths.staging)
        ledger = Ledger(self.lake, run.paths)
        try:
            verdict = await self._judge(run, number, await self._reconcile(run, ledger, number))
        finally:
            ledger.close()
        if verdict is None or verdict.verdict == "abandoned":
            return None
        await mend_signs(self.lake, run, verdict)
        await self.lake.sweep(run.paths.staging)
        return verdict

    async def end(self, run: Run, verdict: str) -> VerdictRecord:
        """C8: write ``superseded`` or ``cancelled`` as the verdict. Where one stands it is reported and nothing changes."""
        while True:
            closing = await closing_in_force(self.lake, run.paths)
            if closing is not None and closing.verdict is not None:
                return closing.verdict
            number = closing.number if closing is not None else await self._open(run)
            await self._judge(run, number, _Finding(verdict))

    async def _open(self, run: Run) -> int:
        """C1: number n+1 is opened only where n is lifted. A number that another closer opened meanwhile is joined."""
        newest = await newest_closing(self.lake, run.paths)
        if newest is not None and newest.is_in_force:
            return newest.number
        number = 1 if newest is None else newest.number + 1
        opened = Opened(number=number, by=self.name, opened_at=self.clock.now())
        await self.lake.create(run.paths.closing(number, "opened"), encode_record(opened))
        return number

    async def _reconcile(self, run: Run, ledger: Ledger, number: int) -> _Finding:
        await ledger.refresh()
        await ledger.fold_objects(run.file.streams)
        if await self._send_missing(run, ledger):
            return _Finding("abandoned")
        await self._adopt(run, ledger, number)
        await write_manifest(self.lake, ledger, run.paths, number)
        totals, streams = await manifest_totals(self.lake, run.paths, number)
        expected = await expected_range(self.lake, run.paths)
        low, high = expected or (totals.records, totals.records)
        found = {
            "poison": totals.poisoned,
            "damaged": totals.damaged,
            "count": max(0, low - totals.records, totals.records - high),
        }
        reasons = {reason: count for reason, count in found.items() if count}
        await self._remove_split(run, number)
        return _Finding("partial" if reasons else "complete", reasons, totals, streams, expected)

    async def _send_missing(self, run: Run, ledger: Ledger) -> int:
        """C2: a key of which the list shows nothing abandons the closing; the closer sends it again itself."""
        nothing = (
            "is_planned AND NOT is_split AND receipt IS NULL AND NOT has_object AND NOT is_empty AND NOT is_damaged "
            "AND poison <= redrive"
        )
        missing = 0
        async for items in ledger.items(nothing):
            missing += await send_again(self.queue, run.run_id, items)
        return missing

    async def _adopt(self, run: Run, ledger: Ledger, number: int) -> None:
        """P9 for listed objects without a receipt. Unreadable ones are listed as damaged; nothing is removed."""
        writer, group = f"{self.name}-{number}-{uuid.uuid4().hex[:8]}", 0
        async for rows in ledger.select("is_planned AND NOT is_split AND has_object AND receipt IS NULL", "key, stream"):
            receipts = []
            for key, stream in rows:
                try:
                    facts = await self.lake.adopt(run.paths.object(str(stream), str(key)))
                except DamagedObjectError:
                    await ledger.mark_damaged(str(key))
                    continue
                if facts is not None:
                    receipts.append(
                        Receipt(key=str(key), records=facts.records, bytes=facts.bytes, sha256=facts.sha256, adopted=True)
                    )
            if receipts:
                group += 1
                await write_receipts(self.lake, run.paths, writer, group, receipts)
                await ledger.add_receipts(receipts)

    async def _remove_split(self, run: Run, number: int) -> None:
        """C4: the object of a key that the manifest lists as split is the only one that is ever removed."""
        async for entries in read_manifest(self.lake, run.paths, number):
            for entry in entries:
                if entry.state == "split":
                    await self.lake.remove(run.paths.object(entry.stream, entry.key))

    async def _judge(self, run: Run, number: int, finding: _Finding) -> VerdictRecord | None:
        """Write the verdict, or adopt the one that another closer wrote. None: this closing was lifted meanwhile."""
        record = VerdictRecord(
            number=number,
            run_id=run.run_id,
            verdict=finding.verdict,
            reasons=finding.reasons,
            totals=finding.totals,
            streams=finding.streams,
            expected=finding.expected,
            snapshot_time=run.file.snapshot_time,
            by=self.name,
            closed_at=self.clock.now(),
        )
        if await self.lake.create(run.paths.closing(number, "verdict"), encode_record(record)):
            return record
        standing = await newest_closing(self.lake, run.paths)
        return standing.verdict if standing is not None and standing.number == number else None
