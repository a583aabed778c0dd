"""Checks that the records of an item have different keys: a right count does not prove the right records."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

from haulier.api.errors import Action, ApiError, PagingError, Shape
from haulier.api.records.record_keys import KeyReader, NoKeyError
from haulier.api.records.slices import Bytes
from haulier.runs.distinct_keys import DistinctKeys

_SLICE_RECORDS: Final = 10_000
"""40 ms of the event loop. A table of 64 MiB would hold it for seconds, in which leases are not renewed."""


@contextlib.asynccontextmanager
async def keys_checked(paths: tuple[str, ...] | None) -> AsyncIterator[Callable[[Sequence[Bytes]], Awaitable[None]]]:
    """Gives a function that takes records; keys are compared after the block. None: nothing is compared."""
    if paths is None:
        yield _pass
        return
    check = KeyCheck(paths)
    try:
        yield check.add
        await check.finish()
    finally:
        check.close()


async def _pass(records: Sequence[Bytes]) -> None:
    pass


class KeyCheck:
    """Close it: a large item keeps its keys in a scratch file."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self._name = " and ".join(map(repr, paths))
        self._reader = KeyReader(paths)
        self._keys = DistinctKeys()
        self._records = 0

    async def add(self, records: Sequence[Bytes]) -> None:
        """Raises `ApiError` for a record without the key."""
        for start in range(0, len(records), _SLICE_RECORDS):
            if start:
                await asyncio.sleep(0)
            await self._add_slice(records[start : start + _SLICE_RECORDS])

    async def _add_slice(self, records: Sequence[Bytes]) -> None:
        keys = []
        for place, record in enumerate(records, self._records + 1):
            try:
                keys.append((self._reader.read(record), place))
            except NoKeyError as error:
                raise ApiError(
                    f"Record {place:,} of the item has no key: {error}. Write the path of what tells the records of "
                    "this stream apart as its `key`, or leave `key` out if they have no such thing.",
                    action=Action.RETRY_LATER,
                    shape=Shape.RECORD,
                ) from None
        await self._keys.add(keys)
        self._records += len(keys)

    async def finish(self) -> None:
        """Raises `PagingError` where two records have one key."""
        doubled = await self._keys.doubled()
        if doubled is not None:
            raise PagingError(
                f"{doubled.records:,} of the item's {self._records:,} records have a key ({self._name}) that an "
                f"earlier one has too, such as records {doubled.first:,} and {doubled.other:,} in the order they came. "
                "For each that came twice another may be missing, though the count is right. Sort the list by a key "
                "that is unique and never changes, or page by one (`seek`). If records may share this key, correct "
                "`key`."
            )

    def close(self) -> None:
        self._keys.close()
