"""How the row of a scope may change. Pure: a test walks it without a store or a clock.

Who is silent is seen by each member for itself: `Member.beats` of the silent one has not moved for a while of the
observer's own monotonic time. So no wall clock decides about a share, and one that is set forwards or back frees none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from haulier.api.limits.breaker import Outcomes, State, after_outcomes, after_probe, claim_probe, close_on_trial
from haulier.api.limits.budget import UNLIMITED, Budget, Quota, Spending, allowed_pace, divide_pace, learn_limits, take
from haulier.api.limits.governor import Report, begin_run, feed_report, restart
from haulier.api.limits.learned_rate import LearnedRate, after_refusal, grow
from haulier.api.scope.failures import Failures, merge_failures
from haulier.api.scope.row import Member, ScopeRow
from haulier.api.scope.shares import Wish, divide_cap

MAX_STEP_SECONDS = 60.0

REASSERT_SECONDS = 0.5
"""A pause is written again where the row's end of it lies so much too early: the wall clock was set forwards."""

MIN_LIFT_GAP_SECONDS = 0.001
"""So much later is a lift at the least than the one before, whatever the wall clock says."""


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
    looks: bool = True
    process: str = ""
    mark: str = ""
    """`haulier.api.scope.credential_mark` of what it shows the API."""
    is_fixed: bool = False
    peak: int = 0
    report: Report = field(default_factory=Report)
    outcomes: Outcomes = field(default_factory=Outcomes)
    can_probe: bool = False
    """It has a place free for a request, and is not probing already."""
    has_witness: bool = False
    """It knows a good request to ask."""
    out_of: str = ""
    """The limit that is used up, if one is."""
    probe: bool | None = None
    """What its probe found, if it made one."""
    spending: Spending = field(default_factory=Spending)
    failures: Mapping[str, Failures] = field(default_factory=dict)
    """What failed since the last beat, by run."""
    roll: float = 0.5
    """Chance, from 0 to 1, for what must not happen everywhere at once."""
    wall: float = 0.0
    had_success: bool = False
    lifted_at: float = 0.0
    """The last lift that it knows of: what it says of a pause is older than a later one."""
    pause_left: float = 0.0
    """What it knows to be left of a pause; the row's end of it is moved where it is earlier."""
    silent: Mapping[str, int] = field(default_factory=dict)
    """Members whose beats have stood at this number for too long to wait for them."""
    gone: Mapping[str, int] = field(default_factory=dict)
    """Members whose beats have stood at this number for so long that nothing of theirs can be in flight."""


def after_beat(row: ScopeRow, beat: Beat) -> ScopeRow:
    """The row after a beat, a first one too. The sum of all shares is no higher than before, or fits under the cap."""
    members = {name: one for name, one in row.members.items() if beat.gone.get(name) != one.beats}
    if not members:
        row = _restart(row, beat.wall)
    row = _advance_time(replace(row, members=members), beat.wall)
    if row.pause_mark and row.pause_mark != beat.mark:
        row = _without_pause(row)
    mine = members.get(beat.name)
    row = _with_member(row, beat, _update_member(row, beat, mine))
    row = _learn(row, beat)
    share = row.members[beat.name].share
    if beat.wants or beat.looks:
        share = max(share, min(target(row, beat.name, beat.silent), share + room(row, beat.silent)))
    return _grant_requests(_with_member(row, beat, replace(row.members[beat.name], share=share)), beat)


def _restart(row: ScopeRow, wall: float) -> ScopeRow:
    """The first member begins afresh: what an earlier run found out may be different now. What the API asked for, and
    what was spent, still counts; and near what it bore the new run begins."""
    return ScopeRow(
        time=row.time,
        beat_at=row.beat_at,
        pause_until=row.pause_until,
        pause_seconds=row.pause_seconds,
        pause_reason=row.pause_reason,
        pause_mark=row.pause_mark,
        lifted_at=row.lifted_at,
        budget=Budget(spent=row.budget.spent),
        learned=row.learned if row.learned.is_by_chance(row.time) else LearnedRate(),
        failures=row.failures,
        governor=begin_run(row.governor, row.beat_at, wall),
    )


def _update_member(row: ScopeRow, beat: Beat, mine: Member | None) -> Member:
    """What the row says of the member that beats; of its share, what it keeps."""
    others = [one for name, one in row.members.items() if name != beat.name]
    return Member(
        beats=beat.number,
        # A member that is not in the row, or no longer, has no share in it, whatever it remembers.
        share=0 if mine is None else min(beat.offer, mine.share),
        in_flight=beat.in_flight,
        wants=beat.wants,
        looks=beat.looks,
        out_of=beat.out_of,
        turns=min((one.turns for one in others), default=0) if mine is None else mine.turns + (mine.share > 0),
        keep_seconds=beat.keep_seconds,
        beat_at=beat.wall,
        peak=beat.peak,
        is_fixed=beat.is_fixed,
        rate=0.0 if mine is None else mine.rate,
        wanted=beat.spending.wanted,
        process=beat.process,
    )


def _learn(row: ScopeRow, beat: Beat) -> ScopeRow:
    """With what the member saw of the API."""
    if beat.had_success:
        row = replace(row, successes=row.successes + 1, last_success_at=beat.wall)
    ends_at = beat.wall + beat.pause_left
    if beat.pause_left > 0.0 and ends_at > row.pause_until + REASSERT_SECONDS:
        row = with_pause(row, beat.wall, beat.pause_left, row.pause_reason, row.pause_mark, lifted_at=beat.lifted_at)
    row = _update_breaker(_govern(row, beat), beat)
    row = with_failures(row, beat.failures)
    seen = beat.outcomes
    learned = grow(row.learned, row.time, seen.sent)
    if seen.throttled:
        learned = after_refusal(learned, seen.throttled_seconds, seen.throttled, row.time, is_row=seen.is_row)
    return replace(row, learned=learned)


def after_leave(
    row: ScopeRow,
    name: str,
    in_use: int,
    rest: Mapping[Quota, int] | None = None,
    failures: Mapping[str, Failures] | None = None,
) -> ScopeRow:
    """The row without a member, and with what it brings back. What it still has in flight stays taken, until its
    silence proves that it ended."""
    mine = row.members.get(name)
    for quota, back in (rest or {}).items():
        row = replace(row, budget=take(row.budget, quota, back, 1, row.beat_at)[0])
    members = {other: one for other, one in row.members.items() if other != name}
    if mine is not None and in_use > 0:
        members[name] = replace(mine, beats=mine.beats + 1, share=min(mine.share, in_use), wants=False, process="")
    return with_failures(replace(row, members=members), failures or {})


def with_failures(row: ScopeRow, news: Mapping[str, Failures]) -> ScopeRow:
    """The row with what failed besides, by run."""
    return replace(row, failures=merge_failures(row.failures, news)) if news else row


def with_pause(
    row: ScopeRow, wall: float, seconds: float, reason: str = "", mark: str = "", *, lifted_at: float = math.inf
) -> ScopeRow:
    """The row with a pause from now, for those who show the credentials of ``mark`` or, if it is empty, for everybody.
    A pause is never shortened. ``lifted_at``: the last lift that was known when the API was asked; a later one has
    lifted this pause too."""
    if lifted_at < row.lifted_at or wall + seconds <= row.pause_until:
        return row
    return replace(row, pause_until=wall + seconds, pause_seconds=seconds, pause_reason=reason, pause_mark=mark)


def with_pause_lifted(row: ScopeRow, wall: float) -> ScopeRow:
    """The row after a person has lifted a pause and an open breaker. Requests start slowly, and the pace that was found
    stays: it was found from refusals."""
    row = replace(_without_pause(row), lifted_at=max(wall, row.lifted_at + MIN_LIFT_GAP_SECONDS))
    if row.breaker.state is State.CLOSED:
        return row
    return replace(row, breaker=close_on_trial(row.breaker), governor=restart(row.governor))


def _without_pause(row: ScopeRow) -> ScopeRow:
    return replace(row, pause_until=0.0, pause_seconds=0.0, pause_reason="", pause_mark="")


def cap(row: ScopeRow, silent: Mapping[str, int]) -> int:
    """How many requests may be in flight: the lowest cap that a living member knows, and what the governor found."""
    living = _living_members(row, silent)
    in_flight = min((one.in_flight for _, one in living), default=0)
    is_fixed = any(one.is_fixed for _, one in living)
    return in_flight if is_fixed else row.governor.cap(in_flight)


def room(row: ScopeRow, silent: Mapping[str, int]) -> int:
    """How much of the cap is in nobody's share; below 0 while the cap is lower than what is out."""
    return cap(row, silent) - sum(one.share for one in row.members.values())


def target(row: ScopeRow, name: str, silent: Mapping[str, int]) -> int:
    """The share that a member should come to, now that the row is as it is."""
    living = _living_members(row, silent)
    locked = sum(one.share for one in row.members.values()) - sum(one.share for _, one in living)
    wishes = [Wish(other, one.share, one.wants, one.turns, one.looks) for other, one in living]
    return divide_cap(max(0, cap(row, silent) - locked), wishes).get(name, 0)


def _advance_time(row: ScopeRow, wall: float) -> ScopeRow:
    """The row at the wall time of a beat. Beats come at least every few seconds, so a longer step is a jump."""
    step = wall - row.beat_at
    return replace(row, time=row.time + (step if 0.0 <= step <= MAX_STEP_SECONDS else 0.0), beat_at=wall)


def _govern(row: ScopeRow, beat: Beat) -> ScopeRow:
    if beat.is_fixed:
        return row
    living = _living_members(row, beat.silent)
    # What lies idle with who looks for work is no room that the API has left.
    in_use = sum(one.peak if one.wants else max(one.peak, one.share) for _, one in living)
    in_flight = min(one.in_flight for _, one in living)
    return replace(row, governor=feed_report(row.governor, beat.report, in_use, in_flight, row.time, beat.roll))


def _update_breaker(row: ScopeRow, beat: Beat) -> ScopeRow:
    """Only an API that has worked can break down: of one that never did, each worker says so and stops."""
    breaker = row.breaker
    if row.successes:
        breaker = after_outcomes(breaker, beat.outcomes, row.time, beat.wall, beat.roll)
    if beat.probe is not None:
        breaker = after_probe(breaker, beat.name, row.time, beat.roll, is_good=beat.probe)
    if beat.can_probe:
        breaker = claim_probe(breaker, beat.name, row.time, beat.keep_seconds, has_witness=beat.has_witness)
    governor = row.governor if breaker.closings == row.breaker.closings else restart(row.governor)
    return replace(row, breaker=breaker, governor=governor)


def _grant_requests(row: ScopeRow, beat: Beat) -> ScopeRow:
    spending, budget = beat.spending, row.budget
    if spending.heard is not None:
        budget = learn_limits(budget, spending.heard, beat.wall)
    living = _living_members(row, beat.silent)
    granted: dict[str, int] = {}
    for quota, ask in spending.asks.items():
        budget, granted[quota.key] = take(budget, quota, ask, len(living), beat.wall)
    total = min(row.learned.pace, allowed_pace(budget, spending.declared, beat.wall))
    # Without a share nobody can send: a part of the pace would be lost.
    rate = divide_pace(total, {name: one.wanted if one.share else 0.0 for name, one in living})[beat.name]
    if total < UNLIMITED:
        rate = min(rate, max(0.0, total - sum(one.rate for name, one in living if name != beat.name)))
    mine = replace(row.members[beat.name], rate=rate, granted={key: one for key, one in granted.items() if one > 0})
    return _with_member(replace(row, budget=budget), beat, mine)


def _with_member(row: ScopeRow, beat: Beat, member: Member) -> ScopeRow:
    return replace(row, members=row.members | {beat.name: member})


def _living_members(row: ScopeRow, silent: Mapping[str, int]) -> Sequence[tuple[str, Member]]:
    return [(name, one) for name, one in row.members.items() if silent.get(name) != one.beats]
