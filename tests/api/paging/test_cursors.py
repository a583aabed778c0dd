"""Paging by token and by key, as the APIs of the table Paging do it: each row of that kind has a test that names it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from haulier.api.answers.judgement import Rule
from haulier.api.errors import Action, ApiError, PagingError
from haulier.api.paging.cursors import Cursor, Key, Seek
from haulier.errors import UsageError
from tests.api.paging.rig import Asked, Reply, client_of, ids_of, rows, serving, session_with

PARTS = {"": (0, 2, "t1"), "t1": (2, 4, "t2"), "t2": (4, 5, None)}


def part_of(token: str) -> tuple[list[dict[str, Any]], str | None]:
    start, stop, after = PARTS[token]
    return rows(start, stop), after


async def test_row_opaque_token_in_body() -> None:
    """opaque token in body (Google): sent back as a query parameter, all other parameters equal."""

    def answer(asked: Asked) -> Reply:
        assert asked.query["q"] == "a b"
        assert asked.query["fields"] == "items(id),x"
        page, after = part_of(asked.query.get("pageToken", ""))
        return Reply({"items": page, **({"nextPageToken": after} if after else {})})

    async with session_with(answer) as (api, server):
        pages = Cursor("nextPageToken", query="pageToken")
        found = await ids_of(api.pages("/list", {"q": "a b", "fields": "items(id),x"}, pages=pages, records="items"))
        assert found == [0, 1, 2, 3, 4]
        assert [asked.query.get("pageToken") for asked in server.requests] == [None, "t1", "t2"]


@pytest.mark.parametrize("nothing", ["missing", None, "", False, [], {}])
async def test_end_signs_of_a_token(nothing: Any) -> None:
    """A token that is missing, null, "" or false is the end; so is what PHP makes of an empty map."""

    def answer(asked: Asked) -> Reply:
        return Reply({"items": rows(0, 1), **({} if nothing == "missing" else {"next": nothing})})

    async with session_with(answer) as (api, server):
        assert await ids_of(api.pages("/list", pages=Cursor("next", query="c"), records="items")) == [0]
        assert len(server.requests) == 1


async def test_zero_is_a_token() -> None:
    """0 is a cursor like any other, and not the end."""

    def answer(asked: Asked) -> Reply:
        return Reply({"items": rows(0, 1), "next": 0} if not asked.query else {"items": rows(1, 2)})

    async with session_with(answer) as (api, server):
        assert await ids_of(api.pages("/list", pages=Cursor("next", query="c"), records="items")) == [0, 1]
        assert server.targets == ["/list", "/list?c=0"]


async def test_row_token_deep_in_the_body() -> None:
    """opaque token in body (HubSpot paging.next.after): the objects around it are missing on the last page."""

    def answer(asked: Asked) -> Reply:
        page, after = part_of(asked.query.get("after", ""))
        return Reply({"results": page, **({"paging": {"next": {"after": after}}} if after else {})})

    async with session_with(answer) as (api, _):
        pages = Cursor("paging.next.after", query="after")
        assert await ids_of(api.pages("/contacts", pages=pages, records="results")) == [0, 1, 2, 3, 4]


async def test_row_token_sent_in_a_body() -> None:
    """opaque token in the JSON body of a POST (Jira search/jql): a field among the others."""

    def answer(asked: Asked) -> Reply:
        page, after = part_of(asked.json.get("nextPageToken", ""))
        return Reply({"issues": page, "nextPageToken": after})

    async with session_with(answer) as (api, server):
        pages = Cursor("nextPageToken", body="nextPageToken")
        found = await ids_of(api.pages("/jql", pages=pages, records="issues", method="POST", json={"jql": "x"}))
        assert found == [0, 1, 2, 3, 4]
        assert [asked.json for asked in server.requests] == [
            {"jql": "x"},
            {"jql": "x", "nextPageToken": "t1"},
            {"jql": "x", "nextPageToken": "t2"},
        ]
        assert server.requests[1].headers["Content-Type"] == "application/json"


async def test_token_goes_into_a_body_byte_for_byte() -> None:
    """A token that is an object or a long number goes into the next body with the bytes it came with."""
    token = b'{"id":{"S":"\\u00e9"},"n":18446744073709551617,"f":1.10,"f":1.10}'

    def answer(asked: Asked) -> Reply:
        if not asked.body:
            return Reply(b'{"Items":[{"id":0}],"LastEvaluatedKey":' + token + b"}")
        assert asked.body == b'{"ExclusiveStartKey":' + token + b"}"
        return Reply(b'{"Items":[{"id":1}]}')

    async with session_with(answer) as (api, _):
        pages = Cursor("LastEvaluatedKey", body="ExclusiveStartKey")
        assert await ids_of(api.pages("/scan", pages=pages, records="Items", method="POST")) == [0, 1]


async def test_number_as_a_token_keeps_its_digits() -> None:
    """A number as a token is sent back with the digits it came with."""

    def answer(asked: Asked) -> Reply:
        if not asked.query:
            return Reply(b'{"items":[{"id":0}],"next":1234567890123456789012.10}')
        assert asked.query["c"] == "1234567890123456789012.10"
        return Reply({"items": rows(1, 2)})

    async with session_with(answer) as (api, _):
        assert await ids_of(api.pages("/list", pages=Cursor("next", query="c"), records="items")) == [0, 1]


async def test_token_that_is_an_object_fits_into_no_query() -> None:
    """An object as a token for a query parameter is an error that says what stands there."""
    async with session_with(lambda asked: Reply({"items": rows(0, 1), "next": {"a": 1}})) as (api, _):
        with pytest.raises(ApiError, match="expected text or a number at 'next', found an object with the keys a"):
            await ids_of(api.pages("/list", pages=Cursor("next", query="c"), records="items"))


async def test_row_header_cursor() -> None:
    """header cursor: read from a header of the answer, sent as a parameter or as a header; its lack is the end."""
    for pages in (Cursor(from_header="X-Next", query="cursor"), Cursor(from_header="X-Next", header="X-Cursor")):

        def answer(asked: Asked) -> Reply:
            page, after = part_of(asked.query.get("cursor", asked.headers.get("X-Cursor", "")))
            return Reply(page, headers=(("x-next", after),) if after else ())

        async with session_with(answer) as (api, server):
            assert await ids_of(api.pages("/list", {"a": 1}, pages=pages, records=".")) == [0, 1, 2, 3, 4]
            assert len(server.requests) == 3


async def test_token_in_a_header_cannot_add_headers() -> None:
    """A token with a line end in it is not sent as a header."""
    async with session_with(lambda asked: Reply({"items": rows(0, 1), "next": "a\r\nX-Evil: 1"})) as (api, server):
        with pytest.raises(ApiError, match="control character") as caught:
            await ids_of(api.pages("/list", pages=Cursor("next", header="X-Cursor"), records="items"))
        assert caught.value.action is Action.POISON
        assert len(server.requests) == 1


async def test_several_keys_at_once() -> None:
    """Several keys go along (CouchDB's key and document id): each to its place."""

    def answer(asked: Asked) -> Reply:
        if not asked.query:
            return Reply({"rows": rows(0, 1), "next": {"key": "k", "id": 7}}, headers=(("X-Shard", "s1"),))
        assert asked.query == {"startkey": "k", "startkey_docid": "7"}
        assert asked.headers["X-Shard"] == "s1"
        return Reply({"rows": rows(1, 2)})

    async with session_with(answer) as (api, _):
        also = (Key("next.id", query="startkey_docid"), Key(from_header="X-Shard", header="X-Shard"))
        pages = Cursor("next.key", query="startkey", also=also)
        assert await ids_of(api.pages("/view", pages=pages, records="rows")) == [0, 1]


async def test_key_that_lacks_its_fellow() -> None:
    """A token without the value that goes along with it is an error, and not half of a request."""
    async with session_with(lambda asked: Reply({"rows": rows(0, 1), "next": {"key": "k"}})) as (api, server):
        pages = Cursor("next.key", query="startkey", also=(Key("next.id", query="startkey_docid"),))
        with pytest.raises(ApiError, match=r"there is a next page, but nothing at 'next\.id'"):
            await ids_of(api.pages("/view", pages=pages, records="rows"))
        assert {asked.target for asked in server.requests} == {"/view"}


@pytest.mark.parametrize(
    ("field", "more", "last"), [("more", True, False), ("done", False, True), ("more", "true", "false"), ("more", 1, 0)]
)
async def test_flag_beside_a_token(field: str, more: Any, last: Any) -> None:
    """A flag that is declared to rule ends the walk, although the token goes on: APIs for feeds always send one."""

    def answer(asked: Asked) -> Reply:
        start = asked.number("c")
        return Reply({"rows": rows(start, start + 1), "next": str(start + 1), field: last if start == 2 else more})

    async with session_with(answer) as (api, server):
        flag: Any = {field: field}
        pages = Cursor("next", query="c", end=("flag",), **flag)
        assert await ids_of(api.pages("/feed", pages=pages, records="rows")) == [0, 1, 2]
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"more": True}, "says that there is more, but there is no token or link"),
        ({"next": "x"}, "no flag says whether there is more"),
        ({"next": "x", "more": "perhaps"}, "expected true or false at 'more', found text"),
        ({"next": "x", "more": False}, r"'more' says that this was all, but there is a token .* end = \[\"flag\"\]"),
    ],
)
async def test_flag_that_contradicts_the_token(body: dict[str, Any], says: str) -> None:
    """A flag and a token that contradict each other are an error, and not an end."""
    async with session_with(lambda asked: Reply({"rows": rows(0, 1), **body})) as (api, _):
        with pytest.raises(ApiError, match=says):
            await ids_of(api.pages("/feed", pages=Cursor("next", query="c", more="more"), records="rows"))


async def test_neither_flag_nor_token_is_an_end() -> None:
    """APIs that leave both out of the last page end there."""
    async with session_with(lambda asked: Reply({"rows": rows(0, 1)})) as (api, _):
        assert await ids_of(api.pages("/feed", pages=Cursor("next", query="c", more="more"), records="rows")) == [0]


async def test_row_continue_token_that_expires() -> None:
    """continue token with server snapshot (Kubernetes): a 410 in mid-walk begins the item again."""

    def answer(asked: Asked) -> Reply:
        if "continue" in asked.query:
            return Reply({"reason": "Expired"}, 410)
        return Reply({"metadata": {"continue": "abc", "remainingItemCount": 5}, "items": rows(0, 2)})

    pages = Cursor("metadata.continue", query="continue")
    async with session_with(answer) as (api, server):
        with pytest.raises(ApiError) as caught:
            await ids_of(api.pages("/pods", {"limit": 2}, pages=pages, records="items"))
        assert (caught.value.action, caught.value.status) == (Action.RESTART, 410)
        assert len(server.requests) == 2
    async with session_with(lambda asked: Reply({}, 410)) as (api, _):
        with pytest.raises(ApiError) as caught:
            await ids_of(api.pages("/pods", pages=pages, records="items"))
        assert caught.value.action is Action.POISON


async def test_row_token_that_expires_with_400() -> None:
    """opaque token (AWS SWF, Salesforce): an expiry that is a 400 with a text is declared by a rule, and restarts."""

    def answer(asked: Asked) -> Reply:
        return (
            Reply({"code": "INVALID_QUERY_LOCATOR"}, 400) if asked.query else Reply({"items": rows(0, 1), "next": "a"})
        )

    rules = (Rule(Action.RESTART, status=400, text="INVALID_QUERY_LOCATOR"),)
    async with serving(answer) as server, client_of(server.url, rules) as client:
        with pytest.raises(ApiError) as caught:
            await ids_of(client.session().pages("/q", pages=Cursor("next", query="c"), records="items"))
        assert caught.value.action is Action.RESTART


async def test_row_seek_by_last_id_with_has_more() -> None:
    """seek by last ID (Stripe starting_after + has_more): newest first, a full last page, and no request after it."""

    def answer(asked: Asked) -> Reply:
        newest = asked.number("starting_after", 7) - 1
        page = [{"id": number} for number in range(newest, max(newest - 2, 0), -1)]
        return Reply({"data": page, "has_more": page[-1]["id"] > 1})

    async with session_with(answer) as (api, server):
        pages = Seek("id", query="starting_after", more="has_more")
        assert await ids_of(api.pages("/charges", {"limit": 2}, pages=pages, records="data")) == [6, 5, 4, 3, 2, 1]
        assert server.targets == [
            "/charges?limit=2",
            "/charges?limit=2&starting_after=5",
            "/charges?limit=2&starting_after=3",
        ]


async def test_row_seek_since_id() -> None:
    """seek by last ID (Shopify since_id): ends at an empty page."""

    def answer(asked: Asked) -> Reply:
        since = asked.number("since_id", -1)
        return Reply({"orders": rows(since + 1, min(since + 3, 5))})

    async with session_with(answer) as (api, server):
        assert await ids_of(api.pages("/orders", pages=Seek("id", query="since_id"), records="orders")) == [
            0,
            1,
            2,
            3,
            4,
        ]
        assert [asked.query.get("since_id") for asked in server.requests] == [None, "1", "3", "4"]


async def test_row_seek_in_a_query_language() -> None:
    """seek by last ID (ServiceNow sys_id>X^ORDERBYsys_id): the key goes into a template."""

    def answer(asked: Asked) -> Reply:
        text = asked.query["sysparm_query"]
        since = int(text.removeprefix("sys_id>").partition("^")[0]) if text.startswith("sys_id>") else -1
        return Reply({"result": [{"id": n, "sys_id": f"{n:04}"} for n in range(since + 1, min(since + 3, 5))]})

    async with session_with(answer) as (api, server):
        pages = Seek("sys_id", query="sysparm_query", template="sys_id>{key}^ORDERBYsys_id")
        found = await ids_of(api.pages("/t", {"sysparm_query": "ORDERBYsys_id"}, pages=pages, records="result"))
        assert found == [0, 1, 2, 3, 4]
        assert server.requests[1].query == {"sysparm_query": "sys_id>0001^ORDERBYsys_id"}


async def test_seek_in_a_body() -> None:
    """A key goes into a JSON body as it came: numbers stay numbers."""

    def answer(asked: Asked) -> Reply:
        since = json.loads(asked.body)["where"].get("after", -1)
        return Reply({"rows": rows(since + 1, min(since + 3, 4))})

    async with session_with(answer) as (api, server):
        pages = Seek("id", body="where.after")
        body = {"where": {"kind": "x"}}
        assert await ids_of(api.pages("/q", pages=pages, records="rows", method="POST", json=body)) == [0, 1, 2, 3]
        assert server.requests[1].json == {"where": {"kind": "x", "after": 1}}


@pytest.mark.parametrize("last", [{"name": "no id"}, {"id": None}, {"id": {"a": 1}}, 17])
async def test_seek_by_a_key_that_is_not_there(last: Any) -> None:
    """A last record without the key, or with null, is an error: nothing would be asked for by it."""
    async with session_with(lambda asked: Reply({"rows": [{"id": 1}, last]})) as (api, _):
        with pytest.raises(ApiError, match=r"nothing at 'id'|expected text or a number"):
            await ids_of(api.pages("/q", pages=Seek("id", query="since"), records="rows"))


@pytest.mark.parametrize(
    ("make", "fields"),
    [
        (Cursor, {}),
        (Cursor, {"at": "next"}),
        (Cursor, {"query": "c"}),
        (Cursor, {"at": "next", "from_header": "X", "query": "c"}),
        (Cursor, {"at": "next", "query": "c", "header": "X"}),
        (Cursor, {"at": "next..x", "query": "c"}),
        (Cursor, {"at": "next", "query": "c", "more": "a", "done": "b"}),
        (Seek, {"key": "id"}),
        (Seek, {"key": "id", "query": "a", "body": "b"}),
        (Seek, {"key": "id", "query": "a", "template": "sys_id>"}),
    ],
)
def test_kinds_that_cannot_work_are_refused_when_made(make: Callable[..., object], fields: dict[str, Any]) -> None:
    """What cannot work is refused before the first request."""
    with pytest.raises(UsageError):
        make(**fields)


async def test_a_seek_by_a_key_that_is_not_unique_is_an_error() -> None:
    """Records with the key of the last one, behind a page's end, would never come: the last two of a page show it."""

    def by_time(asked: Asked) -> Reply:
        after = asked.number("after", -1)
        items = [row | {"time": row["id"] // 3} for row in rows(0, 60) if row["id"] // 3 > after]
        return Reply({"items": items[:11]})

    async with session_with(by_time) as (api, _):
        with pytest.raises(PagingError, match=r"records . and . of the page have the same 'time'"):
            await ids_of(api.pages("/items", pages=Seek("time", query="after"), records="items"))
