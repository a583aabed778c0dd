"""A lock on an open file, which the system lets go of with its process."""

from __future__ import annotations

import fcntl
from typing import Final

from haulier.clock import Clock

LOCK_POLL_SECONDS: Final = 0.05


async def lock_file(descriptor: int, clock: Clock, longest_seconds: float) -> bool:
    """Wait until no other process has the lock; False where that takes too long. Raises `OSError` on a file system
    without locks."""
    gives_up_at = clock.monotonic() + longest_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock.monotonic() >= gives_up_at:
                return False
            await clock.sleep(LOCK_POLL_SECONDS)
        else:
            return True
