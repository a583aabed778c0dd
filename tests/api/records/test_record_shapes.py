"""Records that stand in no plain list: one object, an object of records, lists within lists and objects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulier.api.answers.judgement import Rule
from haulier.api.errors import Action, ApiError, BodyError, Shape
from haulier.api.paging.cursors import Cursor, Seek
from haulier.api.paging.paginator import Single
from haulier.api.paging.positions import Offset
from haulier.api.paging.totals import Total
from haulier.api.records.empty_forms import EmptyForms
from haulier.api.records.page import Page, PageReader
from haulier.errors import UsageError
from tests.api.paging.rig import Asked, Reply, collected, ids_of, refused, says, session_with, told


def read(body: bytes | str, path: str, shape: str = "list", empty: list[str | int] | None = None) -> Page:
    text = body if isinstance(body, bytes) else body.encode()
    return PageReader(path, EmptyForms.of(empty or ()), shape=shape).read(text).page


GOOD: dict[str, tuple[str, str, str, list[str]]] = {
    "one record": ("object", "data", '{"data": {"id": 1.10} }', ['{"id": 1.10}']),
    "the answer is the record": ("object", ".", ' {"id":"\\ud800"} ', ['{"id":"\\ud800"}']),
    "a list of one": ("list or object", "rows.row", '{"rows":{"row":{"id":1}}}', ['{"id":1}']),
    "a list of several": (
        "list or object",
        "rows.row",
        '{"rows":{"row":[{"id":1},{"id":2}]}}',
        ['{"id":1}', '{"id":2}'],
    ),
    "records by ID": ("values", "r", '{"r":{"a" : {"n":1} , "b":{"n":2}}}', ['{"n":1}', '{"n":2}']),
    "no records by ID": ("values", "r", '{"r":{ }}', []),
    "no records, as PHP writes it": ("values", "r", '{"r":[]}', []),
    "lists in a list": ("list", "g.*.i", '{"g":[{"i":[1]},{"i":[]},{"i":[ 2.0,"x" ]}]}', ["1", "2.0", '"x"']),
    "lists in an object": ("list", "g.*.i", '{"g":{"1":{"i":[1]},"-1":{"i":[2]}}}', ["1", "2"]),
    "lists at the top": ("list", "*", "[[1],[],[2,3]]", ["1", "2", "3"]),
    "three levels": ("list", "*.g.*.i", '[{"g":{"x":{"i":[1]}}},{"g":[{"i":[2]}]}]', ["1", "2"]),
    "no groups": ("list", "g.*.i", '{"g":[]}', []),
    "no groups in an object": ("list", "g.*.i", '{"g":{}}', []),
    "groups of objects": ("values", "g.*.by", '{"g":[{"by":{"a":{"n":1}}},{"by":{}}]}', ['{"n":1}']),
    "groups of one": ("object", "g.*.of", '{"g":[{"of":{"n":1}},{"of":{"n":2}}]}', ['{"n":1}', '{"n":2}']),
    "keys with dots": ("list", "a.b.*.c.d", '{"a.b":[{"c.d":[1]}]}', ["1"]),
    "a star and an index": ("list", "g.*.0.i", '{"g":[[{"i":[1]},{"i":[9]}]]}', ["1"]),
}


@pytest.mark.parametrize("name", GOOD)
def test_g6_records_of_each_shape_are_the_bytes_that_came(name: str) -> None:
    shape, path, body, records = GOOD[name]
    assert read(body, path, shape).records == [record.encode() for record in records]


TWICE = "the key {!r} is there twice at {!r}, and only one of them could be read"
BAD: dict[str, tuple[str, str, str, str, Shape]] = {
    "a list for one record": (
        "object",
        "d",
        '{"d":[{}]}',
        "expected an object at 'd', found a list of 1",
        Shape.NOT_OF_SHAPE,
    ),
    "null for one record": ("object", "d", '{"d":null}', "expected an object at 'd', found null", Shape.NULL),
    "nothing in it": (
        "object",
        "d",
        '{"d":{ }}',
        "expected an object at 'd', found an empty object. Where that means that there is none, write empty = "
        '["empty object"]',
        Shape.NOT_OF_SHAPE,
    ),
    "text": (
        "list or object",
        "d",
        '{"d":"x"}',
        "expected a list of records or an object at 'd', found text",
        Shape.NOT_OF_SHAPE,
    ),
    "a list of records": (
        "values",
        "d",
        '{"d":[{}]}',
        "expected an object with records at 'd', found a list of 1",
        Shape.NOT_OF_SHAPE,
    ),
    "a number among records": (
        "values",
        "d",
        '{"d":{"a":{},"n":5}}',
        "expected an object at 'd.n', found a number",
        Shape.NOT_OF_SHAPE,
    ),
    "a misspelt group": (
        "list",
        "gruops.*.i",
        '{"groups":[]}',
        "no records: there is nothing at 'gruops.*.i': the body is an object with the keys groups",
        Shape.MISSING,
    ),
    "a misspelt list": (
        "list",
        "g.*.j",
        '{"g":[{"i":[1]}]}',
        "no records: there is nothing at 'g.0.j': 'g.0' is an object with the keys i",
        Shape.MISSING,
    ),
    "one group without": (
        "list",
        "g.*.i",
        '{"g":{"a":{"i":[1]},"b":{}}}',
        "no records: there is nothing at 'g.b.i': 'g.b' is an empty object",
        Shape.MISSING,
    ),
    "an object in a group": (
        "list",
        "g.*.i",
        '{"g":[{"i":{"n":1}}]}',
        "expected a list of records at 'g.0.i', found an object with the keys n",
        Shape.NOT_A_LIST,
    ),
    "text for groups": (
        "list",
        "g.*.i",
        '{"g":"later"}',
        "expected a list of records at 'g', found text",
        Shape.NOT_A_LIST,
    ),
    "a list on the way": (
        "list",
        "g.x.*",
        '{"g":[{"x":[]}]}',
        "no records: there is nothing at 'g.x.*': 'g' is a list of 1",
        Shape.MISSING,
    ),
    "a key twice": ("values", "d", '{"d":{"a":{"n":1},"b":{},"a":{"n":2}}}', TWICE.format("a", "d"), Shape.UNPARSED),
    "equal twice": ("values", "d", '{"d":{"a":{},"a":{}}}', TWICE.format("a", "d"), Shape.UNPARSED),
    "twice, escaped": ("values", "d", '{"d":{"a":{},"\\u0061":{}}}', TWICE.format("a", "d"), Shape.UNPARSED),
    "a group twice": ("list", "g.*", '{"g":{"x":[1],"x":[2]}}', TWICE.format("x", "g"), Shape.UNPARSED),
    "the way twice": ("object", "d", '{"d":{"n":1},"d":{"n":2}}', TWICE.format("d", "."), Shape.UNPARSED),
    "cut": ("values", "d", '{"d":{"a":{}', "the body is not JSON: Input data was truncated", Shape.UNPARSED),
}


@pytest.mark.parametrize("name", BAD)
def test_g1_another_shape_is_an_error(name: str) -> None:
    """Nothing of it is an empty page, or fewer records."""
    shape, path, body, says, kind = BAD[name]
    with pytest.raises(BodyError) as caught:
        read(body, path, shape)
    assert (str(caught.value), caught.value.shape) == (says, kind)


@pytest.mark.parametrize(
    ("path", "body", "records"),
    [
        ("g.*.i", '{"g":[{"i":[1]},{},{"i":null},{"i":[2]}]}', 2),
        ("g.*.i", '{"g":[{"n":1},{"n":2}]}', 0),
        ("g.*.i", '{"took":3}', 0),
        ("g.*.i", '{"g":null}', 0),
        ("g.*.i.*", '{"g":[{"i":[[1],[2]]},[]]}', 2),
        ("g.*.x.i", '{"g":[{"n":1}]}', -1),
        ("x.g.*", '{"took":3}', -1),
    ],
)
def test_groups_without_their_list_are_declared(path: str, body: str, records: int) -> None:
    """As elsewhere, the last key may be absent, or what is below an empty list; more of the path is an error (-1)."""
    if records < 0:
        with pytest.raises(BodyError) as caught:
            read(body, path, empty=["absent", "null"])
        assert caught.value.shape is Shape.ASTRAY
    else:
        assert len(read(body, path, empty=["absent", "null"])) == records
        with pytest.raises(BodyError):
            read(body, path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3)
)
objects = st.dictionaries(st.text(max_size=3), json_values, max_size=3)


@given(
    groups=st.lists(st.lists(objects, max_size=3), max_size=4),
    keys=st.lists(st.text(max_size=4), min_size=4, max_size=4, unique=True),
    indent=st.sampled_from([None, 1]),
    is_ascii=st.booleans(),
    by_key=st.booleans(),
)
def test_g6_no_record_of_any_groups_is_lost(
    groups: list[list[Any]], keys: list[str], indent: int | None, is_ascii: bool, by_key: bool
) -> None:
    """All records, in order, with the keys of their groups."""
    each = [{"i": group} for group in groups]
    tree: Any = {"g": dict(zip(keys, each, strict=False)) if by_key else each, "x": 1}
    page = read(json.dumps(tree, indent=indent, ensure_ascii=is_ascii), "g.*.i")
    assert [json.loads(record) for record in page.records] == [record for group in groups for record in group]
    told = [json.loads(key) if key is not None else None for key in page.keys]
    assert told == [key if by_key else None for key, group in zip(keys, groups, strict=False) for _ in group]


async def test_a_list_or_an_object_is_paged_like_any_list() -> None:
    """A last page with one record comes as an object; the total counts it, and a seek goes on behind it."""

    def answer(asked: Asked) -> Reply:
        start = asked.number("offset")
        rows: Any = [{"id": n} for n in range(start, min(start + 3, 7))]
        return Reply({"rows": rows[0] if len(rows) == 1 else rows, "total": 7})

    async with session_with(answer) as (api, server):
        pages = api.pages("/", pages=Offset(3), records="rows", shape="list or object", total=Total("total"))
        assert await ids_of(pages) == [*range(7)]
        assert len(server.requests) == 3
    async with session_with(lambda asked: Reply({"rows": {"id": 1}, "total": 2})) as (api, _):
        pages = api.pages("/", pages=Single(), records="rows", shape="object", total=Total("total"))
        with pytest.raises(ApiError, match="the API promised 2 records and sent 1"):
            await ids_of(pages)


async def test_groups_are_paged_and_an_overlap_keeps_its_keys() -> None:
    """The record that a seek sends again is dropped, and its key with it."""

    def answer(asked: Asked) -> Reply:
        start = asked.number("from")
        days: dict[str, Any] = {}
        for number in range(start, min(start + 3, 6)):
            days.setdefault(f"day {number // 2}", []).append({"id": number})
        return Reply({"days": days})

    async with session_with(answer) as (api, _):
        found: list[tuple[int, bytes | None]] = []
        pages = Seek("id", query="from", is_inclusive=True)
        async for page in api.pages("/", pages=pages, records="days.*"):
            found += zip([json.loads(record)["id"] for record in page.records], page.keys, strict=True)
    assert found == [(n, b'"day %d"' % (n // 2)) for n in range(6)]


@pytest.mark.parametrize(
    ("shape", "path", "body"),
    [
        ("object", ".", {"error": {"code": 5}}),
        ("list or object", ".", {"errors": ["no"]}),
        ("values", ".", {"error": {"code": 5}}),
        ("values", "rows", {"rows": {"a": {"n": 1}}, "error": "half of it"}),
        ("list", "*.i", {"a": {"i": [{"id": 1}]}, "fault": {}, "exception": {"i": []}}),
    ],
)
async def test_g1_an_error_object_is_no_record(shape: str, path: str, body: Any) -> None:
    """Under status 200 it stands where a record would. A rule says what it is, a field of the record too."""
    async with told(says(body)) as (api, _, clock, _):
        error = await refused(api, clock, records=path, shape=shape, pages=Single())
        assert "which looks like a failure in place of a record" in str(error)
        assert error.action is Action.RETRY_LATER
    key = next(key for key in body if key in ("error", "errors", "exception"))
    async with told(says(body), rules=(Rule(Action.OK, at=key),)) as (api, _, _, _):
        pages = api.pages("/items", records=path, shape=shape, pages=Single())
        if (shape, path) in (("object", "."), ("values", "rows")):
            assert [len(page) async for page in pages] == [1]
    async with told(says(body), rules=(Rule(Action.ABSENT, at=key),)) as (api, _, clock, _):
        assert await collected(api, clock, records=path, shape=shape, pages=Single()) == []


async def test_an_absent_record_is_none_whatever_came_instead() -> None:
    """A rule that says `absent` of a detail: its answer is no record, though it is an object."""
    rule = Rule(Action.ABSENT, at="message")
    async with told(says({"message": "gone"}), rules=(rule,)) as (api, _, clock, _):
        assert await collected(api, clock, records=".", shape="object", pages=Single()) == []


async def test_no_groups_at_all_are_told() -> None:
    """For `haulier try`: with `absent` a misspelt list looks like none."""
    async with told(says({"g": [{"n": 1}]})) as (api, _, clock, _):
        assert await collected(api, clock, records="g.*.i", empty=["absent"], pages=Cursor("next", query="c")) == []
        assert api.assumption.startswith("no list of records: there is nothing at 'g.*.i'")


async def test_a_shape_that_is_none_is_refused() -> None:
    async with told(says({})) as (api, _, _, _):
        with pytest.raises(UsageError, match=r"'dict' is no shape of records. Available: list, object, list or obje"):
            api.pages("/", pages=Single(), records=".", shape="dict")
