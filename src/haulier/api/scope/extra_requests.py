"""Requests past the gate's queue: redirects, repeats and probes. Quotas count them."""

from __future__ import annotations

import asyncio

from haulier.api.scope.view import ScopeView


class ExtraRequests:
    """Setting ``beat_now`` makes the member beat at once."""

    def __init__(self, view: ScopeView, beat_now: asyncio.Event) -> None:
        self._view = view
        self._beat_now = beat_now
        self._renewed = asyncio.Event()

    async def wait(self) -> None:
        """Wait until each quota has one left. Raises as `Scope.slot` does where one is spent."""
        if self._view.is_out:
            self._beat_now.set()
        while self._view.is_out:
            if (error := self._view.spent_error()) is not None:
                raise error
            self._view.pacer.want()
            await self._renewed.wait()

    def renew(self) -> None:
        self._renewed.set()
        self._renewed = asyncio.Event()
