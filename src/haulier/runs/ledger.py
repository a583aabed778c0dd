"""The ledger: plan, child lists, receipts, outcomes and poison of a run, folded into a scratch file step by step.

A name that was read once is not read again, so that a look at a run of a million items costs what is new of it. The
ledger decides nothing: it says what the lake says (protocol, sections 2 and 5).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import apsw
import msgspec

from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.runs.plan import read_seal, read_shard
from haulier.runs.records import ChildList, PlannedItem, Receipt, decode_record
from haulier.runs.scratch import Scratch

_SCHEMA = """
CREATE TABLE item (
    key TEXT PRIMARY KEY, stream TEXT, kind TEXT, payload BLOB,
    is_planned INTEGER NOT NULL DEFAULT 0, is_split INTEGER NOT NULL DEFAULT 0, is_empty INTEGER NOT NULL DEFAULT 0,
    poison INTEGER NOT NULL DEFAULT 0, redrive INTEGER NOT NULL DEFAULT 0,
    has_object INTEGER NOT NULL DEFAULT 0, is_damaged INTEGER NOT NULL DEFAULT 0,
    is_adopted INTEGER, receipt BLOB
) WITHOUT ROWID;
CREATE TABLE read (path TEXT PRIMARY KEY) WITHOUT ROWID;
"""

_ENDED = "(receipt IS NOT NULL OR is_empty OR poison > redrive)"
"""A leaf that has ended. A split key has ended when its children have, and they are rows of their own."""

_TOTALS = f"""
SELECT count(*), coalesce(sum(is_split), 0),
       coalesce(sum(NOT is_split AND receipt IS NOT NULL), 0),
       coalesce(sum(NOT is_split AND receipt IS NULL AND is_empty), 0),
       coalesce(sum(NOT is_split AND receipt IS NULL AND NOT is_empty AND poison > redrive), 0),
       coalesce(sum(NOT is_split AND NOT {_ENDED}), 0)
FROM item WHERE is_planned
"""

_receipt_decoder = msgspec.json.Decoder(Receipt)


@dataclass(frozen=True)
class Progress:
    """How far a run has come, by what is written in the lake."""

    planned: int
    """Items of the plan and of child lists, the divided ones included."""
    split: int
    done: int
    empty: int
    poisoned: int
    missing: int
    """Items that have not ended."""
    records: int
    bytes: int
    requests: int

    @property
    def is_drained(self) -> bool:
        """Every key of the plan has ended, which is more than "the queue is empty"."""
        return self.missing == 0


class Ledger:
    """The folded account of one run. `refresh` reads what is new; everything else looks at what was read."""

    def __init__(self, lake: Lake, paths: RunPaths) -> None:
        self._lake = lake
        self._paths = paths
        self._scratch = Scratch(_SCHEMA)
        self._has_plan = False
        self._records = self._bytes = self._requests = 0

    @property
    def scratch(self) -> Scratch:
        return self._scratch

    def close(self) -> None:
        self._scratch.close()

    async def refresh(self) -> bool:
        """Fold in what is new. False while the plan is not sealed."""
        if not self._has_plan:
            seal = await read_seal(self._lake, self._paths)
            if seal is None:
                return False
            for shard in seal.shards:
                await self._plan(await read_shard(self._lake, self._paths, seal, shard))
            self._has_plan = True
        # Child lists come first: a receipt of a child that is listed below then finds its row planned.
        await self._fold("children", self._fold_children)
        await self._fold("outcomes", self._fold_outcomes)
        await self._fold("receipts", self._fold_receipts)
        # Poison before redrives: what is written in between then shows as missing, never as ended.
        await self._fold("poison", self._fold_poison)
        await self._fold("redrives", self._fold_redrives)
        return True

    async def progress(self) -> Progress:
        """What was folded so far, counted."""

        def read(connection: apsw.Connection) -> tuple[int, ...]:
            return tuple(connection.execute(_TOTALS).fetchone() or ())

        planned, split, done, empty, poisoned, missing = await self._scratch.do(read)
        return Progress(planned, split, done, empty, poisoned, missing, self._records, self._bytes, self._requests)

    async def fold_objects(self, streams: Iterable[str]) -> list[str]:
        """List the bronze folders. Returns the paths that belong to no key of this run (strays)."""
        strays: list[str] = []
        for stream in streams:
            folder = self._paths.bronze(stream)
            async for paths in self._lake.walk(folder):
                keys = [path[len(folder) + 1 :].removesuffix(".ndjson.gz") for path in paths if path.endswith(".ndjson.gz")]

                def mark(connection: apsw.Connection, keys: Sequence[str] = keys, stream: str = stream) -> list[str]:
                    unknown = []
                    for key in keys:
                        connection.execute(
                            "UPDATE item SET has_object = 1 WHERE key = ? AND stream = ? AND is_planned", (key, stream)
                        )
                        if not connection.changes():
                            unknown.append(key)
                    return unknown

                strays += [self._paths.object(stream, key) for key in await self._scratch.do(mark)]
        return strays

    async def select(self, where: str, columns: str = "key") -> AsyncIterator[list[tuple[apsw.SQLiteValue, ...]]]:
        """Rows in the order of their keys, in batches: a run does not fit in memory."""
        last = ""
        while True:

            def read(connection: apsw.Connection, last: str = last) -> list[tuple[apsw.SQLiteValue, ...]]:
                query = f"SELECT key, {columns} FROM item WHERE key > ? AND ({where}) ORDER BY key LIMIT 1000"
                return connection.execute(query, (last,)).fetchall()

            rows = await self._scratch.do(read)
            if not rows:
                return
            yield [row[1:] for row in rows]
            last = str(rows[-1][0])

    async def missing(self) -> AsyncIterator[list[tuple[PlannedItem, int]]]:
        """Items that have not ended, each with its newest redrive number, for sending them again."""
        async for batch in self.items(f"is_planned AND NOT is_split AND NOT {_ENDED}"):
            yield batch

    async def items(self, where: str) -> AsyncIterator[list[tuple[PlannedItem, int]]]:
        """Planned items by a condition, with their newest redrive numbers, in batches."""
        async for rows in self.select(where, "key, stream, kind, payload, redrive"):
            yield [
                (PlannedItem(key=str(key), stream=str(stream), kind=str(kind), payload=msgspec.Raw(payload)), int(redrive))  # type: ignore[arg-type]
                for key, stream, kind, payload, redrive in rows
            ]

    async def add_receipts(self, receipts: Sequence[Receipt]) -> None:
        """Fold in receipts that the caller has just written."""
        await self._scratch.do(lambda connection: self._put_receipts(connection, receipts))

    async def mark_damaged(self, key: str) -> None:
        """Its object cannot be read to its end, or its receipts disagree."""
        await self._scratch.do(lambda c: c.execute("UPDATE item SET is_damaged = 1 WHERE key = ?", (key,)) and None)

    # -- folding -------------------------------------------------------------------------------------------------------

    async def _plan(self, items: Sequence[PlannedItem]) -> None:
        def insert(connection: apsw.Connection) -> None:
            connection.executemany(
                "INSERT INTO item (key, stream, kind, payload, is_planned) VALUES (?, ?, ?, ?, 1) "
                "ON CONFLICT (key) DO UPDATE SET stream = excluded.stream, kind = excluded.kind, "
                "payload = excluded.payload, is_planned = 1",
                [(item.key, item.stream, item.kind, bytes(item.payload)) for item in items],
            )

        await self._scratch.do(insert)

    async def _fold(self, folder: str, fold: Callable[[list[str]], Awaitable[None]]) -> None:
        async for paths in self._lake.walk(self._paths.folder(folder)):

            def unread(connection: apsw.Connection, paths: Sequence[str] = paths) -> list[str]:
                known = "SELECT 1 FROM read WHERE path = ?"
                return [path for path in paths if connection.execute(known, (path,)).fetchone() is None]

            fresh = await self._scratch.do(unread)
            if not fresh:
                continue
            await fold(fresh)

            def note(connection: apsw.Connection, fresh: Sequence[str] = fresh) -> None:
                connection.executemany("INSERT OR IGNORE INTO read VALUES (?)", [(path,) for path in fresh])

            await self._scratch.do(note)

    async def _fold_children(self, paths: list[str]) -> None:
        for path in paths:
            body = await self._lake.read(path)
            if body is None:
                continue
            children = decode_record(ChildList, body, path)
            await self._plan(children.children)
            await self._upsert([children.key], "is_split", 1)

    async def _fold_outcomes(self, paths: list[str]) -> None:
        await self._upsert([_name(path) for path in paths], "is_empty", 1)

    async def _fold_poison(self, paths: list[str]) -> None:
        await self._fold_numbers(paths, "poison")

    async def _fold_redrives(self, paths: list[str]) -> None:
        await self._fold_numbers(paths, "redrive")

    async def _fold_numbers(self, paths: list[str], column: str) -> None:
        for path in paths:
            key, number = path.split("/")[-2], _name(path)
            if number.isdigit():
                await self._upsert([key], column, int(number))

    async def _fold_receipts(self, paths: list[str]) -> None:
        for path in paths:
            body = await self._lake.read(path)
            if body is not None:
                await self.add_receipts([_receipt_decoder.decode(line) for line in body.splitlines()])

    async def _upsert(self, keys: Sequence[str], column: str, value: int) -> None:
        def write(connection: apsw.Connection) -> None:
            connection.executemany(
                f"INSERT INTO item (key, {column}) VALUES (?, ?) "
                f"ON CONFLICT (key) DO UPDATE SET {column} = max({column}, excluded.{column})",
                [(key, value) for key in keys],
            )

        await self._scratch.do(write)

    def _put_receipts(self, connection: apsw.Connection, receipts: Sequence[Receipt]) -> None:
        for receipt in receipts:
            row = connection.execute("SELECT receipt FROM item WHERE key = ?", (receipt.key,)).fetchone()
            known = None if row is None or row[0] is None else _receipt_decoder.decode(row[0])  # type: ignore[arg-type]
            if known is None:
                self._records += receipt.records
                self._bytes += receipt.bytes
                self._requests += receipt.requests
            elif (known.records, known.bytes, known.sha256) != (receipt.records, receipt.bytes, receipt.sha256):
                connection.execute("UPDATE item SET is_damaged = 1 WHERE key = ?", (receipt.key,))
                continue
            elif not known.adopted or receipt.adopted:
                continue  # Of several equal receipts the first without `adopted` counts (P9).
            connection.execute(
                "INSERT INTO item (key, receipt, is_adopted) VALUES (?, ?, ?) "
                "ON CONFLICT (key) DO UPDATE SET receipt = excluded.receipt, is_adopted = excluded.is_adopted",
                (receipt.key, msgspec.json.encode(receipt), receipt.adopted),
            )


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
