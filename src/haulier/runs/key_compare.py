"""Keys compared over all objects of a stream (`haulier verify`): nothing else finds a key that two items share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from haulier.api.records.record_keys import KeyReader, NoKeyError
from haulier.lake.ndjson import lines_of
from haulier.lake.seam import Lake
from haulier.plurals import count_of, have
from haulier.runs.distinct_keys import DistinctKeys, Doubled
from haulier.runs.records import ManifestEntry

Entries = Callable[[], AsyncIterator[ManifestEntry]]
"""The objects of the stream, in the manifest's order; called once for each pass."""


class KeyComparison:
    def __init__(self, lake: Lake, paths: tuple[str, ...], note: Callable[[str], None]) -> None:
        """``note`` is told what is wrong, in words."""
        self._lake = lake
        self._paths = paths
        self._note = note
        self._reader = KeyReader(paths)
        self._keys = DistinctKeys()
        self.doubled = 0
        """Records whose key an earlier one has."""
        self.lacking = 0

    async def run(self, entries: Entries) -> None:
        """Unreadable objects are skipped: the caller has found them damaged."""
        number = 0
        try:
            async for entry in entries():
                await self._read(entry, number)
                number += entry.records
            doubled = await self._keys.doubled()
        finally:
            self._keys.close()
        if doubled is not None:
            self.doubled = doubled.records
            self._note(await self._said(doubled, entries))

    async def _read(self, entry: ManifestEntry, first_number: int) -> None:
        number = first_number
        try:
            async for lines in lines_of(self._lake.download(entry.path)):
                keys, lacking = await asyncio.to_thread(_keys_of, self._reader, lines, number)
                await self._keys.add(keys)
                if lacking is not None:
                    self.lacking += len(lines) - len(keys)
                    place, reason = lacking
                    self._note(f"line {place - first_number + 1:,} of {entry.path} has no key: {reason}")
                number += len(lines)
        except ValueError:
            return

    async def _said(self, doubled: Doubled, entries: Entries) -> str:
        places = [await _place_of(entries, number) for number in (doubled.first, doubled.other)]
        name = " and ".join(map(repr, self._paths))
        return (
            f"{count_of(doubled.records, 'record')} {have(doubled.records)} the key ({name}) of an earlier record, "
            f"such as {places[0]} and {places[1]}. Items overlap, or the list changed while it was read, or the key "
            "does not tell records apart"
        )


def _keys_of(
    reader: KeyReader, lines: list[bytes], number: int
) -> tuple[list[tuple[bytes, int]], tuple[int, str] | None]:
    """Number the keys from ``number`` up; the first record without one comes with the reason."""
    found: list[tuple[bytes, int]] = []
    lacking: tuple[int, str] | None = None
    for place, line in enumerate(lines, number):
        try:
            found.append((reader.read(line), place))
        except NoKeyError as error:
            lacking = lacking or (place, str(error))
    return found, lacking


async def _place_of(entries: Entries, number: int) -> str:
    async for entry in entries():
        if number < entry.records:
            return f"line {number + 1:,} of {entry.path}"
        number -= entry.records
    raise AssertionError("every number was given to a record of the manifest")
