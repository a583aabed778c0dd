"""What is a page without records is declared; what is not declared is an error of the answer's shape."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from haulier.api.answers.judgement import Rule
from haulier.api.client import Total
from haulier.api.errors import Action, ApiError, Shape
from haulier.api.paging.cursors import Cursor
from haulier.api.paging.paginator import Single
from haulier.api.paging.positions import Offset, PageNumber
from haulier.api.records.empty_forms import EmptyForms
from haulier.errors import UsageError
from haulier.testing.sandbox import Sandbox, SandboxSettings
from tests.api.paging import rig
from tests.api.paging.rig import client_of, ids_of, rows, says, told

CURSOR = Cursor("next", query="c")
collected = functools.partial(rig.collected, records="data.rows", pages=CURSOR)


SHAPES: dict[str, tuple[str | int, Any, int]] = {
    "null": ("null", {"data": {"rows": None}}, 200),
    "absent": ("absent", {"data": {"took": 3}}, 200),
    "absent, nothing else": ("absent", {"data": {}}, 200),
    "absent, an empty list on the way": ("absent", {"data": []}, 200),
    "absent, as PHP writes an empty object": ("absent", [], 200),
    "false": ("false", {"data": {"rows": False}}, 200),
    "empty object": ("empty object", {"data": {"rows": {}}}, 200),
    "empty object with a space": ("empty object", b'{"data":{"rows":{ \n}}}', 200),
    "empty text": ("empty text", {"data": {"rows": ""}}, 200),
    "no body": ("no body", b"", 200),
    "no body, 204": ("no body", b"", 204),
    "204": (204, b"", 204),
    "404": (404, {"error": "nothing here"}, 404),
}


@pytest.mark.parametrize("name", SHAPES)
async def test_declared_shape_is_a_page_without_records(name: str) -> None:
    """Each of them is zero records with one request, and nothing else that was declared makes it so. Where pages are
    counted, one request more looks behind the empty page."""
    declared, body, status = SHAPES[name]
    answer = says(body, status)
    for pages in (CURSOR, Offset(10), Single(), Cursor("next", query="c", more="has_more"), PageNumber(size=5)):
        async with told(answer, rules=()) as (api, transport, clock, _):
            assert await collected(api, clock, pages=pages, empty=[declared]) == []
            assert len(transport.requests) == (2 if isinstance(pages, Offset | PageNumber) else 1)
    others = {word for word, *_ in SHAPES.values()} - {declared}
    others -= {204, "no body"} if status == 204 else set()
    async with told(answer) as (api, _, clock, _):
        with pytest.raises(ApiError):
            await collected(api, clock, empty=others)


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        ({"data": {"rows": None}}, Shape.NULL),
        ({"data": {}}, Shape.MISSING),
        ({"data": {"rows": {}}}, Shape.NOT_A_LIST),
        (b"", Shape.NO_BODY),
    ],
)
async def test_what_is_not_declared_is_an_error_of_shape(body: Any, shape: Shape) -> None:
    """It speaks of the source, so that no item is divided for it, and says what to write."""
    async with told(says(body)) as (api, _, clock, _):
        with pytest.raises(ApiError) as caught:
            await collected(api, clock)
        assert caught.value.shape is shape


@pytest.mark.parametrize(
    "body",
    [
        {"data": None},
        {"took": 3},
        {"data": [{"rows": []}]},
        {"data": "rows"},
        {"data": {"rows": {"7": {"id": 7}}}},
        {"data": {"rows": "later"}},
        {"data": {"rows": True}},
        {"data": {"rows": 0}},
    ],
)
async def test_another_shape_is_never_empty(body: Any) -> None:
    """G1: with everything declared, a path that leads elsewhere and records of another form are errors still."""
    async with told(says(body)) as (api, _, clock, _):
        with pytest.raises(ApiError):
            await collected(api, clock, empty=["null", "absent", "false", "empty object", "empty text", "no body", 404])


@pytest.mark.parametrize("total", [0, "0"], ids=repr)
async def test_all_of_the_path_may_be_absent_where_the_total_is_zero(total: Any) -> None:
    """Spring's HAL leaves out `_embedded` where nothing is found, and says that there is nothing beside it."""
    body = {"_links": {"self": {"href": "/items"}}, "page": {"totalElements": total}}
    options = {"records": "_embedded.items", "empty": ["absent"], "pages": Offset(10)}
    async with told(says(body)) as (api, transport, clock, _):
        assert await collected(api, clock, **options, total=Total("page.totalElements")) == []
        assert len(transport.requests) == 1


@pytest.mark.parametrize(
    ("body", "total"),
    [
        ({"page": {"totalElements": 3}}, Total("page.totalElements")),
        ({"page": {"totalElements": 0}}, Total("page.totalElements", is_exact=False)),
        ({"page": {"totalElements": 0}}, None),
        ({"message": "no such report"}, Total("page.totalElements")),
    ],
)
async def test_more_than_the_last_key_is_absent(body: Any, total: Total | None) -> None:
    """It is an error, whose advice is not what the source says already."""
    options = {"records": "_embedded.items", "empty": ["absent"], "pages": Offset(10)}
    async with told(says(body)) as (api, _, clock, _):
        with pytest.raises(ApiError) as caught:
            await collected(api, clock, **options, total=total)
        assert caught.value.shape is Shape.ASTRAY
        assert "write empty" not in caught.value.shape.remedy
        assert "declare an exact `total`" in caught.value.shape.remedy


@pytest.mark.parametrize(
    "body",
    [
        {"error": "database is down"},
        {"Errors": ["x"], "rows": None},
        {"fault": {"code": 3}, "rows": None},
        {"exception": "x", "rows": {}},
    ],
)
async def test_failure_beside_nothing_is_no_empty_page(body: Any) -> None:
    """G1: an error object under status 200 has no records either, and is not what was declared."""
    async with told(says(body)) as (api, _, clock, _):
        with pytest.raises(ApiError, match=r"looks like a failure. Write a rule for it") as caught:
            await collected(api, clock, records="rows", empty=["null", "absent", "empty object"])
        assert (caught.value.action, caught.value.shape) == (Action.RETRY_LATER, Shape.NONE)
    quiet = says({"error": None, "errors": [], "fault": False, "exception": ""})
    async with told(quiet) as (api, _, clock, _):
        assert await collected(api, clock, records="rows", empty=["absent"]) == []


async def test_failure_within_the_answer_is_no_empty_page() -> None:
    """G1: also where it stands in the object that lacks the list; its path is what a rule needs."""
    async with told(says({"result": {"error": {"code": 3}}})) as (api, _, clock, _):
        with pytest.raises(ApiError, match=r"something at 'result.error'.*at = \"result.error\""):
            await collected(api, clock, records="result.rows", empty=["absent"])
    async with told(says({"result": {"errors": []}, "meta": {"error": None}})) as (api, _, clock, _):
        assert await collected(api, clock, records="result.rows", empty=["absent"]) == []


async def test_rules_come_before_it() -> None:
    """An error that a rule names is judged by the rule."""
    rules = (Rule(Action.POISON, at="message"),)
    async with told(says({"message": "no such report"}), rules=rules) as (api, _, clock, _):
        with pytest.raises(ApiError) as caught:
            await collected(api, clock, records="rows", empty=["absent"])
        assert caught.value.action is Action.POISON


async def test_empty_page_in_mid_walk_is_a_page() -> None:
    """The kind's own rules go on: a token leads on from a page without records, and none ends there."""
    answers = [
        says({"rows": rows(0, 2), "next": "a"}),
        says({"rows": None, "next": "b"}),
        says({"next": "c"}),
        says({"rows": rows(2, 3), "next": "d"}),
        says(b"", 204),
    ]
    async with told(*answers) as (api, transport, clock, _):
        found = await collected(api, clock, records="rows", empty=["null", "absent", 204])
        assert found == [0, 1, 2]
        assert len(transport.requests) == 5


async def test_error_status_behind_a_token_is_no_end() -> None:
    """G1: a 404 that means nothing at first would end a walk in silence behind a token."""
    async with told(says({"rows": rows(0, 2), "next": "a"}), says({}, 404)) as (api, _, clock, _):
        with pytest.raises(ApiError) as caught:
            await collected(api, clock, records="rows", empty=[404])
        assert caught.value.status == 404
    async with told(says({"rows": rows(0, 2)}), says({}, 404)) as (api, _, clock, _):
        assert await collected(api, clock, records="rows", pages=Offset(2), empty=[404]) == [0, 1]


async def test_total_need_not_stand_in_an_empty_answer() -> None:
    """G3: a first page without records may say no total; one that it says must be kept, and one of before too."""
    empty = {"empty": ["null", 204], "records": "rows", "pages": Offset(2), "total": Total("n")}
    async with told(says({"rows": None})) as (api, _, clock, _):
        assert await collected(api, clock, **empty) == []
    async with told(says({"rows": None, "n": 3})) as (api, _, clock, _):
        with pytest.raises(ApiError, match="promised 3 records and sent 0; asked again, it promises 3"):
            await collected(api, clock, **empty)
    async with told(says({"rows": rows(0, 2), "n": 3}), says(b"", 204)) as (api, _, clock, _):
        with pytest.raises(ApiError, match="the total moved from 3 to 0"):
            await collected(api, clock, **empty)


async def test_lone_surrogates_do_not_hide_it() -> None:
    """G6: a body that msgspec cannot read as it stands is looked at all the same."""
    async with told(says(b'{"note":"\\ud800","rows":null}')) as (api, _, clock, _):
        assert await collected(api, clock, records="rows", empty=["null"]) == []


@pytest.mark.parametrize("declared", ["nil", "", 200, 301, 401, 403, 429, 500, 304])
def test_what_cannot_mean_it_is_refused(declared: str | int) -> None:
    """A status about rights, limits or servers says nothing of records, and a good one holds them."""
    with pytest.raises(UsageError, match=r"no form of a page without records|does not say that there are no records"):
        EmptyForms.of([declared])


@pytest.mark.parametrize("kind", ["null", "absent", "object", "204", "404"])
@pytest.mark.parametrize("path", ["/items", "/items_offset", "/odata/items", "/items_link"])
async def test_empty_pages_of_the_sandbox(kind: Any, path: str) -> None:
    """The sandbox plays each of them on each way of paging; declared, a list without records is read as such."""
    declared = {"object": "empty object"}.get(kind, int(kind) if kind.isdigit() else kind)
    records = {"/odata/items": "value", "/items_link": "."}.get(path, "items")
    async with Sandbox(SandboxSettings(records=5, empty_as=kind)) as sandbox, client_of(sandbox.url) as client:
        api = client.session()
        assert await ids_of(api.pages(path, {"from_id": 7}, pages=Offset(2), records=records, empty=[declared])) == []
        assert await ids_of(api.pages(path, pages=Single(), records=records)) == [1, 2, 3, 4, 5]
        assert sandbox.counters.requests == 3  # One looked behind the empty page.


@pytest.mark.parametrize(
    ("body", "says_so"),
    [
        ({"rows": None}, "null is there"),
        ({"took": 1}, "there is nothing at 'rows': the body is an object with the keys took"),
    ],
)
async def test_what_was_taken_for_nothing_is_told(body: Any, says_so: str) -> None:
    """`haulier try` shows it: a misspelt path is absent too."""
    async with told(says(body)) as (api, _, clock, _):
        assert await collected(api, clock, records="rows", empty=["null", "absent"]) == []
        assert api.assumption == f"no list of records: {says_so}. It is taken as no records, as `empty` says"


@pytest.mark.parametrize(
    "failure", [{"error": {"code": "expired"}}, {"errors": [{"message": "x"}]}], ids=["one", "many"]
)
async def test_failure_beside_an_empty_list_is_no_end(failure: Any) -> None:
    """G1: 20 of 45 records and success, where the third page was a failure with an empty list beside it."""
    answers = [says({"rows": rows(0, 2), "next": "a"}), says({"rows": [], **failure})]
    (key,) = failure
    async with told(*answers) as (api, _, clock, _):
        with pytest.raises(ApiError, match="looks like a failure"):
            await collected(api, clock, records="rows")
    async with told(*answers, rules=(Rule(Action.END, at=key),)) as (api, _, clock, _):
        assert await collected(api, clock, records="rows") == [0, 1]
    async with told(answers[0], says({"rows": [], "error": None, "errors": []})) as (api, _, clock, _):
        assert await collected(api, clock, records="rows") == [0, 1]
