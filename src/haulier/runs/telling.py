"""Telling of a verdict (C10): a command of the person's hears of each one, at least once."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from haulier.clock import Clock
from haulier.lake.seam import Lake
from haulier.queues.seam import Whereabouts
from haulier.runs.records import TellingRecord, ToldRecord, VerdictRecord, decode_record, encode_record
from haulier.runs.run import Run

CLOCKS_APART_SECONDS = 60.0
"""How much later than its limit another process takes over, where nobody can see whether the first one lives."""
TELL_WITHIN = timedelta(days=7)
"""An older verdict is no news."""

logger = logging.getLogger("haulier.runs")


@dataclass(frozen=True)
class Teller:
    lake: Lake
    clock: Clock
    name: str
    mark: str
    """Of this process; empty where the system cannot tell."""
    find: Callable[[str], Whereabouts]
    limit_seconds: float
    call: Callable[[Run, VerdictRecord], Awaitable[ToldRecord]]
    """Runs the command. It never fails: what went wrong stands in the record, and was said."""
    hears_trials: bool = True

    def hears_of(self, run: Run) -> bool:
        return self.hears_trials or run.file.max_items is None

    async def tell(self, run: Run, verdict: VerdictRecord, *, was_open: bool) -> None:
        """Call the command, unless somebody did or does. ``was_open``: this process saw the run before it was closed;
        else only a verdict counts whose closer had something to tell, and whose telling was cut off."""
        if not self.hears_of(run) or (not was_open and not verdict.is_to_be_told):
            return
        if self.clock.now() - verdict.closed_at > TELL_WITHIN:
            return
        told = run.paths.closing(verdict.number, "told")
        if await self.lake.exists(told) or not await self._claim(run, verdict):
            return
        record = await self.call(run, verdict)
        await self.lake.create(told, encode_record(record))

    async def _claim(self, run: Run, verdict: VerdictRecord) -> bool:
        """Of several processes one calls. Whoever died over it is followed by the next."""
        number = 1
        while True:
            now = self.clock.now()
            path = run.paths.closing(verdict.number, f"telling-{number}")
            until = now + timedelta(seconds=self.limit_seconds + CLOCKS_APART_SECONDS)
            claim = TellingRecord(number=number, by=self.name, mark=self.mark, began_at=now, until=until)
            if await self.lake.create(path, encode_record(claim)):
                return not await self.lake.exists(run.paths.closing(verdict.number, "told"))
            body = await self.lake.read(path)
            if body is None:
                return False
            other = decode_record(TellingRecord, body, path)
            where = self.find(other.mark)
            if where == "here" or (where == "unknown" and now < other.until):
                return False
            number += 1
