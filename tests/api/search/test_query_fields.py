"""Which fields a query needs: only what is certain is looked at, since a right query must not be refused."""

from __future__ import annotations

from typing import Any

import pytest

from haulier.api.search.query_fields import asked_names, fields_of, missing_field, needs_of

A, B, C = ({"term": {name: 1}} for name in "abc")


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        (None, ""),
        ({"match_all": {}}, ""),
        ({"terms": {"a": [1, 2], "boost": 2}}, "a"),
        ({"range": {"a.b": {"gte": 1}}}, "a.b"),
        ({"match": {"a": "x"}}, "a"),
        ({"exists": {"field": "a"}}, "a"),
        ({"bool": {"filter": [A, B], "must": C}}, "abc"),
        ({"bool": {"should": [A, B]}}, "ab"),
        ({"bool": {"should": [A], "filter": [B]}}, "b"),
        ({"bool": {"should": [A], "filter": [B], "minimum_should_match": 1}}, "ba"),
        ({"bool": {"should": [A], "minimum_should_match": 0}}, ""),
        ({"bool": {"must_not": [A, {"bool": {"filter": B}}]}}, ""),
        ({"constant_score": {"filter": A}}, "a"),
        ({"nested": {"path": "a", "query": {"term": {"a.b": 1}}}}, "a.b"),
        ({"function_score": {"query": A, "functions": [{"filter": B}]}}, "a"),
        ({"dis_max": {"queries": [A, B]}}, "ab"),
        ({"boosting": {"positive": A, "negative": B}}, "a"),
        ({"query_string": {"query": "a:1"}}, ""),
        ({"exists": {"field": "a*"}}, ""),
        ({"term": {"_id": "x"}}, ""),
        ({"term": {"join#a": "x"}}, ""),
        ({"term": {"{value}": "x"}}, ""),
        ({"term": "a"}, ""),
        ({"term": {}, "range": {}}, ""),
        ("a", ""),
    ],
)
def test_fields_of_clauses_that_must_match(query: Any, fields: str) -> None:
    assert fields_of(needs_of(query)) == ([fields] if "." in fields else list(fields))


@pytest.mark.parametrize(
    ("query", "missing"),
    [
        ({"bool": {"should": [A, B]}}, {"ab": "a"}),
        ({"dis_max": {"queries": [A, {"bool": {"filter": [C, B]}}]}}, {"ab": "a"}),
        ({"bool": {"should": [A, B], "filter": [C], "minimum_should_match": 1}}, {"ab": "a", "c": "c", "bc": "c"}),
        ({"bool": {"should": [A, B, C], "minimum_should_match": "2"}}, {"ab": "a", "bc": "b"}),
        ({"bool": {"should": [A, B], "minimum_should_match": 2}}, {"a": "a", "b": "b", "ab": "a", "bc": "b"}),
        ({"bool": {"should": [A, B], "minimum_should_match": "50%"}}, {}),
        ({"bool": {"should": [A, {"query_string": {"query": "x"}}]}}, {}),
    ],
)
def test_of_alternatives_as_many_as_must_match_need_their_fields(query: Any, missing: dict[str, str]) -> None:
    """Logs of several programs call their time otherwise, and one range of each is asked for."""
    for unmapped in ("", "a", "b", "c", "ab", "bc"):
        types: Any = {name: {"keyword": {}} for name in "abc" if name not in unmapped}
        assert missing_field(needs_of(query), types) == missing.get(unmapped), unmapped


@pytest.mark.parametrize(
    ("types", "is_missing"),
    [
        ({}, True),
        ({"a.b": {"unmapped": {}}}, True),
        ({"a.b": {"keyword": {}, "unmapped": {}}}, False),
        ({"a.b.c": {"long": {}}}, False),
        ({"a": {"object": {}}}, True),
        ({"a": {"keyword": {}}}, True),
        ({"a": {"flattened": {}}}, False),
    ],
)
def test_a_field_of_one_index_is_there(types: Any, is_missing: bool) -> None:
    """Also an object, which some servers tell by its fields alone, and what is in a field that keeps whole objects."""
    assert asked_names(["a.b"]) == ["a.b", "a.b.*", "a"]
    assert missing_field(["a.b"], types) == ("a.b" if is_missing else None)
