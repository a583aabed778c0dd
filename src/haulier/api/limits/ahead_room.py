"""How many pages a process may have asked for before their turn, over all of its items (G9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PAGES_OF_SHARE: Final = 2
"""Pages for each request that may be in flight: while as many are on their way, as many have come and are written."""
MAX_AHEAD_BYTES: Final = 64 * 1024 * 1024
"""Bodies that may stand in memory: two pages of 1 MB for each of 32 requests in flight."""


@dataclass
class AheadRoom:
    """Pages and bytes that are taken. What a page takes before it has come is an estimate."""

    pages: int = 0
    size_bytes: int = 0

    def take(self, share: int, size_bytes: int) -> bool:
        """False where there is no room now: the page is then asked for in its turn."""
        if self.pages >= PAGES_OF_SHARE * share or self.size_bytes + size_bytes > MAX_AHEAD_BYTES:
            return False
        self.pages += 1
        self.size_bytes += size_bytes
        return True

    def change(self, size_bytes: int) -> None:
        """The size is known now, and so much more or less."""
        self.size_bytes += size_bytes

    def give_back(self, size_bytes: int) -> None:
        self.pages -= 1
        self.size_bytes -= size_bytes
