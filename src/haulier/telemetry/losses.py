"""Spans that ended and did not reach the collector, and the cause, for one line in the end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Losses:
    """Two threads write: the one of the event loop, and the one that sends."""

    ended: int = 0
    delivered: int = 0

    @property
    def lost(self) -> int:
        return max(0, self.ended - self.delivered)

    def note_ended(self) -> None:
        self.ended += 1

    def note_delivered(self, spans: int) -> None:
        self.delivered += spans
