"""The seam of the shared rows. `haulier.testing.contracts.rows` is its contract suite.

It is apart from the queue's: Azure Storage Queue and Amazon SQS store messages and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class RowsCapabilities:
    """The scope branches on these, never on a name."""

    operations_per_second: float | None = None
    """What all clients of a row together should make while all goes well, since each costs money and an update may
    meet another; a read is one, an update at least two. None: as many as they like."""


class Rows(Protocol):
    """A few small named documents that all workers of a source change atomically.

    A backend takes at least 48 KiB in each. The scope's row grows by about 0.3 KiB with each process.

    ``read`` and ``update`` may raise `QueueUnavailableError` and be called again: an update whose answer was lost may
    have been made.
    """

    @property
    def capabilities(self) -> RowsCapabilities: ...

    @property
    def ahead_seconds(self) -> float:
        """How far the clock that all clients go by is ahead of this machine's. 0 where all of them are on one machine.
        It should not change by less than the times in a row are worth, which is about a second."""
        ...

    async def read(self, name: str) -> bytes | None:
        """None if nobody has written it."""
        ...

    async def update(self, name: str, change: Callable[[bytes | None], bytes]) -> bytes:
        """Replace the document by ``change(old)`` atomically and return the new one. ``change`` must be pure and quick:
        it may be called again after a conflict."""
        ...

    async def close(self) -> None:
        """Idempotent; any other call afterwards raises `RuntimeError`."""
        ...


RowsOpener = Callable[[], Rows]
"""Opens a client for the calling thread."""
