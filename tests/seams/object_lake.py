"""A throwaway lake over an object store: conditional puts and nothing else. Its sweep fences nothing (C9)."""

from __future__ import annotations

import asyncio
import tempfile
import threading
import weakref
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from haulier.errors import DamagedObjectError
from haulier.lake.names import checked
from haulier.lake.ndjson import BLOCK_BYTES, LineCompressor, LineCounter, to_lines
from haulier.lake.seam import Bytes, Disk, FolderSize, LakeCapabilities, ObjectFacts, Published, SecondsLeft, Spool
from haulier.rows.seam import Rows

PIECE_BYTES = 1024 * 1024
_RECORDS_AT_ONCE = 1_000
_CAPABILITIES = LakeCapabilities(sweep_fences=False)


@dataclass
class Objects:
    """The store, which all clients share: objects by name, each put once."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    bodies: dict[str, bytes] = field(default_factory=dict)

    def put(self, name: str, body: bytes) -> bool:
        """A conditional put. False: an object of that name stands."""
        with self.lock:
            return self.bodies.setdefault(name, body) is body

    def below(self, prefix: str) -> list[str]:
        with self.lock:
            return [name for name in self.bodies if name.startswith(prefix)]

    def export(self, folder: Path) -> None:
        """Write the objects down as files, for the oracle."""
        for name, body in self.bodies.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(body)


class ObjectSpool:
    """A file of this process, without a name, until it is put."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is put, dropped or forgotten
        weakref.finalize(self, self._file.close)
        self._compressor = LineCompressor()
        self._turn = asyncio.Lock()
        self._is_usable = True
        self._facts: ObjectFacts | None = None
        self._published: Published | None = None

    async def write(self, records: Iterable[Bytes]) -> None:
        async with self._turn:
            self._begin()
            remaining = iter(records)
            while batch := list(islice(remaining, _RECORDS_AT_ONCE)):
                self._compressor.add(to_lines(batch), len(batch))
                if self._compressor.waiting_bytes >= BLOCK_BYTES:
                    self._file.write(self._compressor.drain())
                await asyncio.sleep(0)
            self._is_usable = True

    async def finish(self) -> ObjectFacts:
        async with self._turn:
            self._begin()
            await asyncio.sleep(0)
            self._file.write(self._compressor.finish())
            self._facts = self._compressor.facts()
            self._is_usable = True
            return self._facts

    async def discard(self) -> None:
        async with self._turn:
            self._is_usable = False
            self._file.close()

    async def put(self, objects: Objects, path: str) -> Published:
        """A publication may be tried again; it is answered as before."""
        async with self._turn:
            if self._published is not None:
                return self._published
            if self._facts is None or not self._is_usable:
                raise RuntimeError("only a spool that was finished can be published")
            if self._facts.records == 0:
                raise ValueError("an item without records has no object")
            await asyncio.sleep(0)
            self._file.seek(0)
            self._published = Published.OURS if objects.put(path, self._file.read()) else Published.TAKEN
            self._file.close()
            return self._published

    def _begin(self) -> None:
        if not self._is_usable or self._facts is not None:
            raise RuntimeError("this spool was finished, discarded or left by an error")
        self._is_usable = False


class ObjectLake:
    """A client of the store."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    @property
    def capabilities(self) -> LakeCapabilities:
        return _CAPABILITIES

    async def create(self, path: str, body: bytes) -> bool:
        checked(path)
        await asyncio.sleep(0)
        # Two equal bodies are two objects to the store.
        return self._objects.put(path, bytes(bytearray(body)))

    async def create_from(self, path: str, file: Path) -> bool:
        return await self.create(path, await asyncio.to_thread(file.read_bytes))

    async def read(self, path: str) -> bytes | None:
        checked(path)
        await asyncio.sleep(0)
        return self._objects.bodies.get(path)

    async def exists(self, path: str) -> bool:
        return await self.read(path) is not None

    async def walk(self, folder: str) -> AsyncIterator[list[str]]:
        found = self._objects.below(f"{checked(folder)}/")
        for start in range(0, len(found), 1_000):
            await asyncio.sleep(0)
            yield found[start : start + 1_000]

    async def names(self, folder: str) -> list[str]:
        prefix = f"{checked(folder)}/"
        await asyncio.sleep(0)
        return sorted({name[len(prefix) :].partition("/")[0] for name in self._objects.below(prefix)})

    async def measure(self, folder: str) -> FolderSize:
        found = self._objects.below(f"{checked(folder)}/")
        await asyncio.sleep(0)
        return FolderSize(len(found), sum(len(self._objects.bodies.get(name, b"")) for name in found))

    async def download(self, path: str) -> AsyncIterator[bytes]:
        body = await self.read(path) or b""
        for start in range(0, len(body), PIECE_BYTES):
            yield body[start : start + PIECE_BYTES]

    async def remove(self, path: str) -> None:
        checked(path)
        await asyncio.sleep(0)
        self._objects.bodies.pop(path, None)

    async def open_spool(self, folder: str, name: str) -> Spool:
        checked(folder)
        checked(f"{folder}/{name}")
        return ObjectSpool()

    async def publish(self, spool: Spool, path: str, seconds_left: SecondsLeft | None = None) -> Published:
        checked(path)
        assert isinstance(spool, ObjectSpool)
        return await spool.put(self._objects, path)

    async def adopt(self, path: str) -> ObjectFacts | None:
        body = await self.read(path)
        if body is None:
            return None
        counter = LineCounter()
        try:
            counter.feed(body)
            counter.check_end()
        except ValueError as error:
            raise DamagedObjectError(path, str(error)) from error
        return counter.facts()

    async def sweep(self, folder: str) -> int:
        """Spools are files of their processes: nothing of them can be listed, and nothing taken away."""
        checked(folder)
        return 0

    async def clean(self, folder: str, *, older_than_seconds: float) -> int:
        checked(folder)
        return 0

    async def prune(self, folder: str) -> None:
        checked(folder)

    def locate(self, path: str) -> str:
        return f"objects://{path}"

    async def disk(self) -> Disk | None:
        return None

    def rows(self) -> Rows | None:
        return None

    async def check(self) -> None:
        pass

    async def close(self) -> None:
        pass
