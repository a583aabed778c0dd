"""What the proxy does to which requests, and what it counts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

from haulier.testing.proxy.wire import Cut


@dataclass(frozen=True)
class ProxySettings:
    """Shares of requests that go wrong, 0.0 to 1.0; at most one thing a request, drawn from seed and request number."""

    seed: int = 1
    rate_500: float = 0.02
    rate_429: float = 0.01
    rate_cut: float = 0.01  # answers with a body that ends early, in turn in each `Cut`
    rate_hang: float = 0.001
    retry_after_seconds: int = 1  # goes with every 429
    hang_seconds: float = 3600.0  # until the client leaves, or so long

    def __post_init__(self) -> None:
        rates = (self.rate_500, self.rate_429, self.rate_cut, self.rate_hang)
        if min(rates) < 0 or sum(rates) > 1:
            raise ValueError(f"The rates are {rates}; none can be negative, nor their sum above 1.0.")


Fault = Literal["500", "429", "cut", "hang"]


@dataclass
class ProxyCounters:
    """What the proxy did since it started; `/_proxy` is not counted."""

    requests: int = 0
    passed: int = 0  # answers that went through as they were
    answered_500: int = 0
    answered_429: int = 0
    cut: dict[Cut, int] = field(default_factory=lambda: dict.fromkeys(Cut, 0))
    hung: int = 0
    upstream_failed: int = 0  # answered with 502: the API behind broke off by itself


def decide_fault(settings: ProxySettings, number: int) -> Fault | None:
    """What goes wrong with that request: ``500``, ``429``, ``cut``, ``hang`` or nothing. The same in every run."""
    digest = hashlib.blake2b(f"{settings.seed} {number}".encode(), digest_size=8).digest()
    draw = int.from_bytes(digest) / 2**64
    rates: tuple[tuple[float, Fault], ...] = (
        (settings.rate_500, "500"),
        (settings.rate_429, "429"),
        (settings.rate_cut, "cut"),
        (settings.rate_hang, "hang"),
    )
    for rate, fault in rates:
        if draw < rate:
            return fault
        draw -= rate
    return None
