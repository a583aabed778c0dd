"""What a body is written in, by its header or by declaration: exactly that in UTF-8, or an error in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from haulier.api.answers.judgement import judge
from haulier.api.body_format import BodyFormat, CharsetProblem
from haulier.api.errors import ApiError, Fault, Shape
from haulier.api.http.transport import Response
from haulier.api.paging.page_iterator import CHARSET_WARNING
from haulier.api.paging.paginator import Single
from haulier.api.wire.body import decode_body
from haulier.api.wire.charset import CharsetError, to_utf8
from haulier.api.wire.framing import Framing
from tests.api.paging.rig import client_of
from tests.api.wire.raw_server import Answer, Do, gzipped, http, raw_server
from tests.api.wire.wire import fault_of, get, transport_to

TEXT = '{"rows":[{"name":"Zoë €"}]}'
LATIN = '{"rows":[{"name":"Zoë"}]}'
JSON = "application/json"
NO_HEADERS: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())

DECLARES = "its header declares the charset "

GOOD: dict[str, tuple[bytes, str, str, str]] = {
    "Latin 1": (LATIN.encode("latin-1"), f"{JSON}; charset=ISO-8859-1", "", LATIN),
    "in quotes": (TEXT.encode("cp1252"), f'{JSON};Charset="Windows-1252"; x=y', "", TEXT),
    "UTF-16 with its mark": (TEXT.encode("utf-16"), f"{JSON}; charset=utf-16", "", TEXT),
    "UTF-16 without": (TEXT.encode("utf-16-be"), f"{JSON}; charset=UTF-16BE", "", TEXT),
    "Shift JIS": ('{"a":"日本"}'.encode("shift_jis"), f"{JSON}; charset=Shift_JIS", "", '{"a":"日本"}'),
    "UTF-8": (TEXT.encode(), f"{JSON}; charset=utf8", "", TEXT),
    "no charset": (TEXT.encode(), JSON, "", TEXT),
    "an empty one": (TEXT.encode(), f"{JSON}; charset=", "", TEXT),
    "UTF-16 without a mark, the larger byte first": (TEXT.encode("utf-16-be"), "", "utf-16", TEXT),
    "UTF-16 without a mark": (TEXT.encode("utf-16-le"), f"{JSON}; charset=utf-16", "", TEXT),
    "UTF-8 all the same": (TEXT.encode(), f"{JSON}; charset=iso-8859-1", "", TEXT),
    "UTF-8 under UTF-16": (TEXT.encode(), f"{JSON}; charset=utf-16", "", TEXT),
    "UTF-8 under GBK": ('{"a":"€"}'.encode(), f"{JSON}; charset=gbk", "", '{"a":"€"}'),
    "UTF-8 under no charset": (TEXT.encode(), f"{JSON}; charset=utf8mb4", "", TEXT),
    "ASCII under no charset": (b"{}", f"{JSON}; charset=binary", "", "{}"),
    "ASCII under any": (b'{"a":1}', f"{JSON}; charset=us-ascii", "", '{"a":1}'),
    "declared by the source": (TEXT.encode("cp1252"), f"{JSON}; charset=utf-8", "windows-1252", TEXT),
    "declared, where the header is wrong": (TEXT.encode(), f"{JSON}; charset=iso-8859-1", "utf-8", TEXT),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_body_is_turned_into_utf8(name: str) -> None:
    body, content_type, declared, text = GOOD[name]
    assert to_utf8(body, content_type, declared)[0].decode("utf-8-sig") == text


BAD: dict[str, tuple[bytes, str, str, str, bool]] = {
    "unknown": (b'{"a":"\xe4"}', "binary", "", DECLARES + "'binary', which is not known", False),
    "a codec that is none": (b'{"a":"\xe4"}', "hex", "", DECLARES + "'hex', which is not known", False),
    "one with states": (b'{"a":"~{<:~}"}', "hz", "", DECLARES + "'hz', which is not known", False),
    "GBK, or UTF-8": ('{"a":"鑱旂郴"}'.encode("gbk"), "gbk", "", DECLARES + "'gbk', and its bytes are UTF-8 as", False),
    "Windows' letters": (TEXT.encode("cp1252"), "latin1", "", "it has the byte 0x80 near 22, for which the", False),
    "not in its charset": (
        b'{"a":"\x81"}',
        "windows-1252",
        "",
        "it is not in its charset",
        True,
    ),
    "not in the declared one": (
        b'{"a":"\xe4"}',
        "",
        "utf-16-le",
        "it is not in its charset 'utf-16-le': byte 0x7d near 8",
        True,
    ),
    "a mark of UTF-8": (
        b"\xef\xbb\xbfid\n1\n",
        "",
        "windows-1252",
        "it begins with the mark of UTF-8, and 'win",
        False,
    ),
    "half a character": (
        TEXT.encode("utf-16")[:-1],
        "utf-16",
        "",
        "it is not in its charset 'utf-16': byte 0x7d near 54",
        True,
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_g6_no_body_is_guessed_at(name: str) -> None:
    """Never other letters than the API meant."""
    body, told, declared, words, is_of_data = BAD[name]
    with pytest.raises(CharsetError) as caught:
        to_utf8(body, f"{JSON}; charset={told}", declared)
    assert caught.value.problem.reason.startswith(words)
    assert caught.value.problem.is_of_data is is_of_data


async def test_lists_and_single_values_are_read_in_their_charset(caplog: pytest.LogCaptureFixture) -> None:
    """Records are transcoded whole. JSON is UTF-8 by its standard, whatever single-byte charset the header says, which
    is told. Where both can be meant it is an error that says what to write."""
    latin = [http(LATIN.encode("latin-1"), content_type=f"{JSON}; charset=iso-8859-1")]
    wrong = [http(LATIN.encode(), content_type=f"{JSON}; charset=iso-8859-1")]
    options: dict[str, Any] = {"pages": Single(), "records": "rows"}
    async with raw_server(latin) as server, client_of(server.url) as client:
        pages = client.session().pages("/", **options)
        assert [record.decode() async for page in pages for record in page.records] == ['{"name":"Zoë"}']
        assert await client.session().json("/", at="rows.0.name") == "Zoë"
    async with raw_server(wrong) as server, client_of(server.url) as client:
        for form in (BodyFormat(), BodyFormat(charset="utf-8")):
            pages = client.session().pages("/", **options, format=form)
            assert [record.decode() async for page in pages for record in page.records] == ['{"name":"Zoë"}']
    assert [record.getMessage() for record in caplog.records].count(CHARSET_WARNING) == 1
    gbk = [http('{"rows":[{"a":"鑱旂郴"}]}'.encode("gbk"), content_type=f"{JSON}; charset=gbk")]
    async with raw_server(gbk) as server, client_of(server.url) as client:
        with pytest.raises(ApiError, match=r"UTF-8 as well. Write the charset that the API really uses") as caught:
            await anext(client.session().pages("/", **options))
        assert caught.value.shape is Shape.CHARSET


@pytest.mark.parametrize("coding", ["none", "Identity", "UTF-8", "", "binary", "8bit", "identity, gzip", "GZIP, utf-8"])
async def test_a_coding_that_is_none_changes_nothing(coding: str) -> None:
    """Bodies: what stands in `Content-Encoding` and encodes nothing is looked through; what is not known is refused."""
    body = gzipped(LATIN.encode()) if "gzip" in coding.lower() else LATIN.encode()
    async with (
        raw_server([http(body, f"Content-Encoding: {coding}")]) as server,
        transport_to(server) as transport,
    ):
        assert (await get(transport, server)).body == LATIN.encode()


@pytest.mark.parametrize("label", ["text/plain", "text/html; charset=UTF-8", "application/octet-stream", ""])
async def test_json_under_another_label_is_json(label: str) -> None:
    """Also where the connection's end is the body's: one whole JSON value shows its own."""
    framed: Answer = [http(LATIN.encode(), content_type=label)]
    closed: Answer = [http(LATIN.encode(), content_type=label, length=None), Do.CLOSE]
    cut: Answer = [http(LATIN.encode()[:-2], content_type=label, length=None), Do.CLOSE]
    for answer in (framed, closed):
        async with raw_server(answer) as server, client_of(server.url) as client:
            found = [page.records async for page in client.session().pages("/", pages=Single(), records="rows")]
            assert len(found[0]) == 1
    async with raw_server(cut) as server, transport_to(server) as transport:
        assert (await fault_of(transport, server)).kind is Fault.CUT


@pytest.mark.parametrize("status", [200, 503])
async def test_a_page_for_people_is_one_in_any_charset(status: int) -> None:
    """No item is charged for a maintenance page whose charset cannot be read, nor for an error in another charset than
    the data has."""
    body = "<html><body>Maintenance, 保守中".encode("shift_jis") + b"\xff"
    answer = Response(status, NO_HEADERS, body, charset_problem=CharsetProblem("x", True))
    assert judge(answer, now=datetime.now(UTC)).is_outage
    refusal = http(b'{"error":"d\xe9j\xe0"}', status="400 Bad Request", content_type=JSON)
    async with raw_server([refusal]) as server, client_of(server.url) as client:
        with pytest.raises(ApiError, match="status 400"):
            await anext(client.session().pages("/", pages=Single(), records="r", format=BodyFormat(charset="utf-16")))
    magic = b"\x1f\x8b\x08"
    assert decode_body(magic, NO_HEADERS, Framing(3), 9, BodyFormat(charset="cp437")) == (magic, None)
