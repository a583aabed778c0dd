"""Requests that an API allows in a time, for all members: by pace, or counted (long limits, a run's own).

Design: docs/politeness.md#requests-in-a-time
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
from msgspec.structs import replace

from haulier.api.http.ratelimit_headers import RateLimits
from haulier.errors import UsageError
from haulier.items.windows import parse_duration

USED_PART: Final = 0.95
"""The API counts by its own clock, when requests arrive."""
MAX_PACED_SECONDS: Final = 60.0
UNLIMITED: Final = 1e9
WINDOW_SLICES: Final = 20
"""A quota opens late by one slice at most."""
MAX_COUNTED_RUNS: Final = 16


class Rate(msgspec.Struct, frozen=True, order=True):
    requests: int
    seconds: float

    @property
    def is_paced(self) -> bool:
        return self.seconds <= MAX_PACED_SECONDS

    @property
    def per_second(self) -> float:
        return USED_PART * self.requests / self.seconds

    @property
    def quota(self) -> Quota:
        requests = max(1, math.floor(USED_PART * self.requests))
        return Quota(f"{self.requests}/{self.seconds:g}s", requests, self.seconds, self.requests)


_RATE: Final = re.compile(r"([1-9][0-9]{0,11})/([0-9]*)(s|m|h|d)")


def parse_rate(text: object) -> Rate:
    """Read ``20/s``, ``190/10s`` or ``5000/h``. Raises `UsageError`."""
    match = _RATE.fullmatch(text) if isinstance(text, str) else None
    seconds = parse_duration(f"{match[2] or 1}{match[3]}").total_seconds() if match else 0.0
    if match is None or not seconds:
        raise UsageError(
            f"A limit is {text!r}. Write requests in a time, such as 20/s, 190/10s, 600/m, 5000/h or 200000/d."
        )
    return Rate(int(match[1]), seconds)


@dataclass(frozen=True)
class Quota:
    """A limit counted request by request. A run's has no window: its requests never come back."""

    key: str
    requests: int
    seconds: float = UNLIMITED
    declared: int = 0
    """For messages: ``requests`` is a little below it."""

    @property
    def is_of_run(self) -> bool:
        return self.key.startswith("run:")

    def __str__(self) -> str:
        return f"{self.declared or self.requests:,} requests in {self.seconds:g} s"


def run_quota(run_id: str, max_requests: int) -> Quota:
    return Quota(f"run:{run_id}", max_requests)


def run_of(quota: Quota) -> str:
    return quota.key.removeprefix("run:")


class Spent(msgspec.Struct, frozen=True, array_like=True):
    """Requests taken in one slice of a window, by wall time: a day's count outlives every process."""

    since: float
    requests: int


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    spent: dict[str, tuple[Spent, ...]] = msgspec.field(default_factory=dict)
    learned: tuple[Rate, ...] = ()
    held_rate: float = UNLIMITED
    """Requests a second for the rest of the API's present window."""
    held_until: float = 0.0


@dataclass(frozen=True)
class HeaderLimits:
    rates: tuple[Rate, ...] = ()
    remaining: int | None = None
    reset_seconds: float | None = None


@dataclass(frozen=True)
class Spending:
    declared: tuple[Rate, ...] = ()
    wanted: float = UNLIMITED
    """Requests a second; unlimited where the member's pace held it back."""
    asks: Mapping[Quota, int] = field(default_factory=dict)
    """Below 0: to bring back."""
    heard: HeaderLimits | None = None


def find_limits(found: RateLimits) -> HeaderLimits | None:
    rates = {
        Rate(policy.quota, float(policy.window_seconds))
        for policy in found.policies
        if policy.unit == "requests" and policy.quota > 0 and policy.window_seconds
    }
    states = [
        (limit.remaining, limit.reset_seconds)
        for limit in found.limits
        if limit.remaining is not None and limit.reset_seconds is not None
    ]
    remaining, reset_seconds = min(states, default=(None, None))
    return HeaderLimits(tuple(sorted(rates)), remaining, reset_seconds) if rates or states else None


def learn_limits(budget: Budget, limits: HeaderLimits, wall: float) -> Budget:
    if limits.rates:
        budget = replace(budget, learned=limits.rates)
    if limits.remaining is not None and limits.reset_seconds is not None and limits.reset_seconds <= MAX_PACED_SECONDS:
        seconds = max(1.0, limits.reset_seconds)
        budget = replace(budget, held_rate=max(1, limits.remaining) / seconds, held_until=wall + seconds)
    return budget


def allowed_pace(budget: Budget, declared: Sequence[Rate], wall: float) -> float:
    """Requests a second, for all members."""
    paces = [rate.per_second for rate in (*declared, *budget.learned) if rate.is_paced]
    if wall < budget.held_until <= wall + MAX_PACED_SECONDS:
        paces.append(budget.held_rate)
    return min(paces, default=UNLIMITED)


def counted_quotas(budget: Budget, declared: Sequence[Rate]) -> list[Quota]:
    return [rate.quota for rate in (*declared, *budget.learned) if not rate.is_paced]


def divide_pace(total: float, wanted: Mapping[str, float]) -> dict[str, float]:
    """Use max-min fairness; the rest goes evenly, so that a member that begins need not wait."""
    if total >= UNLIMITED:
        return dict.fromkeys(wanted, UNLIMITED)
    left, given = total, dict.fromkeys(wanted, 0.0)
    for place, (name, wish) in enumerate(sorted(wanted.items(), key=lambda item: item[1])):
        given[name] = min(wish, left / (len(wanted) - place))
        left -= given[name]
    return {name: part + left / len(wanted) for name, part in given.items()}


def remaining(budget: Budget, quota: Quota, wall: float) -> int:
    return max(0, quota.requests - sum(one.requests for one in _counting_slices(budget, quota, wall)))


def take(budget: Budget, quota: Quota, ask: int, members: int, wall: float) -> tuple[Budget, int]:
    """Take ``ask`` requests; returns how many. Little is divided evenly over ``members``."""
    counted = _counting_slices(budget, quota, wall)
    free = quota.requests - sum(one.requests for one in counted)
    given = min(ask, max(1, free // max(1, members)), free) if ask > 0 else ask
    given = max(given, 0) if ask > 0 else given
    return replace(budget, spent=_prune(budget.spent | {quota.key: _book(counted, quota, given, wall)})), given


def _counting_slices(budget: Budget, quota: Quota, wall: float) -> tuple[Spent, ...]:
    """A slice counts until its last moment has left the window; so does one from the future (a wall clock set back)."""
    lasts = quota.seconds * (1 + 1 / WINDOW_SLICES)
    return tuple(one for one in budget.spent.get(quota.key, ()) if wall - one.since < lasts)


def _book(counted: tuple[Spent, ...], quota: Quota, requests: int, wall: float) -> tuple[Spent, ...]:
    if requests < 0:
        return _bring_back(counted, -requests)
    if counted and wall - counted[-1].since < quota.seconds / WINDOW_SLICES:
        last = counted[-1]
        return (*counted[:-1], Spent(last.since, last.requests + requests))
    return (*counted, Spent(wall, requests)) if requests else counted


def _bring_back(counted: tuple[Spent, ...], requests: int) -> tuple[Spent, ...]:
    """Take off the oldest slice first, so that no later window counts too few."""
    kept = []
    for one in counted:
        back = min(one.requests, requests)
        requests -= back
        kept.append(Spent(one.since, one.requests - back))
    return tuple(kept)


def _prune(spent: dict[str, tuple[Spent, ...]]) -> dict[str, tuple[Spent, ...]]:
    runs = sorted((parts[-1].since, key) for key, parts in spent.items() if key.startswith("run:") and parts)
    old = {key for _, key in runs[:-MAX_COUNTED_RUNS]}
    return {key: parts for key, parts in spent.items() if key not in old and parts}
