"""A pace that no header tells, learned from refusals. Design and figures:
docs/politeness.md#a-pace-that-no-header-tells"""

from __future__ import annotations

import math
from typing import Final

import msgspec
from msgspec.structs import replace

NO_PACE: Final = 1e9
FIRST_CUT_FACTOR: Final = 0.9
"""Part of the sent rate that is the first pace."""
MIN_CUT_FACTOR: Final = 0.75
"""No cut is deeper, since little is proven soon after a pause."""
BELOW_CEILING_FACTOR: Final = 0.97
PROVEN_FACTOR: Final = 0.9
"""Part of a proven pace that is relied on: clocks and networks are not exact."""
CEILING_SECONDS: Final = 300.0
"""How long a refusal bounds the pace, and a proven pace is believed."""
HOLD_SECONDS: Final = 3.0
"""Time after a pause without growth."""
FIRST_GROWTH_PER_SECOND: Final = 0.5
"""Growth until a second refusal proves a pace."""
GROWTH_PER_SECOND: Final = 0.3
MEMORY_SECONDS: Final = 2.0
"""Time constant of the EWMA."""
MIN_RATE_SECONDS: Final = 1.0
"""A shorter burst is no pace."""
MAX_STEP_SECONDS: Final = 5.0
MIN_EVIDENCE_REQUESTS: Final = 5
"""Fewer since the last pause tell no pace: the API may be down."""
LONG_WAIT_SECONDS: Final = 1.5
"""An API that asks for more counts by windows: the wait suffices."""
UNLIKE_FACTOR: Final = 2.0
"""No limit lets so many times more through at one pace than before."""
SAME_PACE_FACTOR: Final = 1.1
CHANCE_REFUSALS: Final = 2
"""Unexplained refusals that prove chance."""
MAX_CHANCE_WAIT_SECONDS: Final = 30.0
"""A longer wait is meant for everybody."""
CHANCE_SECONDS: Final = 3_600.0
OFTEN_SECONDS: Final = 10.0
OFTEN_REFUSALS, OFTEN_PART = 5, 0.1
"""Refusals, and their part of all requests, too many for chance."""
MAX_PACE: Final = 10_000.0


class RecentRequests(msgspec.Struct, frozen=True, array_like=True):
    """Exponentially weighted sums."""

    sent: float = 0.0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        return self.sent / max(MIN_RATE_SECONDS, self.seconds)

    def after(self, sent: int, seconds: float) -> RecentRequests:
        kept = math.exp(-seconds / MEMORY_SECONDS)
        return RecentRequests(self.sent * kept + sent, self.seconds * kept + seconds)


class LearnedRate(msgspec.Struct, frozen=True, kw_only=True):
    """Pace of all members together, in the scope's time."""

    pace: float = NO_PACE
    at: float = 0.0
    refused_at: float = -NO_PACE
    resumed_at: float = -NO_PACE
    """End of the pause."""
    lately: RecentRequests = msgspec.field(default_factory=RecentRequests)
    sent: int = 0
    """Requests since the last refusal after `MIN_EVIDENCE_REQUESTS`."""
    counted: int = 0
    """``sent`` at a later refusal."""
    proven: float = 0.0
    """Most requests a second between two refusals."""
    ceiling: float = NO_PACE
    ceiling_until: float = -NO_PACE
    odd: int = 0
    """Unexplained refusals."""
    before: int = 0
    """``sent`` and ``pace`` at the last refusal; 0 at the first."""
    before_pace: float = 0.0
    by_chance_until: float = -NO_PACE
    no_chance_until: float = -NO_PACE
    """Chance was believed in once, and wrong."""
    refused_lately: float = 0.0
    sent_lately: float = 0.0
    """Both fade within `OFTEN_SECONDS`."""

    def is_by_chance(self, time: float) -> bool:
        return time < self.by_chance_until


def grow(learned: LearnedRate, time: float, sent: int) -> LearnedRate:
    step = min(MAX_STEP_SECONDS, max(0.0, time - learned.at))
    kept = math.exp(-step / OFTEN_SECONDS)
    learned = replace(
        learned,
        at=time,
        sent=learned.sent + sent,
        refused_lately=learned.refused_lately * kept,
        sent_lately=learned.sent_lately * kept + sent,
    )
    if time <= learned.resumed_at:
        return learned
    if time - step < learned.resumed_at:
        step = time - learned.resumed_at
        learned = replace(learned, lately=RecentRequests())
    learned = replace(learned, lately=learned.lately.after(sent, step))
    if learned.pace >= NO_PACE:
        return learned
    if time >= learned.ceiling_until:
        learned = replace(learned, ceiling=NO_PACE, proven=0.0, odd=0)
    if learned.before and time - learned.resumed_at <= HOLD_SECONDS:
        return learned
    pace = learned.pace * (1 + (GROWTH_PER_SECOND if learned.before else FIRST_GROWTH_PER_SECOND)) ** step
    pace = max(learned.pace, min(pace, BELOW_CEILING_FACTOR * learned.ceiling))
    return replace(learned, pace=NO_PACE if pace > MAX_PACE else pace)


def after_refusal(learned: LearnedRate, seconds: float, refusals: int, time: float, *, is_row: bool) -> LearnedRate:
    """``seconds`` is the wait asked for; ``is_row`` says that one refusal came after another."""
    if learned.is_by_chance(time):
        return _after_chance_refusal(learned, refusals, time, is_row=is_row)
    if time < learned.resumed_at:
        return replace(learned, resumed_at=max(learned.resumed_at, time + seconds))
    sent, is_first = learned.sent, learned.refused_at == -NO_PACE
    if sent < MIN_EVIDENCE_REQUESTS and sent > learned.counted + refusals:
        # A few went through: a small limit. So few between two refusals say nothing; several times so few do.
        return replace(learned, resumed_at=time + seconds, counted=sent)
    paused = replace(learned, refused_at=time, resumed_at=time + seconds, sent=0, counted=0)
    if sent < MIN_EVIDENCE_REQUESTS:
        return paused
    if is_first:
        # The first burst tells little about what comes in the long run: low, and up from there.
        pace = learned.pace if seconds > LONG_WAIT_SECONDS else max(1.0, FIRST_CUT_FACTOR * learned.lately.rate)
        return replace(paused, pace=pace)
    is_odd = seconds <= MAX_CHANCE_WAIT_SECONDS and not learned.counted and _is_unexplained(learned)
    odd = is_odd + (learned.odd if time - learned.refused_at <= CEILING_SECONDS else 0)
    if odd >= CHANCE_REFUSALS and time >= learned.no_chance_until:
        return LearnedRate(at=time, by_chance_until=time + CHANCE_SECONDS)
    paused = replace(paused, before=sent, before_pace=learned.pace, odd=odd)
    if seconds > LONG_WAIT_SECONDS:
        return paused
    proven = max(learned.proven, sent / (time - learned.refused_at))
    pace = min(learned.pace, MAX_PACE if learned.lately.seconds < MIN_RATE_SECONDS else learned.lately.rate)
    is_limit = learned.before > 0 and not is_odd
    return replace(
        paused,
        pace=max(1.0, pace * MIN_CUT_FACTOR, min(pace, PROVEN_FACTOR * proven)) if is_limit else max(1.0, pace),
        proven=proven,
        ceiling=max(proven, pace) if is_limit else learned.ceiling,
        ceiling_until=time + CEILING_SECONDS,
    )


def _is_unexplained(learned: LearnedRate) -> bool:
    if learned.pace <= PROVEN_FACTOR * learned.proven:
        return True
    sent, before = learned.sent, learned.before
    is_more = sent >= UNLIKE_FACTOR * before and learned.pace * SAME_PACE_FACTOR >= learned.before_pace
    is_less = before >= UNLIKE_FACTOR * sent and learned.pace <= SAME_PACE_FACTOR * learned.before_pace
    return before > 0 and (is_more or is_less)


def _after_chance_refusal(learned: LearnedRate, refusals: int, time: float, *, is_row: bool) -> LearnedRate:
    lately = learned.refused_lately + refusals
    if is_row or (lately >= OFTEN_REFUSALS and lately >= OFTEN_PART * learned.sent_lately):
        return LearnedRate(at=time, lately=learned.lately, no_chance_until=time + CHANCE_SECONDS)
    return replace(learned, refused_lately=lately)
