"""What a person was shown before the click: only that is redriven or discarded, whatever is poisoned meanwhile."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import apsw

from haulier.runs.records import PlannedItem
from haulier.runs.scratch import Scratch

Numbered = tuple[PlannedItem, int]
"""An item with the number of its newest poison."""

_SCHEMA = "CREATE TABLE previewed (key TEXT, number INTEGER, is_live INTEGER, PRIMARY KEY (key, number)) WITHOUT ROWID"
_CACHE_KIB = 2_000


@dataclass(frozen=True)
class PreviewBatch:
    items: list[Numbered]
    is_live: bool
    """Poisoned; else an earlier redrive sent them, and they are sent once more."""


class PreviewedPoison:
    """Keys with the numbers of their poison, in a scratch file of its own: there may be 100,000."""

    def __init__(self) -> None:
        self._scratch = Scratch(_SCHEMA, cache_kib=_CACHE_KIB)
        self._hash = hashlib.sha256()
        self.live = 0
        """Items that were poisoned. The others may end by themselves before the click."""

    @property
    def digest(self) -> str:
        """Of all that was noted, in its order."""
        return self._hash.hexdigest()

    async def note(self, batches: AsyncIterator[PreviewBatch]) -> AsyncIterator[PreviewBatch]:
        """Pass them on."""
        async for batch in batches:
            numbers = _numbers(batch.items)
            await self._scratch.do(_put, numbers, batch.is_live)
            for key, number in numbers:
                self._hash.update(f"{key} {number} {batch.is_live}\n".encode())
            self.live += len(numbers) if batch.is_live else 0
            yield batch

    async def pick(self, items: Sequence[Numbered]) -> list[Numbered]:
        """Those that were noted, with the same poison."""
        return [items[place] for place in await self._scratch.do(_known, _numbers(items), False)]

    async def count_live(self, items: Sequence[Numbered]) -> int:
        """How many of these were noted as poisoned, with the same poison."""
        return len(await self._scratch.do(_known, _numbers(items), True))

    def close(self) -> None:
        self._scratch.close()


def _numbers(items: Sequence[Numbered]) -> list[tuple[str, int]]:
    return [(item.key, number) for item, number in items]


def _put(connection: apsw.Connection, numbers: Sequence[tuple[str, int]], is_live: bool) -> None:
    connection.executemany("INSERT INTO previewed VALUES (?, ?, ?)", [(*one, is_live) for one in numbers])


def _known(connection: apsw.Connection, numbers: Sequence[tuple[str, int]], is_live: bool) -> list[int]:
    """With ``is_live``, of the poisoned alone."""
    known = "SELECT 1 FROM previewed WHERE key = ? AND number = ? AND is_live >= ?"
    found = [connection.execute(known, (*one, is_live)).fetchone() for one in numbers]
    return [place for place, one in enumerate(found) if one is not None]
