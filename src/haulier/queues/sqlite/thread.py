"""The thread of one client, on which all its work is done in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from haulier.queues.sqlite.file import SqliteFile, Work

T = TypeVar("T")


class SqliteThread:
    """Shared by a `SqliteQueue` and its `SqliteRows`."""

    def __init__(self, path: Path, busy_timeout_seconds: float, *, is_reader: bool = False) -> None:
        self.file = SqliteFile(path.resolve(), busy_timeout_seconds, is_reader=is_reader)
        """Used on the thread alone, but for its path."""
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="haulier-queue")
        self._is_closed = False

    async def write(self, work: Work[T]) -> T:
        return await asyncio.wrap_future(self.submit(lambda: self.file.write(work)))

    async def read(self, work: Work[T]) -> T:
        return await asyncio.wrap_future(self.submit(lambda: self.file.read(work)))

    def submit(self, call: Callable[[], T]) -> Future[T]:
        if self._is_closed:
            raise RuntimeError(f"The client of the queue {self.file.path} is closed.")
        return self._executor.submit(call)

    async def close(self) -> None:
        """Wait for the thread's work and close the file. Idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        future = self._executor.submit(self.file.close)
        self._executor.shutdown(wait=False)
        await asyncio.shield(asyncio.wrap_future(future))
