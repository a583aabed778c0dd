"""An exact total is kept, or asked for once more, or the item begins again (G3); what moves between pages is seen."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from haulier.api.client import MovedTotal, Total
from haulier.api.errors import Action, MovedError
from haulier.api.paging.cursors import Cursor, Seek
from haulier.api.paging.paginator import Single
from haulier.api.paging.positions import Offset
from haulier.errors import UsageError
from tests.api.paging.rig import Asked, Reply, collected, ids_of, refused, rows, says, session_with, told

CURSOR = Cursor("next", query="c")


async def test_g3_total_that_is_kept_costs_no_request() -> None:
    """G3: as many records as promised, and nothing more is asked."""
    async with told(says({"rows": rows(0, 3), "meta": {"n": 3}})) as (api, _, clock, _):
        assert await collected(api, clock, pages=Single(), total=Total("meta.n")) == [0, 1, 2]
        assert api.usage.requests == 1
        assert api.usage.drift is None


async def test_g3_total_that_moved_is_drift() -> None:
    """G3: records that equal the total at a second look are all there; the move is noted."""
    answers = says({"rows": rows(0, 2), "next": "a", "n": 4}), says({"rows": rows(2, 5), "next": None, "n": 5})
    async with told(*answers, says({"rows": rows(0, 2), "next": "a", "n": 5})) as (api, transport, clock, _):
        assert await collected(api, clock, pages=CURSOR, total=Total("n")) == [0, 1, 2, 3, 4]
        assert api.usage.drift == MovedTotal(promised=4, reread=5)
        assert api.usage.requests == 3
        assert transport.requests[2] == transport.requests[0]


@pytest.mark.parametrize("again", [4, 6])
async def test_g3_total_that_is_not_kept_begins_again(again: int) -> None:
    """G3: records that equal neither the total nor the total at a second look: the item begins again."""
    answers = says({"rows": rows(0, 2), "next": "a", "n": 4}), says({"rows": rows(2, 3), "next": None, "n": 4})
    async with told(*answers, says({"rows": rows(0, 2), "next": "a", "n": again})) as (api, _, clock, _):
        error = await refused(api, clock, pages=CURSOR, total=Total("n"))
        assert error.action is Action.RESTART
        assert f"promised 4 records and sent 3; asked again, it promises {again}" in str(error)
        assert api.usage.drift is None


async def test_estimate_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An estimate that is off is one line in the log, and no request."""
    caplog.set_level(logging.INFO, "haulier.api")
    async with told(says({"rows": rows(0, 3), "n": 1000})) as (api, _, clock, _):
        assert await collected(api, clock, pages=Single(), total=Total("n", is_exact=False)) == [0, 1, 2]
        assert api.usage.requests == 1
    (record,) = [record for record in caplog.records if record.name == "haulier.api"]
    assert (vars(record)["records"], vars(record)["estimate"]) == (3, 1000)


async def test_total_in_a_header() -> None:
    """The total may stand in a header, as ServiceNow and GitLab have it."""
    async with told(says({"rows": rows(0, 3)}, X_Total_Count="3")) as (api, _, clock, _):
        assert await collected(api, clock, pages=Single(), total=Total(header="x-total-count")) == [0, 1, 2]


async def test_total_may_be_text() -> None:
    """A total in quotes is a number all the same."""
    async with told(says({"rows": rows(0, 3), "n": "3"})) as (api, _, clock, _):
        assert await collected(api, clock, pages=Single(), total=Total("n")) == [0, 1, 2]


async def test_total_of_the_first_page_counts() -> None:
    """Later pages may leave the total out; where pages are counted, it is asked for again at the end: it may have moved
    meanwhile, and the records agree with it all the same."""
    answers = [says({"rows": rows(0, 2), "n": 3}), says({"rows": rows(2, 3), "next": None})]
    async with told(*answers, answers[0]) as (api, transport, clock, _):
        assert await collected(api, clock, pages=Offset(2), total=Total("n")) == [0, 1, 2]
        assert api.usage.requests == 3
        assert transport.requests[2] == transport.requests[0]
    async with told(*answers, says({"rows": rows(0, 2), "n": 4})) as (api, _, clock, _):
        error = await refused(api, clock, pages=Offset(2), total=Total("n"))
        assert "the total moved from 3 to 4" in str(error)
    first = says({"rows": rows(0, 2), "n": 3, "next": "a"})
    async with told(first, answers[1]) as (api, _, clock, _):
        assert await collected(api, clock, pages=CURSOR, total=Total("n")) == [0, 1, 2]
        assert api.usage.requests == 2


@pytest.mark.parametrize("total", [Total("n"), Total(header="X-Total")])
async def test_exact_total_that_is_not_there(total: Total) -> None:
    """An exact total that is declared and not there is an error: nothing could be checked."""
    async with told(says({"rows": rows(0, 3), "count": 3})) as (api, _, clock, _):
        error = await refused(api, clock, pages=Single(), total=total)
        assert error.action is Action.RETRY_LATER
        assert "no total" in str(error)


@pytest.mark.parametrize("wrong", [-1, 1.5, "many", {"value": 3}, True, [3]])
async def test_total_that_is_no_number(wrong: Any) -> None:
    """A total that is no whole number is an error that says what stands there."""
    async with told(says({"rows": rows(0, 3), "n": wrong})) as (api, _, clock, _):
        assert "expected a total at 'n', found " in str(await refused(api, clock, pages=Single(), total=Total("n")))


async def test_estimate_may_be_missing() -> None:
    """An estimate that is not there is nothing to complain about."""
    async with told(says({"rows": rows(0, 3)})) as (api, _, clock, _):
        assert await collected(api, clock, pages=Single(), total=Total("n", is_exact=False)) == [0, 1, 2]


async def test_empty_list_with_total() -> None:
    """No records where none were promised is an end; where some were, it is not."""
    async with told(says({"rows": [], "n": 0})) as (api, _, clock, _):
        assert await collected(api, clock, pages=Offset(10), total=Total("n")) == []
        assert api.usage.requests == 1
    async with told(says({"rows": [], "n": 7})) as (api, _, clock, _):
        assert (await refused(api, clock, pages=Offset(10), total=Total("n"))).action is Action.RESTART


async def test_drift_total_may_be_asked_to_stand_still() -> None:
    """Drift: where it is asked for, a total that moved is looked into although the records add up."""
    first, second = says({"rows": rows(0, 2), "next": "a", "n": 3}), says({"rows": rows(2, 3), "next": None, "n": 4})
    fixed = Total("n", may_move=False)
    async with told(first, second) as (api, _, clock, _):
        assert await collected(api, clock, pages=CURSOR, total=Total("n")) == [0, 1, 2]
    async with told(first, second, says({"rows": rows(0, 2), "next": "a", "n": 4})) as (api, _, clock, _):
        assert (await refused(api, clock, pages=CURSOR, total=fixed)).action is Action.RESTART
    async with told(first, second, first) as (api, _, clock, _):
        assert await collected(api, clock, pages=CURSOR, total=fixed) == [0, 1, 2]


async def test_drift_total_that_must_stand_still_shows_a_hidden_row() -> None:
    """Drift: a row is deleted before the offset, so that another one is never sent; and the total, asked for again, is
    as low as what came. Where totals may move that is drift; else the item begins again, at once."""
    answers = [says({"rows": rows(*span), "n": n}) for span, n in (((0, 3), 6), ((4, 6), 5), ((0, 3), 5))]
    async with told(*answers) as (api, _, clock, _):
        found = await collected(api, clock, pages=Offset(3), total=Total("n", may_move=True))
        assert found == [0, 1, 2, 4, 5]
        assert api.usage.drift == MovedTotal(promised=6, reread=5)
    for total in (Total("n"), Total("n", may_move=False)):
        async with told(*answers) as (api, transport, clock, _):
            error = await refused(api, clock, pages=Offset(3), total=total)
            assert isinstance(error, MovedError)
            assert error.action is Action.RESTART
            assert "the total moved from 6 to 5 while the item was read by counting" in str(error)
            assert len(transport.requests) == 2


async def test_drift_overlap_drops_what_was_read() -> None:
    """Drift: with an overlap of one, each page begins with the last record of the page before, which is dropped."""
    answers = [says({"rows": rows(*span)}) for span in ((0, 3), (2, 5), (4, 6), (5, 6), (6, 6))]
    async with told(*answers) as (api, transport, clock, _):
        assert await collected(api, clock, pages=Offset(3, overlap=1)) == [0, 1, 2, 3, 4, 5]
        offsets = [request.url.rpartition("=")[2] for request in transport.requests]
        assert offsets == ["0", "2", "4", "5", "8"]


async def test_drift_overlap_with_total_counts_each_record_once() -> None:
    """Drift: records asked for twice count once towards the total."""
    answers = [says({"rows": rows(*span), "n": 6}) for span in ((0, 3), (2, 5), (4, 6))]
    async with told(*answers) as (api, _, clock, _):
        assert await collected(api, clock, pages=Offset(3, overlap=1), total=Total("n")) == [0, 1, 2, 3, 4, 5]
        assert api.usage.requests == 3


@pytest.mark.parametrize("second", [rows(3, 6), rows(1, 4), []])
async def test_drift_overlap_finds_removed_and_inserted_records(second: list[dict[str, Any]]) -> None:
    """Drift: a record that was removed or inserted before the offset moves the others; the item begins again."""
    async with told(says({"rows": rows(0, 3)}), says({"rows": second})) as (api, _, clock, _):
        error = await refused(api, clock, pages=Offset(3, overlap=1))
        assert error.action is Action.RESTART
        assert "does not begin with the records that the page before ended with" in str(error)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
async def test_drift_overlap_longer_than_a_page(count: int) -> None:
    """Drift: lists and pages that are shorter than the overlap are read to their end."""

    def answer(asked: Asked) -> Reply:
        start = asked.number("offset")
        return Reply({"rows": rows(start, min(start + 4, count))})

    async with session_with(answer) as (api, _):
        assert await ids_of(api.pages("/items", records="rows", pages=Offset(10, overlap=3))) == list(range(count))


async def test_seek_that_includes_its_key() -> None:
    """An API whose "from this key" includes the key repeats a record: it is checked and dropped."""
    answers = [says({"rows": rows(*span)}) for span in ((0, 3), (2, 5), (4, 5))]
    async with told(*answers) as (api, _, clock, _):
        assert await collected(api, clock, pages=Seek("id", query="from", is_inclusive=True)) == [0, 1, 2, 3, 4]
    async with told(says({"rows": rows(0, 3)}), says({"rows": rows(3, 5)})) as (api, _, clock, _):
        assert (await refused(api, clock, pages=Seek("id", query="from", is_inclusive=True))).action is Action.RESTART


@pytest.mark.parametrize("fields", [{}, {"at": "n", "header": "x"}, {"at": "a..b"}])
def test_total_is_declared_in_one_place(fields: dict[str, Any]) -> None:
    """A total that is declared nowhere, twice or wrongly is refused when it is made."""
    with pytest.raises(UsageError):
        Total(**fields)
