"""How long to wait for a first byte. Design: docs/politeness.md#silent-requests-and-repeats"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Final

from haulier.api.errors import Fault
from haulier.api.http.transport import TransportError

FLOOR_SECONDS: Final = 3.0
"""Shorter silences are garbage collection, or a network's new route."""
SILENCE_FACTOR: Final = 5.0
"""Multiple of what 99 of 100 answers take."""
REPEAT_FACTOR: Final = 3.0
KEPT_ANSWERS: Final = 500
MIN_ANSWERS: Final = 100
"""Fewer tell nothing of one in a hundred."""
ANSWERS_PER_UPDATE: Final = 25
UNKNOWN_WAIT_SECONDS: Final = 86_400.0
"""The declared time-out ends it long before."""
MAX_REPEATS: Final = 2
"""Later repeats have the declared time-out alone."""


class Wait:
    """Time limit for one first byte. Raises `TransportError` with ``is_early``."""

    def __init__(self, known: _AnswerClass, repeats: int) -> None:
        self._known = known
        self._repeats = repeats
        self._allowed_seconds = UNKNOWN_WAIT_SECONDS
        self._timeout: asyncio.Timeout | None = None

    @property
    def seconds(self) -> float | None:
        """None while nothing is known."""
        return self._known.seconds(self._repeats)

    def shorten(self) -> None:
        seconds, timeout = self.seconds, self._timeout
        if seconds is not None and timeout is not None and (ends_at := timeout.when()) is not None:
            timeout.reschedule(ends_at - self._allowed_seconds + seconds)

    async def __aenter__(self) -> None:
        self._allowed_seconds = self.seconds or UNKNOWN_WAIT_SECONDS
        self._timeout = asyncio.timeout(self._allowed_seconds)
        await self._timeout.__aenter__()
        self._known.waits.add(self)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._timeout is not None
        self._known.waits.discard(self)
        timeout, self._timeout = self._timeout, None
        try:
            await timeout.__aexit__(kind, error, trace)
        except TimeoutError as late:
            text = f"no first byte of an answer within {self.seconds or 0.0:.3g} seconds"
            raise TransportError(Fault.TIMEOUT, text, is_early=True) from late


class _AnswerClass:
    def __init__(self, declared_seconds: float) -> None:
        self._declared_seconds = declared_seconds
        self._seconds: deque[float] = deque(maxlen=KEPT_ANSWERS)
        self._noted = 0
        self._usual: float | None = None
        self.waits: set[Wait] = set()

    def note(self, seconds: float) -> None:
        self._seconds.append(seconds)
        self._noted += 1
        if self._noted >= MIN_ANSWERS and self._noted % ANSWERS_PER_UPDATE == 0:
            is_first = self._usual is None
            self._usual = sorted(self._seconds)[-max(1, len(self._seconds) // 100)]
            if is_first:
                for wait in self.waits:
                    wait.shorten()

    def seconds(self, repeats: int) -> float | None:
        if self._usual is None or repeats >= MAX_REPEATS:
            return None
        seconds = max(FLOOR_SECONDS, SILENCE_FACTOR * self._usual) * REPEAT_FACTOR**repeats
        return seconds if seconds < self._declared_seconds else None


class Patience:
    """First and later pages are learned apart, since APIs cache the query."""

    def __init__(self, declared_seconds: float) -> None:
        self._declared_seconds = declared_seconds
        self._classes: dict[tuple[str, bool], _AnswerClass] = {}

    def note(self, stream: str, seconds: float, *, is_first_page: bool) -> None:
        self._class(stream, is_first_page).note(seconds)

    def wait(self, stream: str, repeats: int, *, is_first_page: bool) -> Wait | None:
        """Return the wait after ``repeats`` silences; None is the declared time-out."""
        return None if repeats >= MAX_REPEATS else Wait(self._class(stream, is_first_page), repeats)

    def _class(self, stream: str, is_first_page: bool) -> _AnswerClass:
        known = self._classes.get((stream, is_first_page))
        if known is None:
            known = self._classes[stream, is_first_page] = _AnswerClass(self._declared_seconds)
        return known
