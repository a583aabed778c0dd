"""A scratch SQLite file of one process: what does not fit in memory and need not outlive it (G9)."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import apsw

T = TypeVar("T")


class Scratch:
    """A temporary folder with one SQLite database in it, used from one thread of its own.

    Nothing in it is durable or shared, so it runs without a journal on disk and without fsync.
    """

    def __init__(self, schema: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="haulier-")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="haulier-scratch")
        self.folder = Path(self._folder.name)
        self._connection = self._thread.submit(self._open, schema).result()

    async def do(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run ``work`` in one transaction on the scratch thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)

    def close(self) -> None:
        self._thread.submit(self._connection.close).result()
        self._thread.shutdown()
        self._folder.cleanup()

    def _open(self, schema: str) -> apsw.Connection:
        connection = apsw.Connection(str(self.folder / "scratch.sqlite3"))
        connection.execute("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-16000; PRAGMA temp_store=FILE")
        connection.execute(schema)
        return connection

    def _transact(self, work: Callable[[apsw.Connection], T]) -> T:
        with self._connection:
            return work(self._connection)
