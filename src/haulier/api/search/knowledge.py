"""What one process knows of the search server, for all of its items."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from haulier.api.search.dialect import Dialect


@dataclass
class SearchKnowledge:
    dialect: Dialect | None = None
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    large: set[tuple[str, str]] = field(default_factory=set)
    """Index and time field of searches whose newest item took more than one page: the next one begins with a point in
    time."""
    checked: set[tuple[str, str]] = field(default_factory=set)
    """The same, of searches whose indices were looked at."""
