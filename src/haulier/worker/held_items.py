"""Items too large for a message, read from the file of their run that holds them (claim check)."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Iterable

import msgspec

from haulier.errors import DamagedObjectError, LakeUnavailableError
from haulier.lake.seam import Lake
from haulier.queues.envelope import Envelope
from haulier.runs.plan import in_file, read_seal, shard_items
from haulier.runs.records import ChildList, PlannedItem, decode_record
from haulier.runs.run import Run

MAX_CACHE_BYTES = 32 << 20
"""Of the files that were read last. Messages come about in the order of the plan, so that one reading of a shard serves
most of its items."""


class HeldItems:
    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._files: OrderedDict[str, dict[str, msgspec.Raw]] = OrderedDict()
        """Payloads by file and key."""
        self._turn = asyncio.Lock()

    async def in_full(self, run: Run, envelope: Envelope) -> Envelope:
        """Return the message with its payload.

        Raises `DamagedObjectError` where the file is gone or does not hold it: that is this item's matter alone.
        """
        if not envelope.held_in:
            return envelope
        path = run.paths.held(envelope.held_in)
        async with self._turn:  # Items are dequeued together: one of them reads their file.
            payload = (await self._payloads(run, path)).get(envelope.key)
            if payload is None:  # A release whose messages held less has sent smaller items by reference, too.
                payload = (await self._read(run, path, only_large=False)).get(envelope.key)
        if payload is None:
            raise DamagedObjectError(path, f"it does not hold the parameters of {envelope.key}")
        return msgspec.structs.replace(envelope, payload=payload)

    @property
    def kept_bytes(self) -> int:
        return sum(len(bytes(payload)) for payloads in self._files.values() for payload in payloads.values())

    async def _payloads(self, run: Run, path: str) -> dict[str, msgspec.Raw]:
        if path in self._files:
            self._files.move_to_end(path)
            return self._files[path]
        payloads = self._files[path] = await self._read(run, path, only_large=True)
        while len(self._files) > 1 and self.kept_bytes > MAX_CACHE_BYTES:
            self._files.popitem(last=False)
        return payloads

    async def _read(self, run: Run, path: str, *, only_large: bool) -> dict[str, msgspec.Raw]:
        body = await self._lake.read(path)
        if body is None:
            raise DamagedObjectError(path, "it holds parameters of items, and is not in the lake")
        if path.endswith(".ndjson"):
            await self._require_sealed(run, path, body)
        try:
            return {item.key: item.payload.copy() for item in _items(path, body) if item.held_in or not only_large}
        except (msgspec.DecodeError, UnicodeDecodeError, LakeUnavailableError) as error:
            raise DamagedObjectError(path, str(error)) from error

    async def _require_sealed(self, run: Run, path: str, body: bytes) -> None:
        """A shard that was altered could still be read, and its items be worked with wrong parameters."""
        seal = await read_seal(self._lake, run.paths)
        if seal is None:
            raise LakeUnavailableError(f"{run.paths.seal} was in the lake and has disappeared")
        sealed = {run.paths.shard(seal.attempt, shard.name): shard.sha256 for shard in seal.shards}
        if sealed.get(path) != hashlib.sha256(body).hexdigest():
            raise DamagedObjectError(path, "it is not as it was sealed")


def _items(path: str, body: bytes) -> Iterable[PlannedItem]:
    items = shard_items(body) if path.endswith(".ndjson") else decode_record(ChildList, body, path).children
    return (in_file(item, path) for item in items)
