"""What a person was shown before the click: only that is redriven or discarded, whatever is poisoned meanwhile."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence

import apsw

from haulier.runs.records import PlannedItem
from haulier.runs.scratch import Scratch

Numbered = tuple[PlannedItem, int]
"""An item with the number of its newest poison."""

_SCHEMA = "CREATE TABLE previewed (key TEXT, number INTEGER, PRIMARY KEY (key, number)) WITHOUT ROWID"
_CACHE_KIB = 2_000


class PreviewedPoison:
    """Keys with the numbers of their poison, in a scratch file of its own: there may be 100,000."""

    def __init__(self) -> None:
        self._scratch = Scratch(_SCHEMA, cache_kib=_CACHE_KIB)
        self._hash = hashlib.sha256()
        self.items = 0

    @property
    def digest(self) -> str:
        """Of all that was noted, in its order."""
        return self._hash.hexdigest()

    async def note(self, batches: AsyncIterator[list[Numbered]]) -> AsyncIterator[list[Numbered]]:
        """Pass them on."""
        async for items in batches:
            numbers = _numbers(items)
            await self._scratch.do(_put, numbers)
            for key, number in numbers:
                self._hash.update(f"{key} {number}\n".encode())
            self.items += len(items)
            yield items

    async def pick(self, items: Sequence[Numbered]) -> list[Numbered]:
        """Those that were noted, with the same poison."""
        return [items[place] for place in await self._scratch.do(_known, _numbers(items))]

    def close(self) -> None:
        self._scratch.close()


def _numbers(items: Sequence[Numbered]) -> list[tuple[str, int]]:
    return [(item.key, number) for item, number in items]


def _put(connection: apsw.Connection, numbers: Sequence[tuple[str, int]]) -> None:
    connection.executemany("INSERT INTO previewed VALUES (?, ?)", numbers)


def _known(connection: apsw.Connection, numbers: Sequence[tuple[str, int]]) -> list[int]:
    known = "SELECT 1 FROM previewed WHERE key = ? AND number = ?"
    return [place for place, one in enumerate(numbers) if connection.execute(known, one).fetchone() is not None]
