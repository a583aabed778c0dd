"""A bad deployment: the first items of a worker all fail alike, and none ends well. It is not their fault (G4)."""

from __future__ import annotations

import random

import msgspec
import pytest

from haulier.api.errors import Action, ApiError, PagingError, Shape
from haulier.errors import ItemError
from haulier.queues.envelope import Envelope
from haulier.worker.deadline import DeadlineError
from haulier.worker.first_items import MAX_AGAIN_SECONDS, FirstItems, Suspicion, again_seconds
from haulier.worker.settings import PROOF_SECONDS


def message(number: int, **more: object) -> Envelope:
    known = Envelope(kind="k", key=f"k-{number}", run_id="full-1", payload=msgspec.Raw(b"{}"))
    return msgspec.structs.replace(known, **more)


def begun(count: int, **more: object) -> FirstItems:
    first = FirstItems(3)
    for number in range(count):
        first.note_begun(message(number, **more))
    return first


WRONG_PATH = ApiError("404", action=Action.POISON, status=404)
NO_LIST = ApiError("no records", action=Action.RETRY_LATER, status=200, shape=Shape.MISSING)
A_LOOP = PagingError("a loop")
LATER = PROOF_SECONDS + 1.0


@pytest.mark.parametrize("error", [KeyError("id"), ItemError("yielded a str"), WRONG_PATH, NO_LIST, A_LOOP])
def test_three_in_a_row_are_enough(error: Exception) -> None:
    """Each gets the benefit of the doubt. Once all have failed, it only has to last; and then it is the source."""
    first = begun(4)
    said = [first.note_failed(message(number), error, 0.0) for number in range(3)]
    assert said == [Suspicion.POSSIBLE, Suspicion.POSSIBLE, Suspicion.STRONG]
    assert first.note_failed(message(0), error, LATER) is Suspicion.PROVEN
    assert first.note_failed(message(3), error, LATER) is Suspicion.PROVEN, "what was under way is handed back too"


def test_one_that_ends_well_ends_it() -> None:
    first = begun(3)
    assert first.note_failed(message(0), KeyError(), 0.0) is Suspicion.POSSIBLE
    first.note_good("k")
    assert [first.note_failed(message(number), KeyError(), LATER) for number in (1, 2)] == [
        Suspicion.NONE,
        Suspicion.NONE,
    ]


def test_one_of_another_kind_does_not() -> None:
    """A stream whose `records` is wrong stands beside one that is right."""
    first = begun(3)
    first.note_good("another")
    assert [first.note_failed(message(number), NO_LIST, 0.0) for number in range(3)][-1] is Suspicion.STRONG


@pytest.mark.parametrize(
    ("error", "suspicion"), [(NO_LIST, Suspicion.NONE), (WRONG_PATH, Suspicion.NONE), (A_LOOP, Suspicion.POSSIBLE)]
)
def test_a_page_that_was_read_speaks_for_path_and_records(error: Exception, suspicion: Suspicion) -> None:
    """Of how pages follow one another it says nothing."""
    first = begun(1)
    first.note_page("k")
    assert first.note_failed(message(0), error, 0.0) is suspicion


def test_so_does_another_failure() -> None:
    """Different faults are the items' own."""
    first = begun(3)
    assert first.note_failed(message(0), KeyError(), 0.0) is Suspicion.POSSIBLE
    assert first.note_failed(message(1), ValueError(), 0.0) is Suspicion.NONE
    assert first.note_failed(message(2), KeyError(), 0.0) is Suspicion.NONE


@pytest.mark.parametrize(
    "error", [ApiError("500", action=Action.RETRY_LATER, status=500), DeadlineError("an hour")], ids=["500", "deadline"]
)
def test_what_the_api_does_is_not_the_processors(error: Exception) -> None:
    """It is charged, and does not speak for the source either."""
    first = begun(4)
    assert [first.note_failed(message(number), error, 0.0) for number in range(3)] == 3 * [Suspicion.NONE]
    assert first.note_failed(message(3), NO_LIST, 0.0) is Suspicion.POSSIBLE


def test_few_items_are_asked_for_some_times() -> None:
    """A run of two items: when each of them has failed alike for some seconds, there is nobody else to ask."""
    first = begun(2)
    said = [first.note_failed(message(number), NO_LIST, at) for at in (0.0, 3.0, 6.0) for number in (0, 1)]
    assert said == [*(4 * [Suspicion.POSSIBLE]), *(2 * [Suspicion.FEW_ITEMS])]


def test_what_is_doubted_is_asked_for_less_and_less_often() -> None:
    """Where slow items are waited for: each time may be a walk of many pages."""
    rng = random.Random(1)
    found = [again_seconds(releases, rng.random()) / PROOF_SECONDS for releases in (0, 1, 2, 3, 4, 5, 99)]
    assert all(0.5 <= found[number] <= 0.75 for number in range(3))
    assert found[2:] == sorted(found[2:])
    assert found[-1] * PROOF_SECONDS <= MAX_AGAIN_SECONDS


def test_no_number_of_tries_is_enough_at_once() -> None:
    """A server that starts anew answers in odd ways for some seconds."""
    first = begun(1)
    assert [first.note_failed(message(0), NO_LIST, 1.0) for _ in range(9)] == 9 * [Suspicion.POSSIBLE]
    assert first.note_failed(message(0), NO_LIST, 1.0 + PROOF_SECONDS) is Suspicion.FEW_ITEMS


def test_one_body_that_does_not_parse_is_the_items_own() -> None:
    """A record may do that to its page; of all of the first items it is said by the source."""
    broken = ApiError("not JSON", action=Action.RETRY_LATER, status=200, shape=Shape.UNPARSED)
    first = begun(1)
    assert [first.note_failed(message(0), broken, at) for at in (0.0, LATER)] == [Suspicion.POSSIBLE, Suspicion.NONE]
    first = begun(3)
    assert [first.note_failed(message(number), broken, 0.0) for number in range(3)][-1] is Suspicion.STRONG


def test_few_jobs_that_failed_prove_nothing() -> None:
    """What works behind the API may have a bad hour. A result of another form proves it by few, as a page does."""
    failed = ApiError("failed", action=Action.RETRY_LATER, shape=Shape.JOB_END, likeness=("failed",))
    no_file = ApiError("no file", action=Action.POISON, shape=Shape.JOB)
    for error, last in ((failed, Suspicion.NONE), (no_file, Suspicion.FEW_ITEMS)):
        first = begun(1)
        assert [first.note_failed(message(0), error, at) for at in (0.0, 3.0, 6.0)][-1] is last


@pytest.mark.parametrize("known", [{"failures": 1}, {"redrives": 1}, {"suspect": "failure"}], ids=str)
def test_what_is_known_to_be_bad_proves_nothing(known: dict[str, object]) -> None:
    """G1: twenty poisoned items that are redriven are poisoned again, and stop no worker."""
    first = begun(3, **known)
    first.note_worked_before("k")
    assert [first.note_failed(message(number, **known), KeyError(), LATER) for number in range(3)] == 3 * [
        Suspicion.NONE
    ]


def test_parts_tell_where_nothing_else_does() -> None:
    """The parts of the only item there was fail alike too, at their first try."""
    first = begun(1)
    assert [first.note_failed(message(0), KeyError(), at) for at in (0.0, 3.0, 6.0)][-1] is Suspicion.FEW_ITEMS
    for number in (1, 2):
        first.note_begun(message(number, suspect="failure"))
    assert first.note_failed(message(1, suspect="failure"), KeyError(), 7.0) is Suspicion.POSSIBLE, (
        "its neighbour is under way"
    )
    assert first.note_failed(message(2, suspect="failure"), KeyError(), 7.0) is Suspicion.PROVEN


def test_an_item_without_a_record_proves_nothing_about_records() -> None:
    """It is passed over: the others must still fail alike, and be enough. It does show that the API answers."""
    first = begun(3)
    first.note_empty("k")
    assert first.note_failed(message(0), WRONG_PATH, LATER) is Suspicion.NONE
    said = [first.note_failed(message(number), NO_LIST, LATER * at) for at in (0, 1) for number in range(3)]
    assert said == [Suspicion.POSSIBLE, Suspicion.POSSIBLE, Suspicion.STRONG, *(3 * [Suspicion.PROVEN])]


def test_few_items_among_empty_ones_prove_nothing() -> None:
    """One bad record fails its item and each part that holds it: of those the smallest counts."""
    first = begun(1)
    first.note_empty("k")
    said = [first.note_failed(message(0), NO_LIST, at) for at in (0.0, 3.0, 6.0)]
    for number in range(3):
        first.note_divided(message(number, suspect="failure"))
        said.append(first.note_failed(message(number + 1, suspect="failure"), NO_LIST, 7.0 + number))
    assert said == [Suspicion.POSSIBLE, Suspicion.POSSIBLE, *(4 * [Suspicion.NONE])]


def a_count(*likeness: str) -> ApiError:
    return ApiError("others came", action=Action.RESTART, shape=Shape.COUNT, likeness=likeness)


@pytest.mark.parametrize(
    ("part", "suspicion"),
    [(a_count("1 too many", "51"), Suspicion.PROVEN), (a_count("2 too many", "51"), Suspicion.NONE)],
    ids=["as much off", "less off"],
)
def test_of_a_count_the_parts_of_one_item_tell(part: ApiError, suspicion: Suspicion) -> None:
    """An API that hands out no more than so many keeps its word about less."""
    first, off = begun(3), [a_count("1 too many", str(number)) for number in range(3)]
    said = [first.note_failed(message(number), off[number], LATER * at) for at in (0, 1) for number in range(3)]
    assert said[2:] == [Suspicion.STRONG, Suspicion.OF_SIZE, Suspicion.POSSIBLE, Suspicion.POSSIBLE]
    first.note_divided(message(0))
    assert first.note_failed(message(9, suspect="failure"), part, LATER) is suspicion


def test_a_run_that_worked_before_needs_all_of_the_first() -> None:
    """A source that was right once is not taken for wrong by a few items, which get the benefit once (G1)."""
    first = begun(2)
    first.note_worked_before("k")
    said = [first.note_failed(message(number), NO_LIST, at) for at in (0.0, LATER) for number in (0, 1)]
    assert said == [*(2 * [Suspicion.POSSIBLE]), *(2 * [Suspicion.NONE])]


def test_items_beyond_the_first_wait_for_them() -> None:
    """A slow item among the first may still end well, however many quick ones fail before it. Nothing is charged."""
    first = begun(9)
    assert [first.note_failed(message(number), KeyError(), LATER) for number in (0, 1, 3, 4, 5)] == 5 * [
        Suspicion.POSSIBLE
    ]
    first.note_good("k")
    assert first.note_failed(message(2), KeyError(), LATER) is Suspicion.NONE


def test_an_item_that_was_handed_back_is_not_waited_for() -> None:
    """It lost its lease, or its turn at the gate."""
    first = begun(3)
    first.note_left(message(2))
    first.note_begun(message(4))
    assert [first.note_failed(message(number), KeyError(), 0.0) for number in (0, 1, 4)][-1] is Suspicion.STRONG
