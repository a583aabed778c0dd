"""Distinct keys, told in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import apsw

from haulier.runs.scratch import Scratch

MAX_KEYS_IN_MEMORY = 8_192
"""About 1 MB, before keys go to disk. Most items have fewer."""

_CACHE_KIB = 2_000
"""Memory for the scratch file of one item under way."""
_SEEN = "CREATE TABLE seen (key BLOB NOT NULL, number INTEGER NOT NULL)"
_DOUBLED = """
    SELECT sum(more), min(first), other FROM (
        SELECT count(*) - 1 AS more, min(number) AS first, max(number) AS other FROM seen GROUP BY key HAVING more > 0
    )
"""
"""SQLite takes ``other`` from the row with the least ``first``."""


@dataclass(frozen=True)
class Doubled:
    """How many records have a key that came before, and the numbers of two that share one."""

    records: int
    first: int
    other: int


class DistinctKeys:
    """Compares any number of keys. It may hold a scratch file: close it."""

    def __init__(self) -> None:
        self._waiting: list[tuple[bytes, int]] = []
        self._scratch: Scratch | None = None

    async def add(self, keys: Iterable[tuple[bytes, int]]) -> None:
        """Each key comes with the number of its record."""
        self._waiting += keys
        if len(self._waiting) > MAX_KEYS_IN_MEMORY:
            await self._spill()

    async def doubled(self) -> Doubled | None:
        if self._scratch is None:
            return _doubled(self._waiting)
        await self._spill()
        return await self._scratch.do(_doubled_of)

    def close(self) -> None:
        if self._scratch is not None:
            self._scratch.close()

    async def _spill(self) -> None:
        self._scratch = self._scratch or Scratch(_SEEN, cache_kib=_CACHE_KIB)
        waiting, self._waiting = self._waiting, []
        await self._scratch.do(_keep, waiting)


def _doubled(keys: Sequence[tuple[bytes, int]]) -> Doubled | None:
    first: dict[bytes, int] = {}
    for key, number in keys:
        first.setdefault(key, number)
    if len(first) == len(keys):
        return None
    number, other = next((first[key], number) for key, number in keys if first[key] != number)
    return Doubled(len(keys) - len(first), number, other)


def _keep(connection: apsw.Connection, keys: Sequence[tuple[bytes, int]]) -> None:
    connection.executemany("INSERT INTO seen VALUES (?, ?)", keys)


def _doubled_of(connection: apsw.Connection) -> Doubled | None:
    records, first, other = next(iter(connection.execute(_DOUBLED)))
    return None if records is None else Doubled(records, first, other)
