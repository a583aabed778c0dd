"""Every row of the table Bodies, byte for byte over a real socket (G1)."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from haulier.api.answers.judgement import judge
from haulier.api.errors import Action, Fault
from haulier.api.http.transport import Request
from tests.api.wire.raw_server import Answer, Do, chunks, gzipped, http, raw_server
from tests.api.wire.wire import fault_of, get, transport_to

BODY = b'{"rows":[{"id":1},{"id":2}]}'
LINES = b'{"id":1}\n{"id":2}\n'
ZIPPED = gzipped(BODY)
CHUNKED = "Transfer-Encoding: chunked"
GZIP = "Content-Encoding: gzip"
NDJSON = "application/x-ndjson"
NOW = datetime(2026, 11, 24, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    """A row of the table, or a shade of one."""

    name: str
    answer: Answer
    fault: Fault


ROWS = [
    Row("Content-Length larger than body", [http(BODY, length=len(BODY) + 1), Do.CLOSE], Fault.CUT),
    Row("Content-Length larger, reset", [http(BODY, length=len(BODY) + 1), 0.02, Do.RESET], Fault.CUT),
    Row("chunk cut", [http(chunks(BODY)[:-9], CHUNKED, length=None), Do.CLOSE], Fault.CUT),
    Row("no final chunk", [http(chunks(BODY, end=b""), CHUNKED, length=None), Do.CLOSE], Fault.CUT),
    Row("final chunk cut", [http(chunks(BODY, end=b"0\r\n"), CHUNKED, length=None), Do.CLOSE], Fault.CUT),
    Row("chunk size unreadable", [http(b"zz\r\n" + BODY, CHUNKED, length=None)], Fault.PROTOCOL),
    Row(
        "chunk size unreadable, later", [http(chunks(BODY, end=b""), CHUNKED, length=None), 0.02, b"zz\r\n"], Fault.CUT
    ),
    Row("Content-Length smaller than body", [http(BODY, length=len(BODY) - 4)], Fault.PROTOCOL),
    Row("Content-Length smaller, headers first", [http(length=len(BODY) - 4), 0.02, BODY], Fault.PROTOCOL),
    Row("close-delimited body cut", [http(BODY[:-1], length=None), Do.CLOSE], Fault.CUT),
    Row("close-delimited body cut by a reset", [http(BODY[:-1], length=None), 0.02, Do.RESET], Fault.CUT),
    Row("close-delimited lines", [http(LINES, length=None, content_type=NDJSON), Do.CLOSE], Fault.CUT),
    Row("close-delimited table", [http(b"a,b\n1,2\n", length=None, content_type="text/csv"), Do.CLOSE], Fault.CUT),
    Row("close-delimited number", [http(b"42", length=None), Do.CLOSE], Fault.CUT),
    Row("close-delimited, nothing", [http(length=None), Do.CLOSE], Fault.CUT),
    Row("gzip cut, length agrees", [http(ZIPPED[:-15], GZIP)], Fault.CUT),
    Row("gzip cut in its first bytes, length agrees", [http(ZIPPED[:5], GZIP)], Fault.CUT),
    Row("gzip cut, connection closed", [http(ZIPPED[:-15], GZIP, length=None), Do.CLOSE], Fault.CUT),
    Row("gzip cut, chunks agree", [http(chunks(ZIPPED[:-15]), GZIP, CHUNKED, length=None)], Fault.CUT),
    Row("gzip label on plain body", [http(BODY, GZIP)], Fault.PROTOCOL),
    Row("gzip label twice on a body zipped once", [http(ZIPPED, "Content-Encoding: gzip, gzip")], Fault.PROTOCOL),
    Row("bad CRC", [http(ZIPPED[:-8] + b"abcd" + ZIPPED[-4:], GZIP)], Fault.PROTOCOL),
    Row("bad size in the gzip trailer", [http(ZIPPED[:-4] + b"\1\0\0\0", GZIP)], Fault.PROTOCOL),
    Row("a bit turned inside gzip", [http(ZIPPED[:14] + bytes([ZIPPED[14] ^ 4]) + ZIPPED[15:], GZIP)], Fault.PROTOCOL),
    Row("gzip without trailer", [http(ZIPPED[:-8], GZIP)], Fault.CUT),
    Row("gzip with half a trailer", [http(ZIPPED[:-3], GZIP)], Fault.CUT),
    Row("garbage after gzip", [http(ZIPPED + b"\0\0\0\0", GZIP)], Fault.PROTOCOL),
    Row("a second gzip member cut", [http(ZIPPED + ZIPPED[:-9], GZIP)], Fault.CUT),
    Row("deflate cut, length agrees", [http(zlib.compress(BODY)[:-2], "Content-Encoding: deflate")], Fault.CUT),
    Row("bad sum in deflate", [http(zlib.compress(BODY)[:-4] + b"abcd", "Content-Encoding: deflate")], Fault.PROTOCOL),
    Row("an encoding nobody asked for", [http(BODY, "Content-Encoding: br")], Fault.PROTOCOL),
    Row("duplicate Content-Length", [http(BODY, f"Content-Length: {len(BODY)}")], Fault.PROTOCOL),
    Row("conflicting Content-Length", [http(BODY, f"Content-Length: {len(BODY) - 2}")], Fault.PROTOCOL),
    Row("Content-Length in a list", [http(BODY, length=f"{len(BODY)}, {len(BODY)}")], Fault.PROTOCOL),
    Row("Content-Length that is no number", [http(BODY, length="+28"), Do.CLOSE], Fault.PROTOCOL),
    Row("Content-Length and chunks", [http(chunks(BODY), CHUNKED, length=len(BODY))], Fault.PROTOCOL),
    Row(
        "Transfer-Encoding gzip",
        [http(chunks(ZIPPED), "Transfer-Encoding: gzip, chunked", length=None)],
        Fault.PROTOCOL,
    ),
    Row("headers cut", [b"HTTP/1.1 200 OK\r\nContent-Ty", Do.CLOSE], Fault.CUT),
    Row("no HTTP at all", [b"SSH-2.0-OpenSSH_9.2\r\n"], Fault.PROTOCOL),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_a_body_that_is_not_whole_is_a_fault_and_costs_its_connection(row: Row) -> None:
    """G1: no row of Bodies is returned as success, and the next request, on a new connection, gets its own answer."""
    async with raw_server(row.answer, [http(b'{"next":1}')]) as server, transport_to(server) as transport:
        fault = await fault_of(transport, server)
        assert fault.kind is row.fault, fault
        assert (await get(transport, server)).body == b'{"next":1}'
        assert [seen.connection for seen in server.requests] == [0, 1]
        assert judge(fault, now=NOW).action is Action.RETRY


GOOD: dict[str, Answer] = {
    "Content-Length": [http(BODY)],
    "chunks": [http(chunks(BODY[:7], BODY[7:]), CHUNKED, length=None)],
    "chunks with extensions and trailers": [
        http(b"1c;x=y\r\n" + BODY + b"\r\n0\r\nX-Sum: 1\r\n\r\n", CHUNKED, length=None)
    ],
    "byte by byte": [http(length=len(BODY)), *(BODY[n : n + 1] for n in range(len(BODY)))],
    "gzip": [http(ZIPPED, GZIP)],
    "gzip in chunks": [http(chunks(ZIPPED[:9], ZIPPED[9:]), GZIP, CHUNKED, length=None)],
    "x-gzip": [http(ZIPPED, "Content-Encoding: X-GZIP")],
    "gzip with two members": [http(gzipped(BODY[:9]) + gzipped(BODY[9:]), GZIP)],
    "gzip with an empty member": [http(gzipped(b"") + ZIPPED + gzipped(b""), GZIP)],
    "gzip twice": [http(gzipped(ZIPPED), "Content-Encoding: gzip", "Content-Encoding: gzip")],
    "deflate as zlib": [http(zlib.compress(BODY), "Content-Encoding: deflate")],
    "deflate as a bare stream": [http(zlib.compress(BODY, wbits=-15), "Content-Encoding: deflate")],
    "identity": [http(BODY, "Content-Encoding: identity")],
    "byte order mark": [http(b"\xef\xbb\xbf" + BODY)],
    "byte order mark in gzip": [http(gzipped(b"\xef\xbb\xbf" + BODY), GZIP)],
}


@pytest.mark.parametrize("name", GOOD)
async def test_a_whole_body_comes_out_as_it_is_meant(name: str) -> None:
    """However a whole body is framed and coded, its bytes come out, and its connection serves the next request."""
    async with raw_server(GOOD[name]) as server, transport_to(server) as transport:
        for _ in range(2):
            answer = await get(transport, server)
            assert (answer.status, answer.body, answer.is_delimited) == (200, BODY, True)
        assert server.connections == 1


CLOSED_AND_WHOLE: dict[str, Answer] = {
    "plain": [http(BODY, length=None), Do.CLOSE],
    "of HTTP/1.0": [b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + BODY, Do.CLOSE],
    "a kind of JSON": [http(BODY, length=None, content_type="application/hal+json; charset=utf-8"), Do.CLOSE],
    "gzip": [http(ZIPPED, GZIP, length=None), Do.CLOSE],
}


@pytest.mark.parametrize("name", CLOSED_AND_WHOLE)
async def test_a_close_delimited_body_is_accepted_where_its_json_proves_its_end(name: str) -> None:
    """Bodies: without length and chunks, one whole JSON object or array shows that nothing is missing; the answer says
    how it came."""
    async with raw_server(CLOSED_AND_WHOLE[name]) as server, transport_to(server) as transport:
        answer = await get(transport, server)
    assert (answer.body, answer.is_delimited) == (BODY, False)


@pytest.mark.parametrize("body", [BODY[:-3], BODY[:-1]], ids=["mid", "last byte"])
async def test_a_proxy_that_rechunked_a_short_body_cleanly_is_found_out_by_the_judgement(body: bytes) -> None:
    """Bodies, `proxy re-chunked a short body cleanly`: no client can see it on the wire; the JSON's last byte shows
    it."""
    async with raw_server([http(chunks(body), CHUNKED, length=None)]) as server, transport_to(server) as transport:
        answer = await get(transport, server)
    # The last closing bracket of the whole body is }, and so is the last of a body cut inside: then only parsing can
    # tell.
    expected = Action.RETRY if body[-1:] not in b"]}" else Action.OK
    assert judge(answer, now=NOW).action is expected


async def test_what_is_left_of_a_body_never_becomes_the_answer_of_the_next_request() -> None:
    """Bodies: surplus bytes that arrive after the announced length spoil their own connection only."""
    late: Answer = [http(BODY, length=len(BODY) - 4)[:-4], 0.02, BODY[-4:]]
    async with raw_server(late, [http(b'{"next":1}')]) as server, transport_to(server) as transport:
        short = await get(transport, server)
        assert judge(short, now=NOW).action is Action.RETRY
        await asyncio.sleep(0.05)
        assert (await get(transport, server)).body == b'{"next":1}'
        assert [seen.connection for seen in server.requests] == [0, 1]


async def test_the_wires_bytes_are_counted_before_decoding() -> None:
    """`wire_bytes` is what was transferred of the body; `body` is what it means."""
    async with raw_server([http(gzipped(BODY * 100), GZIP)]) as server, transport_to(server) as transport:
        answer = await get(transport, server)
    assert (answer.wire_bytes, len(answer.body)) == (len(gzipped(BODY * 100)), len(BODY) * 100)


TOO_LARGE: dict[str, Answer] = {
    "announced": [http(b"", length=10**9), Do.HANG],
    "in chunks": [http(chunks(*[b"[" * 1000] * 200), CHUNKED, length=None)],
    "without an end": [http(b"[" * 200_000, length=None), Do.HANG],
    "a gzip bomb": [http(gzipped(b"\0" * 50_000_000), GZIP)],
    "a gzip bomb in members": [http(gzipped(b"\0" * 30_000) * 20, GZIP)],
    "a deflate bomb": [http(zlib.compress(b"\0" * 50_000_000), "Content-Encoding: deflate")],
}


@pytest.mark.parametrize("name", TOO_LARGE)
async def test_a_body_over_the_cap_stops_early(name: str) -> None:
    """G9: `max_body_bytes` holds for what is announced, what comes and what it decodes to; the item is divided."""
    async with raw_server(TOO_LARGE[name]) as server, transport_to(server, max_body_bytes=100_000) as transport:
        fault = await fault_of(transport, server)
    assert fault.kind is Fault.TOO_LARGE, fault
    assert judge(fault, now=NOW).action is Action.SPLIT


async def test_a_body_of_exactly_the_cap_is_no_fault() -> None:
    """`max_body_bytes` is the largest body that is accepted, not the first that is refused."""
    body = b"[" + b" " * 999_998 + b"]"
    async with (
        raw_server([http(gzip.compress(body), GZIP)], [http(body)]) as server,
        transport_to(server, max_body_bytes=1_000_000) as transport,
    ):
        assert (await get(transport, server)).body == body
        assert (await get(transport, server)).body == body


async def test_an_attack_by_gzip_members_is_refused() -> None:
    """G9: a body of a hundred thousand empty gzip members costs neither minutes nor memory."""
    async with raw_server([http(gzipped(b"") * 100_000, GZIP)]) as server, transport_to(server) as transport:
        assert (await fault_of(transport, server)).kind is Fault.PROTOCOL


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ([http(b"busy", "Retry-After: 7", status="429 Too Many Requests", length=99), Do.CLOSE], 429),
        ([http(b"busy", "Retry-After: 7", GZIP, status="503 Service Unavailable")], 503),
        ([http(b"busy", "Retry-After: 7", status="503 Service Unavailable", length=None), Do.CLOSE], 503),
    ],
    ids=["cut", "mislabelled", "close-delimited"],
)
async def test_a_status_that_says_it_all_is_not_hidden_by_its_broken_body(answer: Answer, status: int) -> None:
    """G5: the Retry-After of an answer is honoured though the explanation with it is broken."""
    async with raw_server(answer, [http()]) as server, transport_to(server) as transport:
        response = await get(transport, server)
        assert response.status == status
        action = judge(response, now=NOW)
        assert (action.action, action.retry_after_seconds) == (Action.PAUSE, 7)
        await get(transport, server)
        assert [seen.connection for seen in server.requests] == [0, 1]


async def test_an_error_whose_meaning_is_in_its_body_must_be_whole() -> None:
    """A 400 is judged by what its body says, so a cut one is asked for again instead of poisoning the item."""
    async with (
        raw_server([http(b'{"error":', status="400 Bad Request", length=99), Do.CLOSE]) as server,
        transport_to(server) as transport,
    ):
        assert (await fault_of(transport, server)).kind is Fault.CUT


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_a_body_that_cannot_be_there_is_not_waited_for(method: str) -> None:
    """RFC 9112 6.3: a HEAD, a 204 and a 304 have no body, whatever their Content-Length says."""
    status = {"HEAD": "200 OK", "GET": "304 Not Modified"}[method]
    async with raw_server([http(status=status, length=5_000)]) as server, transport_to(server) as transport:
        for _ in range(2):
            assert (await transport.send(Request(method, server.url))).body == b""
        assert server.connections == 1
