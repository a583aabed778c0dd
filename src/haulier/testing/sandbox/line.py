"""Requests in line before an API that serves only so many side by side: first come, first served."""

from __future__ import annotations

from typing import Protocol

from haulier.testing.sandbox.counters import SandboxCounters


class Served(Protocol):
    """What stands in line."""

    def begin_service(self, seconds: float) -> None:
        """Its turn has come: it is answered after so long."""


class Line:
    """A queue with ``width`` places where requests are served. With n of them in flight, ``width`` get through in each
    service time, and the others wait in proportion to n, as behind the connection pool of a real API."""

    def __init__(self, width: int, counters: SandboxCounters) -> None:
        self._width = width
        self._counters = counters
        self._served: set[Served] = set()
        self._waiting: dict[Served, float] = {}

    def enter(self, request: Served, seconds: float) -> None:
        """Be served for ``seconds``, now or when it is its turn."""
        self._waiting[request] = seconds
        self._advance()

    def leave(self, request: Served) -> None:
        """It is answered, or its client has left: the place is free."""
        self._served.discard(request)
        self._waiting.pop(request, None)
        self._advance()

    def widen(self, width: int) -> None:
        """Serve so many from now on; those that are being served stay."""
        self._width = width
        self._advance()

    def _advance(self) -> None:
        while self._waiting and len(self._served) < self._width:
            request = next(iter(self._waiting))
            seconds = self._waiting.pop(request)
            self._served.add(request)
            request.begin_service(seconds)
        self._counters.waiting = len(self._waiting)
