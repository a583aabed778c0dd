"""The state of an API, read from the row that its workers share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from haulier.api.http.retry_after import DAY_SECONDS
from haulier.api.limits.breaker import State
from haulier.api.limits.budget import UNLIMITED
from haulier.api.scope.rhythm import BEAT_SECONDS, fleet_rhythm, operations_now
from haulier.api.scope.row import Member, ScopeRow, decode
from haulier.app.open_source import OpenSource, scope_name
from haulier.cli.moments import moment_of, text_of
from haulier.cli.orders import HoldFacts, LimitFacts, hold_facts, hold_words, limit_facts, limit_words
from haulier.cli.status.worker_facts import is_living
from haulier.clock import wall_seconds
from haulier.plurals import count_of

RESUME = "haulier resume SOURCE"


class ApiState(msgspec.Struct, frozen=True, kw_only=True):
    """The API as its workers see it. Times are UTC."""

    state: str
    """``well``, ``held`` (a person paused it), ``paused`` (all workers wait, since the API asked for it or a person has
    to act), ``spent`` (an hourly or daily limit is used up) or ``down``."""
    reason: str = ""
    since: datetime | None = None
    """Start of an outage."""
    until: datetime | None = None
    """End of a pause."""
    is_for_a_person: bool = False
    """More than a day is left, which no worker waits."""
    workers: int = 0
    in_flight: int = 0
    """The most requests in the last beats."""
    may_be_in_flight: int = 0
    """The sum of the workers' shares."""
    found_in_flight: int | None = None
    """How many the API seems to bear at once, so far; None without a worker, and where none asks (``--fixed``)."""
    requests_per_second: float | None = None
    """A pace that was declared, told in headers or learned; None without one."""
    row_operations_per_second: float | None = None
    """What keeping the workers together costs at the store of their row, about; None where it costs nothing."""
    beat_seconds: float | None = None
    """Longest time between two beats of a worker that may send; None as above."""
    held: HoldFacts | None = None
    limit: LimitFacts | None = None


async def read_api_state(source: OpenSource) -> ApiState | None:
    body = await source.rows.read(scope_name(source.app))
    bears = source.rows.capabilities.operations_per_second
    wall = wall_seconds(source.clock) + source.rows.ahead_seconds
    return None if body is None else api_state(decode(body), wall, bears)


def api_state(row: ScopeRow, wall: float, operations_per_second: float | None = None) -> ApiState:
    """``operations_per_second`` is what the store of the row bears; None: as much as there is."""
    living = [one for one in row.members.values() if is_living(one, wall)]
    state, reason, since, until = "well", "", None, None
    is_paused = wall < row.pause_until <= wall + row.pause_seconds
    is_for_a_person = is_paused and row.pause_until - wall > DAY_SECONDS
    if is_for_a_person or (is_paused and not (living and row.breaker.state is not State.CLOSED)):
        state, reason, until = "paused", row.pause_reason, moment_of(row.pause_until)
    elif living and row.breaker.state is not State.CLOSED:
        state, reason, since = "down", row.breaker.reason, moment_of(row.breaker.since)
    elif spent := next((one.out_of for one in living if one.out_of), ""):
        state, reason = "spent", spent
    if row.held is not None:
        state, reason, since, until = "held", row.held.why, None, None
    paces = [one.rate for one in living if one.rate < UNLIMITED]
    bears = operations_per_second if living else None
    return ApiState(
        state=state,
        reason=reason,
        since=since,
        until=until,
        is_for_a_person=is_for_a_person,
        workers=sum(one.looks for one in living),
        in_flight=sum(one.peak for one in living),
        may_be_in_flight=sum(one.share for one in living),
        found_in_flight=_found_in_flight(row, living),
        requests_per_second=round(sum(paces), 2) if paces else None,
        row_operations_per_second=None if bears is None else round(operations_now(row, bears, BEAT_SECONDS), 2),
        beat_seconds=None if bears is None else fleet_rhythm(row, bears, BEAT_SECONDS).beat_seconds,
        held=hold_facts(row.held),
        limit=limit_facts(row.limit),
    )


def _found_in_flight(row: ScopeRow, living: Sequence[Member]) -> int | None:
    if not living or any(one.is_fixed for one in living):
        return None
    return row.governor.cap(min(one.in_flight for one in living) if row.limit is None else row.limit.in_flight)


def api_lines(api: ApiState) -> list[str]:
    """Write the state for a person; no line if no worker runs and nothing is wrong."""
    return state_lines(api) + order_lines(api)


def order_lines(api: ApiState) -> list[str]:
    """What a person ordered besides a pause, and what the workers' row costs."""
    return _limit_lines(api) + _cost_lines(api)


def _limit_lines(api: ApiState) -> list[str]:
    if api.limit is None:
        return []
    return [f"  limit    {limit_words(api.limit)}", "           To take it back: haulier limit SOURCE --reset"]


def _cost_lines(api: ApiState) -> list[str]:
    if api.row_operations_per_second is None or api.beat_seconds is None:
        return []
    beat = f"{count_of(api.workers, 'worker')}, each of which beats every {api.beat_seconds:.0f} s while it may send"
    return [f"  scope    about {api.row_operations_per_second:.2g} storage operations a second: {beat}"]


def state_lines(api: ApiState) -> list[str]:
    because = f" ({api.reason})" if api.reason else ""
    if api.held is not None:
        return [f"  API      {hold_words(api.held)}: no request leaves", f"           To go on: {RESUME}"]
    if api.since is not None:
        held = f"down since {text_of(api.since)}{because}; it is probed again within a few minutes"
        return [f"  API      {held}", f"           To probe it now: {RESUME}"]
    if api.until is not None:
        more = ", more than a day away: no worker waits that long" if api.is_for_a_person else ""
        held = f"all requests are paused until {text_of(api.until)}{because}{more}"
        return [f"  API      {held}", f"           To go on sooner: {RESUME}"]
    if api.state == "spent":
        return [f"  API      the limit of {api.reason} is used up; work goes on by itself"]
    if not api.workers:
        return []
    pace = "" if api.requests_per_second is None else f", at most {api.requests_per_second:.3g} requests a second"
    found = "" if api.found_in_flight is None else f", bears {api.found_in_flight:,} so far"
    flights = f"{api.in_flight:,} of at most {api.may_be_in_flight:,} in flight{found}{pace}"
    return [f"  API      {flights}; {count_of(api.workers, 'worker')}"]
