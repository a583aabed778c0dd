"""Pure changes of the row of a scope (docs/politeness.md#the-shared-row)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from haulier.api.limits.breaker import (
    WITNESS_HEAD_START_SECONDS,
    Outcomes,
    State,
    after_outcomes,
    after_probe,
    claim_probe,
    close_on_trial,
)
from haulier.api.limits.budget import (
    UNLIMITED,
    Budget,
    Quota,
    Rate,
    Spending,
    allowed_pace,
    divide_pace,
    learn_limits,
    take,
)
from haulier.api.limits.governor import Phase, Report, begin_run, feed_report, restart
from haulier.api.limits.learned_rate import LearnedRate, after_refusal, grow
from haulier.api.scope.failures import Failures, merge_failures
from haulier.api.scope.latencies import with_latencies
from haulier.api.scope.orders import Hold, InFlightLimit
from haulier.api.scope.row import FORMAT, Member, ScopeRow
from haulier.api.scope.shares import Wish, divide_cap

MAX_STEP_SECONDS = 60.0

REASSERT_SECONDS = 0.5
"""A pause that ends so much too early in the row is written again: a wall clock was set forwards."""

MIN_LIFT_GAP_SECONDS = 0.001

MIN_PACE_PART, MAX_PACE_FACTOR = 0.5, 1.05
"""Where beats are rare, no member is left with less of its part of a pace until its next beat, nor with more."""


@dataclass(frozen=True)
class Beat:
    name: str
    number: int
    """Higher than ever before: else a dropped member that comes back would look like its silent self, and be dropped
    again."""
    offer: int
    """Share that it keeps, never below its requests in flight."""
    in_flight: int
    wants: bool
    keep_seconds: float
    beat_seconds: float = 1.0
    """Longest time until the next beat, with a share and without one."""
    quiet_beat_seconds: float = 1.0
    is_slow: bool = False
    """Beats are far apart: what is free goes to who comes first."""
    takes_items: bool = True
    process: str = ""
    mark: str = ""
    is_fixed: bool = False
    is_guest: bool = False
    peak: int = 0
    report: Report = field(default_factory=Report)
    outcomes: Outcomes = field(default_factory=Outcomes)
    can_probe: bool = False
    has_witness: bool = False
    out_of: str = ""
    probe: bool | None = None
    spending: Spending = field(default_factory=Spending)
    failures: Mapping[str, Failures] = field(default_factory=dict)
    latencies: Sequence[int] = ()
    """Answers since the beat before (`haulier.api.scope.latencies`)."""
    items: int = 0
    """Items in work."""
    roll: float = 0.5
    """Random, 0 to 1."""
    wall: float = 0.0
    had_success: bool = False
    success_age_seconds: float = 0.0
    lifted_at: float = 0.0
    """The last lift that it knows of; a later one ends its pause."""
    pause_left: float = 0.0
    """An earlier end in the row is moved."""
    silent: Mapping[str, int] = field(default_factory=dict)
    """Members that nobody waits for, and the number of their last beat."""
    gone: Mapping[str, int] = field(default_factory=dict)
    """Members without requests in flight, and the number of their last beat."""


def after_beat(row: ScopeRow, beat: Beat) -> ScopeRow:
    """Apply a beat. The sum of all shares does not grow, or fits under the cap."""
    members = {name: one for name, one in row.members.items() if beat.gone.get(name) != one.beats}
    if not members:
        row = _restart(row, beat.wall)
    before = row.time
    row = _advance_time(replace(row, members=members), beat.wall, is_slow=beat.is_slow)
    row = replace(row, latencies=with_latencies(row.latencies, row.time - before, beat.latencies))
    if row.pause_mark and row.pause_mark != beat.mark:
        row = _without_pause(row)
    mine = members.get(beat.name)
    row = _with_member(row, beat, _update_member(row, beat, mine))
    row = _learn(row, beat)
    share = row.members[beat.name].share
    if beat.wants or beat.takes_items:
        free = room(row, beat.silent)
        wanted = target(row, beat.name, beat.silent)
        if beat.is_slow and not wanted and free > 0:
            # Whose turn it is may not look for minutes. As if it had the share already: so it will not give it back.
            wanted = target(row, beat.name, beat.silent, least_share=1)
        share = max(share, min(wanted, share + free))
    beat_seconds = beat.beat_seconds if share else beat.quiet_beat_seconds
    mine = replace(row.members[beat.name], share=share, beat_seconds=beat_seconds)
    return _grant_requests(_with_member(row, beat, mine), beat)


def _restart(row: ScopeRow, wall: float) -> ScopeRow:
    """Begin afresh with the first member, since the API may be different now. Pauses, spent requests and a person's
    orders still count."""
    return ScopeRow(
        v=row.v,
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
        held=row.held,
        limit=row.limit,
    )


def _update_member(row: ScopeRow, beat: Beat, mine: Member | None) -> Member:
    others = [one for name, one in row.members.items() if name != beat.name]
    return Member(
        beats=beat.number,
        # A member that is not in the row, or no longer, has no share in it, whatever it remembers.
        share=0 if mine is None else min(beat.offer, mine.share),
        in_flight=beat.in_flight,
        wants=beat.wants,
        looks=beat.takes_items,
        is_guest=beat.is_guest,
        out_of=beat.out_of,
        turns=min((one.turns for one in others), default=0) if mine is None else mine.turns + (mine.share > 0),
        keep_seconds=beat.keep_seconds,
        beat_seconds=beat.beat_seconds,
        beat_at=beat.wall,
        peak=beat.peak,
        items=beat.items,
        is_fixed=beat.is_fixed,
        rate=0.0 if mine is None else mine.rate,
        wanted=beat.spending.wanted,
        process=beat.process,
    )


def _learn(row: ScopeRow, beat: Beat) -> ScopeRow:
    success_at = beat.wall - beat.success_age_seconds
    # Another member may have told a later one before. A time to come is of a clock that was wrong.
    is_newest = not beat.is_slow or not success_at <= row.last_success_at <= beat.wall
    if beat.had_success and is_newest:
        row = replace(
            row,
            successes=row.successes + 1,
            last_success_at=success_at,
            success_age_seconds=beat.success_age_seconds,
        )
    ends_at = beat.wall + beat.pause_left
    if beat.pause_left > 0.0 and ends_at > row.pause_until + REASSERT_SECONDS:
        row = with_pause(row, beat.wall, beat.pause_left, row.pause_reason, row.pause_mark, lifted_at=beat.lifted_at)
    row = _update_breaker(_govern(row, beat), beat)
    row = with_failures(row, beat.failures)
    seen = beat.outcomes
    learned = grow(row.learned, row.time, seen.sent)
    if beat.is_slow and len(row.members) > 1:
        # Chance is proven by exact numbers of requests, and what others sent is told late.
        learned = replace(learned, no_chance_until=max(learned.no_chance_until, row.time + 1.0))
    if seen.throttled:
        learned = after_refusal(learned, seen.throttled_seconds, seen.throttled, row.time, is_row=seen.is_row)
    return replace(row, learned=learned)


def after_leave(
    row: ScopeRow,
    name: str,
    in_use: int,
    unused: Mapping[Quota, int] | None = None,
    failures: Mapping[str, Failures] | None = None,
) -> ScopeRow:
    """Remove a member. Its requests in flight stay counted until its silence proves that they ended."""
    mine = row.members.get(name)
    for quota, back in (unused or {}).items():
        row = replace(row, budget=take(row.budget, quota, back, 1, row.beat_at)[0])
    members = {other: one for other, one in row.members.items() if other != name}
    if mine is not None and in_use > 0:
        members[name] = replace(mine, beats=mine.beats + 1, share=min(mine.share, in_use), wants=False, process="")
    return with_failures(replace(row, members=members), failures or {})


def with_failures(row: ScopeRow, news: Mapping[str, Failures]) -> ScopeRow:
    return replace(row, failures=merge_failures(row.failures, news)) if news else row


def with_pause(
    row: ScopeRow,
    wall: float,
    seconds: float,
    reason: str = "",
    mark: str = "",
    *,
    lifted_at: float = math.inf,
    slack_seconds: float = 0.0,
) -> ScopeRow:
    """Pause those with the credentials of ``mark``, or everybody if it is empty. Never shortens.

    ``lifted_at``: the last lift known when the API was asked; a later one has lifted this pause too. ``slack_seconds``:
    a longer pause by no more is not worth a write.
    """
    if lifted_at < row.lifted_at or wall + seconds <= row.pause_until + slack_seconds:
        return row
    return replace(row, pause_until=wall + seconds, pause_seconds=seconds, pause_reason=reason, pause_mark=mark)


def with_pause_lifted(row: ScopeRow, wall: float) -> ScopeRow:
    """Lift a hold, a pause and an open breaker. A pace found from refusals stays."""
    row = _with_orders(_without_pause(row), None, row.limit)
    row = replace(row, lifted_at=max(wall, row.lifted_at + MIN_LIFT_GAP_SECONDS))
    if row.breaker.state is State.CLOSED:
        return row
    return replace(row, breaker=close_on_trial(row.breaker), governor=restart(row.governor))


def with_hold(row: ScopeRow, hold: Hold) -> ScopeRow:
    """The first one stays until it is lifted."""
    return row if row.held is not None else _with_orders(row, hold, row.limit)


def with_limit(row: ScopeRow, limit: InFlightLimit | None) -> ScopeRow:
    """None: each member's own ``in_flight`` counts again. Where it was the cap that stopped the governor, and not the
    API, slow start goes on, which doubles."""
    row, governor = _with_orders(row, row.held, limit), row.governor
    if not governor.is_found and governor.phase is Phase.STEADY:
        row = replace(row, governor=replace(governor, phase=Phase.STARTING))
    return row


def _with_orders(row: ScopeRow, held: Hold | None, limit: InFlightLimit | None) -> ScopeRow:
    return replace(row, v=1 if held is None and limit is None else FORMAT, held=held, limit=limit)


def _without_pause(row: ScopeRow) -> ScopeRow:
    return replace(row, pause_until=0.0, pause_seconds=0.0, pause_reason="", pause_mark="")


def cap(row: ScopeRow, silent: Mapping[str, int]) -> int:
    """A person's limit, or else the lowest cap of a living member; or the governor's below it."""
    living = _living_members(row, silent)
    in_flight = _in_flight(row, living)
    is_fixed = any(one.is_fixed for _, one in living)
    return in_flight if is_fixed else row.governor.cap(in_flight)


def _in_flight(row: ScopeRow, living: Sequence[tuple[str, Member]]) -> int:
    if row.limit is not None and living:
        return row.limit.in_flight
    return min((one.in_flight for _, one in living), default=0)


def room(row: ScopeRow, silent: Mapping[str, int]) -> int:
    """The unshared part of the cap; negative while the cap falls."""
    return cap(row, silent) - sum(one.share for one in row.members.values())


def target(row: ScopeRow, name: str, silent: Mapping[str, int], *, least_share: int = 0) -> int:
    """``least_share`` is what ``name`` is taken to have at least, in the order of turns."""
    living = _living_members(row, silent)
    locked = sum(one.share for one in row.members.values()) - sum(one.share for _, one in living)
    wishes = [
        Wish(other, max(one.share, least_share if other == name else 0), one.wants, one.turns, one.looks, one.is_guest)
        for other, one in living
    ]
    return divide_cap(max(0, cap(row, silent) - locked), wishes).get(name, 0)


def _advance_time(row: ScopeRow, wall: float, *, is_slow: bool) -> ScopeRow:
    """A longer step is a jump of the clock."""
    step = wall - row.beat_at
    if is_slow and -MAX_STEP_SECONDS <= step < 0.0:
        return row  # The members' machines differ a little: time goes by the foremost.
    return replace(row, time=row.time + (step if 0.0 <= step <= MAX_STEP_SECONDS else 0.0), beat_at=wall)


def _govern(row: ScopeRow, beat: Beat) -> ScopeRow:
    if beat.is_fixed:
        return row
    living = _living_members(row, beat.silent)
    # What lies idle with who looks for work is no room that the API has left.
    in_use = sum(one.peak if one.wants else max(one.peak, one.share) for _, one in living)
    in_flight = _in_flight(row, living)
    return replace(row, governor=feed_report(row.governor, beat.report, in_use, in_flight, row.time, beat.roll))


def _update_breaker(row: ScopeRow, beat: Beat) -> ScopeRow:
    """Only an API that has worked can break down; else each worker says so and stops."""
    breaker = row.breaker
    if row.successes:
        breaker = after_outcomes(breaker, beat.outcomes, row.time, beat.wall, beat.roll)
    if beat.probe is not None:
        breaker = after_probe(breaker, beat.name, row.time, beat.roll, is_good=beat.probe)
    if beat.can_probe:
        others = [one for name, one in _living_members(row, beat.silent) if one.share and name != beat.name]
        beats = [one.beat_seconds for one in others] if beat.is_slow else []
        breaker = claim_probe(
            breaker,
            beat.name,
            row.time,
            beat.keep_seconds,
            has_witness=beat.has_witness,
            head_start_seconds=max([WITNESS_HEAD_START_SECONDS, *beats]),
        )
    governor = row.governor if breaker.closings == row.breaker.closings else restart(row.governor)
    return replace(row, breaker=breaker, governor=governor)


def _grant_requests(row: ScopeRow, beat: Beat) -> ScopeRow:
    spending, budget = beat.spending, row.budget
    if spending.heard is not None:
        budget = learn_limits(budget, spending.heard, beat.wall)
    living = _living_members(row, beat.silent)
    granted: dict[str, int] = {}
    for quota, ask in spending.asks.items():
        if beat.is_slow and ask > 0 and not row.members[beat.name].share:
            continue  # It would hold for minutes what others can send.
        budget, granted[quota.key] = take(budget, quota, ask, len(living), beat.wall)
    total = min(row.learned.pace, allowed_pace(budget, spending.declared, beat.wall))
    # Without a share nobody can send: a part of the pace would be lost.
    rate = divide_pace(total, {name: one.wanted if one.share else 0.0 for name, one in living})[beat.name]
    if total < UNLIMITED:
        rate = min(rate, max(0.0, total - sum(one.rate for name, one in living if name != beat.name)))
    mine = replace(row.members[beat.name], rate=rate, granted={key: one for key, one in granted.items() if one > 0})
    return _with_member(replace(row, budget=budget), beat, mine)


def is_pace_due(row: ScopeRow, name: str, silent: Mapping[str, int], declared: Sequence[Rate], wall: float) -> bool:
    """Whether a beat now would give back a pace that another one needs, or take one that is free."""
    mine = row.members.get(name)
    total = min(row.learned.pace, allowed_pace(row.budget, declared, wall))
    if mine is None or not mine.share or total >= UNLIMITED:
        return False
    senders = {other: one for other, one in _living_members(row, silent) if one.share}
    parts = divide_pace(total, {other: one.wanted for other, one in senders.items()})
    taken = sum(one.rate for one in senders.values())
    if mine.rate < MIN_PACE_PART * parts[name]:
        return total - taken > mine.rate
    is_one_short = any(one.rate < MIN_PACE_PART * parts[other] for other, one in senders.items())
    return mine.rate > MAX_PACE_FACTOR * parts[name] and (is_one_short or taken > MAX_PACE_FACTOR * total)


def _with_member(row: ScopeRow, beat: Beat, member: Member) -> ScopeRow:
    return replace(row, members=row.members | {beat.name: member})


def _living_members(row: ScopeRow, silent: Mapping[str, int]) -> Sequence[tuple[str, Member]]:
    return [(name, one) for name, one in row.members.items() if silent.get(name) != one.beats]
