"""How often a member beats and reads (docs/politeness.md#rows-that-cost)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from haulier.api.limits.breaker import State
from haulier.api.limits.learned_rate import NO_PACE
from haulier.api.scope.row import ScopeRow

BEAT_SECONDS: Final = 1.0
"""Shortest time between two beats that nothing but time causes."""
READS_PER_BEAT: Final = 5
"""Where operations cost nothing: a read costs a tenth of a beat."""
BEAT_OPERATIONS: Final = 2
"""Fewest of an update."""
READS_PART: Final = 0.6
"""Part of the operations for reads of members with a share, which hear of pauses by them."""
SHARE_BEATS_PART: Final = 0.25
"""Part for beats of members with a share: nobody has the share of one that died until it was silent for long."""
QUIET_BEATS_PART: Final = 0.1
"""Part for beats of members without a share, of which one is enough to take what is free."""
MIN_READ_SECONDS: Final = 1.0
MAX_READ_SECONDS: Final = 7.0
"""The API goes before the store: with more members that send, there are more operations than there should be."""
MAX_BEAT_SECONDS: Final = 60.0
MAX_QUIET_BEAT_SECONDS: Final = 600.0
TENSE_SECONDS: Final = 60.0
"""Time after a refusal in which members with a share beat as often as they read before: a pace is learned from what all
of them sent."""
TENSE_READS_PER_BEAT: Final = 2
"""Where an API refuses, the next pause is near."""


@dataclass(frozen=True)
class Rhythm:
    """The longest time between two beats, and between two reads. Each member writes its own into the row: the others
    judge its silence by that."""

    beat_seconds: float
    """Of a member with a share."""
    quiet_beat_seconds: float
    """Of a member without one."""
    read_seconds: float
    """Of a member that sends, or waits for a share that is its own."""


def steady_rhythm(beat_seconds: float) -> Rhythm:
    """Where operations cost nothing."""
    return Rhythm(beat_seconds, beat_seconds, beat_seconds / READS_PER_BEAT)


def fleet_rhythm(row: ScopeRow, operations_per_second: float, least_seconds: float) -> Rhythm:
    """Keep all members of the row together near ``operations_per_second``. No beat comes sooner than
    ``least_seconds``."""
    holders = max(1, sum(one.share > 0 or one.wants for one in row.members.values()))
    others = max(1, len(row.members) - holders)
    read_seconds = min(max(holders / (READS_PART * operations_per_second), MIN_READ_SECONDS), MAX_READ_SECONDS)
    beat_seconds = BEAT_OPERATIONS * holders / (SHARE_BEATS_PART * operations_per_second)
    beat_seconds = min(max(beat_seconds, least_seconds), MAX_BEAT_SECONDS)
    if _is_tense(row):
        beat_seconds = min(beat_seconds, max(read_seconds, least_seconds))
        read_seconds = max(MIN_READ_SECONDS, read_seconds / TENSE_READS_PER_BEAT)
    quiet_seconds = BEAT_OPERATIONS * others / (QUIET_BEATS_PART * operations_per_second)
    quiet_seconds = min(max(quiet_seconds, least_seconds), MAX_QUIET_BEAT_SECONDS)
    return Rhythm(beat_seconds, max(beat_seconds, quiet_seconds), read_seconds)


def operations_now(row: ScopeRow, operations_per_second: float, least_seconds: float) -> float:
    """The operations a second of the members of the row, if all of those with a share have work and all goes well."""
    rhythm = fleet_rhythm(row, operations_per_second, least_seconds)
    if len(row.members) < 2:
        return BEAT_OPERATIONS * len(row.members) / rhythm.beat_seconds  # Nobody is there to be heard.
    holders = sum(one.share > 0 for one in row.members.values())
    reads = 0.0 if rhythm.read_seconds >= rhythm.beat_seconds else 1 / rhythm.read_seconds - 1 / rhythm.beat_seconds
    with_share = reads + BEAT_OPERATIONS / rhythm.beat_seconds
    return holders * with_share + (len(row.members) - holders) * BEAT_OPERATIONS / rhythm.quiet_beat_seconds


def _is_tense(row: ScopeRow) -> bool:
    learned, breaker = row.learned, row.breaker
    is_refused = row.time - learned.refused_at < TENSE_SECONDS or learned.pace < NO_PACE
    return is_refused or breaker.state is State.SUSPECT or breaker.trial > 0
