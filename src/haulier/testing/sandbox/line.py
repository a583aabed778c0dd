"""The line of requests before an API that serves a limited number at a time: first come, first served."""

from __future__ import annotations

from typing import Protocol

from haulier.testing.sandbox.counters import SandboxCounters


class Served(Protocol):
    def begin_service(self, seconds: float) -> None:
        """Start the service of this request: answer it after ``seconds``."""


class Line:
    """A queue that serves ``width`` requests at a time. With n in flight, ``width`` are answered in each service time,
    so that waits are proportional to n, as behind the connection pool of a real API."""

    def __init__(self, width: int, counters: SandboxCounters) -> None:
        self._width = width
        self._counters = counters
        self._served: set[Served] = set()
        self._waiting: dict[Served, float] = {}

    def enter(self, request: Served, seconds: float) -> None:
        self._waiting[request] = seconds
        self._advance()

    def leave(self, request: Served) -> None:
        self._served.discard(request)
        self._waiting.pop(request, None)
        self._advance()

    def widen(self, width: int) -> None:
        """Change the width. Requests that are being served stay."""
        self._width = width
        self._advance()

    def _advance(self) -> None:
        while self._waiting and len(self._served) < self._width:
            request = next(iter(self._waiting))
            seconds = self._waiting.pop(request)
            self._served.add(request)
            request.begin_service(seconds)
        self._counters.waiting = len(self._waiting)
