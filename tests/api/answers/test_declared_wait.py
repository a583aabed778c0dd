"""A wait that an API tells in a place of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from haulier.api.answers.declared_wait import DeclaredWait, find_wait
from haulier.api.answers.judgement import judge
from haulier.api.errors import Action
from haulier.api.http.transport import Response
from haulier.api.settings import Api
from haulier.errors import UsageError

NOW = datetime(2026, 11, 24, 8, 0, 0, tzinfo=UTC)


def answer(body: bytes = b"", status: int = 429, **headers: str) -> Response:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Response(status, CIMultiDictProxy(CIMultiDict(named)), body)


@pytest.mark.parametrize(
    ("body", "unit", "expected"),
    [
        (b'{"e":{"in":30}}', "s", 30),
        (b'{"e":{"in":1.2}}', "s", 2),
        (b'{"e":{"in":"30"}}', "s", 30),
        (b'{"e":{"in":1500}}', "ms", 2),
        (b'{"e":{"in":1795507290}}', "s", 90),
        (b'{"e":{"in":1795507290000}}', "s", 90),
        (b'{"e":{"in":1795507290000}}', "ms", 90),
        (b'{"e":{"in":"2026-11-24T08:01:30Z"}}', "s", 90),
        (b'{"e":{"in":"Tue, 24 Nov 2026 08:01:30 GMT"}}', "ms", 90),
        (b'{"e":{"in":null}}', "s", 7),
        (b'{"e":{"in":true}}', "s", 7),
        (b'{"e":{"in":[1]}}', "s", 7),
        (b'{"e":{}}', "s", 7),
        (b'{"e":{"in":"soon"}}', "s", 7),
        (b"<html>", "s", 7),
        (b"", "s", 7),
        (b'{"e":{"in":' + b"9" * 6000 + b"}}", "s", 7),
    ],
)
def test_what_stands_in_the_body_comes_first(body: bytes, unit: str, expected: float) -> None:
    """Where nothing that means a wait stands there, the usual header counts."""
    declared = DeclaredWait(at="e.in", unit=unit)
    assert find_wait(answer(body, Retry_After="7"), NOW, declared).seconds == expected


@pytest.mark.parametrize(("value", "expected"), [("1500", 2), ("1795507290000", 90), ("soon", None)])
def test_retry_after_itself_may_be_in_milliseconds(value: str, expected: float | None) -> None:
    """It is not read as seconds after all where it cannot be read as declared."""
    declared = DeclaredWait(header="Retry-After", unit="ms")
    found = find_wait(answer(Retry_After=value), NOW, declared)
    assert (found.seconds, found.unreadable) == (expected, "" if expected else value)


def test_a_good_answer_is_not_searched() -> None:
    """A record may have a field of that name."""
    declared = DeclaredWait(at="retry_in")
    good = judge(answer(b'{"retry_in":9}', 200), now=NOW, wait_at=declared)
    assert (good.action, good.retry_after_seconds) == (Action.OK, None)
    assert judge(answer(b'{"retry_in":9}', 429), now=NOW, wait_at=declared).retry_after_seconds == 9


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({}, "Give `header` or `at`, and not both"),
        ({"header": "X-Wait", "at": "wait"}, "Give `header` or `at`, and not both"),
        ({"header": "X Wait"}, "is not a valid header name"),
        ({"at": "wait", "unit": "h"}, 'Write "s" or "ms"'),
        ({"in": "wait"}, "has no key 'in'. Its keys are: header, at, unit"),
        ({"at": "a..b"}, "a..b"),
        ({"at": 5}, "must be a table of texts"),
        ("error.retry_in", "must be a table of texts"),
    ],
)
def test_a_python_source_is_told_what_is_wrong(declared: Any, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        Api("https://api.example.com", retry_after=declared)
    assert words in str(caught.value)


@given(st.binary(max_size=60))
def test_no_body_raises(body: bytes) -> None:
    """An answer is judged, whatever it holds."""
    found = find_wait(answer(b'{"a":' + body + b"}"), NOW, DeclaredWait(at="a")).seconds
    assert found is None or found >= 0
