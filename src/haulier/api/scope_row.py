"""The row that the members of a scope share, and how it may change. Pure: a test walks it without a store or a clock.

Who is silent is seen by each member for itself: `Member.beats` of the silent one has not moved for a while of the
observer's own monotonic time. So no wall clock decides about a share, and one that is set forwards or back frees none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from haulier.api.governor import Governor, Report, fed
from haulier.api.scope_shares import Wish, shares
from haulier.errors import HaulierError, NewerFormatError

FORMAT = 1

LONGEST_STEP_SECONDS = 60.0

REASSERT_SECONDS = 0.5
"""A pause is written again where the row's end of it lies so much too early: the wall clock was set forwards."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One process that sends requests under the scope."""

    beats: int
    """The number of its last beat; it never comes twice. Where it does not move, the member is silent."""
    share: int
    in_flight: int
    """The cap that this member knows of."""
    wants: bool
    """Whether it had an item in work, or a request, within the last two beats."""
    turns: int
    """For how many beats it has held a share: who has the fewest comes first where there is not one for each."""
    keep_seconds: float
    """How long its share is kept after its last beat, since requests of its own may be under way for so long."""
    beat_at: float
    """Wall time of the last beat, for people; nothing is decided by it."""
    peak: int = 0
    """The most requests that it had in flight at once between its last two beats."""
    is_fixed: bool = False
    """Whether it leaves the cap to the user alone."""
    process: str = ""
    """What tells whether its process still exists; empty where that cannot be told."""


class ScopeRow(msgspec.Struct, frozen=True, kw_only=True):
    """The whole row. An empty one is a scope without members."""

    v: int = FORMAT
    members: dict[str, Member] = msgspec.field(default_factory=dict)
    time: float = 0.0
    """Seconds for which the scope has been beating. It never goes back, and no jump of a clock moves it."""
    beat_at: float = 0.0
    """Wall time of the last beat of all."""
    pause_until: float = 0.0
    """Wall time at which the pause ends; in the past, there is none."""
    pause_seconds: float = 0.0
    """How long it was when it was written. It lasts no longer than that, even if the wall clock is set back."""
    successes: int = 0
    """Beats with a good answer in them, since the first of these members joined."""
    last_success_at: float = 0.0
    governor: Governor = msgspec.field(default_factory=Governor)


class _Version(msgspec.Struct):
    v: int


def decode(body: bytes | None) -> ScopeRow:
    """The row as it is stored; None is an empty one. Raises `NewerFormatError`; `HaulierError` for what is no row."""
    if body is None:
        return ScopeRow()
    try:
        found = msgspec.json.decode(body, type=_Version).v
        if found > FORMAT:
            raise NewerFormatError("The scope row in the queue", found, FORMAT)
        return msgspec.json.decode(body, type=ScopeRow)
    except msgspec.MsgspecError as error:
        raise HaulierError(f"The scope row in the queue cannot be read: {error}") from error


def encode(row: ScopeRow) -> bytes:
    return msgspec.json.encode(row)


@dataclass(frozen=True)
class Beat:
    """What a member says in one beat."""

    name: str
    number: int
    """Higher than in any beat of this member before. A member that was dropped and comes back must not look like the
    silent one that it was, or whoever believes it dead would drop it once more while it sends."""
    offer: int
    """The share that it keeps at the least; the rest is given back. Never below its requests in flight."""
    in_flight: int
    wants: bool
    keep_seconds: float
    process: str = ""
    is_fixed: bool = False
    peak: int = 0
    report: Report = field(default_factory=Report)
    roll: float = 0.5
    """Chance, from 0 to 1, for what must not happen everywhere at once."""
    wall: float = 0.0
    had_success: bool = False
    pause_left: float = 0.0
    """What it knows to be left of a pause; the row's end of it is moved where it is earlier."""
    silent: Mapping[str, int] = field(default_factory=dict)
    """Members whose beats have stood at this number for too long to wait for them."""
    gone: Mapping[str, int] = field(default_factory=dict)
    """Members whose beats have stood at this number for so long that nothing of theirs can be in flight."""


def beaten(row: ScopeRow, beat: Beat) -> ScopeRow:
    """The row after a beat, a first one too. The sum of all shares is no higher than before, or fits under the cap."""
    members = {name: one for name, one in row.members.items() if beat.gone.get(name) != one.beats}
    if not members:
        row = ScopeRow(time=row.time, pause_until=row.pause_until, pause_seconds=row.pause_seconds)
    mine = members.get(beat.name)
    # A member that is not in the row, or no longer, has no share in it, whatever it remembers.
    kept = 0 if mine is None else min(beat.offer, mine.share)
    others = [one for name, one in members.items() if name != beat.name]
    members[beat.name] = Member(
        beats=beat.number,
        share=kept,
        in_flight=beat.in_flight,
        wants=beat.wants,
        turns=min((one.turns for one in others), default=0) if mine is None else mine.turns + (mine.share > 0),
        keep_seconds=beat.keep_seconds,
        beat_at=beat.wall,
        peak=beat.peak,
        is_fixed=beat.is_fixed,
        process=beat.process,
    )
    row = _governed(_at(msgspec.structs.replace(row, members=members), beat.wall), beat)
    room = cap(row, beat.silent) - sum(one.share for one in others)
    share = max(kept, min(target(row, beat.name, beat.silent), room))
    members[beat.name] = msgspec.structs.replace(members[beat.name], share=share)
    if beat.had_success:
        row = msgspec.structs.replace(row, successes=row.successes + 1, last_success_at=beat.wall)
    if beat.pause_left > 0.0 and beat.wall + beat.pause_left > row.pause_until + REASSERT_SECONDS:
        row = paused(row, beat.wall, beat.pause_left)
    return row


def left(row: ScopeRow, name: str, in_use: int) -> ScopeRow:
    """The row without a member. What it still has in flight stays taken, until its silence proves that it ended."""
    mine = row.members.get(name)
    members = {other: one for other, one in row.members.items() if other != name}
    if mine is not None and in_use > 0:
        members[name] = msgspec.structs.replace(
            mine, beats=mine.beats + 1, share=min(mine.share, in_use), wants=False, process=""
        )
    return msgspec.structs.replace(row, members=members)


def paused(row: ScopeRow, wall: float, seconds: float) -> ScopeRow:
    """The row with a pause from now. A pause is never shortened."""
    if wall + seconds <= row.pause_until:
        return row
    return msgspec.structs.replace(row, pause_until=wall + seconds, pause_seconds=seconds)


def cap(row: ScopeRow, silent: Mapping[str, int]) -> int:
    """How many requests may be in flight: the lowest cap that a living member knows, and what the governor found."""
    living = _living(row, silent)
    in_flight = min((one.in_flight for _, one in living), default=0)
    is_fixed = all(one.is_fixed for _, one in living)
    return in_flight if is_fixed else row.governor.cap(in_flight)


def target(row: ScopeRow, name: str, silent: Mapping[str, int]) -> int:
    """The share that a member should come to, now that the row is as it is."""
    living = _living(row, silent)
    locked = sum(one.share for one in row.members.values()) - sum(one.share for _, one in living)
    wishes = [Wish(other, one.share, one.wants, one.turns) for other, one in living]
    return shares(max(0, cap(row, silent) - locked), wishes).get(name, 0)


def _at(row: ScopeRow, wall: float) -> ScopeRow:
    """The row at the wall time of a beat. Beats come at least every few seconds, so a longer step is a jump."""
    step = wall - row.beat_at
    return msgspec.structs.replace(
        row, time=row.time + (step if 0.0 <= step <= LONGEST_STEP_SECONDS else 0.0), beat_at=wall
    )


def _governed(row: ScopeRow, beat: Beat) -> ScopeRow:
    if beat.is_fixed:
        return row
    living = _living(row, beat.silent)
    in_use = sum(one.peak for _, one in living)
    in_flight = min(one.in_flight for _, one in living)
    governor = fed(row.governor, beat.report, in_use, in_flight, row.time, beat.roll)
    return msgspec.structs.replace(row, governor=governor)


def _living(row: ScopeRow, silent: Mapping[str, int]) -> Sequence[tuple[str, Member]]:
    return [(name, one) for name, one in row.members.items() if silent.get(name) != one.beats]
