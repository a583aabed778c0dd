"""How long requests take: by how many are in flight, and by what the API allows in a time."""

from __future__ import annotations

import math

import msgspec

from haulier.api.limits.budget import Rate
from haulier.cli.plan.uncertain import Uncertain, between, exactly

ASSUMED_SECONDS = 0.5
"""Time of a request, until one was measured."""
REQUEST_CPU_SECONDS = 0.002
"""Processor time of a small page: 3.8 s for 2,000 of 20 KB (benchmarks/README.md)."""
MEGABYTE_CPU_SECONDS = 0.007
"""Of a megabyte of answers: 1.7 s for 200 pages of 1 MB."""
AROUND_SECONDS = 2.0
"""Starting, planning and closing, of a small run."""
FEW_IN_FLIGHT = 4
"""In flight at the start, which doubles with each round trip: `haulier.api.limits.governor`."""


class Width(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests are in flight at once, and what says so."""

    in_flight: int
    by: str


class RunDuration(msgspec.Struct, frozen=True, kw_only=True):
    seconds: Uncertain
    by: str
    """What it is ruled by, in words."""


def run_duration(
    requests: Uncertain,
    request_seconds: Uncertain,
    width: Width,
    rates: tuple[Rate, ...] = (),
    *,
    read_bytes: Uncertain,
    cores: float,
    is_measured_at_work: bool,
) -> RunDuration:
    """The slowest of: the requests in flight, each of the API's own limits, and the processors of the workers.

    A page that was asked for alone does not say how an API answers many at once: at worst, one after the other.
    """
    alone = requests * request_seconds
    flight = alone * (1 / width.in_flight)
    if not is_measured_at_work:
        flight = between(flight.low, flight.likely, alone.high)
    rounds = math.log2(max(1.0, width.in_flight / FEW_IN_FLIGHT))
    starts = Uncertain(low=0, likely=rounds * request_seconds.likely / 2, high=4 * rounds * request_seconds.likely)
    found = [(flight + starts, width.by)]
    found += [(_of_rate(requests, rate), f"the limit of {_rate_words(rate)}") for rate in rates]
    work = (requests * REQUEST_CPU_SECONDS + read_bytes * (MEGABYTE_CPU_SECONDS / 1e6)) * (1 / cores)
    cpu = f"the processors of the workers, {cores:g} core{'' if cores == 1 else 's'} in all"
    found.append((work, cpu))
    slowest, by = max(found, key=lambda each: each[0].likely)
    # Nobody knows the size of answers that nobody saw, and the processors rule next to never.
    highs = [each.high for each, what in found if what != cpu or each.high is not None]
    high = None if None in highs else max(high for high in highs if high is not None)
    seconds = between(max(each.low for each, _ in found), slowest.likely, high)
    return RunDuration(seconds=seconds + exactly(AROUND_SECONDS), by=by)


def rate_seconds(requests: float, rate: Rate) -> float:
    """How long a limit of the API's makes so many requests take. What a long time allows is there at once; how much of
    it is left nobody knows."""
    if rate.is_paced:
        return requests / rate.per_second
    return math.floor(max(0.0, requests - 1) / rate.quota.requests) * rate.seconds


def _of_rate(requests: Uncertain, rate: Rate) -> Uncertain:
    if rate.is_paced:
        return requests * (1 / rate.per_second)
    quota = rate.quota.requests
    return Uncertain(
        low=max(0.0, requests.low / quota - 1) * rate.seconds,
        likely=rate_seconds(requests.likely, rate),
        high=None if requests.high is None else requests.high / quota * rate.seconds,
    )


def _rate_words(rate: Rate) -> str:
    units = {1.0: "second", 60.0: "minute", 3_600.0: "hour", 86_400.0: "day"}
    time = units.get(rate.seconds, f"{rate.seconds:g} s")
    return (
        f"{rate.requests:,} requests {'an' if time == 'hour' else 'a'} {time}"
        if time in units.values()
        else (f"{rate.requests:,} requests in {time}")
    )
