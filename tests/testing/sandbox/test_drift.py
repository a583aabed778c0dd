"""Lists that move while they are walked: offsets skip or repeat rows, cursors and keys do not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulier.testing.sandbox import Sandbox, SandboxSettings
from haulier.testing.sandbox.drift import Drift
from tests.testing import wire


async def walk(api: Sandbox, by: str) -> tuple[list[int], list[int]]:
    """The ids that a walk gives, and the totals that it was told."""
    ids: list[int] = []
    totals: list[int] = []
    target = {"offset": "/items_offset?offset=0", "cursor": "/items?limit=10", "key": "/items_seek?limit=10"}[by]
    while True:
        page = json.loads((await wire.answer(api.url, target)).body)
        ids += [record["id"] for record in page["items"]]
        totals.append(page["total"])
        if by == "offset":
            is_end, target = not page["items"], f"/items_offset?offset={page['offset'] + len(page['items'])}"
        elif by == "cursor":
            is_end, target = page["next"] is None, f"/items?limit=10&cursor={page['next']}"
        else:
            is_end, target = not page["has_more"], f"/items_seek?limit=10&after_id={ids[-1]}"
        if is_end:
            return ids, totals


async def test_rows_that_vanish_make_an_offset_skip() -> None:
    """One row is never seen for each that vanished before the offset, and the total falls; the same in every run."""
    walks = []
    for _ in range(2):
        async with Sandbox(SandboxSettings(records=100, page_size=10, drift="delete")) as api:
            ids, totals = await walk(api, "offset")
            there = [
                number for number in range(1, 101) if (await wire.answer(api.url, f"/item/{number}")).status == 200
            ]
            drifted = api.counters.drifted
            assert json.loads((await wire.answer(api.url, "/count")).body) == {"count": len(there)}
        missed = set(there) - set(ids)
        assert len(there) == 100 - drifted
        assert len(missed) == drifted == 9
        assert totals == sorted(totals, reverse=True)
        walks.append((ids, totals))
    assert walks[0] == walks[1]


async def test_rows_that_appear_make_an_offset_repeat() -> None:
    """One row comes twice for each that appeared before the offset, and that one is not seen; the total grows."""
    async with Sandbox(SandboxSettings(records=100, page_size=10, drift="insert", drift_every_requests=2)) as api:
        ids, totals = await walk(api, "offset")
        drifted = api.counters.drifted
        everything, _ = await walk(api, "cursor")
    assert drifted > 2
    assert len(ids) - len(set(ids)) == drifted
    assert totals == sorted(totals)
    assert totals[-1] - totals[0] == drifted
    assert len(set(everything) - set(ids)) >= drifted


async def test_a_list_may_stand_still_after_some_rows() -> None:
    """A walk that begins again reads a list that stands still."""
    async with Sandbox(SandboxSettings(records=100, page_size=10, drift="delete", drift_rows=3)) as api:
        ids, _ = await walk(api, "offset")
        assert (len(ids), api.counters.drifted) == (97, 3)
        again, totals = await walk(api, "offset")
        assert (len(again), set(totals)) == (97, {97})
        assert set(again) > {*ids} - {*range(1, 101)}


@pytest.mark.parametrize("by", ["cursor", "key"])
@pytest.mark.parametrize("drift", ["insert", "delete"])
async def test_cursors_and_keys_neither_skip_nor_repeat(by: str, drift: str) -> None:
    """Whatever moves before them, every record that was there all the time comes once."""
    settings = SandboxSettings(records=100, page_size=10, drift=drift)  # type: ignore[arg-type]
    async with Sandbox(settings) as api:
        ids, _ = await walk(api, by)
        assert api.counters.drifted > 5
    assert ids == sorted(set(ids))
    always = {number for number in range(1, 101) if (number - 1) % 10 != 4}
    assert set(ids) >= (always if drift == "insert" else {*range(1, 101)})


async def test_nothing_moves_at_the_end_of_a_walk() -> None:
    """A list of one page is the same again and again."""
    async with Sandbox(SandboxSettings(records=50, drift="delete")) as api:
        first = await wire.answer(api.url, "/items_offset")
        assert (await wire.answer(api.url, "/items_offset")).body == first.body
        assert api.counters.drifted == 0


@given(
    st.sampled_from(["insert", "delete"]),
    st.lists(st.integers(1, 60), max_size=30),
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(0, 20),
    st.integers(0, 20),
)
def test_a_drifted_list_agrees_with_a_plain_one(
    kind: str, moves: list[int], first: int, last: int, skip: int, most: int
) -> None:
    """Counts and pages are those of the list of all that are there."""
    drift = Drift(kind)  # type: ignore[arg-type]
    there = {rank for rank in range(60) if kind == "delete" or rank % 10 != 4}
    for before in moves:
        candidates = [rank for rank in range(before) if (rank in there) is (kind == "delete")]
        assert drift.move(0, before) is bool(candidates)
        if candidates:
            there ^= {max(candidates)}
    first, last = min(first, last), max(first, last)
    plain = [rank for rank in range(first, last) if rank in there]
    assert drift.count(first, last) == len(plain)
    assert [*drift.ranks(first, last, skip, most)] == plain[skip : skip + most]
