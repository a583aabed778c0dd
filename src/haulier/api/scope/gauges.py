"""What a member of a scope knows anyway, told with the metrics: nothing is read or asked for it."""

from __future__ import annotations

from collections.abc import Callable

from haulier.api.limits.breaker import State
from haulier.api.scope.scope import Scope
from haulier.telemetry import names
from haulier.telemetry.seam import NO_ATTRIBUTES, Telemetry


def observe_scope(telemetry: Telemetry, scope: Scope) -> None:
    if not telemetry.is_on:
        return
    gauges: dict[str, Callable[[], float]] = {
        names.IN_FLIGHT: lambda: scope.in_use,
        names.WAITING: lambda: scope.waiting,
        names.SHARE: lambda: scope.share,
        names.LIMIT: lambda: scope.limit,
        names.BREAKER: lambda: scope.breaker.state is not State.CLOSED,
        names.PAUSE: lambda: max(0.0, scope.pause_seconds_left),
        names.HOLD: lambda: scope.held is not None,
        names.WORKERS: lambda: scope.workers,
    }
    for name, read in gauges.items():
        _observe(telemetry, name, read)
    scope.failures.on_retry = lambda cause: telemetry.add(names.RETRIES, 1, {names.ERROR_CAUSE: cause})


def _observe(telemetry: Telemetry, name: str, read: Callable[[], float]) -> None:
    telemetry.observe(name, lambda: [(float(read()), NO_ATTRIBUTES)])
