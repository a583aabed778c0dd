"""Throwaway shared rows for a queue that has none: objects that are replaced only if nobody else did meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from haulier.rows.seam import RowsCapabilities


@dataclass
class VersionedObjects:
    """A store that answers with a version, and replaces an object only if its version is the one that is given."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    objects: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    operations: int = 0
    """Requests that a service would count."""
    conflicts: int = 0

    def get(self, name: str) -> tuple[int, bytes | None]:
        with self.lock:
            self.operations += 1
            return self.objects.get(name, (0, None))

    def replace(self, name: str, version: int, body: bytes) -> bool:
        with self.lock:
            self.operations += 1
            if self.objects.get(name, (0, b""))[0] != version:
                self.conflicts += 1
                return False
            self.objects[name] = (version + 1, body)
            return True


class ObjectRows:
    """``answer_seconds`` is the time that each operation takes."""

    def __init__(
        self, store: VersionedObjects, operations_per_second: float | None = None, answer_seconds: float = 0.0
    ) -> None:
        self._shared = store
        self._answer_seconds = answer_seconds
        self._is_closed = False
        self.capabilities = RowsCapabilities(operations_per_second)

    @property
    def ahead_seconds(self) -> float:
        return 0.0

    async def read(self, name: str) -> bytes | None:
        await asyncio.sleep(self._answer_seconds)
        return self._store.get(name)[1]

    async def update(self, name: str, change: Callable[[bytes | None], bytes]) -> bytes:
        while True:
            await asyncio.sleep(self._answer_seconds)
            version, old = self._store.get(name)
            body = change(old)
            if body == old:
                return body
            await asyncio.sleep(self._answer_seconds)
            if self._store.replace(name, version, body):
                return body

    async def close(self) -> None:
        self._is_closed = True

    @property
    def _store(self) -> VersionedObjects:
        if self._is_closed:
            raise RuntimeError("these rows are closed")
        return self._shared
