"""The settings and counters of the proxy, and the fault of each request."""

from __future__ import annotations

from dataclasses import dataclass

from haulier.testing.proxy.listener import ListenerCounters
from haulier.testing.proxy.rules import Fault, draw


@dataclass(frozen=True)
class ProxySettings:
    """The rates of the faults, as shares of requests from 0.0 to 1.0. A request has at most one fault."""

    seed: int = 1
    rate_500: float = 0.02
    rate_429: float = 0.01
    rate_cut: float = 0.01  # answers with a cut body, by each `Cut` in turn
    rate_hang: float = 0.001
    retry_after_seconds: int = 1  # sent with every 429
    hang_seconds: float = 3600.0  # then the connection is closed, if the client still waits

    def __post_init__(self) -> None:
        rates = (self.rate_500, self.rate_429, self.rate_cut, self.rate_hang)
        if min(rates) < 0 or sum(rates) > 1:
            raise ValueError(f"The rates are {rates}; write rates of at least 0.0 whose sum is at most 1.0.")


QUIET = ProxySettings(rate_500=0, rate_429=0, rate_cut=0, rate_hang=0)
"""Only what the rules say."""


@dataclass
class ProxyCounters(ListenerCounters):
    """Counts of the faults that the rates made, besides ``cut``."""

    answered_500: int = 0
    answered_429: int = 0
    hung: int = 0
    upstream_failed: int = 0
    """Answered with 502, because the API did not answer."""


def decide_fault(settings: ProxySettings, number: int) -> Fault | None:
    """Return the fault of a request, or None. It depends on the seed and the number of the request alone."""
    share = draw(f"{settings.seed} {number}")
    rates: tuple[tuple[float, Fault], ...] = (
        (settings.rate_500, "500"),
        (settings.rate_429, "429"),
        (settings.rate_cut, "cut"),
        (settings.rate_hang, "hang"),
    )
    for rate, fault in rates:
        if share < rate:
            return fault
        share -= rate
    return None
