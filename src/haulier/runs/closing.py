"""Closing a run: C1 to C5 and C8, one numbered attempt at a time. Several processes may close at once.

open n ─► sweep staging ─► list
  ├─ a key is missing ─► send it again, verdict abandoned
  └─ ask `expect` ─► adopt objects ─► manifest ─► remove divided objects ─► shapes ─► timeline ─► verdict ─► signs
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from haulier.clock import Clock
from haulier.errors import DamagedObjectError
from haulier.lake.seam import Lake
from haulier.queues.seam import Queue
from haulier.runs import ledger_schema as table
from haulier.runs.absence import wholly_absent
from haulier.runs.concurrency import run_each
from haulier.runs.expect import Expect, ask_expect, expected_range, is_expect_missing, records_off
from haulier.runs.ledger import Ledger
from haulier.runs.manifest import ManifestSums, read_manifest, write_manifest
from haulier.runs.plan import remove_lost_attempts
from haulier.runs.reasons import VERDICT_REASONS
from haulier.runs.receipts import write_receipts
from haulier.runs.records import (
    Ending,
    ManifestEntry,
    OpenedRecord,
    Overlaps,
    Receipt,
    ShapeChange,
    Totals,
    Verdict,
    VerdictRecord,
    encode_record,
)
from haulier.runs.run import Run
from haulier.runs.send import send_again
from haulier.runs.shapes import ObjectSample, log_changes, sample_shapes, shape_changes
from haulier.runs.signs import mend_signs
from haulier.runs.state import FINAL_VERDICTS, closing_in_force, newest_closing
from haulier.runs.telling import Teller
from haulier.runs.timeline import keep_timeline
from haulier.runs.verdict_log import log_verdict
from haulier.runs.watermark.feed_moves import feeds_begun_anew
from haulier.telemetry.messages import NO_MESSAGE_SPANS, MessageSpans


@dataclass(frozen=True)
class _Finding:
    verdict: Verdict
    reasons: dict[str, int] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    streams: dict[str, int] = field(default_factory=dict)
    expected: dict[str, tuple[int, int]] = field(default_factory=dict)
    unseen: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, ShapeChange] = field(default_factory=dict)
    overlaps: Overlaps = field(default_factory=dict)
    feeds_anew: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Closer:
    """``expect`` is None in a process without the API."""

    lake: Lake
    queue: Queue
    clock: Clock
    name: str
    expect: Expect | None = None
    teller: Teller | None = None
    """Without one, the verdicts that this process brings are told to nobody."""
    messages: MessageSpans = NO_MESSAGE_SPANS

    async def close(self, run: Run, ledger: Ledger | None = None) -> VerdictRecord | None:
        """Bring a drained run, or a closing without a verdict, to its verdict and signs. May be called at any time.

        Returns the verdict in force; None where the run has items under way, missing items were sent again, or
        ``expect`` cannot be asked here (`is_expect_missing`). ``ledger`` saves reading the run again.
        """
        closing = await closing_in_force(self.lake, run.paths)
        if closing is not None and closing.verdict is not None:
            await mend_signs(self.lake, run, closing.verdict)
            await self.tell(run, closing.verdict, was_open=False)
            return closing.verdict
        if self.expect is None and await is_expect_missing(self.lake, run):
            return None
        number = None if closing is None else closing.number
        if ledger is not None:
            return await self._close_and_tell(run, ledger, number)
        ledger = Ledger(self.lake, run.paths)
        try:
            return await self._close_and_tell(run, ledger, number)
        finally:
            ledger.close()

    async def tell(self, run: Run, verdict: VerdictRecord, *, was_open: bool) -> None:
        """C10. Repeatable."""
        if self.teller is not None:
            await self.teller.tell(run, verdict, was_open=was_open)

    async def end(self, run: Run, verdict: Ending) -> VerdictRecord:
        """Close as ``superseded`` or ``cancelled`` (C8). An earlier verdict is returned instead."""
        was_open = False
        while True:
            closing = await closing_in_force(self.lake, run.paths)
            if closing is not None and closing.verdict is not None:
                await self._tidy(run, closing.verdict)
                await self.tell(run, closing.verdict, was_open=was_open)
                return closing.verdict
            was_open = True
            number = closing.number if closing is not None else await self._open(run)
            await self._write_verdict(run, number, _Finding(verdict))

    async def end_without_records(self, run: Run) -> bool:
        """Supersede an open run without records (C8); whether that was done.

        The sweep precedes the look, so that nothing is published before the verdict. Where a sweep does not fence (C9)
        something could be, and the run is left as it was.
        """
        if not self.lake.capabilities.sweep_fences:
            return False
        if await self._has_records(run) or await closing_in_force(self.lake, run.paths) is not None:
            return False
        number = await self._open(run)
        await self.lake.sweep(run.paths.staging)
        await self._write_verdict(run, number, _Finding("abandoned" if await self._has_records(run) else "superseded"))
        closing = await closing_in_force(self.lake, run.paths)
        if closing is None or closing.verdict is None:
            return False
        await self._tidy(run, closing.verdict)
        await self.tell(run, closing.verdict, was_open=True)
        return closing.verdict.verdict == "superseded"

    async def _has_records(self, run: Run) -> bool:
        if await self.lake.names(run.paths.folder("receipts")):
            return True
        for stream in run.file.streams:
            async for paths in self.lake.walk(run.paths.bronze(stream)):
                if paths:
                    return True
        return False

    async def _close_and_tell(self, run: Run, ledger: Ledger, number: int | None) -> VerdictRecord | None:
        verdict = await self._close(run, ledger, number)
        if verdict is not None:
            await self.tell(run, verdict, was_open=True)
        return verdict

    async def _close(self, run: Run, ledger: Ledger, number: int | None) -> VerdictRecord | None:
        if number is None:
            await ledger.refresh()
            if not (await ledger.progress()).is_drained:
                return None
            number = await self._open(run)
        await self.lake.sweep(run.paths.staging)
        await self._write_verdict(run, number, await self._reconcile(run, ledger, number))
        # Another closer may have judged otherwise, or been reopened since: what is in force now counts.
        closing = await closing_in_force(self.lake, run.paths)
        if closing is None or closing.verdict is None:
            return None
        await self._tidy(run, closing.verdict)
        return closing.verdict

    async def _open(self, run: Run) -> int:
        """Open the next number (C1), or join the closing that another process opened."""
        newest = await newest_closing(self.lake, run.paths)
        if newest is not None and newest.is_in_force:
            return newest.number
        number = 1 if newest is None else newest.number + 1
        opened = OpenedRecord(number=number, by=self.name, opened_at=self.clock.now())
        await self.lake.create(run.paths.closing(number, "opened"), encode_record(opened))
        return number

    async def _reconcile(self, run: Run, ledger: Ledger, number: int) -> _Finding:
        """List all after the sweep. The ledger's records still stand; objects are listed anew."""
        if not await ledger.refresh():
            return _Finding("abandoned")  # No sealed plan (C2): who opened it wanted to end the run, and died.
        await ledger.fold_objects(run.file.streams)
        if await self._send_missing(run, ledger):
            return _Finding("abandoned")
        if run.file.has_expect and self.expect is not None:
            await ask_expect(self.lake, run, self.clock, "after", self.expect)
        await self._adopt(run, ledger, number)
        await write_manifest(self.lake, ledger, run.paths, number)
        return await self._account(run, ledger, number)

    async def _send_missing(self, run: Run, ledger: Ledger) -> int:
        """Send again the keys without any trace (C2), which abandons the closing."""
        missing = 0
        async for items in ledger.items(table.WITHOUT_TRACE, "redrive"):
            missing += await send_again(self.queue, run.paths, items, self.messages)
        return missing

    async def _adopt(self, run: Run, ledger: Ledger, number: int) -> None:
        """Adopt objects without a receipt (C3, P9). Unreadable ones stay, marked damaged."""
        writer, group = f"{self.name}-{number}-{uuid.uuid4().hex[:8]}", 0

        async def read(row: Sequence[object]) -> Receipt | None:
            return await self._read_object(run, ledger, key=str(row[0]), stream=str(row[1]))

        async for rows in ledger.select(table.UNADOPTED):
            found = await run_each(read, rows, self.lake.capabilities.in_flight)
            if receipts := [receipt for receipt in found if receipt is not None]:
                group += 1
                await write_receipts(self.lake, run.paths, writer, group, receipts)
                await ledger.add_receipts(receipts)

    async def _read_object(self, run: Run, ledger: Ledger, *, key: str, stream: str) -> Receipt | None:
        try:
            facts = await self.lake.adopt(run.paths.object(stream, key))
        except DamagedObjectError as error:
            await ledger.mark_damaged(key, str(error))
            return None
        if facts is None:
            return None
        return Receipt(
            key=key,
            records=facts.records,
            bytes=facts.bytes,
            sha256=facts.sha256,
            adopted=True,
            ended=run.seconds_at(self.clock.now()),
        )

    async def _account(self, run: Run, ledger: Ledger, number: int) -> _Finding:
        """The manifest may be another closer's."""
        if not self.lake.capabilities.sweep_fences:
            # Objects of split keys may have landed since the list (C9).
            await ledger.fold_objects(run.file.streams)
        sums, sample = ManifestSums(), ObjectSample(run.file.streams)
        async for entries in read_manifest(self.lake, run.paths, number):
            sums.add(entries)
            sample.add(entries)
            await self._remove_split(run, ledger, entries)
        totals = sums.totals
        expected = await expected_range(self.lake, run)
        found = {
            "poison": totals.poisoned,
            "damaged": totals.damaged,
            "count": records_off(expected, sums.streams, totals, sums.skipped),
            "absent": await wholly_absent(self.lake, run, ledger, sums.absent, sums.streams),
        }
        reasons = {reason: found[reason] for reason in VERDICT_REASONS if found[reason]}
        sampled = await sample_shapes(self.lake, run, number, sample)
        # What changed has other fields than all of it, and what is deleted others again.
        compared = {stream: shape for stream, shape in sampled.items() if stream not in ledger.feeds}
        shapes = await shape_changes(self.lake, run, compared)
        await keep_timeline(self.lake, self.clock, run, ledger, number)
        verdict: Verdict = "partial" if reasons else "complete"
        return _Finding(
            verdict,
            reasons,
            totals,
            sums.streams,
            expected,
            sums.unseen,
            shapes=shapes,
            overlaps=ledger.overlaps,
            feeds_anew=await feeds_begun_anew(self.lake, run.paths, number) if ledger.feeds else {},
        )

    async def _remove_split(self, run: Run, ledger: Ledger, entries: list[ManifestEntry]) -> None:
        """Remove the objects of divided keys (C4), and never any others.

        Where a sweep does not fence, one may still land after this (C9), and stays: `verify` reports it.
        """
        split = {entry.key: entry.stream for entry in entries if entry.state == "split"}
        await run_each(
            lambda key: self.lake.remove(run.paths.object(split[key], key)),
            await ledger.with_objects(list(split)),
            self.lake.capabilities.in_flight,
        )

    async def _write_verdict(self, run: Run, number: int, finding: _Finding) -> None:
        record = VerdictRecord(
            number=number,
            run_id=run.run_id,
            verdict=finding.verdict,
            reasons=finding.reasons,
            totals=finding.totals,
            streams=finding.streams,
            expected=finding.expected,
            unseen=finding.unseen,
            shapes=finding.shapes,
            overlaps=finding.overlaps,
            feeds_anew=finding.feeds_anew,
            snapshot_time=run.file.snapshot_time,
            by=self.name,
            closed_at=self.clock.now(),
            is_to_be_told=self.teller is not None and self.teller.hears_of(run),
        )
        if await self.lake.create(run.paths.closing(number, "verdict"), encode_record(record)):
            log_changes(run, finding.shapes)
            log_verdict(run, record)

    async def _tidy(self, run: Run, verdict: VerdictRecord) -> None:
        """Signs first: only then is anything removed."""
        await mend_signs(self.lake, run, verdict)
        await self.lake.sweep(run.paths.staging)
        if verdict.verdict in FINAL_VERDICTS:
            await remove_lost_attempts(self.lake, run.paths)
