"""A pace that no header tells: found from refusals that ask for a short wait. Pure: the row holds the state.

Without it an API with a limit of its own is run into again and again, with a pause each time. Measured against a bucket
of 20 requests a second: 23 refusals and 1.7 times the time in half a minute; with it a few, and then none.

Some APIs refuse one request in a hundred by chance, whatever they are asked. A limit is not like that. Nothing is left
of it at the moment of a refusal; so what it lets through from one refusal to the next is a pace that it bears in the
long run, and at one pace it is the same number each time. Who is refused below such a proven pace, or after far more or
far fewer requests than before, time after time, is refused by chance: each refusal is about its own request, which
waits, and the others go on.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
from msgspec.structs import replace

NO_PACE: Final = 1e9
FIRST_CUT_FACTOR: Final = 0.9
"""Of what was sent before the first refusal."""
MIN_CUT_FACTOR: Final = 0.75
"""No cut is deeper: soon after a pause, what was proven is little."""
BELOW_CEILING_FACTOR: Final = 0.97
"""Of what was refused."""
PROVEN_FACTOR: Final = 0.9
"""Of what is proven: clocks, ways and processes are not that exact."""
CEILING_SECONDS: Final = 300.0
"""How long the pace stays below the one that was refused, and what is proven is believed."""
HOLD_SECONDS: Final = 3.0
"""How long it stays at what is proven, before it grows towards what was refused."""
FIRST_GROWTH_PER_SECOND: Final = 0.5
"""A second, before a second refusal has proven a pace."""
GROWTH_PER_SECOND: Final = 0.3
MEMORY_SECONDS: Final = 2.0
"""What was sent longer ago counts for less and less: a third after so long."""
MIN_RATE_SECONDS: Final = 1.0
"""A burst within less is no pace."""
MAX_STEP_SECONDS: Final = 5.0
MIN_EVIDENCE_REQUESTS: Final = 5
"""Requests since the last pause without which a refusal says nothing of a pace: the API may be down."""
LONG_WAIT_SECONDS: Final = 1.5
"""Who asks for a longer wait counts by windows: the wait is all that it needs, and a pace would gain nothing."""
UNLIKE_FACTOR: Final = 2.0
"""No limit lets so many times more through at one pace than it did before."""
SAME_PACE_FACTOR: Final = 1.1
"""Paces that differ by no more are one."""
CHANCE_REFUSALS: Final = 2
"""So many refusals that no limit explains say that they come by chance."""
MAX_CHANCE_WAIT_SECONDS: Final = 30.0
"""Who asks for more means everybody."""
CHANCE_SECONDS: Final = 3_600.0
OFTEN_SECONDS: Final = 10.0
OFTEN_REFUSALS, OFTEN_PART = 5, 0.1
"""So many refusals within so long, and such a part of all requests, are no chance."""
MAX_PACE: Final = 10_000.0
"""Requests a second above which a pace means nothing."""


class RecentRequests(msgspec.Struct, frozen=True, array_like=True):
    """Requests, and the seconds in which they were sent; what is old fades."""

    sent: float = 0.0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.sent / max(MIN_RATE_SECONDS, self.seconds)

    def after(self, sent: int, seconds: float) -> RecentRequests:
        """With those of a step that took so long."""
        kept = math.exp(-seconds / MEMORY_SECONDS)
        return RecentRequests(self.sent * kept + sent, self.seconds * kept + seconds)


class LearnedRate(msgspec.Struct, frozen=True, kw_only=True):
    """Requests a second that all members together may send, as far as refusals have shown it. Times are the scope's."""

    pace: float = NO_PACE
    at: float = 0.0
    refused_at: float = -NO_PACE
    resumed_at: float = -NO_PACE
    """When the pause after it ends, or ended."""
    lately: RecentRequests = msgspec.field(default_factory=RecentRequests)
    sent: int = 0
    """Since the last refusal that followed `MIN_EVIDENCE_REQUESTS` requests."""
    counted: int = 0
    """How many of these there were at the last refusal of all, if that came before so many."""
    proven: float = 0.0
    """The most that went through from one refusal to the next, a second."""
    ceiling: float = NO_PACE
    """What was refused."""
    ceiling_until: float = -NO_PACE
    odd: int = 0
    """Refusals that no limit explains."""
    before: int = 0
    """``sent`` as it was at the last refusal, and the pace; 0 at the first."""
    before_pace: float = 0.0
    by_chance_until: float = -NO_PACE
    no_chance_until: float = -NO_PACE
    """It was believed once, and wrong."""
    refused_lately: float = 0.0
    sent_lately: float = 0.0
    """Both fade within `OFTEN_SECONDS`; they count while refusals are taken to come by chance."""

    def is_by_chance(self, time: float) -> bool:
        """Whether a refusal is about its own request alone."""
        return time < self.by_chance_until


def grow(learned: LearnedRate, time: float, sent: int) -> LearnedRate:
    """As it is now, after so many requests more: the pace grows as long as nothing is refused."""
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
    """After ``refusals`` that ask for a wait of so many ``seconds``. ``is_row``: one came after another."""
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
    """Whether no limit explains a refusal now."""
    if learned.pace <= PROVEN_FACTOR * learned.proven:
        return True
    sent, before = learned.sent, learned.before
    is_more = sent >= UNLIKE_FACTOR * before and learned.pace * SAME_PACE_FACTOR >= learned.before_pace
    is_less = before >= UNLIKE_FACTOR * sent and learned.pace <= SAME_PACE_FACTOR * learned.before_pace
    return before > 0 and (is_more or is_less)


def _after_chance_refusal(learned: LearnedRate, refusals: int, time: float, *, is_row: bool) -> LearnedRate:
    """It was no chance after all where they come one after another, or become many: a limit is looked for again."""
    lately = learned.refused_lately + refusals
    if is_row or (lately >= OFTEN_REFUSALS and lately >= OFTEN_PART * learned.sent_lately):
        return LearnedRate(at=time, lately=learned.lately, no_chance_until=time + CHANCE_SECONDS)
    return replace(learned, refused_lately=lately)
