"""A request that is never answered is given up and asked again, by what answers usually take."""

from __future__ import annotations

import asyncio

import pytest

from haulier.api.errors import Fault
from haulier.api.http.transport import TransportError
from haulier.api.limits.patience import FLOOR_SECONDS, MIN_ANSWERS, REPEAT_FACTOR, SILENCE_FACTOR, Patience, Wait
from tests.harness.virtual_time import VirtualTime


def known(seconds: float, declared: float = 60.0, answers: int = MIN_ANSWERS) -> Patience:
    patience = Patience(declared)
    for _ in range(answers):
        patience.note("items", seconds, is_first_page=True)
    return patience


def allowed(patience: Patience, repeats: int = 0, *, is_first_page: bool = True) -> float | None:
    wait = patience.wait("items", repeats, is_first_page=is_first_page)
    return None if wait is None else wait.seconds


@pytest.mark.parametrize(
    ("seconds", "repeats", "expected"),
    [
        (0.1, 0, FLOOR_SECONDS),
        (2.0, 0, SILENCE_FACTOR * 2.0),
        (2.0, 1, SILENCE_FACTOR * 2.0 * REPEAT_FACTOR),
        (2.0, 2, None),
        (20.0, 0, None),
    ],
    ids=["never below the floor", "some times the usual", "a repeat longer", "the last as declared", "no more than it"],
)
def test_what_is_waited(seconds: float, repeats: int, expected: float | None) -> None:
    assert allowed(known(seconds), repeats) == expected


def test_the_last_repeat_is_never_cut_short() -> None:
    """However long is declared, and however quick answers usually are: the third time it is waited for to the end."""
    patience = known(0.1, declared=3_600.0)
    assert [allowed(patience, repeats) for repeats in range(4)] == [
        FLOOR_SECONDS,
        FLOOR_SECONDS * REPEAT_FACTOR,
        None,
        None,
    ]


def test_nothing_is_known_from_a_few_answers_or_of_others() -> None:
    assert allowed(known(0.1, answers=MIN_ANSWERS - 1)) is None
    assert allowed(known(0.1), is_first_page=False) is None


def test_one_in_a_hundred_may_be_slow() -> None:
    """Those are what is waited for: two of a hundred that took ten seconds are usual."""
    patience = known(0.1)
    for _ in range(10):
        patience.note("items", 4.0, is_first_page=True)
        for _ in range(40):
            patience.note("items", 0.1, is_first_page=True)
    assert allowed(patience) == SILENCE_FACTOR * 4.0


def test_who_waits_already_is_given_up_too() -> None:
    """A request of the first hundred that is never answered: what is learned meanwhile counts for it."""
    time = VirtualTime()

    async def silent(wait: Wait) -> float:
        began_at = time.monotonic()
        with pytest.raises(TransportError) as caught:
            async with wait:
                await time.sleep(50.0)
        assert (caught.value.kind, caught.value.is_early) == (Fault.TIMEOUT, True)
        return time.monotonic() - began_at

    async def live() -> float:
        patience = Patience(60.0)
        wait = patience.wait("items", 0, is_first_page=True)
        assert wait is not None
        task = asyncio.create_task(silent(wait))
        await time.sleep(1.0)
        for _ in range(MIN_ANSWERS):
            patience.note("items", 0.5, is_first_page=True)
        return await task

    assert time.run(live()) == pytest.approx(FLOOR_SECONDS)


def test_an_answer_that_has_begun_is_not_given_up() -> None:
    time = VirtualTime()

    async def live() -> None:
        wait = known(0.5).wait("items", 0, is_first_page=True)
        assert wait is not None
        async with wait:
            await time.sleep(FLOOR_SECONDS - 0.1)
        await time.sleep(100.0)

    time.run(live())
