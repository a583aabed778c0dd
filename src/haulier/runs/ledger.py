"""The ledger: plan, child lists, receipts, outcomes and poison of a run, folded into a scratch file.

Each file is read once, so that a look at a large run costs what is new. The ledger decides nothing: it repeats what the
lake says (docs/protocol.md#terms).
"""

from __future__ import annotations

import functools
import math
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass

import apsw
import msgspec

from haulier.errors import LakeUnavailableError
from haulier.lake.names import is_path
from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.runs import ledger_schema as table
from haulier.runs.concurrency import run_each
from haulier.runs.plan import children_in, read_seal, read_shard
from haulier.runs.records import (
    COUNT_FOLDERS,
    ChildList,
    DiscardRecord,
    Overlaps,
    PlannedItem,
    Receipt,
    Seal,
    Shard,
    decode_record,
)
from haulier.runs.scratch import Scratch

BATCH_ITEMS = 1_000
"""Rows in memory at a time."""
FOLD_SHARDS = 8
"""Plan shards in memory at a time."""
LEAST_ITEMS = 5
"""Fewer tell nothing of how much items differ."""
FOLD_FILES = 32
"""Small files folded in one transaction."""

_Read = Sequence[tuple[str, bytes]]
"""Paths and bodies of some files."""

_receipt_decoder = msgspec.json.Decoder(Receipt)


@dataclass(frozen=True)
class Progress:
    is_sealed: bool = False
    planned: int = 0
    """Items of the plan and of child lists, divided ones too."""
    split: int = 0
    done: int = 0
    empty: int = 0
    poisoned: int = 0
    discarded: int = 0
    missing: int = 0
    records: int = 0
    bytes: int = 0
    requests: int = 0
    mean_seconds: float | None = None
    """Of the done items, from the first request to the object; None of few."""
    spread: float | None = None
    """How much the done items differ in the time that they took: its standard deviation, in parts of its mean."""

    @property
    def ended(self) -> int:
        """Divided items are not counted: their children are."""
        return self.planned - self.split - self.missing

    @property
    def is_drained(self) -> bool:
        """An empty queue does not prove it."""
        return self.is_sealed and self.missing == 0


class Ledger:
    """Only `refresh` and `fold_objects` read the lake."""

    def __init__(self, lake: Lake, paths: RunPaths) -> None:
        self._lake = lake
        self._paths = paths
        self._scratch = Scratch(table.SCHEMA)
        self._has_plan = False
        self.overlaps: Overlaps = {}
        """What the plan reads once more, as its seal says. Empty before `refresh`."""
        self.feeds: frozenset[str] = frozenset()
        """Streams that items of the plan read as feeds."""
        self.known = Progress()
        """What `progress` returned last."""

    @property
    def scratch(self) -> Scratch:
        return self._scratch

    @property
    def has_plan(self) -> bool:
        """Whether `refresh` has read it: then every item has a state."""
        return self._has_plan

    def close(self) -> None:
        self._scratch.close()

    async def refresh(self) -> bool:
        """Fold in new files. False while the plan is not sealed."""
        if self._has_plan:
            await self._scratch.do(table.add_index)
        else:
            seal = await read_seal(self._lake, self._paths)
            if seal is None:
                return False
            await run_each(functools.partial(self._fold_shard, seal), seal.shards, FOLD_SHARDS)
            self._has_plan, self.overlaps, self.feeds = True, seal.overlaps, frozenset(seal.feeds)
        await self._fold_files("children", functools.partial(_fold_children, self._paths))
        await self._fold_names("outcomes", _fold_outcomes)
        for folder in COUNT_FOLDERS:
            await self._fold_names(folder, functools.partial(_fold_numbers, folder))
        await self._fold_files("receipts", _fold_receipts)
        await self.fold_poison()
        return True

    async def fold_poison(self) -> None:
        """Part of `refresh`; alone, for a run of which nothing else is asked."""
        # Poison before redrives: what is written in between then shows as missing, never as ended.
        await self._fold_names("poison", _fold_poison)
        await self._fold_names("redrives", _fold_redrives)
        await self._fold_files("discards", _fold_discards)

    async def progress(self) -> Progress:
        rows = await self._scratch.do(_counts)
        count = {row[0]: row[1] for row in rows}
        records, size, requests, seconds, squares = next((row[2:] for row in rows if row[0] == "done"), (0, 0, 0, 0, 0))
        mean, spread = _spread(count.get("done", 0), seconds, squares)
        self.known = Progress(
            is_sealed=self._has_plan,
            planned=sum(count.values()),
            split=count.get("split", 0),
            done=count.get("done", 0),
            empty=count.get("empty", 0),
            poisoned=count.get("poisoned", 0),
            discarded=count.get("discarded", 0),
            missing=count.get("missing", 0),
            records=records,
            bytes=size,
            requests=requests,
            mean_seconds=mean,
            spread=spread,
        )
        return self.known

    async def fold_objects(self, streams: Iterable[str]) -> None:
        """List the bronze folders anew. Only a closing may, after its sweep (C1)."""
        await self._scratch.do(table.forget_objects)
        for stream in streams:
            folder = self._paths.bronze(stream)
            async for paths in self._lake.walk(folder):
                keys = [
                    path[len(folder) + 1 :].removesuffix(".ndjson.gz") for path in paths if path.endswith(".ndjson.gz")
                ]
                await self._scratch.do(table.put_objects, stream, keys)

    async def select(self, where: str, columns: str = "stream") -> AsyncIterator[list[tuple[apsw.SQLiteValue, ...]]]:
        """Yield rows by key, their first column, in batches of `BATCH_ITEMS`.

        ``where`` is a condition of `ledger_schema`. A row that changes meanwhile is shown once or never.
        """
        last = ""
        while rows := await self._scratch.do(table.read_rows, columns, where, last, BATCH_ITEMS):
            yield rows
            last = str(rows[-1][0])

    async def count(self, where: str) -> int:
        return await self._scratch.do(table.count_rows, where)

    async def with_objects(self, keys: Sequence[str]) -> list[str]:
        return await self._scratch.do(table.with_objects, keys) if keys else []

    async def state_of(self, key: str) -> str | None:
        return await self._scratch.do(table.read_state, key)

    async def planned(self, key: str) -> PlannedItem | None:
        return await self._scratch.do(table.read_planned, key)

    async def missing(self) -> AsyncIterator[list[tuple[PlannedItem, int]]]:
        async for items in self.items(table.MISSING, "redrive"):
            yield items

    async def items(self, where: str, number: str) -> AsyncIterator[list[tuple[PlannedItem, int]]]:
        """Yield planned items, each with its newest ``poison`` or ``redrive`` number."""
        async for rows in self.select(where, f"stream, kind, payload, held_in, {number}"):
            yield [(table.item_of_row(row), int(str(row[5]))) for row in rows]

    async def note_queued(self, keys: Iterable[str]) -> None:
        """Note keys that are in the queue (`ledger_schema.LOST`)."""
        await self._scratch.do(table.put_queued, list(keys))

    async def note_reasons(self, reasons: Iterable[tuple[str, int, str]]) -> None:
        """Note keys, numbers of poison and what it died of."""
        await self._scratch.do(table.put_poison_reasons, list(reasons))

    async def by_reason(self) -> dict[str, int]:
        """Count the poisoned items whose reason was noted; the most first."""
        return await self._scratch.do(table.poison_by_reason)

    async def forget_queued(self) -> None:
        await self._scratch.do(table.forget_queued)

    async def add_receipts(self, receipts: Sequence[Receipt]) -> None:
        await self._scratch.do(table.put_receipts, receipts)

    async def mark_damaged(self, key: str, reason: str) -> None:
        await self._scratch.do(table.put_damage, key, reason)

    # -- folding -------------------------------------------------------------------------------------------------------

    async def _fold_names(self, folder: str, fold: Callable[[apsw.Connection, list[str]], None]) -> None:
        """Fold records whose names say all. Repeatable."""
        async for paths in self._lake.walk(self._paths.folder(folder)):
            await self._scratch.do(fold, paths)

    async def _fold_files(self, folder: str, fold: Callable[[apsw.Connection, _Read], None]) -> None:
        async for paths in self._lake.walk(self._paths.folder(folder)):
            fresh = await self._scratch.do(table.find_unread, list(filter(is_path, paths)))
            step = max(FOLD_FILES, self._lake.capabilities.in_flight)
            for start in range(0, len(fresh), step):
                read = await run_each(self._read, fresh[start : start + step], step)
                await self._scratch.do(_fold_read, fold, read)

    async def _fold_shard(self, seal: Seal, shard: Shard) -> None:
        await self._scratch.do(table.put_planned, await read_shard(self._lake, self._paths, seal, shard))

    async def _read(self, path: str) -> tuple[str, bytes]:
        body = await self._lake.read(path)
        if body is None:
            raise LakeUnavailableError(
                f"{path} was in the lake and has disappeared. Does something else remove files there?"
            )
        return path, body


def _counts(connection: apsw.Connection) -> list[tuple[str, int, int, int, int, float, float]]:
    return connection.execute(table.COUNTS).fetchall()  # type: ignore[return-value]


def _spread(items: int, seconds: float, squares: float) -> tuple[float, float] | tuple[None, None]:
    if items < LEAST_ITEMS or seconds <= 0.0:
        return None, None
    mean = seconds / items
    return mean, round(math.sqrt(max(0.0, squares / items - mean * mean)) / mean, 3)


def _fold_read(connection: apsw.Connection, fold: Callable[[apsw.Connection, _Read], None], read: _Read) -> None:
    """The fold and the note that the files were read share a transaction."""
    fold(connection, read)
    table.note_read(connection, [path for path, _ in read])


def _fold_children(paths: RunPaths, connection: apsw.Connection, read: _Read) -> None:
    for path, body in read:
        children = decode_record(ChildList, body, path)
        table.put_planned(connection, children_in(paths, children))
        table.put_split(connection, [children.key])


def _fold_outcomes(connection: apsw.Connection, paths: list[str]) -> None:
    table.put_empty(connection, [_name(path) for path in paths])


def _fold_numbers(column: str, connection: apsw.Connection, paths: list[str]) -> None:
    table.put_numbers(connection, column, _numbers(paths))


def _fold_receipts(connection: apsw.Connection, read: _Read) -> None:
    """Together: where a worker is slow, each file holds one."""
    receipts: list[Receipt] = []
    for path, body in read:
        try:
            receipts += _receipt_decoder.decode_lines(body)
        except msgspec.DecodeError as error:
            raise LakeUnavailableError(
                f"{path} in the lake is not a file of receipts that haulier wrote: {error}"
            ) from error
    table.put_receipts(connection, receipts)


def _fold_poison(connection: apsw.Connection, paths: list[str]) -> None:
    table.put_poison(connection, _numbers(paths))


def _fold_redrives(connection: apsw.Connection, paths: list[str]) -> None:
    table.put_redrives(connection, _numbers(paths))


def _fold_discards(connection: apsw.Connection, read: _Read) -> None:
    discards = [decode_record(DiscardRecord, body, path) for path, body in read]
    table.put_discards(connection, [(discard.key, discard.number, discard.reason) for discard in discards])


def _numbers(paths: Iterable[str]) -> list[tuple[str, int]]:
    """Read ``.../<key>/<n>.json``; other names are ignored."""
    return [(path.split("/")[-2], int(_name(path))) for path in paths if _name(path).isdecimal()]


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
