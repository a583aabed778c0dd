"""Kills, drains and stops of real workers, closers, enqueuers and parents, at random from a seed; then the oracle."""

from __future__ import annotations

from pathlib import Path

import pytest

from haulier.clock import SystemClock
from tests.harness.chaos.chaos import ChaosSettings, run_chaos
from tests.harness.chaos.rounds import IN_FLIGHT, rounds

SETTINGS = ChaosSettings(kills=500, at_least=40, seconds=50.0, seed=5, records=6_000, pause_seconds=0.8)


@pytest.mark.crash
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_whatever_is_killed_nothing_is_lost_and_nothing_seen_twice(folder: Path) -> None:
    """G1, G2, G3, G4, G5: every item ended, every record there once and in order, poison just, `in_flight` kept.

    Invariants are asserted, never times: `make chaos KILLS=10000` goes on for longer.
    """
    report = run_chaos(SETTINGS, folder, SystemClock())
    print(report)
    assert report.problems == []
    assert report.signals.total() >= SETTINGS.at_least
    assert {"SIGKILL", "SIGSTOP", "SIGTERM"} <= set(report.signals)
    assert report.records > SETTINGS.records / 2
    assert 0 < report.peak_in_flight <= IN_FLIGHT


def test_rounds_are_of_every_kind() -> None:
    """Small ones for the closers, divided and poisoned ones, a lost queue, a fleet; the seed alone decides."""
    first, again = ([one for one, _ in zip(rounds(seed, 6_000), range(12), strict=False)] for seed in (5, 5))
    assert first == again
    assert {one.kind for one in first} == {"large", "small", "divided", "lost", "fleet", "stubborn", "crashing"}
    assert [one.kind for one in first].count("small") == 6
    assert {one.verdict for one in first} == {"complete", "partial"}
