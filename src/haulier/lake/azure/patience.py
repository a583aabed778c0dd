"""Waits while the store does not answer: an outage of the lake costs time, never an item and never a worker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import obstore.exceptions
from azure.core.exceptions import AzureError

from haulier.azure.errors import AzureErrors, words_of
from haulier.azure.fault import fault_of
from haulier.clock import Clock
from haulier.errors import LakeUnavailableError

STORE_ERRORS = (AzureError, obstore.exceptions.BaseError, OSError)
"""All that the two clients raise for what the service or the network did. obstore's `FileNotFoundError` and the
time-outs of the standard library are an `OSError`."""

FIRST_SECONDS = 10.0
"""Before the first answer: a name or an address may be wrong, and a person waits."""
OUTAGE_SECONDS = 600.0
"""After it. Leases are renewed meanwhile, and nothing is charged."""
PAUSE_SECONDS = 0.25
"""After the first failure, twice as long after each more."""
LONGEST_PAUSE_SECONDS = 5.0

_PASSING = frozenset({0, 408, 429, 500, 502, 503, 504})
"""Statuses that may pass by themselves; 0 is no answer at all."""

T = TypeVar("T")

logger = logging.getLogger("haulier.lake")


class LakePatience:
    """One for all calls of a lake."""

    def __init__(self, where: str, errors: AzureErrors, clock: Clock, rng: random.Random) -> None:
        self._where = where
        self._errors = errors
        self._clock = clock
        self._rng = rng
        self._has_answered = False
        self._is_away = False

    async def ask(self, call: Callable[[], Awaitable[T]]) -> T:
        """Repeat a call that may be repeated. Raises `UsageError` for what a person must change, and
        `LakeUnavailableError` for what does not pass in time."""
        outage = self.outage()
        while True:
            try:
                answer = await call()
            except STORE_ERRORS as error:
                await outage.wait(error)
            else:
                outage.end()
                return answer

    def outage(self) -> Outage:
        return Outage(self)

    def _note_answer(self) -> None:
        self._errors.note_answer()
        self._has_answered = True
        if self._is_away:
            self._is_away = False
            logger.info("the lake answers again", extra={"lake": self._where})

    async def _pause(self, error: BaseException, since: float, failures: int) -> None:
        if (refusal := self._errors.refusal(error)) is not None:
            raise refusal from None
        words = words_of(error)
        if fault_of(error).status not in _PASSING:
            raise LakeUnavailableError(f"The lake at {self._where} refused a request: {words}") from None
        limit_seconds = OUTAGE_SECONDS if self._has_answered else FIRST_SECONDS
        away_seconds = self._clock.monotonic() - since
        if away_seconds >= limit_seconds:
            raise LakeUnavailableError(
                f"The lake at {self._where} has not answered for {away_seconds:.0f} s: {words}. Nothing was lost; run "
                "again when it does."
            ) from None
        if not self._is_away and failures >= 2:  # One lost answer is nothing that a person must hear of.
            self._is_away = True
            logger.warning("the lake does not answer; waiting", extra={"lake": self._where, "error": words})
        pause_seconds = min(LONGEST_PAUSE_SECONDS, PAUSE_SECONDS * 2.0 ** min(failures - 1, 10))
        await self._clock.sleep(pause_seconds * (0.5 + self._rng.random() / 2))


class Outage:
    """What one call has seen of it."""

    def __init__(self, patience: LakePatience) -> None:
        self._patience = patience
        self._since: float | None = None
        self._failures = 0

    async def wait(self, error: BaseException) -> None:
        """Return when the call is to be repeated."""
        if self._since is None:
            self._since = self._patience._clock.monotonic()
        self._failures += 1
        await self._patience._pause(error, self._since, self._failures)

    def end(self) -> None:
        self._since, self._failures = None, 0
        self._patience._note_answer()


async def whole(work: Coroutine[Any, Any, T]) -> T:
    """A cancellation waits for the work to end: the body of a cancelled put lies in a buffer, and may be published
    seconds later."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # Nobody hears of it any more.
        raise
