"""What one process knows of the search server, for all of its items."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from haulier.api.search.dialect import Dialect


@dataclass
class SearchKnowledge:
    dialect: Dialect | None = None
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    newest: dict[tuple[str, str], int] = field(default_factory=dict)
    """Documents of the newest item, by index and field of time: a guess at those of the next one."""
    checked: set[tuple[str, str]] = field(default_factory=set)
    """Index and field of time of searches whose indices were looked at."""
