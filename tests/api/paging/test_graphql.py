"""GraphQL: a query that is sent as it is, variables that it declares, and errors under status 200 (G1, G5)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import pytest

from haulier.api.answers.graphql_errors import ErrorMeaning, find_errors
from haulier.api.answers.judgement import Rule
from haulier.api.client import Total
from haulier.api.errors import Action, ApiError, PagingError
from haulier.api.identity.oauth2 import ClientCredentials
from haulier.api.limits.query_cost import QueryCost
from haulier.api.paging.cursors import Cursor
from haulier.api.paging.graphql import GraphQL
from haulier.api.paging.graphql_text import DeclaredVariable, Operation, operations_of
from haulier.api.paging.positions import Offset
from haulier.api.records.skipped_rows import Skip
from haulier.api.settings import Api
from haulier.config.pages_table import page_info_cursor
from haulier.errors import UsageError
from haulier.testing.clock import FakeClock
from tests.api.paging.rig import (
    Asked,
    Reply,
    ToldTransport,
    client_of,
    client_over,
    ids_of,
    says,
    serving,
    session_with,
    told,
)

QUERY = "query Orders($after: String, $first: Int = 10) { orders(first: $first, after: $after) { nodes { id } } }"
PAGES = Cursor("data.orders.end", body="variables.after", more="data.orders.more", end=("flag",))
COST = {
    "available": "extensions.cost.throttleStatus.currentlyAvailable",
    "needed": "extensions.cost.requestedQueryCost",
    "restored": "extensions.cost.throttleStatus.restoreRate",
}
AWKWARD = '''
# query Comment($not: A) {
query Orders(
  $ids: [ID!]! , $since: DateTime = "2024-01-01) $not: B {", $in: Filter = {tags: ["$x"], n: 1} @tag(a: 1)
  $after: String
) @live(if: "}") {
  """{{{""" orders(text: "}", block: """ "}" \\""" } """, ids: $ids) { ...Part amount { value start } }
}
fragment Part on Order @x(a: {b: 1}) { id }
'''


def test_what_a_document_declares() -> None:
    """Braces and dollars in comments, texts and defaults are none."""
    (operation,) = operations_of(AWKWARD)
    assert operation == Operation(
        "query",
        "Orders",
        (
            DeclaredVariable("ids", "[ID!]!", True),
            DeclaredVariable("since", "DateTime", False),
            DeclaredVariable("in", "Filter", False),
            DeclaredVariable("after", "String", False),
        ),
    )
    assert operations_of("{ a }") == (Operation("query", "", ()),)
    assert [each.kind for each in operations_of("query A {a} mutation B($x: I!) {b} subscription {c}")] == [
        "query",
        "mutation",
        "subscription",
    ]


@pytest.mark.parametrize(
    ("query", "options", "words"),
    [
        ("query {\n orders(", {}, "cannot be read: the text is cut at its end, in line 2"),
        ("SELECT 1", {}, "cannot be read: expected `query` or `fragment`, found `SELECT`, in line 1"),
        ("query {\n a ; }", {}, "no token of GraphQL begins so, found `;`, in line 2"),
        ("query ) {a}", {}, "a bracket is closed that was not opened before"),
        ("query (after: String) {a}", {}, "expected `\\$`, found `after`"),
        ("fragment A on B { c }", {}, "has no operation. Write, for example: query"),
        ("query A {a} query B {b}", {}, 'has 2 operations \\(A, B\\). Write which one, such as operation = "A"'),
        ("query A {a}", {"operation": "B"}, "no operation 'B'. It has: A."),
        ("mutation { drop }", {}, "The operation is a mutation. Only a query can be read"),
        (QUERY, {"variables": {"afer": 1}}, "does not declare \\$afer. It declares: \\$after, \\$first."),
        ("{ a }", {"variables": {"after": 1}}, "It declares no variable: write query \\(\\$after: String\\)"),
        ("query ($id: ID!) {a}", {}, "wants \\$id: ID!, and `variables` has none"),
    ],
)
def test_refused(query: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        GraphQL(query, **options)


async def test_pages_go_into_a_variable_that_is_declared() -> None:
    async with session_with(lambda asked: Reply({})) as (api, server):
        for pages, words in (
            (Cursor("a", body="variables.cursor"), "\\$cursor, which the query does not declare"),
            (Cursor("a", query="after"), "which a GraphQL server does not read. Write a variable"),
            (Offset(10, "skip", "first"), 'for an offset or a page number in = "body"'),
            (Cursor("a", body="after"), "`after` of the body is no variable of the query. Write variables.after"),
            (Offset(10, "variables.skip", "variables.first", place="body"), "\\$skip, which the query"),
        ):
            with pytest.raises(UsageError, match=words):
                api.pages("/g", pages=pages, records="r", method="POST", json=GraphQL(QUERY))
        with pytest.raises(UsageError, match="A GraphQL query is sent by POST"):
            api.pages("/g", pages=PAGES, records="r", json=GraphQL(QUERY))
        assert not server.requests


def answer(asked: Asked, count: int = 25) -> Reply:
    assert asked.json["query"] == QUERY
    assert asked.json["operationName"] == "Orders"
    start, size = int(asked.json["variables"].get("after") or 0), asked.json["variables"].get("first", 10)
    end = min(count, start + size)
    return Reply({"data": {"orders": orders(start, end, count)}})


def orders(start: int, end: int, count: int = 25) -> dict[str, Any]:
    return {"nodes": [{"id": number} for number in range(start, end)], "end": str(end), "more": end < count, "n": count}


def walk(api: Any, query: GraphQL) -> Any:
    total = Total("data.orders.n")
    return api.pages("/g", pages=PAGES, records="data.orders.nodes", total=total, method="POST", json=query)


async def test_g1_a_connection_is_read_to_its_end() -> None:
    async with session_with(answer) as (api, server):
        assert await ids_of(walk(api, GraphQL(QUERY, {"first": 7}))) == list(range(25))
    assert [asked.json["variables"] for asked in server.requests] == [
        {"first": 7},
        *({"first": 7, "after": str(after)} for after in (7, 14, 21)),
    ]


ENDED: list[float] = []
"""When lists were read, by the clock of their client."""


async def ended(clock: FakeClock, work: Coroutine[Any, Any, list[int]]) -> list[int]:
    async def timed() -> list[int]:
        try:
            return await work
        finally:
            ENDED.append(clock.monotonic())

    task = asyncio.ensure_future(timed())
    await clock.run_for(120)
    assert task.done()
    return task.result()


def failing(*errors: Any, data: Any = None, **more: Any) -> Any:
    return says({"data": data, "errors": list(errors), **more})


def coded(code: str, message: str = "no") -> dict[str, Any]:
    return {"message": message, "extensions": {"code": code}}


@pytest.mark.parametrize(
    ("error", "action", "requests"),
    [
        (coded("GRAPHQL_VALIDATION_FAILED"), Action.POISON, 1),
        ({"message": "none", "type": "NOT_FOUND"}, Action.POISON, 1),
        (coded("UNAUTHENTICATED"), Action.AUTH, 1),
        ({"message": "cut \ud83d"}, Action.RETRY_LATER, 3),
        (coded("INTERNAL_SERVER_ERROR"), Action.RETRY_LATER, 3),
        ({"message": "a row is broken", "path": ["orders", 3]}, Action.RETRY_LATER, 3),
        ("text", Action.RETRY_LATER, 3),
    ],
)
async def test_g1_errors_beside_data_are_a_failure(error: Any, action: Action, requests: int) -> None:
    """G1: half of the data is no page."""
    failed = failing(error, data={"orders": orders(0, 10)})
    async with told(failed) as (api, transport, clock, _):
        with pytest.raises(ApiError, match="it holds GraphQL errors \\(") as caught:
            await ended(clock, ids_of(walk(api, GraphQL(QUERY))))
        assert caught.value.action is action
        assert len(transport.requests) == requests


async def test_errors_that_are_allowed_or_have_a_rule() -> None:
    last = {"orders": orders(0, 3, 3)}
    both = failing(coded("GONE"), coded("GONE"), data=last)
    async with told(both) as (api, *_):
        assert await ids_of(walk(api, GraphQL(QUERY, allowed_errors=("GONE",)))) == [0, 1, 2]
    async with told(failing(coded("GONE"), coded("BAD_USER_INPUT"), data=last)) as (api, *_):
        with pytest.raises(ApiError, match="BAD_USER_INPUT: no"):
            await ids_of(walk(api, GraphQL(QUERY, allowed_errors=("GONE",))))
    rule = Rule(Action.OK, at="errors", text="GONE")
    async with told(both, rules=(rule,)) as (api, *_):
        assert await ids_of(walk(api, GraphQL(QUERY))) == [0, 1, 2]


async def rows_of(api: Any, query: GraphQL, **options: Any) -> list[Any]:
    pages = api.pages("/g", pages=PAGES, records="data.orders.nodes", method="POST", json=query, **options)
    return [json.loads(row) async for page in pages for row in page.records]


async def test_rows_that_are_null_are_no_records() -> None:
    """G1: a server writes null for a row with an error. Without one, nobody knows what it means."""
    rows = {**orders(0, 3, 3), "nodes": [{"id": 0}, None, {"id": 2}]}
    gone, null = failing(coded("GONE"), data={"orders": rows}), Skip(".", is_null=True)
    for query, options, said in (
        (GraphQL(QUERY, allowed_errors=("GONE",)), {"total": Total("data.orders.n")}, gone),
        (GraphQL(QUERY, allowed_errors=("GONE",)), {"skip": [Skip("gone")]}, gone),
        (GraphQL(QUERY), {"skip": [null]}, says({"data": {"orders": rows}})),
    ):
        async with told(said) as (api, *_):
            assert await rows_of(api, query, **options) == [{"id": 0}, {"id": 2}]
            assert api.usage.counts.skipped == 1
    two = failing(coded("GONE"), data={"orders": {**rows, "nodes": [None, None]}})
    for query, said, words in (
        (GraphQL(QUERY), says({"data": {"orders": rows}}), "1 of 3 rows are null, and 0 errors beside them"),
        (GraphQL(QUERY, allowed_errors=("GONE",)), two, "2 of 2 rows are null, and 1 error beside them could say why"),
    ):
        async with told(said) as (api, *_):
            with pytest.raises(PagingError, match=words) as caught:
                await rows_of(api, query)
            assert caught.value.action is Action.POISON
    with pytest.raises(UsageError, match="means null, or another value"):
        Skip("a", 1, is_null=True)


def cost(available: float, needed: float = 300, rate: float = 50) -> dict[str, Any]:
    status = {"maximumAvailable": 1000, "currentlyAvailable": available, "restoreRate": rate}
    return {"extensions": {"cost": {"requestedQueryCost": needed, "throttleStatus": status}}}


async def test_g5_a_cost_is_waited_for() -> None:
    """G5: nothing is sent until the next query can be paid for, also where it was refused for it."""
    said = (
        says({"data": {"orders": orders(0, 10)}} | cost(700)),
        says({"data": {"orders": orders(10, 20)}} | cost(100)),
        failing(coded("THROTTLED", "Throttled"), **cost(50)),
        says({"data": {"orders": orders(20, 25)}} | cost(900)),
    )
    clock, transport = FakeClock(), ToldTransport(*said)
    async with client_over(transport, Api("http://api.test", cost=COST), clock) as client:
        began = clock.monotonic()
        assert await ended(clock, ids_of(walk(client.session(), GraphQL(QUERY)))) == list(range(25))
        assert 4 + 5 <= ENDED[-1] - began < 30
    assert len(transport.requests) == 4


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (b'{"l": {"left": 5, "cost": 1, "at": "2024-01-01T01:00:00Z"}}', 0.0),
        (b'{"l": {"left": 0, "cost": 1, "at": "2024-01-01T00:10:00Z"}}', 600.0),
        (b'{"l": {"left": -5, "cost": 1, "at": "2024-01-01T00:10:00Z"}}', 600.0),
        (b'{"l": {"left": 0, "cost": 1, "at": "2024-01-01T05:00:00Z"}}', 900.0),
        (b'{"l": {"left": 0, "cost": 1, "at": "soon"}}', 0.0),
        (b'{"l": {"left": true, "cost": 1}}', 0.0),
        (b"<html>", 0.0),
    ],
)
def test_points_that_come_back_at_once(body: bytes, seconds: float) -> None:
    now = FakeClock().now().replace(year=2024, month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    assert QueryCost("l.left", "l.cost", reset_at="l.at").seconds(body, now) == seconds


@pytest.mark.parametrize(
    ("cost_paths", "words"),
    [
        ({"available": "a"}, "`cost` needs the paths"),
        ({**COST, "reset_at": "r"}, "either of what is `restored`"),
        ({**COST, "max": "r"}, "cost has no key 'max'. Its keys are: available, needed, restored, reset_at."),
        ({"available": 1}, "cost must be a table of texts"),
    ],
)
def test_refused_costs(cost_paths: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Api("http://api.test", cost=cost_paths)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"data":{"x":[1]},"errors":[{"message":"cut \\ud83d"}]}', r"cut \ud83d"),
        (b'\xef\xbb\xbf{"data":{"x":[1]},"errors":[{"message":"x"}]}', "x"),
        (b'{"data":{"x":[1]},"errors":[{"message":"a","x":1e999}]}', "cannot be read"),
    ],
)
def test_g1_errors_are_seen_however_they_are_written(body: bytes, words: str) -> None:
    found = find_errors(body, ())
    assert found is not None
    assert words in found.reason


def test_a_query_that_was_refused_before_it_was_run() -> None:
    """graphql-core gives no code."""
    for data, error, meaning in (
        (b"null", b'{"message":"no field x","locations":[{"line":1,"column":2}]}', ErrorMeaning.WRONG),
        (b"null", b'{"message":"went wrong","locations":[{"line":1}],"path":["x"]}', ErrorMeaning.UNKNOWN),
        (b"null", b'{"message":"Something went wrong"}', ErrorMeaning.UNKNOWN),
        (b"{}", b'{"message":"no field x","locations":[{"line":1,"column":2}]}', ErrorMeaning.UNKNOWN),
    ):
        found = find_errors(b'{"data":%s,"errors":[%s]}' % (data, error), ())
        assert found is not None
        assert found.meaning is meaning


@pytest.mark.parametrize("at", ["data.orders.pageinfo", "data.orders.pageInfo"])
@pytest.mark.parametrize("info", [None, {}, {"endCursor": "3"}, {"endCursor": None, "hasNextPage": None}])
async def test_g1_without_the_flag_a_connection_has_no_end(at: str, info: Any) -> None:
    """G1: the path is misspelt, the query does not ask for it, or the object is null beside an allowed error."""
    rows = {"nodes": [{"id": 1}], "pageInfo": info}
    async with told(failing(coded("GONE"), data={"orders": rows})) as (api, _, clock, _):
        pages, query = page_info_cursor(at), GraphQL(QUERY, allowed_errors=("GONE",))
        with pytest.raises(PagingError, match=r"no flag says whether there is more.*hasNextPage"):
            await ended(
                clock, ids_of(api.pages("/g", pages=pages, records="data.orders.nodes", method="POST", json=query))
            )


async def test_connections_in_records_that_go_on_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Their further pages are not read, and no record looks short."""
    inner = {"nodes": [{"id": 7}], "pageInfo": {"endCursor": "7", "hasNextPage": True}}
    for more, count in ((False, 0), (True, 1)):
        inner["pageInfo"] = {"hasNextPage": more}
        rows = {**orders(0, 2, 2), "nodes": [{"id": 0, "items": inner}, {"id": 1, "items": inner}]}
        async with told(says({"data": {"orders": rows}})) as (api, *_):
            assert len(await rows_of(api, GraphQL(QUERY))) == 2
        assert sum("have more pages of their own" in each.getMessage() for each in caplog.records) == count


async def test_connections_whose_records_are_read_may_not_go_on() -> None:
    """G1: their further pages are asked for by nobody. Without `pageInfo` the query asks for no more."""
    for info, count in (
        ({"pageInfo": {"hasNextPage": True}}, None),
        ({"pageInfo": {"hasNextPage": False}}, 3),
        ({}, 3),
    ):
        inner = [{"items": {"nodes": [{"id": 1}, {"id": 2}]}}, {"items": {"nodes": [{"id": 3}], **info}}]
        async with told(says({"data": {"orders": {**orders(0, 2, 2), "nodes": inner}}})) as (api, *_):
            path = "data.orders.nodes.*.items.nodes"
            work = ids_of(api.pages("/g", pages=PAGES, records=path, method="POST", json=GraphQL(QUERY)))
            if count is None:
                with pytest.raises(
                    PagingError, match=r"connection at 'data\.orders\.nodes\.1\.items' has more"
                ) as caught:
                    await work
                assert caught.value.action is Action.POISON
            else:
                assert len(await work) == count


async def test_a_connection_that_is_followed_may_stand_behind_a_star() -> None:
    """Another one beside it, which goes on as well, may not."""

    def reply(asked: Asked) -> Reply:
        after = asked.json["variables"].get("after")
        info = {"endCursor": "2", "hasNextPage": after is None}
        nodes = [{"id": 1}, {"id": 2}] if after is None else [{"id": 3}]
        other = {"other": {"nodes": [], "pageInfo": info}} if asked.path == "/other" else {}
        return Reply({"data": {"orders": {"nodes": nodes, "pageInfo": info}, **other}})

    pages = page_info_cursor("data.orders.pageInfo")
    async with session_with(reply) as (api, _):
        for path in ("/g", "/other"):
            work = ids_of(api.pages(path, pages=pages, records="data.*.nodes", method="POST", json=GraphQL(QUERY)))
            if path == "/g":
                assert await work == [1, 2, 3]
            else:
                with pytest.raises(PagingError, match=r"connection at 'data\.other' has more pages"):
                    await work


async def test_nodes_of_edges_that_are_null_are_rows_that_are_null() -> None:
    """G1: as in a list of nodes. A null in place of all of them is none."""
    null = Skip(".", is_null=True)
    for edges, errors, skip, words in (
        ([{"node": {"id": 0}}, {"node": None}, {"node": {"id": 2}}], 1, (), ""),
        ([{"node": {"id": 0}}, None, {"node": {"id": 2}}], 1, (), ""),
        ([{"node": {"id": 0}}, {"node": None}, {"node": {"id": 2}}], 0, (null,), ""),
        ([{"node": {"id": 0}}, {"node": None}], 0, (), r"1 of 2 rows are null, and 0 errors.*skip = \["),
        (None, 1, (null,), r"expected an object at 'data\.orders\.edges', found null"),
    ):
        said = failing(*[coded("GONE")] * errors, data={"orders": {**orders(0, 3, 3), "edges": edges}})
        async with told(said) as (api, _, clock, _):
            work = api.pages(
                "/g",
                pages=PAGES,
                records="data.orders.edges.*.node",
                shape="object",
                skip=skip,
                method="POST",
                json=GraphQL(QUERY, allowed_errors=("GONE",)),
            )
            if words:
                with pytest.raises(ApiError, match=words):
                    await ended(clock, ids_of(work))
            else:
                assert await ids_of(work) == [0, 2]
                assert api.usage.counts.skipped == 1


async def test_a_cost_that_is_not_told_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    said = (says({"data": {"orders": orders(0, 10)}}), says({"data": {"orders": orders(10, 25)}}))
    async with client_over(ToldTransport(*said), Api("http://api.test", cost=COST), FakeClock()) as client:
        assert await ids_of(walk(client.session(), GraphQL(QUERY))) == list(range(25))
    (record,) = [each for each in caplog.records if "what a query costs" in each.getMessage()]
    assert vars(record)["missing"] == COST["available"]
    assert QueryCost(**COST).lack(json.dumps(cost(1)).encode()) == ""


async def test_a_token_that_is_refused_under_200_is_renewed_once() -> None:
    issued: list[str] = []

    def reply(asked: Asked) -> Reply:
        if asked.path == "/token":
            issued.append(f"t{len(issued)}")
            return Reply({"access_token": issued[-1], "token_type": "Bearer", "expires_in": 3600})
        if asked.headers["Authorization"] == "Bearer t0" and asked.json["variables"]:
            return Reply({"data": None, "errors": [coded("UNAUTHENTICATED")]})
        return answer(asked)

    async with serving(reply) as server:
        auth = ClientCredentials(f"{server.url}/token", "me", "secret")
        async with client_of(server.url, auth=auth) as client:
            assert await ids_of(walk(client.session(), GraphQL(QUERY))) == list(range(25))
    assert issued == ["t0", "t1"]


def test_what_is_no_error() -> None:
    for body in (b'{"data": {}}', b'{"errors": []}', b'{"errors": null}', b"[", b"{"):
        assert find_errors(body, ()) is None
    found = find_errors(b'{"errors": [{"message": "a"}, {"extensions": {"code": "THROTTLED"}}]}', ())
    assert found is not None
    assert (found.meaning, found.reason) == (ErrorMeaning.THROTTLED, "it holds GraphQL errors (a, and 1 more)")
