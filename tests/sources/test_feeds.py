"""Feeds that must not be taken for read: a cut list, a token that is missing, pages that move."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import pytest

from haulier.api.answers.judgement import Rule
from haulier.api.errors import Action, ApiError, PagingError
from haulier.api.paging.cursors import Cursor
from haulier.api.paging.feed_pages import Feed
from haulier.api.paging.links import NextUrl
from haulier.api.paging.paginator import Paginator, Single
from haulier.api.records.skipped_rows import Skip
from haulier.api.session import ItemApi
from haulier.errors import UsageError
from haulier.items.feed_start import FeedStart
from haulier.items.keys import item_key
from haulier.sources.feeds import FeedDivision, feed_processor, split_place
from haulier.sources.finished import Finished
from haulier.sources.recipe import FeedRecipe, StreamRecipe, ValuesRecipe
from tests.api.paging.rig import Asked, Reply, rows, session_with
from tests.sources.situation import context_of

NEXT = Cursor("next", query="page")


async def read(
    api: ItemApi, feed: FeedRecipe, pages: Paginator, since: str = "", method: str = "GET", **others: Any
) -> tuple[list[Any], Any]:
    """The records of a feed's item, and where it ends: the token, without the mark of its request."""
    found, end = await read_place(api, feed, pages, since, method, **others)
    return found, end if end is None else dataclasses.replace(end, end=split_place(end.end)[1])


async def read_place(
    api: ItemApi, feed: FeedRecipe, pages: Paginator, since: str = "", method: str = "GET", **others: Any
) -> tuple[list[Any], Any]:
    recipe = StreamRecipe("users", "/users", "items", pages, incremental=feed, method=method, **others)
    division = FeedDivision("users", "users_new_feed", "here", feed)
    finished = Finished(feeds={"users": {"": since}}) if since else Finished()
    context = dataclasses.replace(context_of(api), finished=finished)
    found = []
    async for item in division.items(context):
        async for page in feed_processor(recipe, feed, division)(item, context):
            found += [record.decode() for record in map(bytes, page.records)]  # type: ignore[union-attr]
    return found, api.usage.feed_end


async def test_g1_a_last_page_without_a_token_is_no_end() -> None:
    """A list that was cut off, or whose next page `pages` does not see, must not move the feed."""

    def cut(asked: Asked) -> Reply:
        page = asked.number("page", 1)
        return Reply({"items": rows(page, page + 1), **({"next": 2} if page == 1 else {})})

    async with session_with(cut) as (api, _):
        with pytest.raises(PagingError, match="The last page has nothing at 'sync', where the feed goes on"):
            await read(api, FeedRecipe(Feed(token="sync", query="since")), NEXT)
        assert api.usage.feed_end is None


async def test_g1_the_token_of_the_first_page_counts_where_pages_move() -> None:
    """Kinto: each page has the time of its own answer. What changed while the second was read is in neither."""

    def kinto(asked: Asked) -> Reply:
        page = asked.number("page", 1)
        following = {"next": 2} if page == 1 else {"next": None}
        return Reply({"items": rows(page, page + 1), **following}, headers=(("ETag", f'"{page}00"'),))

    async with session_with(kinto) as (api, asked):
        feed = Feed(header="ETag", query="_since", page="first")
        assert (await read(api, FeedRecipe(feed), NEXT))[1].end == '"100"'
        _, end = await read(api, FeedRecipe(feed), NEXT, since='"50"')
        assert (end.start, end.end) == ('"50"', '"100"')
        assert [each.query.get("_since") for each in asked.requests] == [None, None, '"50"', '"50"']


async def test_a_declared_answer_says_that_a_token_is_too_old(caplog: pytest.LogCaptureFixture) -> None:
    """The feed begins anew with the parameters of a first run, and nothing is said to go on from the old token."""

    def forgetful(asked: Asked) -> Reply:
        if "since" in asked.query:
            return Reply({"error": "sync token is invalid"}, 400)
        assert asked.query["all"] == "yes"
        return Reply({"items": rows(1, 3), "sync": "new"})

    expired = (Rule(Action.END, status=400, text="sync token"),)
    async with session_with(forgetful) as (api, _):
        feed = FeedRecipe(Feed(token="sync", query="since", expired=expired), (("all", "yes"),), begin_reads_all=True)
        with caplog.at_level(logging.WARNING):
            found, end = await read(api, feed, Single(), since="old")
        assert (len(found), end.start, end.end, end.has_expired) == (2, "", "new", True)
        assert "the feed begins anew" in caplog.text
        with pytest.raises(ApiError):  # Undeclared, it is a failure.
            await read(api, FeedRecipe(Feed(token="sync", query="since")), Single(), since="old")


async def test_g1_a_first_request_that_may_ask_for_less_is_not_sent_instead_of_an_expired_token() -> None:
    """`first = { since = "now" }`: what changed between the old token and now would be in no run."""
    async with session_with(lambda asked: Reply({}, 410)) as (api, server):
        with pytest.raises(PagingError, match='write first_reads = "all" in `feed`'):
            await read(
                api, FeedRecipe(Feed(token="sync", query="since"), begin=(("since", "now"),)), Single(), since="t1"
            )
        assert [asked.query["since"] for asked in server.requests] == ["t1"]
        assert api.usage.feed_end is None


async def test_an_end_by_a_rule_of_the_stream_is_no_expiry() -> None:
    """404 for "no changes": nothing is read anew, and the feed stays where it is."""
    async with session_with(lambda asked: Reply({}, 404)) as (api, server):
        rules = (Rule(Action.END, status=404),)
        found, end = await read(api, FeedRecipe(Feed(token="sync", query="since")), Single(), since="t1", rules=rules)
        assert (found, end.start, end.end, len(server.requests)) == ([], "t1", "t1", 1)


async def test_g1_a_token_on_each_page_does_not_hide_a_misspelt_next_sign() -> None:
    def every(asked: Asked) -> Reply:
        page = asked.number("page", 1)
        return Reply({"items": rows(page, page + 1), "paging": {"next": page + 1 if page < 3 else None}, "until": "T"})

    feed = FeedRecipe(Feed(token="until", query="since"))
    async with session_with(every) as (api, _):
        assert len((await read(api, feed, Cursor("paging.next", query="page")))[0]) == 3
    async with session_with(every) as (api, _):
        with pytest.raises(PagingError, match="In its place: 'next'"):
            await read(api, feed, Cursor("paging.nxt", query="page"))
        assert api.usage.feed_end is None


async def test_g1_a_place_is_one_of_the_request_that_it_came_from(caplog: pytest.LogCaptureFixture) -> None:
    """After the stream asks for something else, its token, or its validator, would be told to another resource."""

    def answer(asked: Asked) -> Reply:
        if "since" in asked.query or "If-None-Match" in asked.headers:
            return Reply({"items": [], "sync": "t2"})
        return Reply({"items": rows(1, 3), "sync": "t1"}, headers=(("ETag", '"1"'),))

    token, validator = FeedRecipe(Feed(token="sync", query="since")), FeedRecipe(Feed(header="ETag", is_condition=True))
    for feed in (token, validator):
        async with session_with(answer) as (api, server):
            _, end = await read_place(api, feed, Single())
            with caplog.at_level(logging.WARNING):
                found, moved = await read_place(api, feed, Single(), since=end.end, query=(("of", "all"),))
            assert len(found) == 2
            assert moved.has_expired is (feed is token)
            assert "since" not in server.requests[-1].query
            assert "If-None-Match" not in server.requests[-1].headers
    assert caplog.text.count("asks for something else than before") == 1


async def test_g1_an_answer_that_did_not_change_is_read_again_by_a_corrected_source() -> None:
    """Its validator is one for the records that the source made of it."""

    def answer(asked: Asked) -> Reply:
        headers = (("ETag", '"1"'),)
        if "If-None-Match" in asked.headers:
            return Reply(b"", 304, headers=headers)
        return Reply({"items": rows(1, 3)}, headers=headers)

    feed = FeedRecipe(Feed(header="ETag", is_condition=True))
    async with session_with(answer) as (api, _):
        _, end = await read_place(api, feed, Single())
        assert (await read_place(api, feed, Single(), since=end.end))[0] == []
        for corrected in ({"add": (("of", "x"),)}, {"skip": (Skip("gone"),)}, {"query": (("all", "yes"),)}):
            assert len((await read_place(api, feed, Single(), since=end.end, **corrected))[0]) == 2


@pytest.mark.parametrize("is_link", [False, True])
async def test_g7_a_token_is_in_no_message(is_link: bool) -> None:
    """It opens more than a place, with some APIs."""
    secret = "opaque-token-of-a-feed"
    async with session_with(lambda asked: Reply({"error": "no"}, 400)) as (api, _):
        feed = Feed(link="delta") if is_link else Feed(token="sync", query="since")
        with pytest.raises(ApiError) as caught:
            await read(api, FeedRecipe(feed), Single(), since=f"/users?$skip={secret}" if is_link else secret)
        assert secret not in str(caught.value)
        assert "=***" in str(caught.value)


async def test_a_token_0_that_goes_in_a_circle_names_its_end() -> None:
    async with session_with(lambda asked: Reply({"items": rows(1, 3), "last": 0})) as (api, _):
        feed = FeedRecipe(Feed(token="last", query="since"))
        with pytest.raises(PagingError, match=r'where it means the end, write end = \["zero"\] in `pages`'):
            await read(api, feed, Cursor("last", query="since"))
        assert len((await read(api, feed, Cursor("last", query="since", end=("zero",))))[0]) == 2


@pytest.mark.parametrize(
    ("date", "kept"),
    [
        ("Mon, 30 Nov 2026 10:01:00 GMT", "Mon, 30 Nov 2026 10:00:00 GMT"),
        ("Mon, 30 Nov 2026 10:00:59 GMT", "Mon, 30 Nov 2026 09:59:00 GMT"),
    ],
    ids=["settled", "within the minute"],
)
async def test_g1_a_time_so_near_to_its_answer_is_no_validator(date: str, kept: str) -> None:
    """A second version within the same second would be "not modified" for ever."""
    headers = (("Last-Modified", "Mon, 30 Nov 2026 10:00:00 GMT"), ("Date", date))
    async with session_with(lambda asked: Reply({"items": rows(1, 2)}, headers=headers)) as (api, _):
        feed = FeedRecipe(Feed(header="Last-Modified", is_condition=True))
        assert (await read(api, feed, Single()))[1].end == kept


async def test_g7_a_link_to_another_origin_is_not_followed() -> None:
    """Whoever can write the state, or an answer, cannot send our credentials elsewhere."""
    async with session_with(lambda asked: Reply({"items": []})) as (api, asked):
        with pytest.raises(ApiError, match="is not followed"):
            await read(api, FeedRecipe(Feed(link="delta")), NextUrl("next"), since="https://elsewhere.example/x")
        assert not asked.requests


async def test_a_304_that_was_not_asked_for_is_no_answer() -> None:
    feed = FeedRecipe(Feed(header="ETag", is_condition=True))
    async with session_with(lambda asked: Reply(b"", 304, headers=(("ETag", "1"),))) as (api, _):
        with pytest.raises(ApiError, match="304"):
            await read(api, feed, Single())
    async with session_with(lambda asked: Reply(b"", 304, headers=(("ETag", "1"),))) as (api, asked):
        assert (await read(api, feed, Single(), since='W/"1"'))[1].end == 'W/"1"'
        assert asked.requests[0].headers["if-none-match"] == 'W/"1"'
    async with session_with(lambda asked: Reply({"items": rows(1, 2)})) as (api, _):
        with pytest.raises(PagingError, match=r"nothing at the header 'ETag'.*Correct `if_changed`"):
            await read(api, feed, Single())


async def test_each_value_has_a_feed_of_its_own() -> None:
    def boxes(asked: Asked) -> Reply:
        return Reply({"items": [], "sync": asked.query["box"] + str(1 + asked.number("since"))})

    values = ValuesRecipe(("in", "out"), query=(("box", "{value}"),))
    feed = FeedRecipe(Feed(token="sync", query="since"), values=values)
    division = FeedDivision("mail", "mail_new_feed", "here", feed)
    finished = Finished(feeds={"mail": {'{"value":"out"}': "7"}})
    async with session_with(boxes) as (api, _):
        context = dataclasses.replace(context_of(api), finished=finished)
        items = [item async for item in division.items(context)]
    assert [item.since for item in items] == [FeedStart(), FeedStart("7")]  # type: ignore[attr-defined]
    assert [item_key(item).rpartition("-")[0] for item in items] == ["mail_new_feed-in-anew", "mail_new_feed-out-on"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"token": "sync"}, "A token is sent in one place. Write `query` or `body`"),
        ({"link": "delta", "query": "since"}, "for a link none of them."),
        ({"link": "delta", "token": "sync"}, "Name one."),
        ({"header": "X-Version", "is_condition": True}, "one of the headers ETag and Last-Modified"),
    ],
)
def test_a_feed_that_contradicts_itself_is_refused(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Feed(**arguments)
    assert text in str(caught.value)
