"""Refusals that are about everybody, and those that are about one request: told apart by what was borne (G5)."""

from __future__ import annotations

import random

import pytest

from haulier.api.limits.refusals import ROW_REFUSALS, Refusals
from tests.api.limits.refusing import Bucket, Cap, Flaky, Pull, Refusing, Window
from tests.harness.virtual_time import VirtualTime


@pytest.mark.parametrize(
    ("fault", "workers", "most"),
    [
        ({}, 1, 2.0),
        ({"seed": 2}, 1, 2.0),
        ({"seed": 3}, 1, 2.0),
        ({}, 4, 2.0),
        ({"rate_500": 0.05}, 1, 2.0),
        ({"burst": 10}, 1, 1.3),
        ({"is_late": True}, 1, 2.0),
        ({"retry_after": 10}, 1, 5.0),
    ],
    ids=["flaky", "seed 2", "seed 3", "four workers", "more 500s", "bursts", "late", "longer waits"],
)
def test_g5_an_api_that_refuses_by_chance_is_not_crept_up_to(
    fault: dict[str, int | float], workers: int, most: float
) -> None:
    """2 % of 500s, 1 % of 429s and 0.5 % of silence: refused by chance, an API is asked as much as it was before, and a
    request that is never answered costs seconds, not its time-out."""
    pull = Pull(Flaky(VirtualTime(), **fault), items=2_000, workers=workers).run()  # type: ignore[arg-type]
    assert pull.x_ideal <= most
    assert pull.api.peak == 64


def test_g5_what_is_by_chance_is_known_from_then_on() -> None:
    """The longer the pull, the less it costs."""
    assert Pull(Flaky(VirtualTime()), items=4_000).run().x_ideal <= 1.5


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("is_fixed", [True, False])
@pytest.mark.parametrize(
    "make",
    [
        lambda time: Bucket(time, latency=0.05),
        lambda time: Bucket(time, latency=0.05, size=100),
        lambda time: Bucket(time, latency=0.5, size=20, is_late=True),
        lambda time: Window(time, latency=0.05),
        lambda time: Window(time, latency=0.2, quota=600, window=60),
        lambda time: Cap(time),
    ],
    ids=["bucket", "large bucket", "slow bucket", "window", "minute", "cap"],
)
def test_g5_a_limit_is_never_taken_for_chance(make: object, workers: int, is_fixed: bool) -> None:
    """Whatever the limit counts, nobody sends while it asks everybody to wait."""
    api: Refusing = make(VirtualTime())  # type: ignore[operator]
    Pull(api, items=600, in_flight=50, workers=workers, is_fixed=is_fixed).run()
    assert api.early == 0


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("is_fixed", [True, False])
@pytest.mark.parametrize(
    "make",
    [
        lambda time: Bucket(time, latency=0.05, retry_after=2),
        lambda time: Bucket(time, latency=0.05, retry_after=5),
        lambda time: Bucket(time, latency=0.5, retry_after=5),
        lambda time: Cap(time, retry_after=5),
    ],
    ids=["two seconds", "five seconds", "slow answers", "cap"],
)
def test_g5_a_limit_that_asks_for_a_longer_wait_is_not_run_into_again_and_again(
    make: object, workers: int, is_fixed: bool
) -> None:
    """No pace is learned from waits above 1.5 s. What is in flight after them falls until nearly all goes through, for
    otherwise each release is refused as the one before was: four refusals for each answer."""
    api: Refusing = make(VirtualTime())  # type: ignore[operator]
    Pull(api, items=600, in_flight=50, workers=workers, is_fixed=is_fixed).run()
    assert len(api.refused) <= 200
    assert api.early == 0


@pytest.mark.parametrize("size", [1, 2, 3])
def test_g5_a_bucket_that_holds_next_to_nothing_is_found(size: int) -> None:
    """From one refusal to the next only one or two requests go through, which alone says nothing of a pace."""
    api = Bucket(VirtualTime(), latency=0.02, size=size)
    pull = Pull(api, items=400, in_flight=8, is_fixed=False).run()
    assert len(api.refused) <= 20
    assert pull.seconds <= 4 * 400 / api.rate


def test_a_row_is_one_only_where_nothing_else_was_sent_meanwhile() -> None:
    """Quick refusals overtake the answers to what was sent between them."""
    row, apart = Refusals(), Refusals()
    for refusals, others in ((row, 0), (apart, 9)):
        refusals.note_good(0.0, 0.5)
        found = []
        for n in range(ROW_REFUSALS):
            for _ in range(others + 1):
                refusals.note_sent()
            found.append(refusals.note_refused(1.0 + n / 100, 0.001))
        assert found == [False] * (ROW_REFUSALS - 1) + [not others]


def test_slow_refusals_are_a_row_by_their_order() -> None:
    """They took as long as a good answer: what was sent between them would be here."""
    refusals = Refusals()
    refusals.note_good(0.0, 0.5)
    found = []
    for n in range(ROW_REFUSALS):
        for _ in range(20):
            refusals.note_sent()
        found.append(refusals.note_refused(1.0 + n / 100, 0.5))
    assert found[-1]
    refusals.note_good(1.05, 0.5)
    assert not refusals.note_refused(1.1, 0.5)


def test_answers_to_what_was_sent_before_a_row_do_not_end_it() -> None:
    """They were under way when the limit was hit, and come back while it refuses: only what was sent since is asked."""
    refusals = Refusals()
    found = []
    for n in range(ROW_REFUSALS):
        refusals.note_sent()
        found.append(refusals.note_refused(1.0 + n / 100, 0.001))
        refusals.note_good(0.9, 0.5)
    assert found == [False] * (ROW_REFUSALS - 1) + [True]
    refusals.note_good(1.0, 0.5)
    assert not refusals.note_refused(2.0, 0.001)


def test_chances_are_drawn_alike() -> None:
    """The made-up API fails as often as it says."""
    api = Flaky(VirtualTime())
    draws = random.Random(0)
    refused = sum(api.refuses(draws.random()) for _ in range(10_000))
    assert 60 <= refused <= 140
