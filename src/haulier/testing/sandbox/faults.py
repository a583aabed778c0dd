"""What goes wrong with a request, and how long its answer takes: pure functions of settings, load and a draw."""

from __future__ import annotations

import random
from enum import Enum, auto

from haulier.testing.sandbox.settings import SandboxSettings

_STRAGGLER_FACTOR = 5
_THRASH_POWER = 1.5


class Fault(Enum):
    """What goes wrong with one request; ``NONE`` is an answer."""

    NONE = auto()
    UNAUTHORIZED = auto()
    OUTAGE = auto()
    LIMITED = auto()
    OVERLOADED = auto()
    REFUSED = auto()
    THROTTLED = auto()
    HANG = auto()
    SERVER_ERROR = auto()
    ERROR_BODY = auto()
    CUT = auto()
    CORRUPT = auto()


def decide_fault(
    settings: SandboxSettings, draw: float, *, is_authorized: bool, in_flight: int, uptime_seconds: float
) -> Fault:
    """The fault of a request, from an even ``draw`` in [0, 1). What always holds comes before chance."""
    if not is_authorized:
        return Fault.UNAUTHORIZED
    if settings.is_down or (settings.outages and any(start <= uptime_seconds < end for start, end in settings.outages)):
        return Fault.OUTAGE
    if 0 < settings.refuse_above < in_flight:
        return Fault.REFUSED
    if 0 < settings.knee < in_flight and settings.knee_mode == "refuse":
        return Fault.OVERLOADED
    if draw >= settings.chance:
        return Fault.NONE
    for rate, fault in (
        (settings.error_rate_429 / settings.burst_429, Fault.THROTTLED),
        (settings.hang_rate, Fault.HANG),
        (settings.error_rate_500, Fault.SERVER_ERROR),
        (settings.error_rate_200, Fault.ERROR_BODY),
        (settings.cut_rate, Fault.CUT),
        (settings.corrupt_rate, Fault.CORRUPT),
    ):
        if draw < rate:
            return fault
        draw -= rate
    return Fault.NONE


def delay_seconds(settings: SandboxSettings, draw: random.Random, *, in_flight: int, is_first_page: bool) -> float:
    """How long an answer takes from its turn on; a knee that queues makes it wait for that besides."""
    seconds = settings.latency_seconds + settings.jitter_seconds * draw.random()
    if is_first_page:
        seconds += settings.first_page_seconds
    if settings.latency_sigma:
        seconds *= draw.lognormvariate(0.0, settings.latency_sigma)
    if settings.straggler_rate and draw.random() < settings.straggler_rate:
        seconds *= _STRAGGLER_FACTOR
    if 0 < settings.knee < in_flight and settings.knee_mode == "thrash":
        seconds *= (in_flight / settings.knee) ** _THRASH_POWER
    return seconds


# Limits and refusals are answered at once: they are there to cost the API nothing.
ANSWERED_LATE = frozenset({Fault.NONE, Fault.CUT, Fault.CORRUPT, Fault.SERVER_ERROR, Fault.ERROR_BODY})
# Nothing that counts against a limit.
UNCOUNTED = frozenset({Fault.UNAUTHORIZED, Fault.OUTAGE})
