"""Proves by the witness whether the API is up (G4)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from haulier.api.errors import Action
from haulier.api.http.transport import Request, Response
from haulier.api.scope.gate import Gate
from haulier.api.scope.view import ScopeView
from haulier.api.scope.witness import REFUSAL_VALID_SECONDS, Judge, Send, Witness
from haulier.clock import Clock
from haulier.errors import HaulierError


class WitnessProof:
    """``one_left`` waits for the quotas; ``found`` hears whether the witness works."""

    def __init__(
        self,
        clock: Clock,
        gate: Gate,
        view: ScopeView,
        slot: Callable[[], AbstractAsyncContextManager[None]],
        one_left: Callable[[], Awaitable[None]],
        found: Callable[[bool], None],
    ) -> None:
        self._clock = clock
        self._gate = gate
        self._view = view
        self._slot = slot
        self._one_left = one_left
        self._found = found
        self._witness = Witness()
        self._asking = asyncio.Lock()
        self._denied_at: float | None = None
        self._good_sent_at = -1.0
        """Sending time of a request: an answer since then may be to an older one."""
        self._refused_at: float | None = None
        self._refused_with: Action | None = None

    def attach(self, send: Send) -> None:
        self._witness.send = send

    @property
    def is_there(self) -> bool:
        return self._witness.is_there

    def note_good(
        self, response: Response | None, request: Request | None, judged: Judge, *, is_first_page: bool
    ) -> None:
        if response is not None:
            self._good_sent_at = max(self._good_sent_at, self._clock.monotonic() - response.seconds)
        if request is not None:
            self._witness.note(request, judged, is_first_page=is_first_page)

    async def works(self) -> bool:
        """False too without a free place, or under a hold. Raises as `Scope.slot` does for a spent quota."""
        await self._one_left()
        # No await stands between that answer and the place.
        with self._gate.place() as is_free:
            return is_free and self._view.held is None and await self._witness.works()

    async def is_api_up(self) -> bool:
        async with self._asking:
            now = self._clock.monotonic()
            if self._view.health.is_fresh(now) and not self._view.is_down:
                return True
            was_denied = self._denied_at is not None and now - self._denied_at < REFUSAL_VALID_SECONDS
            is_held = self._view.held is not None or self._view.pause.seconds_left(now) > 0.0
            if was_denied or not self.is_there or is_held:
                return False
            try:
                works = await self.works()
            except HaulierError:
                return False  # Nobody may ask: the item comes again, uncharged.
            self._found(works)
            if not works:
                self._denied_at = self._clock.monotonic()
            return works

    async def action_now(self, max_age_seconds: float = REFUSAL_VALID_SECONDS) -> Action | None:
        called_at = self._clock.monotonic()
        async with self._asking:
            if self._good_sent_at >= called_at:
                return Action.OK
            if not self.is_there:
                return None
            at = self._refused_at
            if at is not None and called_at - at < max_age_seconds and self._good_sent_at < at:
                return self._refused_with
            async with self._slot():
                sent_at = self._clock.monotonic()
                action = await self._witness.action()
            if action is Action.OK:
                self._good_sent_at = sent_at
                self._found(True)
            else:
                self._refused_at, self._refused_with = self._clock.monotonic(), action
            return action
