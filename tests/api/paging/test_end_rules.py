"""A rule that says END ends the walk; the records that came with that answer are kept."""

from __future__ import annotations

import functools

import pytest

from haulier.api.answers.judgement import Rule
from haulier.api.client import Total
from haulier.api.errors import Action, ApiError
from haulier.api.paging.cursors import Cursor
from haulier.testing.sandbox import Sandbox, SandboxSettings
from tests.api.paging import rig
from tests.api.paging.rig import client_of, ids_of, rows, says, told

CURSOR = Cursor("next", query="c")
collected = functools.partial(rig.collected, pages=CURSOR)
LAST = Rule(Action.END, header="X-Last: true")
FIRST = says({"rows": rows(0, 2), "next": "a", "n": 5})


@pytest.mark.parametrize("action", [Action.END, Action.ABSENT])
async def test_records_of_the_answer_that_ends_are_kept(action: Action) -> None:
    """G1: the last page says that it is the last one, and its records are hauled as those of any other page."""
    last = says({"rows": rows(2, 5), "next": "a"}, X_Last="true")
    async with told(FIRST, last, rules=(Rule(action, header="x-last: TRUE"),)) as (api, transport, clock, _):
        assert await collected(api, clock) == [0, 1, 2, 3, 4]
        assert len(transport.requests) == 2


async def test_records_of_the_first_answer_are_kept() -> None:
    """G1: also where the first page is the last one, with a total that is kept and one that is not."""
    only = says({"rows": rows(0, 5), "n": 5}, X_Last="true")
    async with told(only, rules=(LAST,)) as (api, transport, clock, _):
        assert await collected(api, clock, total=Total("n")) == [0, 1, 2, 3, 4]
        assert len(transport.requests) == 1
    short = says({"rows": rows(0, 4), "n": 5}, X_Last="true")
    async with told(short, rules=(LAST,)) as (api, _, clock, _):
        with pytest.raises(ApiError, match="promised 5 records and sent 4; asked again, it promises 5"):
            await collected(api, clock, total=Total("n"))


async def test_total_is_asked_again_from_an_answer_that_ends() -> None:
    """G3: a total that moved while the last page came is read from the first page, though that says END too."""
    first, last = says({"rows": rows(0, 2), "next": "a", "n": 2}), says({"rows": rows(2, 3), "n": 3}, X_Last="true")
    again = says({"rows": rows(0, 3), "n": 3}, X_Last="true")
    async with told(first, last, again, rules=(LAST,)) as (api, _, clock, _):
        assert await collected(api, clock, total=Total("n")) == [0, 1, 2]
        assert api.usage.drift is not None


@pytest.mark.parametrize(
    "body",
    [b'{"message":"past the end"}', b'{"rows":null}', b'{"rows":[]}', b'{"rows":{}}', b'""', b"no more", b"", b"<p>"],
)
async def test_answer_that_ends_may_hold_no_records(body: bytes) -> None:
    """Past the last page there is nothing to read, whatever its answer looks like."""
    async with told(FIRST, says(body, X_Last="true"), rules=(LAST,)) as (api, transport, clock, _):
        assert await collected(api, clock) == [0, 1]
        assert len(transport.requests) == 2


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"rows":{"7":{"id":7}}}', "expected a list of records"),
        (b'{"rows":[{"id":7},', "JSON"),
        (b'{"rows":[{"id":7}],"rows":[]}', "is there twice"),
        (b'{"rows":"later"}', "expected a list of records"),
    ],
)
async def test_records_that_cannot_be_read_are_no_quiet_end(body: bytes, why: str) -> None:
    """G1: where something stands in the place of the records, the rule does not make it nothing."""
    async with told(FIRST, says(body, X_Last="true"), rules=(LAST,)) as (api, _, clock, _):
        with pytest.raises(ApiError, match=why) as caught:
            await collected(api, clock)
        assert caught.value.action is Action.RETRY_LATER


async def test_status_that_ends_has_no_records() -> None:
    """A 400 past the last page is an error's body, and what stands in it is no record."""
    async with told(FIRST, says({"rows": rows(7, 9)}, 400), rules=(Rule(Action.END, status=400),)) as (
        api,
        _,
        clock,
        _,
    ):
        assert await collected(api, clock) == [0, 1]


async def test_one_value_is_not_ended() -> None:
    """G1: an API-wide rule about the last page must not turn the newest ID into nothing; what is absent is nothing."""
    newest = says({"rows": rows(7, 8)}, X_Last="true")
    async with told(newest, rules=(LAST,)) as (api, _, _, _):
        assert await api.json("/items", at="rows.0.id") == 7
    async with told(newest, rules=(Rule(Action.ABSENT, header="X-Last: true"),)) as (api, _, _, _):
        assert await api.json("/items", at="rows.0.id") is None


async def test_end_of_the_sandbox() -> None:
    """The sandbox's last page has records, the header, and a cursor that leads to itself."""
    settings = SandboxSettings(records=250, page_size=100, is_end_in_header=True)
    rule = Rule(Action.END, header="X-Last-Page: true")
    pages = Cursor("next", query="cursor")
    async with Sandbox(settings) as sandbox, client_of(sandbox.url, rules=(rule,)) as client:
        listed = client.session().pages("/items", pages=pages, records="items", total=Total("total"))
        assert await ids_of(listed) == list(range(1, 251))
        assert sandbox.counters.requests == 3
