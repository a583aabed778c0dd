"""What a member is told about its scope."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from haulier.api.limits.budget import Rate
from haulier.api.limits.schedule import Schedule
from haulier.api.scope.rhythm import BEAT_SECONDS


@dataclass(frozen=True)
class ScopeSettings:
    """Equal for all members, but for ``is_guest``; of two caps the lower rules."""

    name: str
    """One row for each source and credential."""
    in_flight: int | Schedule
    """Shared by all members."""
    request_deadline_seconds: float = 310.0
    """The longest time from the gate to the end of a request. A dead member's share is kept so long."""
    is_fixed: bool = False
    """``in_flight`` is not lowered by what the API seems to bear, for any member."""
    is_guest: bool = False
    """It takes no items, and beside members with work one place is enough for it."""
    rates: tuple[Rate, ...] = ()
    """Declared ones; limits in headers count besides."""
    max_requests: int | None = None
    """For each run."""
    mark: str = ""
    """See `haulier.api.scope.credential_mark`."""
    beat_seconds: float = BEAT_SECONDS
    process: str = ""
    """See `this_process`. Empty: a dead member's share is kept for ``request_deadline_seconds``."""

    def in_flight_at(self, moment: datetime) -> int:
        return self.in_flight.at(moment) if isinstance(self.in_flight, Schedule) else self.in_flight
