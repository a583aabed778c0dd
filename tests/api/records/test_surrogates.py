r"""Half of a UTF-16 pair is JSON, if odd: records that hold ``\ud800`` alone come out as they were sent (Bytes, G6)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulier.api.errors import ApiError, BodyError, Fault
from haulier.api.paging.cursors import Cursor, Seek
from haulier.api.records.page import PageReader, split_records
from haulier.api.records.paths import raw_at
from haulier.api.records.surrogates import hide
from tests.api.paging.rig import Asked, Reply, ids_of, session_with
from tests.api.wire.door import door
from tests.api.wire.raw_server import Do, http

PIECES = [
    "\\\\",
    "\\n",
    "\\u0041",
    "\\ud800",
    "\\uDBFF",
    "\\udc00",
    "\\uDfff",
    "u",
    "d800",
    "~",
    "\x7f",
    "é",
    "😀",
    "x",
]


@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=8).map("".join), min_size=1, max_size=6), st.booleans())
def test_g6_whatever_stands_around_it(texts: list[str], is_pretty: bool) -> None:
    """G6, Bytes, `lone surrogate`: alone, in rows, before and behind real pairs and escaped backslashes."""
    comma = " ,\r\n " if is_pretty else ","
    records = [f'{{"id":{number},"{text}":"{text}"}}'.encode() for number, text in enumerate(texts)]
    body = f'{{"rows":[{comma.join(record.decode() for record in records)}],"next":"{texts[0]}"}}'.encode()
    reader = PageReader("rows")
    for _ in range(2):  # The second body is read in one pass.
        read = reader.read(body)
        assert [bytes(record) for record in read.page.records] == records
        assert bytes(read.raw("next") or b"") == f'"{texts[0]}"'.encode()
    json.loads(body)  # Python's own parser takes it too.


def test_a_whole_pair_is_none() -> None:
    """Bytes: what is an emoji, or a backslash before the same letters, is nothing to hide."""
    assert hide(rb'{"a":"\ud83d\ude00","b":"\\ud800","c":"\\\\udfff"}') is None
    assert hide(b'{"a":1}') is None
    hidden = hide(rb'"\ud83d\ude00\ud83d"')
    assert hidden is not None
    assert hidden.restore(hidden.body) == rb'"\ud83d\ude00\ud83d"'
    assert len(hidden.body) == len(rb'"\ud83d\ude00\ud83d"')


def test_what_looks_like_the_mark_stays() -> None:
    """Bytes, G6: bytes that a body holds itself are never taken for a hidden escape."""
    for other in b"~|^`#":
        text = rb'"\ud800' + bytes((127, other)) + b'd800"'
        assert [bytes(found) for found in split_records(b"[" + text + b"]", ".").records] == [text]


@pytest.mark.parametrize("body", [rb'{"rows":["\ud800"', rb'{"rows":["\ud800",NaN]}', rb'{"rows":["\ud8"]}'])
def test_it_excuses_nothing_else(body: bytes) -> None:
    """Bytes: a body that is no JSON is none with a lone surrogate either."""
    with pytest.raises(BodyError, match="not JSON"):
        split_records(body, "rows")


def test_other_values_are_found_beside_it() -> None:
    """Bytes: a lookup finds what it is asked for in a body that holds one elsewhere."""
    assert bytes(raw_at(rb'{"s":"\udead","rows":[{"id":7}]}', "rows.0.id") or b"") == b"7"
    assert raw_at(rb'{"s":"\udead"}', "rows.0.id") is None


async def test_a_walk_goes_on_by_what_stands_in_such_a_record() -> None:
    """Bytes: the key of a last record is read, though another field of it is odd; a token may be odd itself in a
    body."""

    def by_key(asked: Asked) -> Reply:
        since = asked.number("since")
        return Reply(b'{"rows":[{"id":%d,"s":"\\ud800"}]}' % (since + 1) if since < 3 else b'{"rows":[]}')

    async with session_with(by_key) as (api, _):
        assert await ids_of(api.pages("/rows", pages=Seek("id", query="since"), records="rows")) == [1, 2, 3]

    def by_token(asked: Asked) -> Reply:
        token = b"null" if b"after" in asked.body else b'"\\ud800"'
        return Reply(b'{"rows":[{"id":%d}],"next":%s}' % (len(asked.body), token))

    async with session_with(by_token) as (api, server):
        pages = api.pages("/rows", pages=Cursor("next", body="after"), records="rows", method="POST", json={})
        assert len(await ids_of(pages)) == 2
        assert server.requests[1].body == b'{"after":"\\ud800"}'


async def test_a_token_that_no_query_can_hold_is_an_error() -> None:
    """Bytes: an odd token for a query is refused in words, and is not the end of the list."""
    async with session_with(lambda asked: Reply(b'{"rows":[1],"next":"\\ud800"}')) as (api, _):
        with pytest.raises(ApiError, match="the text at 'next' cannot be sent back"):
            await ids_of(api.pages("/rows", pages=Cursor("next", query="after"), records="rows"))


async def test_a_body_without_a_length_proves_its_end_with_it() -> None:
    """Bytes; Bodies, `close-delimited body`: whole JSON is whole, whatever stands in its texts; cut JSON is cut."""
    body = b'{"rows":[{"s":"\\ud800"}],"next":null}'
    for sent, is_whole in ((body, True), (body[:-1], False)):
        async with door([http(sent, length=None), Do.CLOSE]) as api:
            if is_whole:
                assert await api.records() == [{"s": "\ud800"}]
            else:
                assert (await api.error()).fault is Fault.CUT
