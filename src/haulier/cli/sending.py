"""Shows how far the sending of a plan has come, where it takes a while: a hosted queue takes some hundred a second."""

from __future__ import annotations

import logging

from haulier.cli.output import say
from haulier.cli.progress import has_bar
from haulier.clock import Clock
from haulier.plurals import are, count_of

logger = logging.getLogger("haulier.progress")

SAY_SECONDS = 3.0


class SendingView:
    """Says a line every few seconds, on a terminal to a person, else to the log."""

    def __init__(self, run_id: str, clock: Clock) -> None:
        self._run_id = run_id
        self._clock = clock
        self._said_at = clock.monotonic()
        self._has_said = False

    def show(self, sent: int, planned: int) -> None:
        """``sent``: items on the queue so far, of ``planned``."""
        now, is_last = self._clock.monotonic(), sent == planned
        if now - self._said_at < SAY_SECONDS and not (is_last and self._has_said):
            return
        self._said_at, self._has_said = now, True
        logger.info("items are enqueued", extra={"run_id": self._run_id, "items": planned, "enqueued": sent})
        if has_bar():
            say(f"  {sent:,} of {count_of(planned, 'item')} {are(sent)} on the queue")
