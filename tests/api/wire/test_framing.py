"""What is refused though aiohttp would refuse it too, or would not: the second lock on the same door (G1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from isal import igzip
from multidict import CIMultiDict, CIMultiDictProxy

from haulier.api.errors import Fault
from haulier.api.http.transport import NO_HEADERS, TransportError
from haulier.api.wire.body import decode_body, strip_bom
from haulier.api.wire.framing import Framing, framing_of

GZIP = CIMultiDictProxy(CIMultiDict({"Content-Encoding": "gzip"}))


def headers(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(pairs))


@pytest.mark.parametrize(
    "pairs",
    [
        [("Content-Length", "5"), ("Content-Length", "5")],
        [("Content-Length", "5, 6")],
        [("Content-Length", "5"), ("Transfer-Encoding", "chunked")],
        [("Transfer-Encoding", "gzip, chunked")],
        [("Transfer-Encoding", "chunked, chunked")],
        [("Transfer-Encoding", "identity")],
        [("Content-Length", "-1")],
        [("Content-Length", "٣")],
        [("Content-Length", "")],
    ],
)
def test_headers_that_say_two_things_are_refused(pairs: list[tuple[str, str]]) -> None:
    """Bodies, `duplicate Content-Length` and its kin: whoever guesses reads somebody else's bytes."""
    with pytest.raises(TransportError) as caught:
        framing_of("GET", 200, headers(*pairs))
    assert caught.value.kind is Fault.PROTOCOL


def test_the_end_of_a_body_is_known_from_its_headers() -> None:
    """RFC 9112 6.3: length, chunks, or nothing but the closing of the connection."""
    assert framing_of("GET", 200, headers(("Content-Length", "5"))) == Framing(5)
    assert framing_of("GET", 200, headers(("Transfer-Encoding", "Chunked"))) == Framing(None)
    assert framing_of("GET", 200, NO_HEADERS) == Framing(None, is_delimited=False)
    for method, status in (("HEAD", 200), ("GET", 204), ("GET", 304), ("GET", 101)):
        assert framing_of(method, status, headers(("Content-Length", "5"))) == Framing(0)


@pytest.mark.parametrize("wire", [b"", b"1234", b"123456"])
def test_the_bytes_are_counted_by_ourselves(wire: bytes) -> None:
    """Bodies, `Content-Length`, larger and smaller: one byte off is a cut body."""
    with pytest.raises(TransportError) as caught:
        decode_body(wire, NO_HEADERS, Framing(5), 100)
    assert caught.value.kind is Fault.CUT
    assert decode_body(b"12345", NO_HEADERS, Framing(5), 100)[0] == b"12345"


@given(st.binary(max_size=3_000), st.integers(0, 9), st.data())
def test_no_part_of_a_gzip_body_passes_for_the_whole(body: bytes, level: int, data: st.DataObject) -> None:
    """Bodies, `gzip cut, length agrees`: at whatever byte it is cut, the stump is refused; whole, it is what it was."""
    wire = igzip.compress(body, level % 4)
    assert decode_body(wire, GZIP, Framing(len(wire)), 3_000)[0] == strip_bom(body)
    stump = wire[: data.draw(st.integers(1, len(wire) - 1))]
    with pytest.raises(TransportError):
        decode_body(stump, GZIP, Framing(len(stump)), 3_000)


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=6))
def test_members_of_gzip_add_up(parts: list[bytes]) -> None:
    """Bodies, `gzip with two members`: all of them, in order; httpx returns the first only."""
    wire = b"".join(igzip.compress(part) for part in parts)
    assert decode_body(wire, GZIP, Framing(len(wire)), 10_000)[0] == strip_bom(b"".join(parts))


def test_a_byte_order_mark_goes_from_json_alone() -> None:
    """Bytes, `BOM`: no JSON parser takes it; of a table it may be the first column's name."""
    assert strip_bom(b'\xef\xbb\xbf {"a":1}') == b' {"a":1}'
    assert strip_bom(b"\xef\xbb\xbfid,name") == b"\xef\xbb\xbfid,name"
    assert strip_bom(b"[\xef\xbb\xbf]") == b"[\xef\xbb\xbf]"
