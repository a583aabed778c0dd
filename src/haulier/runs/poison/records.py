"""Poison records, read for a person."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.runs import ledger_schema as table
from haulier.runs.concurrency import run_each
from haulier.runs.ledger import Ledger
from haulier.runs.records import PoisonRecord, decode_record
from haulier.runs.run import Run

READ_RECORDS = 200
"""Records in memory at a time: each may hold 20 KiB of traceback, excerpt and error."""

GroupName = tuple[str, int | None, str]
"""Reason, status and class of the error."""


@dataclass
class PoisonGroup:
    """Items that were poisoned alike."""

    reason: str
    status: int | None
    error_class: str
    items: int = 0
    key: str = ""
    """An example: the first one by its key."""
    kind: str = ""
    error: str = ""
    newest_at: datetime | None = None


@dataclass
class PoisonGroups:
    found: dict[GroupName, PoisonGroup] = field(default_factory=dict)

    def add(self, record: PoisonRecord) -> PoisonGroup:
        name = record.reason, record.status, record.error_class
        group = self.found.setdefault(name, PoisonGroup(*name))
        group.items += 1
        if not group.key or record.key < group.key:
            group.key, group.kind, group.error = record.key, record.kind, record.error
        if group.newest_at is None or record.poisoned_at > group.newest_at:
            group.newest_at = record.poisoned_at
        return group

    @property
    def largest_first(self) -> list[PoisonGroup]:
        return sorted(self.found.values(), key=lambda group: (-group.items, group.key))

    @property
    def items(self) -> int:
        return sum(group.items for group in self.found.values())


@dataclass
class PoisonOfRun:
    lake: Lake
    run: Run
    redriven: int = 0
    """Items that were redriven and have not ended since, known as soon as the first records are."""

    async def records(self) -> AsyncIterator[list[PoisonRecord]]:
        """Yield the newest record of each item that is poisoned now, by key, some at a time.

        They come without parameters, which may take 8 MiB each (G9).
        """
        ledger = Ledger(self.lake, self.run.paths)
        try:
            await ledger.refresh()
            self.redriven = await ledger.count(table.REDRIVEN)
            async for rows in ledger.select(table.LIVE_POISON, "poison"):
                for start in range(0, len(rows), READ_RECORDS):
                    numbers = [(str(row[0]), int(str(row[1]))) for row in rows[start : start + READ_RECORDS]]
                    yield await read_several(self.lake, self.run, numbers)
        finally:
            ledger.close()


async def read_several(lake: Lake, run: Run, numbers: Sequence[tuple[str, int]]) -> list[PoisonRecord]:
    """Read records by key and number; return them by key, without parameters."""

    async def read(numbered: tuple[str, int]) -> PoisonRecord | None:
        record = await read_poison(lake, run.paths, *numbered)
        return None if record is None else msgspec.structs.replace(record, payload=msgspec.Raw(b"null"))

    found = await run_each(read, numbers, lake.capabilities.in_flight)
    return sorted((record for record in found if record is not None), key=lambda record: record.key)


async def read_poison(lake: Lake, paths: RunPaths, key: str, number: int) -> PoisonRecord | None:
    path = paths.numbered("poison", key, number)
    body = await lake.read(path)
    return None if body is None else decode_record(PoisonRecord, body, path)
