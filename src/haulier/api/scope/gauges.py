"""What a member of a scope knows anyway, told with the metrics: nothing is read or asked for it."""

from __future__ import annotations

from collections.abc import Callable

from haulier.api.limits.breaker import State
from haulier.api.scope.row import ScopeRow
from haulier.api.scope.scope import Scope
from haulier.api.scope.settings import ScopeSettings
from haulier.clock import Clock
from haulier.telemetry import names
from haulier.telemetry.seam import NO_ATTRIBUTES, Telemetry


def observe_scope(telemetry: Telemetry, scope: Scope, settings: ScopeSettings, clock: Clock) -> None:
    if not telemetry.is_on:
        return
    gauges: dict[str, Callable[[], float]] = {
        names.IN_FLIGHT: lambda: scope.in_use,
        names.WAITING: lambda: scope.waiting,
        names.SHARE: lambda: scope.share,
        names.LIMIT: lambda: limit_of(scope.row.known, settings, clock),
        names.BREAKER: lambda: scope.breaker.state is not State.CLOSED,
        names.PAUSE: lambda: max(0.0, scope.pause_seconds_left),
        names.HOLD: lambda: scope.held is not None,
        names.WORKERS: lambda: sum(member.looks for member in scope.membership.living(scope.row.known)),
    }
    for name, read in gauges.items():
        _observe(telemetry, name, read)
    scope.failures.on_retry = lambda cause: telemetry.add(names.RETRIES, 1, {names.ERROR_CAUSE: cause})


def limit_of(row: ScopeRow, settings: ScopeSettings, clock: Clock) -> int:
    """How many requests of all members may be in flight."""
    most = settings.in_flight_at(clock.now()) if row.limit is None else row.limit.in_flight
    return most if settings.is_fixed else row.governor.cap(most)


def _observe(telemetry: Telemetry, name: str, read: Callable[[], float]) -> None:
    telemetry.observe(name, lambda: [(float(read()), NO_ATTRIBUTES)])
