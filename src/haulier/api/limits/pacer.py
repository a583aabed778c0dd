"""One process's part of a budget: its pace, and the requests that it has taken out of each quota."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from haulier.api.limits.budget import UNLIMITED, Quota, Spending

SLACK_SECONDS: Final = 0.05
"""How late a request may be and the next one still come in time: the event loop wakes up late now and then. At 95 % of
a limit it adds less than one request to any second."""
HEADROOM_FACTOR: Final = 1.5
"""Of what was used in the last beat, this much is wanted for the next one."""
SPENT_BEATS: Final = 4
MIN_GRANT_REQUESTS: Final = 4
"""Of a quota: what is always worth having."""

NEVER_SECONDS = math.inf
"""The seconds that a door tells that opens only when the gate is poked (`Gate.poke`)."""


class Pacer:
    """Says when the next request may be sent. Times are the process's monotonic clock's."""

    def __init__(self, quotas: Sequence[Quota] = ()) -> None:
        self._rate = UNLIMITED
        self._next_at = 0.0
        self._was_held = False
        self._used = 0
        self._since = 0.0
        self._held = dict.fromkeys(quotas, 0)
        self._empty = dict.fromkeys(quotas, 0)
        """For how many beats there was nothing of each, for us or anybody."""

    def add(self, quota: Quota) -> None:
        """Count requests by one more quota. None may be sent before the next beat has taken some out of it."""
        self._held.setdefault(quota, 0)

    @property
    def is_out(self) -> bool:
        """Whether we have nothing left of a quota."""
        return any(count <= 0 for count in self._held.values())

    @property
    def spent(self) -> Quota | None:
        """A quota of which nobody can take anything now, nor could for some beats: others may bring something back."""
        return next((quota for quota, beats in self._empty.items() if beats >= SPENT_BEATS), None)

    def opens_in(self, now: float) -> float:
        """In how many seconds one more request may be sent."""
        if self.is_out or self._rate <= 0.0:
            self._was_held = True
            return NEVER_SECONDS
        wait = 0.0 if self._rate >= UNLIMITED else max(0.0, self._next_at - now)
        self._was_held = self._was_held or wait > 0.0
        return wait

    def want(self) -> None:
        """Somebody waits for what is to be taken out with the next beat."""
        self._was_held = True

    def passed(self, now: float) -> bool:
        """A request was sent. Returns whether a quota has run out for us by that."""
        self._used += 1
        if 0.0 < self._rate < UNLIMITED:
            self._next_at = max(self._next_at, now - SLACK_SECONDS) + 1 / self._rate
        for quota in self._held:
            self._held[quota] -= 1
        return self.is_out

    def spending(self, now: float) -> Spending:
        """What we want for the next beat. What is brought back is ours no longer from here on."""
        seconds = max(1e-3, now - self._since)
        wanted = UNLIMITED if self._was_held else HEADROOM_FACTOR * self._used / seconds + 1.0
        asks: dict[Quota, int] = {}
        is_idle = not self._used and not self._was_held and self._since > 0.0
        needed = 0 if is_idle else max(MIN_GRANT_REQUESTS, round(HEADROOM_FACTOR * self._used))
        for quota, count in self._held.items():
            ask = needed - count
            if ask > 0:
                asks[quota] = ask
            elif ask < 0 and (is_idle or -ask > MIN_GRANT_REQUESTS + self._used):
                asks[quota] = ask
                self._held[quota] += ask
        self._used, self._since, self._was_held = 0, now, False
        return Spending(wanted=wanted, asks=asks)

    def adopt(self, rate: float, granted: Mapping[str, int], left: Mapping[Quota, int], now: float) -> None:
        """The beat was made: our part of the pace, what we were given of each quota, and what is left of those that
        there are now."""
        self._rate = rate
        if 0.0 < rate < UNLIMITED:
            self._next_at = min(self._next_at, now + 1 / rate)
        self._held = {quota: max(0, self._held.get(quota, 0) + granted.get(quota.key, 0)) for quota in left}
        self._empty = {
            quota: 0 if rest > 0 or self._held[quota] > 0 else self._empty.get(quota, 0) + 1
            for quota, rest in left.items()
        }

    def rest(self) -> dict[Quota, int]:
        """What we hold and bring back when we leave."""
        held, self._held = self._held, dict.fromkeys(self._held, 0)
        return {quota: -count for quota, count in held.items() if count > 0}
