"""A folder of a local disk, made create-only by hard links."""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncIterator, Generator, Sequence
from pathlib import Path
from typing import TypeVar

from haulier.clock import Clock, wall_seconds
from haulier.disks import mounts
from haulier.lake.floor import disk_at
from haulier.lake.local.files import LocalFiles
from haulier.lake.local.filesystems import refuse_unfit
from haulier.lake.local.spool import LocalSpool
from haulier.lake.local.threads import Call, LocalThreads
from haulier.lake.names import checked
from haulier.lake.seam import Disk, FolderSize, LakeCapabilities, ObjectFacts, Published, SecondsLeft, Spool
from haulier.rows.seam import Rows

T = TypeVar("T")

_CAPABILITIES = LakeCapabilities(sweep_fences=True)


class LocalLake:
    """``root`` is made at its first use. A cancelled call has ended before the cancellation goes on. Raises
    `ValueError` for a path that the lake does not take."""

    def __init__(self, root: Path, clock: Clock) -> None:
        place = os.path.abspath(root)
        self._clock = clock
        self._files = LocalFiles(place)
        self._threads = LocalThreads(place)

    @property
    def capabilities(self) -> LakeCapabilities:
        return _CAPABILITIES

    async def create(self, path: str, body: bytes) -> bool:
        return await self._threads.run(self._files.create, path, body)

    async def create_from(self, path: str, file: Path) -> bool:
        return await self._threads.run(self._files.create_from, path, file)

    async def read(self, path: str) -> bytes | None:
        return await self._threads.together(self._read, path)

    async def exists(self, path: str) -> bool:
        return await self._threads.run(self._files.exists, path)

    def walk(self, folder: str) -> AsyncIterator[list[str]]:
        return self._each(self._files.walk(checked(folder)))

    async def names(self, folder: str) -> list[str]:
        return await self._threads.together(self._names, folder)

    async def measure(self, folder: str) -> FolderSize:
        return await self._threads.run(self._files.measure, folder)

    def download(self, path: str) -> AsyncIterator[bytes]:
        return self._each(self._files.pieces(checked(path)))

    async def remove(self, path: str) -> None:
        await self._threads.run(self._files.remove, path)

    async def open_spool(self, folder: str, name: str) -> Spool:
        if "/" in name:
            raise ValueError(f"a spool stands in its folder itself, not at {name!r} below it")
        return LocalSpool(self._files, folder, name, self._threads)

    async def publish(self, spool: Spool, path: str, seconds_left: SecondsLeft | None = None) -> Published:
        if not isinstance(spool, LocalSpool):
            raise TypeError("a spool can be published only by the lake that opened it")
        return await spool.publish(path)

    async def adopt(self, path: str) -> ObjectFacts | None:
        whole = None
        async for so_far in self._each(self._files.adopt(checked(path))):
            whole = so_far
        return whole

    async def sweep(self, folder: str) -> int:
        return await self._threads.run(self._files.sweep, folder)

    async def clean(self, folder: str, *, older_than_seconds: float) -> int:
        return await self._threads.run(self._files.clean, folder, wall_seconds(self._clock) - older_than_seconds)

    async def prune(self, folder: str) -> None:
        await self._threads.run(self._files.prune, folder)

    def locate(self, path: str) -> str:
        return self._files.at(path)

    async def disk(self) -> Disk:
        return await self._threads.run(disk_at, self._files.root)

    def rows(self) -> Rows | None:
        """A queue of one machine keeps them itself; one of several machines wants a lake of several, too."""
        return None

    async def check(self) -> None:
        await self._threads.run(refuse_unfit, self._files, mounts)

    async def close(self) -> None:
        await self._threads.close()

    def _names(self, calls: Sequence[Call[str, list[str]]]) -> None:
        """Read a folder that several ask for once, after they all asked."""
        read = functools.cache(self._files.names)
        for call in calls:
            call.attempt(lambda folder: list(read(folder)))

    def _read(self, calls: Sequence[Call[str, bytes | None]]) -> None:
        """One after the other: of 45,000 small files each took 90 us alone, and 10 in groups of 32."""
        for call in calls:
            call.attempt(self._files.read)

    async def _each(self, blocking: Generator[T, None, None]) -> AsyncIterator[T]:
        try:
            while (piece := await self._threads.run(next, blocking, None)) is not None:
                yield piece
        finally:
            blocking.close()
