"""Failures that an API tells beside its records, among them, or in a group that has none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haulier.api.answers.judgement import Rule
from haulier.api.body_format import BodyFormat
from haulier.api.errors import Action
from haulier.api.paging.page_iterator import BESIDE_WARNING
from haulier.api.paging.paginator import Single
from haulier.errors import UsageError
from tests.api.paging.rig import collected, ids_of, refused, says, told

ONE = {"items": [{"id": 1}]}
LINES = b'{"id":1}\n{"error":"gone","code":4}\n{"id":3}\n'

FAILURES: dict[str, tuple[dict[str, Any], Any, str, str]] = {
    "an empty list in a group": (
        {"records": "groups.*.items"},
        {"groups": [ONE, {"error": "busy", "items": []}]},
        "groups.1.error",
        "groups.*.error",
    ),
    "no list in a group": (
        {"records": "groups.*.items", "empty": ["absent"]},
        {"groups": {"a": ONE, "b": {"errors": ["busy"]}}},
        "groups.b.errors",
        "groups.*.errors",
    ),
    "null in a group": (
        {"records": "groups.*.items", "empty": ["null"]},
        {"groups": [{"Error": {"code": 5}, "items": None}, ONE]},
        "groups.0.Error",
        "groups.*.Error",
    ),
    "a group of groups": (
        {"records": "days.*.g.*.items"},
        {"days": [{"g": [ONE]}, {"g": [], "fault": "x"}]},
        "days.1.fault",
        "days.*.fault",
    ),
    "half a pair of surrogates elsewhere": (
        {"records": "groups.*.items"},
        b'{"groups":[{"items":[{"id":"\\ud800"}]},{"error":"busy","items":[ ]}]}',
        "groups.1.error",
        "groups.*.error",
    ),
    "a record by its ID": (
        {"records": "rows", "shape": "values"},
        {"rows": {"1": {"id": 1}, "2": {"error": "no right"}}},
        "rows.2.error",
        "rows.*.error",
    ),
    "one record in a group": (
        {"records": "groups.*.of", "shape": "object"},
        {"groups": [{"of": {"id": 1}}, {"of": {"error": "x", "message": "y"}}]},
        "groups.1.of.error",
        "groups.*.of.error",
    ),
    "the only record": ({"records": "data", "shape": "object"}, {"data": {"error": "x"}}, "data.error", "data.error"),
    "a line in the midst": ({"records": ".", "format": "ndjson"}, LINES, "error", "*.error"),
    "a text of a sequence": (
        {"records": ".", "format": "json-seq"},
        b'\x1e{"id":1}\n\x1e{"error":"x"}\n\x1e{"id":2}\n',
        "error",
        "*.error",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_g1_a_failure_among_records_is_no_success(name: str) -> None:
    """The message has the rule that decides it, and each of its actions works."""
    options, body, where, rule = FAILURES[name]
    async with told(says(body)) as (api, _, clock, _):
        error = await refused(api, clock, pages=Single(), **options)
        assert f"something at {where!r}, which looks like a failure" in str(error)
        assert f'{{ at = "{rule}", action = "retry_later" }}' in str(error)
    async with told(says(body), rules=(Rule(Action.POISON, at=rule),)) as (api, _, clock, _):
        assert (await refused(api, clock, pages=Single(), **options)).action is Action.POISON
    async with told(says(body), rules=(Rule(Action.OK, at=rule),)) as (api, _, _, _):
        pages = api.pages("/", pages=Single(), **options)
        assert sum([len(page) async for page in pages]) > 0


@pytest.mark.parametrize(
    ("records", "body"),
    [
        ("groups.*.items", {"groups": [ONE, {"error": None, "errors": [], "items": []}]}),
        ("groups.*.errors", {"groups": [{"errors": [{"id": 1}]}, {"errors": []}]}),
        ("groups.*.items", {"groups": [{**ONE, "note": 'an "error"'}]}),
    ],
)
async def test_what_is_no_failure_of_a_group(records: str, body: Any) -> None:
    async with told(says(body)) as (api, _, clock, _):
        assert len(await collected(api, clock, records=records, pages=Single())) == 1


@pytest.mark.parametrize(
    ("options", "body", "records"),
    [
        ({"records": ".", "format": "ndjson"}, b'{"error":null}\n{"status":"failed","error":"boom"}\n{"id":1}\n', 3),
        ({"records": "t", "shape": "values"}, {"t": {"a": {"status": 1, "error": "x"}, "b": {"error": None}}}, 2),
        (
            {"records": "groups.*.items"},
            b'{"groups":[{"items":[{"id":1}]},{"errors" : [ ],"fault":{ },"items":[]}]}',
            1,
        ),
    ],
)
async def test_a_field_that_other_records_have_is_no_failure(options: dict[str, Any], body: Any, records: int) -> None:
    async with told(says(body)) as (api, _, _, _):
        assert sum([len(page) async for page in api.pages("/", pages=Single(), **options)]) == records


async def test_a_failure_under_another_key_than_a_field_is_one() -> None:
    lines = b'{"error":null}\n{"error":"x"}\n{"exception":"boom"}\n{"error":null}\n'
    for options, body in (
        ({"records": ".", "format": "ndjson"}, lines),
        ({"records": "r", "shape": "values"}, {"r": dict(enumerate(map(json.loads, lines.splitlines())))}),
    ):
        async with told(says(body)) as (api, _, clock, _):
            assert "exception" in str(await refused(api, clock, pages=Single(), **options))


async def test_several_failures_among_lines_do_not_vouch_for_each_other() -> None:
    async with told(says(b'{"id":1}\n{"error":"a"}\n{"error":"b"}\n{"id":2}\n')) as (api, _, clock, _):
        await refused(api, clock, records=".", format="ndjson", pages=Single())


@pytest.mark.parametrize(
    ("records", "body", "where"),
    [
        ("items", {"error": "half of it", **ONE}, "error"),
        ("groups.*.items", {"errors": ["half of it"], "groups": [ONE]}, "errors"),
        ("groups.*.items", {"groups": {"a": {**ONE, "error": {"code": 5}}}}, "groups.a.error"),
        ("items", {"error": None, "errors": [], "exception": False, **ONE}, ""),
        ("items", {"items": [{"id": 1, "error": "of the record"}]}, ""),
        ("errors", {"errors": [{"id": 1}]}, ""),
        ("errors.items", {"errors": ONE}, ""),
    ],
)
async def test_a_failure_beside_records_is_told(
    records: str, body: Any, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, and not where a rule says what it is."""

    def warnings() -> list[Any]:
        return [getattr(record, "at", "") for record in caplog.records if record.getMessage() == BESIDE_WARNING]

    async with told(says(body), says(body)) as (api, _, clock, _):
        for _ in range(2):
            assert await collected(api, clock, records=records, pages=Single()) == [1]
    assert warnings() == ([where] if where else [])
    caplog.clear()
    if where:
        rule = Rule(Action.OK, at=where.replace("groups.a", "groups.*"))
        async with told(says(body), rules=(rule,)) as (api, _, clock, _):
            assert await collected(api, clock, records=records, pages=Single()) == [1]
        assert warnings() == []


async def test_a_rule_names_a_failure_among_the_records_of_a_list() -> None:
    """To look at each record of each list would cost more than to read them."""
    body = {"items": [{"id": 1}, {"error": "gone"}]}
    async with told(says(body), rules=(Rule(Action.POISON, at="items.*.error"),)) as (api, _, clock, _):
        assert (await refused(api, clock, records="items", pages=Single())).action is Action.POISON


@pytest.mark.parametrize(
    ("options", "body", "is_told"),
    [
        ({"records": "items"}, {"items": [{"id": 1, "note": "try LATER please"}]}, False),
        ({"records": "items"}, {"items": [{"id": 1}], "message": "Try later"}, True),
        ({"records": "items"}, {"items": [{"id": 1, "note": "try later"}], "message": "Try later"}, True),
        ({"records": "items"}, {"items": [], "message": "Try later"}, True),
        ({"records": "items"}, {"items": [{"message": "Try later"}]}, True),
        ({"records": "items"}, {"items": [{"error": "Try later", "seconds": 3}]}, True),
        ({"records": "."}, [{"id": 1, "note": "try later"}, {"error": "Try later"}], True),
        ({"records": "groups.*.items"}, {"groups": [{"items": [{"id": 1, "note": "try later"}]}]}, False),
        ({"records": "r", "shape": "values"}, {"r": {"a": {"id": 1, "n": "try later"}, "b": {"id": 2}}}, False),
        ({"records": ".", "format": "ndjson"}, b'{"id":1,"n":"try later"}\n{"id":2}\n', False),
        ({"records": ".", "format": "ndjson"}, b'{"message":"try later"}\n', True),
        ({"records": ".", "shape": "object"}, {"message": "try later"}, True),
        ({"records": ".", "format": "csv"}, b"id,note\n1,try later\n", False),
        ({"records": ".", "format": "csv"}, b"Please try later\n", True),
    ],
)
async def test_g1_a_text_in_a_record_is_no_message(options: dict[str, Any], body: Any, is_told: bool) -> None:
    """Under a good status: an only object or line may be either, and is searched."""
    async with told(says(body), rules=(Rule(Action.POISON, text="try later"),)) as (api, _, clock, _):
        if is_told:
            assert (await refused(api, clock, pages=Single(), **options)).action is Action.POISON
        else:
            assert await ids_of(api.pages("/", pages=Single(), **options))


async def test_a_rule_finds_what_a_star_leads_to() -> None:
    """Lines under a label of their own: a path without `*` is about the whole body, which no body of lines has."""
    for at, is_found in (("*.state", True), ("state", False), ("*.state.x", False), ("*", True)):
        async with told(says(b'{"id":1}\n{"id":2,"\\u0073tate":"x"}\n'), rules=(Rule(Action.POISON, at=at),)) as (
            api,
            _,
            clock,
            _,
        ):
            options: Any = {"records": ".", "format": BodyFormat("ndjson"), "pages": Single()}
            if is_found:
                assert (await refused(api, clock, **options)).action is Action.POISON
            else:
                assert await collected(api, clock, **options) == [1, 2]
    with pytest.raises(UsageError, match=r"`\*` in 'g.\*.code' leads to several statuses. Write the path of one."):
        Rule(Action.POISON, at="g", status_at="g.*.code")
