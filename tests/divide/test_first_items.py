"""A bad deployment: the first items of a worker all fail alike, and none ends well. It is not their fault (G4)."""

from __future__ import annotations

import msgspec
import pytest

from haulier.api.verdict import ApiError, Verdict
from haulier.errors import ItemError
from haulier.queues.envelope import Envelope
from haulier.worker.deadline import DeadlineError
from haulier.worker.first_items import Doubt, FirstItems


def message(number: int, **more: object) -> Envelope:
    known = Envelope(kind="k", key=f"k-{number}", run_id="full-1", payload=msgspec.Raw(b"{}"))
    return msgspec.structs.replace(known, **more)


def begun(count: int, **more: object) -> FirstItems:
    first = FirstItems(3)
    for number in range(count):
        first.note_begun(message(number, **more))
    return first


WRONG_PATH = ApiError("404", verdict=Verdict.POISON, status=404)


@pytest.mark.parametrize("error", [KeyError("id"), ItemError("yielded a str"), WRONG_PATH])
def test_three_in_a_row_are_enough(error: Exception) -> None:
    """Each gets the benefit of the doubt; with the last of them it is the processor that fails, and goes on to."""
    first = begun(4)
    assert [first.note_failed(message(number), error) for number in range(3)] == [Doubt.YES, Doubt.YES, Doubt.PROVEN]
    assert first.note_failed(message(3), error) is Doubt.PROVEN, "what was under way is handed back too"


def test_one_that_ends_well_ends_it() -> None:
    first = begun(3)
    assert first.note_failed(message(0), KeyError()) is Doubt.YES
    first.note_good()
    assert [first.note_failed(message(number), KeyError()) for number in (1, 2)] == [Doubt.NONE, Doubt.NONE]


def test_so_does_another_failure() -> None:
    """Different faults are the items' own."""
    first = begun(3)
    assert first.note_failed(message(0), KeyError()) is Doubt.YES
    assert first.note_failed(message(1), ValueError()) is Doubt.NONE
    assert first.note_failed(message(2), KeyError()) is Doubt.NONE


@pytest.mark.parametrize(
    "error", [ApiError("500", verdict=Verdict.BACK, status=500), DeadlineError("an hour")], ids=["500", "deadline"]
)
def test_what_the_api_does_is_not_the_processors(error: Exception) -> None:
    first = begun(3)
    assert [first.note_failed(message(number), error) for number in range(3)] == 3 * [Doubt.NONE]


def test_a_few_items_are_given_the_benefit_once() -> None:
    """G1: a run of two bad items ends: the second time they are charged."""
    first = begun(2)
    assert [first.note_failed(message(number), KeyError()) for number in (0, 1, 0, 1)] == [
        *(2 * [Doubt.YES]),
        *(2 * [Doubt.NONE]),
    ]


@pytest.mark.parametrize("known", [{"failures": 1}, {"redrives": 1}, {"suspect": "failure"}], ids=str)
def test_what_is_known_to_be_bad_proves_nothing(known: dict[str, object]) -> None:
    """G1: twenty poisoned items that are redriven are poisoned again, and stop no worker."""
    first = begun(3, **known)
    assert [first.note_failed(message(number, **known), KeyError()) for number in range(3)] == 3 * [Doubt.NONE]


def test_items_beyond_the_first_wait_for_them() -> None:
    """A slow item among the first may still end well, however many quick ones fail before it."""
    first = begun(9)
    assert [first.note_failed(message(number), KeyError()) for number in (0, 1, 3, 4, 5)] == [
        *(2 * [Doubt.YES]),
        *(3 * [Doubt.NONE]),
    ]
    first.note_good()
    assert first.note_failed(message(2), KeyError()) is Doubt.NONE
