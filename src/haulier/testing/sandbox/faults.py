"""The fault and the delay of a request, as pure functions of settings, load and a random draw."""

from __future__ import annotations

import random
from enum import Enum, auto

from haulier.testing.sandbox.settings import SandboxSettings

_STRAGGLER_FACTOR = 5
_THRASH_POWER = 1.5


class Fault(Enum):
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
    """Return the fault of a request, from an even ``draw`` in [0, 1). Certain faults come before random ones."""
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
    """Return the time that an answer takes once it is its turn. The wait in line before a knee comes on top."""
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


DELAYED_FAULTS = frozenset({Fault.NONE, Fault.CUT, Fault.CORRUPT, Fault.SERVER_ERROR, Fault.ERROR_BODY})
"""The faults with the latency of an answer. Limits and refusals are answered at once: they cost the API nothing."""
UNCOUNTED_FAULTS = frozenset({Fault.UNAUTHORIZED, Fault.OUTAGE})
"""The faults that do not count against a limit."""
