"""One more request that does not come through the gate's queue: a redirect, a repeat, a probe. Its quotas count it."""

from __future__ import annotations

import asyncio

from haulier.api.scope.view import ScopeView


class ExtraRequests:
    """Of one member of a scope. ``hurry`` is set where a beat should come now."""

    def __init__(self, view: ScopeView, hurry: asyncio.Event) -> None:
        self._view = view
        self._hurry = hurry
        self._renewed = asyncio.Event()

    async def wait(self) -> None:
        """Until one is left of each quota. Raises as `Scope.slot` does where one of them is spent."""
        pacer = self._view.pacer
        if pacer.is_out:
            self._hurry.set()
        while pacer.is_out:
            if (error := self._view.spent_error()) is not None:
                raise error
            pacer.want()
            await self._renewed.wait()

    def renew(self) -> None:
        """A beat was made, which may have taken some out."""
        self._renewed.set()
        self._renewed = asyncio.Event()
