from __future__ import annotations

import asyncio
from collections.abc import Callable

from haulier.api.scope.row import ScopeRow, decode, encode
from haulier.rows.seam import Rows


class SharedRow:
    """The row of a scope in its store. Raises what the store raises, and `NewerFormatError`."""

    def __init__(self, rows: Rows, name: str) -> None:
        self._rows = rows
        self._name = name
        self._writing = asyncio.Lock()
        self.operations_per_second = rows.capabilities.operations_per_second
        self.known = ScopeRow()
        """As it was seen last."""

    @property
    def ahead_seconds(self) -> float:
        return self._rows.ahead_seconds

    async def read(self) -> ScopeRow:
        self.known = decode(await self._rows.read(self._name))
        return self.known

    async def update(self, change: Callable[[ScopeRow], ScopeRow]) -> ScopeRow:
        # One at a time: a beat that is overtaken by a later one would take a share back that is in use.
        async with self._writing:
            self.known = decode(await self._rows.update(self._name, lambda body: encode(change(decode(body)))))
        return self.known
