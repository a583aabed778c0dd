"""How long a run takes, by what rules it."""

from __future__ import annotations

from pathlib import Path

import pytest

from haulier.api.limits.budget import parse_rate
from haulier.api.limits.governor import Governor
from haulier.api.scope.orders import InFlightLimit
from haulier.api.scope.row import ScopeRow
from haulier.app.open_source import Options, open_source
from haulier.app.source_loader import load_app
from haulier.cli.plan.api_bears import width_of
from haulier.cli.plan.duration import AROUND_SECONDS, RunDuration, Width, run_duration
from haulier.cli.plan.uncertain import exactly
from haulier.clock import SystemClock, wall_seconds


def duration(requests: int, *rates: str, cores: float = 6.0, read_bytes: int = 0, at_work: bool = True) -> RunDuration:
    return run_duration(
        exactly(requests),
        exactly(0.5),
        Width(in_flight=4, by="in_flight"),
        tuple(map(parse_rate, rates)),
        read_bytes=exactly(read_bytes),
        cores=cores,
        is_measured_at_work=at_work,
    )


def test_the_slowest_rules() -> None:
    """The requests in flight; a pace; a quota, whose first hour is free; and the processors of the workers."""
    found = duration(20_000)
    assert (found.by, found.seconds.likely) == ("in_flight", 20_000 * 0.5 / 4 + AROUND_SECONDS)
    assert found.seconds.is_exact
    found = duration(20_000, "2/s", "1000000/h")
    assert found.by == "the limit of 2 requests a second"
    assert found.seconds.likely == pytest.approx(20_000 / (2 * 0.95) + AROUND_SECONDS)
    found = duration(20_000, "5000/h")
    assert found.by == "the limit of 5,000 requests an hour"
    assert found.seconds.likely == 4 * 3_600 + AROUND_SECONDS, "4,750 are used of each hour's"
    found = duration(2_000, cores=0.5, read_bytes=20_000_000_000)
    assert found.by.startswith("the processors of the workers")


def test_a_page_that_was_asked_for_alone_says_little_of_many_at_once() -> None:
    """At worst the API answers them one after the other."""
    found = duration(1_000, at_work=False)
    assert found.seconds.likely == 1_000 * 0.5 / 4 + AROUND_SECONDS
    assert found.seconds.high == 1_000 * 0.5 + AROUND_SECONDS


async def test_no_more_are_in_flight_than_the_api_bore(tmp_path: Path) -> None:
    """In the last day; nor than a person ordered, nor than there are items."""
    file = tmp_path / "numbers.py"
    file.write_text('from haulier import Api, App\napp = App("numbers", api=Api("http://127.0.0.1:9", in_flight=64))\n')
    async with open_source(load_app(str(file)), Options(), writes=False) as source:
        now = wall_seconds(SystemClock())
        bore = ScopeRow(governor=Governor(limit=6.0, is_found=True, borne=12.4, borne_at=now))
        assert width_of(source, None, None, 1_000).in_flight == 64
        assert width_of(source, bore, None, 1_000) == Width(in_flight=12, by="what the API was found to bear")
        assert width_of(source, bore, 100, 1_000).in_flight == 12
        assert width_of(source, bore, 100, 3).in_flight == 3
        old = ScopeRow(governor=Governor(limit=6.0, is_found=True, borne=12.4, borne_at=now - 90_000))
        assert width_of(source, old, None, 1_000).in_flight == 64
        ordered = ScopeRow(limit=InFlightLimit(in_flight=2, by="me", since=now))
        assert width_of(source, ordered, None, 1_000).in_flight == 2
