"""`page.records` are bytes, in a run as in a test of a processor, and cost nothing where nobody looks at them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from haulier.api.paging.paginator import Single
from haulier.api.records.page import Page, split_records
from tests.api.paging.rig import Reply, session_with
from tests.docs.pages import ROOT, blocks_of

BODY = b'{"rows":[{"id": 1, "price":1.10},{"id":2,"note":"\xc3\xa4"}]}'
LONE = b'{"rows":[{"id": 1, "price":1.10},{"id":2,"note":"\\ud800"}]}'


async def transformed(pages: AsyncIterator[Page]) -> AsyncIterator[list[dict[str, int]]]:
    """A processor's own work, as people write it."""
    async for page in pages:
        yield [{"id": json.loads(record)["id"] * 2} for record in page.records]


async def in_a_test(*pages: Page) -> AsyncIterator[Page]:
    for page in pages:
        yield page


async def test_a_processor_that_transforms_meets_the_same_in_a_run_and_in_a_test() -> None:
    """The records of an answer and those of `Page.of` are of one type, which `json.loads` takes."""
    async with session_with(lambda asked: Reply({"rows": [{"id": 1}, {"id": 2}]})) as (api, _):
        run = api.pages("/items", pages=Single(), records="rows")
        assert [rows async for rows in transformed(run)] == [[{"id": 2}, {"id": 4}]]
    for page in (Page.of([{"id": 1}, {"id": 2}]), Page([b'{"id":1}', b'{"id":2}'])):
        assert [rows async for rows in transformed(in_a_test(page))] == [[{"id": 2}, {"id": 4}]]


@pytest.mark.parametrize("body", [BODY, LONE])
def test_records_are_bytes_however_they_are_looked_at(body: bytes) -> None:
    """By index, from the end, by slices and in a loop; equal to a list of the same bytes (G6)."""
    page = split_records(body, "rows")
    texts = [b'{"id": 1, "price":1.10}', body[len(b'{"rows":[{"id": 1, "price":1.10},') : -2]]
    assert page.records == texts
    assert list(page.records) == [page.records[0], page.records[-1]] == texts
    assert {type(record) for record in (*page.records, *page.records[:1], page.records[1])} == {bytes}
    assert page.records[1:] == texts[1:]
    assert page.records != texts[1:]
    assert len(page) == 2
    assert repr(page.records) == f"Records({texts!r})"
    assert msgspec.json.decode(page.records[0])["id"] == 1
    assert texts[1] in page.records
    assert Page.of([{"id": 1}]) == Page([b'{"id":1}'], encoded=True)


def test_the_tutorial_shows_it() -> None:
    """The processor's part that the tutorial shows passes its test there, and reads an answer's records in a run."""
    (block,) = [block for block in blocks_of(ROOT / "docs/tutorial.md") if "def test_slim" in block.text]
    names: dict[str, Any] = {}
    exec(block.text, names)
    names["test_slim"]()
    assert names["slim"](split_records(BODY, "rows")) == [{"id": 1}, {"id": 2}]


def test_a_run_copies_nothing() -> None:
    """What is written are parts of the answer's body."""
    page = split_records(BODY, "rows")
    assert all(memoryview(part).obj is not None and not isinstance(part, bytes) for part in page.slices)
    assert b",".join(page.slices) == BODY[len(b'{"rows":[') : -2]
