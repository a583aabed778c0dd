"""Rows in this process's memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from haulier.rows.seam import RowsCapabilities


@dataclass(slots=True)
class RowStore:
    """Lost with the process."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    rows: dict[str, bytes] = field(default_factory=dict)


class MemoryRows:
    """Threads may share a client. No call blocks or fails."""

    def __init__(self, store: RowStore) -> None:
        self._shared = store
        self._is_closed = False

    @property
    def capabilities(self) -> RowsCapabilities:
        return RowsCapabilities()

    @property
    def ahead_seconds(self) -> float:
        return 0.0

    async def read(self, name: str) -> bytes | None:
        with self._store.lock:
            return self._store.rows.get(name)

    async def update(self, name: str, change: Callable[[bytes | None], bytes]) -> bytes:
        store = self._store
        with store.lock:
            body = store.rows[name] = change(store.rows.get(name))
        return body

    async def close(self) -> None:
        self._is_closed = True

    @property
    def _store(self) -> RowStore:
        if self._is_closed:
            raise RuntimeError("The client of these rows in memory is closed.")
        return self._shared
