"""A scratch database, for what does not fit in memory (G9)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

import apsw

from haulier.errors import UnavailableError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_CACHE_KIB = 16_000
"""Page cache: a run of 100,000 items needs twice as much, and goes to disk."""

_REFUSALS = (apsw.FullError, apsw.IOError, apsw.CantOpenError)


class Scratch:
    """A private SQLite database with a thread of its own. Nothing in it is durable or shared.

    Its file (in ``TMPDIR``) is unlinked at once, so that a killed process leaves nothing.
    """

    def __init__(self, schema: str, *, cache_kib: int = _CACHE_KIB) -> None:
        self._schema = schema
        self._cache_kib = cache_kib
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="haulier-scratch")
        self._connection: apsw.Connection | None = None

    async def do(self, work: Callable[[apsw.Connection, *Ts], T], *arguments: *Ts) -> T:
        """Call ``work`` on the scratch thread, in one transaction.

        Raises `UnavailableError` where the disk is full or broken.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work, *arguments)

    def close(self) -> None:
        """Free the space. Repeatable; any other call afterwards raises `RuntimeError`."""
        with contextlib.suppress(RuntimeError):  # It is closed already.
            self._thread.submit(self._forget)
        self._thread.shutdown(wait=False)

    def _transact(self, work: Callable[[apsw.Connection, *Ts], T], *arguments: *Ts) -> T:
        try:
            connection = self._connection = self._connection or self._open()
            with connection:
                return work(connection, *arguments)
            raise AssertionError("a transaction hides no error")
        except _REFUSALS as error:
            raise UnavailableError(
                f"The disk for temporary files cannot be used: {error}. Free some space there, or name another folder "
                "with TMPDIR, and run again."
            ) from error

    def _open(self) -> apsw.Connection:
        connection = apsw.Connection("")
        # A journal in memory holds what one batch changes, and makes a failed one leave no trace. Without any, SQLite
        # leaves the file in an undefined state after an error.
        connection.execute(f"PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF; PRAGMA cache_size=-{self._cache_kib}")
        connection.execute(self._schema)
        return connection

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
