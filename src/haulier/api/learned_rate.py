"""A pace that no header tells: found from refusals that ask for a short wait. Pure: the row holds the state.

Without it an API with a limit of its own is run into again and again, with a pause each time. Measured against a bucket
of 20 requests a second: 23 refusals and 1.7 times the time in half a minute; with it a few, and then none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from haulier.api.breaker import Slice

NO_PACE: Final = 1e9
CUT: Final = 0.9
"""Of what the API took before it refused."""
KEPT_BELOW: Final = 0.95
CEILING_SECONDS: Final = 300.0
"""How long the pace stays below the one that was refused."""
GROWTH: Final = 0.15
"""A second: from 5 to 20 requests a second in ten seconds."""
APART_SECONDS: Final = 2.0
"""Refusals closer together are of one moment."""
RECENT_SECONDS: Final = 7.5
"""Counts are kept in parts of five seconds: the part that began just now alone would tell nothing."""
MARGIN: Final = 1.1
"""What was taken lately, on average, may be so much less than what was taken just before the refusal."""
LONGEST_STEP_SECONDS: Final = 5.0
ODD: Final = 4
"""So many refusals below what is known to be borne say that it is not the pace: some APIs refuse at random."""
GIVEN_UP_SECONDS: Final = 3_600.0
FAR_OFF: Final = 10_000.0
"""Requests a second above which a pace means nothing."""


class LearnedRate(msgspec.Struct, frozen=True, kw_only=True):
    """Requests a second that all members together may send, as far as refusals have shown it. Times are the scope's."""

    pace: float = NO_PACE
    at: float = 0.0
    cut_at: float = -NO_PACE
    ceiling: float = NO_PACE
    ceiling_until: float = -NO_PACE
    odd: int = 0
    """Refusals in a row at a pace that stood below the ceiling."""
    given_up_until: float = -NO_PACE


def grown(learned: LearnedRate, time: float) -> LearnedRate:
    """The pace as it is now: it grows as long as nothing is refused."""
    if learned.pace >= NO_PACE:
        return learned
    step = min(LONGEST_STEP_SECONDS, max(0.0, time - learned.at))
    pace = learned.pace * (1 + GROWTH) ** step
    if time < learned.ceiling_until:
        pace = max(learned.pace, min(pace, KEPT_BELOW * learned.ceiling))
    return replace(learned, pace=NO_PACE if pace > FAR_OFF else pace, at=time)


def refused(learned: LearnedRate, slices: Sequence[Slice], time: float) -> LearnedRate:
    """After a refusal that asks for a short wait. ``slices``: the answers of the last half minute."""
    if time - learned.cut_at < APART_SECONDS or time < learned.given_up_until:
        return learned
    if learned.pace >= NO_PACE:
        # The first burst tells little about what comes in the long run: low, and up from there.
        return LearnedRate(pace=max(1.0, CUT * _taken(slices, time, NO_PACE)), at=time, cut_at=time)
    is_odd = time < learned.ceiling_until and learned.pace <= KEPT_BELOW * learned.ceiling
    odd = learned.odd + 1 if is_odd else 0
    if odd >= ODD:
        return LearnedRate(at=time, cut_at=time, given_up_until=time + GIVEN_UP_SECONDS)
    ceiling = max(1.0, min(learned.pace, MARGIN * _taken(slices, time, RECENT_SECONDS)))
    pace = max(1.0, CUT * ceiling)
    until = time + CEILING_SECONDS
    return LearnedRate(pace=pace, at=time, cut_at=time, ceiling=ceiling, ceiling_until=until, odd=odd)


def _taken(slices: Sequence[Slice], time: float, seconds: float) -> float:
    """Good answers a second, lately."""
    recent = [one for one in slices if time - one.since <= seconds]
    if not recent:
        return 0.0
    return sum(one.good for one in recent) / max(APART_SECONDS, time - recent[0].since)
