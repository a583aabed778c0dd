"""A pause as one process keeps it, and the slow release after it (docs/politeness.md#pauses)."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime

from haulier.api.http.retry_after import DAY_SECONDS, MAX_WAIT_SECONDS
from haulier.api.limits.learned_rate import LONG_WAIT_SECONDS
from haulier.api.scope.row import ScopeRow
from haulier.errors import UsageError

JITTER_PART = 0.1
BRIEF_DOUBLINGS = 3
"""A pause within so many doublings after one comes too soon to show what the API bears."""
MANY_REFUSED_PART = 0.125
"""A greater refused part of the requests since the last pause is not by chance."""
CEILING_SECONDS = 60.0
"""Time for which half of the refused number is the limit, after a wait above `LONG_WAIT_SECONDS`, which teaches no
pace."""
MIN_WAIT_SECONDS = 1e-6
"""Less is a rounding error that may not move a clock."""
SHORT_PAUSE_SECONDS = 60.0
"""After a longer pause the API may be a different one."""


class Pause:
    """A pause in this process's monotonic time."""

    def __init__(self, double_seconds: float, rng: random.Random) -> None:
        self._double_seconds = double_seconds
        self._rng = rng
        self._ends_at = self._others_end_at = -math.inf
        self._released_at = -math.inf
        self._seen_until = 0.0
        self._peak = 0
        self._had_good = self._has_good = False
        """Success before the last pause, and since it began."""
        self._start = 0
        """Requests in flight after a short pause; 0 for slow start."""
        self._asked = 0
        self._sent = 0
        self._peak_before = self._sent_before = 0
        """Between the last two pauses."""
        self._ceiling, self._ceiling_until = 0, -math.inf
        self.reason = ""
        """Without secrets."""

    def ask(self, seconds: float, now: float, reason: str = "", *, is_own: bool = False) -> None:
        """Pause for a refusal of this process. ``is_own``: it is about this process alone."""
        self.extend(seconds, now, reason, is_own=is_own)
        self._asked += 1
        if self._are_many and seconds > LONG_WAIT_SECONDS:
            self._ceiling, self._ceiling_until = max(1, self._peak_before // 2), now + seconds + CEILING_SECONDS

    def extend(self, seconds: float, now: float, reason: str = "", *, is_own: bool = False) -> None:
        """A pause that lasts longer stays."""
        if seconds <= 0.0:
            return
        seconds = min(seconds, MAX_WAIT_SECONDS)
        if not is_own:
            self._others_end_at = max(self._others_end_at, now + seconds)
        if now >= self._ends_at:
            self._begin(is_brief=now - self._ends_at <= BRIEF_DOUBLINGS * self._double_seconds)
        if now + seconds > self._ends_at:
            if seconds > SHORT_PAUSE_SECONDS:
                self._start = 0
            self._ends_at = now + seconds
            self.reason = reason
            self._released_at = max(self._released_at, self._ends_at + self._rng.uniform(0.0, JITTER_PART) * seconds)

    def _begin(self, *, is_brief: bool) -> None:
        """Choose the start after the pause by how the last one went."""
        self._start = max(self._peak // 2, self._resumes_at if is_brief else 0)
        self._peak_before, self._sent_before = self._peak, self._sent
        self._peak = self._asked = self._sent = 0
        self._had_good, self._has_good = self._has_good, False

    def release(self, now: float) -> None:
        self._ends_at = max(self._ends_at, now)
        self._start = 0

    def lift(self, now: float) -> None:
        self._ends_at, self._others_end_at = min(self._ends_at, now), min(self._others_end_at, now)
        self._released_at = self._ceiling_until = -math.inf
        self._start = 0

    def note_sent(self, in_use: int) -> None:
        self._sent += 1
        self._peak = max(self._peak, in_use)

    def note_good(self) -> None:
        self._has_good = True

    def see(self, row: ScopeRow, wall: float, now: float) -> None:
        if row.pause_until != self._seen_until:
            self._seen_until = row.pause_until
            self.extend(min(row.pause_until - wall, row.pause_seconds), now, row.pause_reason)

    def seconds_left(self, now: float) -> float:
        return max(0.0, self._ends_at - now)

    def seconds_left_for_others(self, now: float) -> float:
        """Without what is about this process alone."""
        return max(0.0, self._others_end_at - now)

    def is_for_a_person(self, now: float) -> bool:
        """Nobody watches a program for more than a day."""
        return self._ends_at - now > DAY_SECONDS

    def error(self, now: float, wall: float) -> UsageError:
        until = datetime.fromtimestamp(wall + self.seconds_left(now), UTC)
        because = f" ({self.reason})" if self.reason else ""
        return UsageError(
            f"The API asks everybody to wait until {until:%Y-%m-%dT%H:%M:%SZ}{because}, which is more than a day away. "
            "Nothing is charged to any item. Ask the API's people, and type the same command again after that time; "
            "`haulier resume SOURCE` lifts the pause before it."
        )

    @property
    def _resumes_at(self) -> int:
        return self._start // 2 if self._are_many else self._start

    @property
    def _are_many(self) -> bool:
        return self._asked > MANY_REFUSED_PART * self._sent_before

    def opens_in(self, now: float, in_use: int, place: int, sharers: int) -> float:
        """Seconds until one more request may go out, for member ``place`` of ``sharers``."""
        if now < self._released_at:
            return self._released_at - now
        if now < self._ceiling_until and in_use >= self._ceiling:
            return self._ceiling_until - now
        doublings = 0
        start = self._resumes_at if self._had_good or self._has_good else 0
        while in_use >= (start << doublings if start else _even_part(2**doublings, place, sharers)):
            doublings += 1
        wait = self._ends_at + doublings * self._double_seconds - now
        return wait if wait > MIN_WAIT_SECONDS else 0.0


def _even_part(allowed: int, place: int, sharers: int) -> int:
    return allowed // sharers + (place < allowed % sharers)
