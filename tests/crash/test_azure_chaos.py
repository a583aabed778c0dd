"""The kills and pauses of `test_chaos.py` over lake and queue on Azurite; the oracle reads by Microsoft's client."""

from __future__ import annotations

from pathlib import Path

import pytest

from haulier.clock import SystemClock
from tests.harness.azurite import why_not
from tests.harness.chaos.chaos import ChaosSettings, run_chaos
from tests.harness.chaos.rounds import IN_FLIGHT

SETTINGS = ChaosSettings(
    kills=500,
    at_least=12,
    seconds=60.0,
    seed=3,
    records=6_000,
    pause_seconds=0.8,
    backend="azure",
    kinds=("large", "small"),
)


@pytest.mark.crash
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_whatever_is_killed_nothing_is_lost_and_nothing_seen_twice(folder: Path) -> None:
    """G1, G2, G3, G4, G5: every item ended, every record there once and in order, poison just, `in_flight` kept.

    As many kills and pauses as fit in a minute and a half: `make chaos BACKEND=azure KILLS=1000` goes on for longer,
    with runs of every kind.
    """
    report = run_chaos(SETTINGS, folder, SystemClock())
    print(report)
    assert report.problems == []
    assert report.signals.total() >= SETTINGS.at_least
    assert {"SIGKILL", "SIGSTOP"} <= set(report.signals)
    assert report.records > SETTINGS.records / 2
    assert 0 < report.peak_in_flight <= IN_FLIGHT
