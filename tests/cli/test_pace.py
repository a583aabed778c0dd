"""How fast a run goes, and how long the rest will take."""

from __future__ import annotations

import io
import random
from dataclasses import replace

import pytest
from rich.console import Console

from haulier.api.scope.failures import Failures
from haulier.api.scope.row import Member, ScopeRow
from haulier.cli.api_state import api_state
from haulier.cli.pace import Pace, TimeLeft, estimate_end, eta_words
from haulier.cli.progress import BAR_CHARACTERS, Traffic, bar_words, draw_bar
from haulier.cli.status.reader import goes_on
from haulier.runs.ledger import Progress
from haulier.testing.clock import FakeClock

WALL = 1_800_000_000.0
PLAN = Progress(is_sealed=True, planned=1_000, missing=1_000)


def after(ended: int, *, spread: float | None = 0.5, split: int = 0) -> Progress:
    """Each item brings ten records; a divided one has two parts."""
    planned = PLAN.planned + 2 * split
    return replace(
        PLAN, planned=planned, split=split, missing=planned - split - ended, records=10 * ended, spread=spread
    )


def test_nothing_wild_is_said_at_the_start() -> None:
    """No rate at the first look; no end before some items have ended, nor where they differ too much to tell."""
    clock = FakeClock()
    pace = Pace(clock)
    assert (pace.rate, pace.eta) == (None, None)
    pace.note(after(0))
    assert (pace.rate, pace.eta) == (None, None)
    clock.advance(2)
    pace.note(after(50))
    assert pace.rate is not None
    assert (pace.rate.items_per_second, pace.rate.records_per_second, pace.rate.over_seconds) == (25.0, 250.0, 2.0)
    assert pace.eta is None, "two seconds"
    clock.advance(8)
    pace.note(after(9))
    assert pace.eta is None, "nine items"
    pace.note(after(50, spread=4.0))
    assert pace.eta is None, "some take a minute and others an hour"
    pace.note(after(50))
    assert pace.eta is not None
    pace.note(after(1_000))
    assert pace.eta is None, "nothing is left"


def test_the_rest_takes_as_long_in_proportion() -> None:
    """By items that ended, whatever became of them; parts of a divided item are left too."""
    clock = FakeClock()
    pace = Pace(clock)
    pace.note(after(100))
    clock.advance(100)
    pace.note(after(300))
    assert pace.eta is not None
    assert pace.eta.seconds == 350.0
    assert pace.eta.low_seconds < 350 < pace.eta.high_seconds
    pace.note(after(300, split=50))
    assert pace.eta.seconds == 375.0


def test_the_rate_is_of_the_last_minute_and_the_end_by_the_last_ten() -> None:
    """A night in which the API slept for an hour is not averaged."""
    clock = FakeClock()
    pace = Pace(clock)
    pace.note(after(0))
    clock.advance(3_600)
    for second in range(0, 1_200, 2):
        clock.advance(2)
        pace.note(after(second // 4))
    rate, eta = pace.rate, pace.eta
    assert rate is not None
    assert eta is not None
    assert rate.items_per_second == pytest.approx(0.25, abs=0.02)
    assert rate.records_per_second == pytest.approx(2.5, abs=0.2)
    assert 55.0 <= rate.over_seconds <= 60.0
    assert eta.seconds == pytest.approx(701 * 4, rel=0.02)


@pytest.mark.parametrize("spread", [0.1, 0.3, 1.0])
@pytest.mark.parametrize("at_once", [1, 8, 32])
@pytest.mark.parametrize("left", [500, 160])
def test_nine_times_of_ten_it_ends_in_between(spread: float, at_once: int, left: int) -> None:
    """Items that differ so much, so many at once: the bounds hold as often as they promise, to the slowest item."""
    chance, held, runs = random.Random(13), 0, 100
    for _ in range(runs):
        lanes, ends = [0.0] * at_once, []
        for _ in range(600):
            lane = lanes.index(min(lanes))
            lanes[lane] += chance.gammavariate(1 / spread**2, spread**2)
            ends.append(lanes[lane])
        ends.sort()
        began_at, now = ends[39], ends[-left - 1]
        eta = estimate_end(560 - left, now - began_at, left, 1.0, spread)
        assert eta is not None
        held += eta.low_seconds <= ends[-1] - now <= eta.high_seconds
    assert held >= 0.85 * runs


def test_seconds_are_not_told_where_they_say_nothing() -> None:
    assert eta_words(TimeLeft(seconds=3.0, low_seconds=1.0, high_seconds=9.0)) == "some seconds"
    assert eta_words(TimeLeft(seconds=62.0, low_seconds=44.0, high_seconds=91.0)) == "about 60 s (45 s to 90 s)"
    assert (
        eta_words(TimeLeft(seconds=14_000.0, low_seconds=9_000.0, high_seconds=30_000.0))
        == "about 3.9 h (2.5 h to 8.3 h)"
    )
    assert eta_words(TimeLeft(seconds=600.0, low_seconds=595.0, high_seconds=605.0)) == "about 10 min"


def test_without_a_worker_nothing_is_promised_of_the_rest() -> None:
    """The last minutes tell nothing of a run that nobody works any more."""
    worker = Member(beats=1, share=2, in_flight=4, wants=True, turns=0, keep_seconds=9.0, beat_at=WALL)
    row = ScopeRow(members={"worker": worker})
    assert goes_on(row, api_state(row, WALL), WALL)
    later = WALL + 60.0
    assert api_state(row, later).state == "well", "nothing is wrong with the API"
    assert not goes_on(row, api_state(row, later), later)
    assert not goes_on(ScopeRow(), None, WALL)


@pytest.mark.parametrize(
    ("width", "words"),
    [
        (29, ["70/200 items", "about 25 s left"]),
        (69, ["70/200 items", "about 25 s (25 s to 30 s) left", "700 records", "50/s"]),
        (109, ["70/200 items", "about 25 s (25 s to 30 s) left", "700 records", "50/s", "4 in flight", "1 retry"]),
    ],
)
def test_a_narrow_terminal_loses_what_matters_least(width: int, words: list[str]) -> None:
    """Beside a bar of ten characters on 40, 80 and 120 columns: the items, then the time left; a pause goes before."""
    clock = FakeClock()
    pace = Pace(clock)
    progress = PLAN
    for ended in range(0, 80, 10):
        progress = replace(PLAN, planned=200, missing=200 - ended, records=10 * ended, spread=0.5)
        pace.note(progress)
        clock.advance(2)
    assert bar_words(progress, Traffic(4, Failures(retries=1)), pace, width) == words
    held = bar_words(replace(progress, poisoned=3), Traffic(4, Failures(retries=2), held="ann"), pace, 160)
    assert held == ["70/200 items", "paused", "3 poisoned", "about 25 s (25 s to 30 s) left", *held[4:7], "2 retries"]
    console = Console(width=width + BAR_CHARACTERS + 1, file=io.StringIO(), color_system=None)
    console.print(draw_bar(progress, Traffic(4, Failures(retries=1)), pace, console.width))
    (line,) = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert line.startswith("━")
    assert line.rstrip().endswith(" " + ", ".join(words))
