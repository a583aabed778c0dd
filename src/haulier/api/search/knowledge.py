"""What one process knows of the search server, for all of its items."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from haulier.api.search.dialect import Dialect
from haulier.api.search.search import Search
from haulier.clock import Clock

CHECKED_SECONDS: Final = 60.0
"""An index may be deleted, closed or mapped anew in the middle of a run."""


@dataclass
class SearchKnowledge:
    clock: Clock
    dialect: Dialect | None = None
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    newest: dict[tuple[str, str], int] = field(default_factory=dict)
    """Documents of the newest item, by index and field of time: a guess at those of the next one."""
    shards: dict[str, int] = field(default_factory=dict)
    """That the newest search of a pattern was about, since no index was closed."""
    longest_wait_seconds: float = 0.0
    """For which an item waited between two pages, and lost its point in time by that."""
    _checked: dict[tuple[str, str, bytes], float] = field(default_factory=dict)
    """When the indices of searches were looked at last, in monotonic seconds."""

    def note_checked(self, search: Search) -> None:
        now = self.clock.monotonic()
        # Queries hold the values of their items, of which there may be many.
        self._checked = {name: at for name, at in self._checked.items() if now - at < CHECKED_SECONDS}
        self._checked[_name_of(search)] = now

    def is_checked(self, search: Search) -> bool:
        """Whether the indices of the search were looked at within a minute."""
        at = self._checked.get(_name_of(search))
        return at is not None and self.clock.monotonic() - at < CHECKED_SECONDS


def _name_of(search: Search) -> tuple[str, str, bytes]:
    query: Any = search.query
    return search.index, search.time, msgspec.json.encode(query)
