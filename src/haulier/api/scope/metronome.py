"""When one member reads and beats (docs/politeness.md#rows-that-cost)."""

from __future__ import annotations

import math
import random
from typing import Final

from haulier.api.scope.rhythm import MIN_READ_SECONDS, Rhythm, fleet_rhythm, steady_rhythm
from haulier.api.scope.row import ScopeRow

LEAST_BEAT_PART: Final = 0.8
"""Where beats are rare, they are spread by chance, so that members do not meet."""
EARLY_BEAT_DIVISOR: Final = 4
"""What can be given back to who waits for it is given soon, and not only at the next beat."""
BURST_BEATS: Final = 5
"""Beats that may follow at once, as in slow start; then one for each read, however many reasons there are."""
RETRIES_PER_BEAT: Final = 8
"""A store that was away is asked again soon: a member that is stale sends nothing."""


class Metronome:
    """Times are monotonic. ``is_slow``: operations cost, so that the rhythm follows the number of members."""

    def __init__(self, beat_seconds: float, operations_per_second: float | None, rng: random.Random) -> None:
        self._beat_seconds = beat_seconds
        self._operations_per_second = operations_per_second
        self._rng = rng
        self._rhythm = steady_rhythm(beat_seconds)
        self._told_seconds = math.inf
        """Length that the others know."""
        self._begun_at = self._heard_at = -math.inf
        self._part = 1.0
        self._turn_at = -math.inf
        self._is_urgent = self._was_busy = False

    @property
    def is_slow(self) -> bool:
        return self._operations_per_second is not None

    @property
    def rhythm(self) -> Rhythm:
        return self._rhythm

    def see(self, row: ScopeRow, asked_at: float) -> None:
        self._heard_at, self._is_urgent = asked_at, False
        if self._operations_per_second is not None:
            self._rhythm = fleet_rhythm(row, self._operations_per_second, self._beat_seconds)

    def begin_beat(self, now: float) -> None:
        self._begun_at = now
        self._part = self._rng.uniform(LEAST_BEAT_PART, 1.0) if self.is_slow else 1.0

    def seconds_to_turn(self, now: float) -> float:
        """Wait before a beat that is due; each call counts as one."""
        if not self.is_slow:
            return 0.0
        seconds = max(self._beat_seconds, self._rhythm.read_seconds)
        self._turn_at = max(self._turn_at + seconds, now - BURST_BEATS * seconds)
        return max(0.0, self._turn_at - now)

    def note_told(self, seconds: float) -> None:
        """The others expect the next beat within ``seconds``."""
        self._told_seconds = seconds

    def hurry(self) -> None:
        """Something happened of which others may know more."""
        self._is_urgent = True

    def seconds_to_beat(self, now: float, *, has_share: bool, has_spare: bool, is_cut_off: bool) -> float:
        if not self.is_slow:
            return self._beat_seconds / (EARLY_BEAT_DIVISOR if has_spare else 1)
        seconds = self._rhythm.beat_seconds if has_share else self._rhythm.quiet_beat_seconds
        seconds = self._part * min(seconds, self._told_seconds)
        if is_cut_off or has_spare:
            seconds = max(self._beat_seconds, seconds / (RETRIES_PER_BEAT if is_cut_off else EARLY_BEAT_DIVISOR))
        return max(0.0, self._begun_at + seconds - now)

    def is_read_due(self, now: float, *, is_busy: bool, is_curious: bool) -> bool:
        """``is_curious``: it waits for what others do. Who begins to work reads at once."""
        self._is_urgent = self._is_urgent or (is_busy and not self._was_busy)
        self._was_busy = is_busy
        age = now - self._heard_at
        if self._is_urgent:
            return age >= MIN_READ_SECONDS
        return (is_busy or is_curious) and age >= self._rhythm.read_seconds
