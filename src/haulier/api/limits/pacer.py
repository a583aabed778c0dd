"""One process's part of a budget."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from haulier.api.limits.budget import UNLIMITED, Quota, Spending

SLACK_SECONDS: Final = 0.05
"""Lateness of event loops that delays no request. At 95 % of a limit it adds less than one request to any second."""
HEADROOM_FACTOR: Final = 1.5
"""Requests wanted for each that the last beat used."""
SPENT_BEATS: Final = 4
MIN_GRANT_REQUESTS: Final = 4
"""Smallest block that a member asks for."""

NEVER_SECONDS = math.inf
"""Wait for a gate that opens only when poked (`Gate.poke`)."""


class Pacer:
    """Times are monotonic."""

    def __init__(self, quotas: Sequence[Quota] = ()) -> None:
        self._rate = UNLIMITED
        self._next_at = 0.0
        self._was_held = False
        self._used = 0
        self._used_of: Counter[Quota] = Counter()
        self._since = 0.0
        self._held = dict.fromkeys(quotas, 0)
        self._empty = dict.fromkeys(quotas, 0)
        """Beats in which nobody could take anything."""
        self._empty_since: dict[Quota, float] = {}
        self._adopted_at = self._others_hold_seconds = 0.0

    def add(self, quota: Quota) -> None:
        """Nothing may be sent before a beat has taken some out of the quota."""
        self._held.setdefault(quota, 0)

    @property
    def quotas(self) -> Collection[Quota]:
        return self._held.keys()

    def is_out(self, besides: Collection[Quota] = ()) -> bool:
        return any(count <= 0 and quota not in besides for quota, count in self._held.items())

    @property
    def is_short(self) -> bool:
        """Of a quota that has, or may have, more to give."""
        return any(count <= 0 and not self.is_spent(quota) for quota, count in self._held.items())

    @property
    def has_any(self) -> bool:
        return any(count > 0 for count in self._held.values())

    def find_spent(self, besides: Collection[Quota] = ()) -> Quota | None:
        """A quota that gave nobody anything for `SPENT_BEATS`, and for as long as others may hold some: before, they
        may bring it back."""
        return next((quota for quota in self._empty if quota not in besides and self.is_spent(quota)), None)

    def is_spent(self, quota: Quota) -> bool:
        is_old = self._adopted_at - self._empty_since.get(quota, self._adopted_at) >= self._others_hold_seconds
        return is_old and self._empty.get(quota, 0) >= SPENT_BEATS

    def opens_in(self, now: float, besides: Collection[Quota] = ()) -> float:
        """``besides``, here and elsewhere: quotas that do not count the request, as those of other runs."""
        if self.is_out(besides) or self._rate <= 0.0:
            self._was_held = True
            return NEVER_SECONDS
        wait = 0.0 if self._rate >= UNLIMITED else max(0.0, self._next_at - now)
        self._was_held = self._was_held or wait > 0.0
        return wait

    def want(self) -> None:
        self._was_held = True

    def note_sent(self, now: float, besides: Collection[Quota] = ()) -> bool:
        """Return whether this process has run out of a quota."""
        self._used += 1
        if 0.0 < self._rate < UNLIMITED:
            self._next_at = max(self._next_at, now - SLACK_SECONDS) + 1 / self._rate
        for quota in self._held:
            if quota not in besides:
                self._held[quota] -= 1
                self._used_of[quota] += 1
        return self.is_out(besides)

    def spending(self, now: float) -> Spending:
        """What is to be brought back is ours no longer."""
        seconds = max(1e-3, now - self._since)
        wanted = UNLIMITED if self._was_held else HEADROOM_FACTOR * self._used / seconds + 1.0
        asks: dict[Quota, int] = {}
        is_idle = not self._used and not self._was_held and self._since > 0.0
        for quota, count in self._held.items():
            used = self._used_of[quota]
            ask = (0 if is_idle else max(MIN_GRANT_REQUESTS, round(HEADROOM_FACTOR * used))) - count
            if ask > 0:
                asks[quota] = ask
            elif ask < 0 and (is_idle or -ask > MIN_GRANT_REQUESTS + used):
                asks[quota] = ask
                self._held[quota] += ask
        self._used, self._since, self._was_held = 0, now, False
        self._used_of.clear()
        return Spending(wanted=wanted, asks=asks)

    def adopt(
        self,
        rate: float,
        granted: Mapping[str, int],
        left: Mapping[Quota, int],
        now: float,
        *,
        others_hold_seconds: float = 0.0,
    ) -> None:
        """Apply a beat. ``left`` is what remains of the present quotas. ``others_hold_seconds``: time in which each of
        the others has a beat, where beats are rare."""
        self._rate = rate
        if 0.0 < rate < UNLIMITED:
            self._next_at = min(self._next_at, now + 1 / rate)
        self._held = {quota: max(0, self._held.get(quota, 0) + granted.get(quota.key, 0)) for quota in left}
        self._empty = {
            quota: 0 if rest > 0 or self._held[quota] > 0 else self._empty.get(quota, 0) + 1
            for quota, rest in left.items()
        }
        self._empty_since = {quota: self._empty_since.get(quota, now) for quota, beats in self._empty.items() if beats}
        self._adopted_at, self._others_hold_seconds = now, others_hold_seconds

    def give_up_unused(self) -> dict[Quota, int]:
        held, self._held = self._held, dict.fromkeys(self._held, 0)
        return {quota: -count for quota, count in held.items() if count > 0}
