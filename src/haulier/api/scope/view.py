"""One process's view of its API, without task or store."""

from __future__ import annotations

import contextlib
import logging
import random
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from haulier.api.errors import Action, ApiError
from haulier.api.http.ratelimit_headers import is_exhausted, rate_limits
from haulier.api.http.transport import Response
from haulier.api.limits.breaker import Breaker, State, failures_to_open
from haulier.api.limits.budget import (
    HeaderLimits,
    Quota,
    Rate,
    counted_quotas,
    find_limits,
    remaining,
    run_of,
    run_quota,
)
from haulier.api.limits.learned_rate import MAX_CHANCE_WAIT_SECONDS
from haulier.api.limits.pacer import NEVER_SECONDS, Pacer
from haulier.api.limits.refusals import Refusals
from haulier.api.scope.beat_report import BeatReport
from haulier.api.scope.changes import Beat, is_pace_due
from haulier.api.scope.current_run import current_run
from haulier.api.scope.health import Health
from haulier.api.scope.membership import Membership
from haulier.api.scope.orders import Hold
from haulier.api.scope.pause import Pause
from haulier.api.scope.row import ScopeRow
from haulier.clock import Clock, wall_seconds
from haulier.errors import HaulierError, RunSpentError

MAX_HEADER_PAUSE_SECONDS: Final = 900.0
"""For a header without a Retry-After: what is left is read again after it."""

_CHANCE_STATUSES: Final = {429, 503}
"""A 403 that means throttling is a threat: a client that goes on is shut out."""

KEPT_RUNS: Final = 2
"""Newest runs that are counted without an item in work, so that their next item need not wait for a beat. More would be
closed ones."""

logger = logging.getLogger("haulier.api")


class ScopeView:
    def __init__(
        self,
        rates: tuple[Rate, ...],
        max_requests: int | None,
        beat_seconds: float,
        rng: random.Random,
        *,
        is_slow: bool,
    ) -> None:
        self._rates = rates
        self._max_requests = max_requests
        self._runs: dict[str, Quota] = {}
        """The newest is the last."""
        self._items: Counter[str] = Counter()
        self._rng = rng
        self._is_slow = is_slow
        self._heard: HeaderLimits | None = None
        self._learned: tuple[Rate, ...] = ()
        self._successes_told = 0
        self.pause = Pause(beat_seconds, rng)
        self.health = Health(is_slow=is_slow)
        self.beat_report = BeatReport()
        self._refusals = Refusals()
        self._is_by_chance = False
        self.breaker = Breaker()
        self.pacer = Pacer([rate.quota for rate in rates if not rate.is_paced])
        self.item_is_probe = False
        """Without a witness, an item's own request is the probe."""
        self._lifted_at: float | None = None
        """None before the row was seen."""
        self.held: Hold | None = None
        """A person's order that nothing is sent."""
        self.probe: bool | None = None
        """Kept until the others know it."""

    # -- what it says --------------------------------------------------------------------------------------------------

    @property
    def is_down(self) -> bool:
        """True also where failures since the last beat will open the breaker."""
        if self.breaker.state is not State.CLOSED:
            return True
        failures = self.breaker.failures + self.beat_report.last_bad
        return self.health.last_success is not None and failures >= failures_to_open(self.breaker)

    def error(self, clock: Clock) -> HaulierError | None:
        if self.pause.is_for_a_person(now := clock.monotonic()):
            return self.pause.error(now, wall_seconds(clock))
        spent = self.spent_error()
        if isinstance(spent, RunSpentError):
            return spent  # An API that is down comes back by itself; but then too nothing may be sent to it.
        if self.breaker.is_open and not self.item_is_probe:
            since = datetime.fromtimestamp(self.breaker.since, UTC)
            return ApiError(
                f"The API is down since {since:%Y-%m-%dT%H:%M:%SZ} ({self.breaker.reason or 'no answer'}). It is asked "
                "again from time to time; the item comes again, uncharged.",
                action=Action.PAUSE,
                retry_after_seconds=self.breaker.delay_seconds,
            )
        return spent

    def spent_error(self) -> HaulierError | None:
        spent = self.pacer.find_spent(self._of_others)
        if spent is None:
            return None
        if spent.is_of_run:
            return RunSpentError(run_of(spent), spent.requests)
        return ApiError(
            f"The limit of {spent} is used up. The item comes again later.",
            action=Action.PAUSE,
            retry_after_seconds=min(MAX_HEADER_PAUSE_SECONDS, spent.seconds / 20),
        )

    @property
    def spent_limit(self) -> Quota | None:
        """An hour's or a day's, which is everybody's. What a run has spent stops that run alone."""
        return self.pacer.find_spent([quota for quota in self.pacer.quotas if quota.is_of_run])

    @property
    def _of_others(self) -> Collection[Quota]:
        """The quotas of runs that do not count what the present task sends. What is sent for no run in particular, as a
        probe, counts for all that have some left."""
        own = self._runs.get(current_run())
        counted = [own] if own is not None else list(self._runs.values())
        counted = [quota for quota in counted if not self.pacer.is_spent(quota)] or counted
        return [quota for quota in self.pacer.quotas if quota.is_of_run and quota not in counted]

    @property
    def is_out(self) -> bool:
        """Of a quota that counts what the present task sends."""
        return self.pacer.is_out(self._of_others)

    def opens_in(self, now: float, in_use: int, membership: Membership) -> float:
        if self.held is not None or not membership.is_fresh(now):
            return NEVER_SECONDS
        if self.item_is_probe:
            return NEVER_SECONDS if in_use or self.pacer.opens_in(now, self._of_others) == NEVER_SECONDS else 0.0
        if self.is_down:
            return NEVER_SECONDS
        wait = self.pause.opens_in(now, in_use, membership.place, membership.sharers)
        return max(wait, self.pacer.opens_in(now, self._of_others))

    # -- what it is told -----------------------------------------------------------------------------------------------

    def note_success(
        self, response: Response | None, now: float, wall: float, *, is_first_page: bool, may_grow: bool
    ) -> bool:
        """Returns whether to beat now. Without ``may_grow`` a step of slow start, which would change nothing, can
        wait."""
        self.health.note_success(now)
        self.pause.note_good()
        if response is not None:
            self._refusals.note_good(now - response.seconds, response.seconds)
        is_due = self.beat_report.note_success(response, now, is_first_page=is_first_page)
        is_new = self._hear(response, now, wall)
        return self._tried(is_good=True) or is_new or (is_due and may_grow)

    def note_failure(self, response: Response | None, reason: str, now: float, wall: float) -> bool:
        """Returns whether to beat now."""
        is_due = self.beat_report.note_failure(response, reason, now)
        is_new = self._hear(response, now, wall)
        return self._tried(is_good=False) or is_new or is_due

    def is_pace_due(self, row: ScopeRow, membership: Membership, wall: float) -> bool:
        return is_pace_due(row, membership.identity.name, membership.silent, self._rates, wall)

    def note_sent(self, in_use: int) -> None:
        self.pause.note_sent(in_use)
        self.beat_report.note_sent()
        self._refusals.note_sent()

    def note_counted(self, now: float) -> bool:
        """A request goes out, and quotas count it. Returns whether to beat now."""
        return self.pacer.note_sent(now, self._of_others)

    def note_throttled(self, seconds: float, response: Response, now: float) -> bool:
        is_row = self._refusals.note_refused(now - response.seconds, response.seconds)
        self.beat_report.note_throttled(seconds, is_row=is_row)
        if (
            is_row
            or not self._is_by_chance
            or seconds > MAX_CHANCE_WAIT_SECONDS
            or response.status not in _CHANCE_STATUSES
        ):
            return False
        return not is_exhausted(response.headers)

    def note_run(self, run_id: str, *, is_only: bool) -> None:
        if is_only:
            self._runs = {known: quota for known, quota in self._runs.items() if known == run_id}
        if self._max_requests is None:
            return
        quota = self._runs.pop(run_id, None) or run_quota(run_id, self._max_requests)
        self._runs[run_id] = quota
        self.pacer.add(quota)
        for idle in [known for known in self._runs if not self._items[known]][:-KEPT_RUNS]:
            del self._runs[idle]

    @contextlib.contextmanager
    def item_of(self, run_id: str) -> Iterator[None]:
        self._items[run_id] += 1
        try:
            yield
        finally:
            self._items[run_id] -= 1
            self._items += Counter()  # Counts of 0 go.

    def _tried(self, *, is_good: bool) -> bool:
        if not self.item_is_probe:
            return False
        self.item_is_probe, self.probe = False, is_good
        return True

    def _hear(self, response: Response | None, now: float, wall: float) -> bool:
        """Returns whether the headers name new limits."""
        if response is None:
            return False
        found = rate_limits(response.headers, datetime.fromtimestamp(wall, UTC))
        self._heard = find_limits(found) or self._heard
        if found.is_exhausted and found.exhausted_seconds is not None:
            self.pause.extend(min(MAX_HEADER_PAUSE_SECONDS, found.exhausted_seconds), now)
        rates = () if self._heard is None else self._heard.rates
        is_new = bool(rates) and rates != self._learned
        self._learned = rates or self._learned
        return is_new

    @property
    def lifted_at(self) -> float:
        return self._lifted_at or 0.0

    # -- beats ---------------------------------------------------------------------------------------------------------

    def tell(self, beat: Beat, now: float, wall: float) -> Beat:
        self._successes_told = self.health.successes
        beat = replace(
            beat,
            wall=wall,
            had_success=self.health.is_news,
            success_age_seconds=self.health.age_seconds(now) if beat.is_slow else 0.0,
            lifted_at=self.lifted_at,
            pause_left=self.pause.seconds_left_for_others(now),
            report=self.beat_report.take_report(),
            outcomes=self.beat_report.take_outcomes(),
            latencies=self.beat_report.take_latencies(),
            items=self._items.total(),
            probe=self.probe,
            out_of="" if self.spent_limit is None else str(self.spent_limit),
            spending=replace(self.pacer.spending(now), declared=self._rates, heard=self._heard),
            roll=self._rng.random(),
        )
        self._heard = None
        return beat

    def see(self, row: ScopeRow, wall: float, now: float) -> None:
        is_lifted = self._lifted_at is not None and self._lifted_at < row.lifted_at
        self._lifted_at = max(self._lifted_at or 0.0, row.lifted_at)
        if is_lifted:
            self.pause.lift(now)
            if self.held is not None:
                self.pause.release(now)
            logger.warning("a person has lifted what held the requests back; they start slowly")
        if row.held is not None and row.held != self.held:
            since = datetime.fromtimestamp(row.held.since, UTC)
            extra = {"by": row.held.by, "since": since, "why": row.held.why}
            logger.info("a person has paused the source; no request leaves", extra=extra)
        self.held = row.held
        self.pause.see(row, wall, now)
        self.health.see(row, wall, now)
        if not is_lifted and row.breaker.is_open != self.breaker.is_open:
            if row.breaker.is_open:
                logger.warning("the API is down; it is asked again now and then", extra={"reason": row.breaker.reason})
            else:
                logger.warning("the API answers again; requests start slowly")
        if row.breaker.closings > self.breaker.closings:
            self.pause.release(now)
        self.breaker = row.breaker
        self._is_by_chance = row.learned.is_by_chance(row.time)

    def adopt(self, row: ScopeRow, name: str, wall: float, now: float) -> None:
        """For the row after our own beat."""
        self.health.note_told(self._successes_told)
        is_governed = not any(one.is_fixed for one in row.members.values())
        shares = sum(one.share for one in row.members.values())
        self.beat_report.see(row.governor, now, row.members[name].share / max(1, shares) if is_governed else 0.0)
        self.see(row, wall, now)
        self.probe = None
        if row.breaker.prober != name:
            self.item_is_probe = False
        mine = row.members[name]
        counted = counted_quotas(row.budget, self._rates) + list(self._runs.values())
        left = {quota: remaining(row.budget, quota, wall) for quota in counted}
        others = [one for other, one in row.members.items() if other != name]
        # Our own beats may come out of turn, four of them in a moment: each of the others needs one in its turn.
        beats = [one.beat_seconds for one in others if one.share or not self._is_slow]
        hold_seconds = max(beats, default=0.0) * (1 if self._is_slow else 2)
        self.pacer.adopt(mine.rate, mine.granted, left, now, others_hold_seconds=hold_seconds)
