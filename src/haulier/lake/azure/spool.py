"""The spool of one attempt, on this machine: in memory while it is small, else in a file without a name.

The system frees such a file with its process, however that ends: nothing is left behind, and there is nothing to sweep.
"""

from __future__ import annotations

import asyncio
import tempfile
import weakref
from collections.abc import Callable, Iterable, Sequence
from io import FileIO

from haulier.errors import LakeUnavailableError
from haulier.lake.azure.patience import STORE_ERRORS, Outage, whole
from haulier.lake.azure.upload import Upload
from haulier.lake.ndjson import BLOCK_BYTES, LineCompressor, batches
from haulier.lake.seam import Bytes, ObjectFacts, Published, SecondsLeft

MEMORY_BYTES = BLOCK_BYTES
"""Stored bytes that are kept in memory."""


class AzureSpool:
    """Calls are done in turn. After a `write` or `finish` that failed or was cancelled it can only be discarded: it may
    hold a part. A `publish` that failed may be tried again."""

    def __init__(self, outage: Outage) -> None:
        self._turn = asyncio.Lock()
        self._outage = outage
        self._body = SpoolBody()
        self._compressor = LineCompressor()
        self._usable = True
        self._facts: ObjectFacts | None = None
        self._upload: Upload | None = None
        self._published: Published | None = None

    async def write(self, records: Iterable[Bytes]) -> None:
        async with self._turn:
            self._begin()
            for batch, size in batches(records):
                if not self._compressor.take(batch, size):
                    await whole(asyncio.to_thread(self._write, batch, size))
                else:
                    await asyncio.sleep(0)
            self._usable = True

    async def finish(self) -> ObjectFacts:
        """Nothing has to be durable: who publishes it is this process."""
        async with self._turn:
            self._begin()
            self._body.add(self._compressor.finish())
            facts = self._facts = self._compressor.facts()
            self._usable = True
            return facts

    async def publish(self, upload: Callable[[SpoolBody], Upload], seconds_left: SecondsLeft | None) -> Published:
        """One try. Idempotent once it has succeeded."""
        async with self._turn:
            if self._published is not None:
                return self._published
            if self._facts is None or not self._usable:
                raise RuntimeError("only a spool that was finished can be published")
            if self._facts.records == 0:
                raise ValueError("an item without records has no object; write its outcome instead (protocol, P6)")
            self._upload = self._upload or upload(self._body)
            try:
                is_ours = await self._upload.attempt(seconds_left)
            except STORE_ERRORS as error:
                await self._outage.wait(error)
                return Published.AGAIN
            self._outage.end()
            if is_ours is None:
                return Published.AGAIN
            self._published = Published.OURS if is_ours else Published.TAKEN
            self._body.close()
            return self._published

    async def discard(self) -> None:
        async with self._turn:
            self._usable = False
            self._body.close()

    def _begin(self) -> None:
        if not self._usable or self._facts is not None:
            raise RuntimeError("nothing can be written to a spool that was finished, discarded or left by an error")
        self._usable = False

    def _write(self, batch: Sequence[Bytes], size: int) -> None:
        self._compressor.store(batch, size, self._body.add)


class SpoolBody:
    """Stored bytes. Raises `LakeUnavailableError` where the disk of this machine is full or broken."""

    def __init__(self) -> None:
        self.size = 0
        self._pieces: list[bytes] = []
        self._file: FileIO | None = None

    def add(self, stored: bytes) -> None:
        """Blocks, but for little."""
        self._pieces.append(stored)
        self.size += len(stored)
        if self._file is not None or self.size > MEMORY_BYTES:
            try:
                self._store()
            except OSError as error:
                raise _full(error) from error

    async def read(self, start: int, size: int) -> bytes:
        if self._file is None:
            return b"".join(self._pieces)[start : start + size]
        return await whole(asyncio.to_thread(self._read, self._file, start, size))

    def close(self) -> None:
        self._pieces.clear()
        if self._file is not None:
            self._file.close()

    def _store(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0, dir=spool_folder())  # noqa: SIM115 - closed by `close`
            weakref.finalize(self, self._file.close)
        for piece in self._pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[self._file.write(rest) :]
        self._pieces.clear()

    def _read(self, file: FileIO, start: int, size: int) -> bytes:
        try:
            file.seek(start)
            pieces = []
            while size and (piece := file.read(size)):
                pieces.append(piece)
                size -= len(piece)
        except OSError as error:
            raise _full(error) from error
        return b"".join(pieces)


def spool_folder() -> str:
    try:
        return tempfile.gettempdir()
    except OSError as error:
        raise LakeUnavailableError(
            "This machine has no folder in which records under way can be kept: neither /tmp nor any other can be "
            "written to. Name one in TMPDIR that can, and run again."
        ) from error


def _full(error: OSError) -> LakeUnavailableError:
    return LakeUnavailableError(
        f"Records under way cannot be kept in {spool_folder()}: {error.strerror or error}. Free some space "
        "there, or name a folder on another disk in TMPDIR, and run again."
    )
