"""Spans that ended and did not reach the collector, and the cause, for one line in the end."""

from __future__ import annotations

import logging
from dataclasses import dataclass

logger = logging.getLogger("haulier.telemetry")


@dataclass
class Losses:
    """Two threads write: the one of the event loop, and the one that sends."""

    ended: int = 0
    delivered: int = 0
    _has_sampler_failed: bool = False

    @property
    def lost(self) -> int:
        return max(0, self.ended - self.delivered)

    def note_ended(self) -> None:
        self.ended += 1

    def note_sampler_failure(self, error: Exception) -> None:
        if not self._has_sampler_failed:
            self._has_sampler_failed = True
            extra = {"error_type": type(error).__name__}
            logger.warning("the sampler fails; what it fails over has no trace", extra=extra)

    def note_delivered(self, spans: int) -> None:
        self.delivered += spans
