"""The time of an incremental run (W5). Windows up to it are finished for good, so it is never ahead of the API's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from haulier.api.http.server_time import ServerTime
from haulier.errors import UsageError

SAID_SECONDS = 5.0
"""Clocks that are kept by NTP differ by less, with a second for what `Date` leaves out."""
MOST_APART = timedelta(days=1)
"""Beyond it one of the clocks is not set at all: night after night would find nothing due, or be a day late."""


def run_time(told: ServerTime, say: Callable[[str], None]) -> datetime:
    """The earlier of both clocks. Raises `UsageError` where they are too far apart."""
    if told.date is None:
        say(f"The API does not tell its time: {told.problem}. This machine's clock is used.")
        return told.asked_at
    ahead = told.ahead_seconds
    if abs(ahead) > MOST_APART.total_seconds():
        shown = f"the API's shows {told.date:%Y-%m-%dT%H:%M:%SZ}, this machine's {told.asked_at:%Y-%m-%dT%H:%M:%SZ}"
        if told.is_cached and ahead > 0:
            say(f"The API's time comes from a cache ({shown}). This machine's clock is used.")
            return told.asked_at
        raise UsageError(
            f"The clocks differ by more than a day: {shown}. Set this machine's clock (NTP), or have the API's set: "
            "an incremental run reads up to the earlier of both."
        )
    if abs(ahead) > SAID_SECONDS:
        way = "ahead of" if ahead > 0 else "behind"
        say(f"This machine's clock is {abs(ahead):,.0f} s {way} the API's. The run's time is the earlier of both.")
    return min(told.asked_at, told.date)
