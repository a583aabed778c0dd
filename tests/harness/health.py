"""The health of a scope, as tests ask for it."""

from __future__ import annotations

from haulier.api.scope.health import HEALTHY_SECONDS
from haulier.api.scope.scope import Scope
from haulier.clock import Clock


def is_healthy(scope: Scope, clock: Clock) -> bool:
    """Whether some request of the scope succeeded within 60 seconds, as far as this member knows."""
    return scope.has_succeeded_since(clock.monotonic() - HEALTHY_SECONDS)
