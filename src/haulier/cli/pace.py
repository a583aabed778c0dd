"""How fast a run goes, and how long the rest will take."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

import msgspec

from haulier.clock import Clock
from haulier.runs.ledger import Progress

RATE_SECONDS: Final = 60.0
ETA_SECONDS: Final = 600.0
"""The rest is taken to go as the last ten minutes did."""
LEAST_ENDED: Final = 10
LEAST_SECONDS: Final = 5.0
"""What fewer items or a shorter time promise is no more than a guess."""
SURE_SPREADS: Final = 2.0
"""Standard deviations to either side."""
SLOWEST_SPREADS: Final = 1.2
"""By so many the slowest item in work differs from the mean, about."""
UNKNOWN_SPREAD: Final = 1.0
"""As of items that end by chance alone."""
LEAST_SPREAD: Final = 0.1
MOMENT_SECONDS: Final = 10.0
SAMPLES: Final = 300
"""Two seconds apart at least, for ten minutes."""


class RunRate(msgspec.Struct, frozen=True, kw_only=True):
    records_per_second: float
    items_per_second: float
    over_seconds: float
    """A minute, once it was looked at for so long."""


class TimeLeft(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds until the last item ends; nine times of ten between the other two, if all goes on as it does."""

    seconds: float
    low_seconds: float
    high_seconds: float


@dataclass(frozen=True)
class _Sample:
    at: float
    ended: int
    records: int


class Pace:
    """Looks at a run now and then."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples: deque[_Sample] = deque()
        self._newest: _Sample | None = None
        self._progress = Progress()

    def note(self, progress: Progress) -> None:
        now = self._clock.monotonic()
        self._progress = progress
        self._newest = _Sample(now, progress.ended, progress.records)
        if not self._samples or now - self._samples[-1].at >= ETA_SECONDS / SAMPLES:
            self._samples.append(self._newest)
        while len(self._samples) > 1 and now - self._samples[1].at >= ETA_SECONDS:
            self._samples.popleft()

    @property
    def rate(self) -> RunRate | None:
        """Over the last minute; None until there were two looks."""
        newest = self._newest
        if newest is None:
            return None
        since = next((one for one in self._samples if newest.at - one.at <= RATE_SECONDS), newest)
        seconds = newest.at - since.at
        if seconds <= 0.0:
            return None
        return RunRate(
            records_per_second=round(max(0, newest.records - since.records) / seconds, 1),
            items_per_second=round(max(0, newest.ended - since.ended) / seconds, 2),
            over_seconds=round(seconds, 1),
        )

    @property
    def eta(self) -> TimeLeft | None:
        """None before there is something to go by, while all that could be said is wild, and where nothing is left."""
        newest, left = self._newest, self._progress.missing
        if newest is None or not left:
            return None
        ended, seconds = newest.ended - self._samples[0].ended, newest.at - self._samples[0].at
        if ended < LEAST_ENDED or seconds < LEAST_SECONDS:
            return None
        spread = UNKNOWN_SPREAD if self._progress.spread is None else max(LEAST_SPREAD, self._progress.spread)
        return estimate_end(ended, seconds, left, self._progress.mean_seconds or 0.0, spread)


def estimate_end(ended: int, seconds: float, left: int, mean_seconds: float, spread: float) -> TimeLeft | None:
    """Reckon when the last of ``left`` items ends, where ``ended`` of them took ``seconds``, side by side.

    The rest takes as long, in proportion. Its mean and that of those which ended are unsure by the ``spread`` of items,
    the less the more they are; and so is how far those have come that are in work. At the end some slots are idle until
    the slowest item has ended: that is longer the more items differ, and the more are worked at once. Against simulated
    runs the bounds hold in nine of ten, and less often where items differ by twice their mean or more.
    """
    rate = ended / seconds
    at_once = min(float(left), rate * mean_seconds)
    rest, last, unsure_last = left / rate, 0.0, 0.0
    if at_once > 1.0:
        slowest = max((1 + spread**2) / 2 + spread**2 * math.log(at_once), 1 + SLOWEST_SPREADS * spread)
        last = mean_seconds * (slowest - 1)
        unsure_last = SURE_SPREADS * mean_seconds * max(SLOWEST_SPREADS * spread**2, 0.25)
    unsure_mean = SURE_SPREADS * math.hypot(spread * math.sqrt(1 / ended + 1 / left), max(0.0, at_once) / ended / 4)
    estimate, unsure = rest + last, math.hypot(unsure_mean * rest, unsure_last)
    if unsure > estimate:
        return None
    part = 1 + unsure / estimate
    return TimeLeft(
        seconds=round(estimate, 1), low_seconds=round(estimate / part, 1), high_seconds=round(estimate * part, 1)
    )


def eta_words(eta: TimeLeft) -> str:
    """Write ``about 4 min, 3 to 5 min``; no seconds where they say nothing."""
    low, about, high = (rough_text(seconds) for seconds in (eta.low_seconds, eta.seconds, eta.high_seconds))
    if eta.seconds < MOMENT_SECONDS:
        return about
    return f"about {about}" if low == high else f"about {about} ({low} to {high})"


def rough_text(seconds: float) -> str:
    if seconds < MOMENT_SECONDS:
        return "some seconds"
    if seconds < 95:
        return f"{5 * round(seconds / 5)} s"
    minutes = round(seconds / 60)
    if minutes < 95:
        return f"{minutes} min"
    hours = seconds / 3_600
    return f"{hours:.1f} h" if hours < 47.5 else f"{hours / 24:.1f} d"
