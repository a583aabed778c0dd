"""Each row of the table Bodies as an item meets it: never a stump, and never a record of it (G1).

`test_bodies.py` shows the fault that each one is, with many shades more.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from haulier.api.errors import Action
from haulier.api.identity.auth import ApiKey, env
from tests.api.wire.door import GOOD, LAST_PAGE, door, page, status
from tests.api.wire.raw_server import Answer, Do, chunks, gzipped, http, raw_server

BODY = b'{"rows":[{"id":1},{"id":2}],"next":"a"}'
ZIPPED = gzipped(BODY)
CHUNKED = "Transfer-Encoding: chunked"
GZIP = "Content-Encoding: gzip"


@dataclass(frozen=True)
class Row:
    """A row of the table, or a part of one."""

    row: str
    said: Answer
    shade: str = ""

    def __str__(self) -> str:
        return f"{self.row}, {self.shade}" if self.shade else self.row


LARGER = "Content-Length larger than body; chunk cut; no final chunk"
CUT_GZIP = "gzip cut, length agrees / connection closed"
LABEL = "gzip label on plain body; bad CRC; duplicate Content-Length"

ROWS = [
    Row(LARGER, [http(BODY, length=len(BODY) + 1), Do.CLOSE], "length"),
    Row(LARGER, [http(chunks(BODY)[:-9], CHUNKED, length=None), Do.CLOSE], "chunk cut"),
    Row(LARGER, [http(chunks(BODY, end=b""), CHUNKED, length=None), Do.CLOSE], "no final chunk"),
    Row("Content-Length smaller than body", [http(BODY, length=len(BODY) - 13)]),
    Row("close-delimited body cut", [http(BODY[:-13], length=None), Do.CLOSE]),
    Row("proxy re-chunked a short body cleanly", [http(chunks(BODY[:-1]), CHUNKED, length=None)], "last byte"),
    Row("proxy re-chunked a short body cleanly", [http(chunks(BODY[:17]), CHUNKED, length=None)], "at a bracket"),
    Row(CUT_GZIP, [http(ZIPPED[:-9], GZIP)], "length agrees"),
    Row(CUT_GZIP, [http(ZIPPED[:-9], GZIP, length=None), Do.CLOSE], "closed"),
    Row(LABEL, [http(BODY, GZIP)], "label"),
    Row(LABEL, [http(ZIPPED[:-8] + b"\0" * 4 + ZIPPED[-4:], GZIP)], "bad CRC"),
    Row(LABEL, [http(BODY, f"Content-Length: {len(BODY)}")], "twice"),
    Row("gzip without trailer", [http(ZIPPED[:-8], GZIP)]),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_fault_costs_a_request_and_nobody_a_record(row: Row) -> None:
    """Bodies: the page is asked for again; what is left of the bad answer is not the next one's."""
    async with door([http(BODY)], row.said, [http(BODY.replace(b"1", b"3").replace(b'"a"', b"null"))]) as api:
        assert [record["id"] for record in await api.records()] == [1, 2, 3, 2]
        assert len(api.asked_at) == 3


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_fault_that_stays_is_never_a_success(row: Row) -> None:
    """Bodies: all five clients that people use return some of these as success; here not one record comes out."""
    async with door(row.said) as api:
        assert (await api.error()).action is Action.RETRY_LATER


async def test_row_gzip_with_two_members() -> None:
    """Bodies, `gzip with two members`: both, in order."""
    async with door([http(gzipped(LAST_PAGE[:9]) + gzipped(LAST_PAGE[9:]), GZIP)]) as api:
        assert await api.records() == [{"id": 3}]


async def test_g1_a_file_that_is_gzip_whatever_its_labels_say() -> None:
    """No JSON and no table begins so. One that is cut, also behind its first member, is an error as ever."""
    async with door([http(gzipped(LAST_PAGE[:9]) + gzipped(LAST_PAGE[9:]))]) as api:
        assert await api.records() == [{"id": 3}]
    for cut in (ZIPPED[:-8], gzipped(LAST_PAGE) + ZIPPED[:-1], ZIPPED + b"x"):
        async with door([http(cut)]) as api:
            assert (await api.error()).action is Action.RETRY_LATER


async def test_row_redirect_loop() -> None:
    """Bodies, `redirect loop`: an error after five."""
    async with door(status("302 Found", b"", "Location: /rows")) as api:
        assert (await api.error()).action is Action.POISON
        assert len(api.asked_at) == 6


async def test_row_one_byte_at_a_time() -> None:
    """Bodies, `1 byte each 0.4 s, read time-out 2 s`: no time-out between bytes ends it; the request's deadline
    does."""
    drip: Answer = [http(length=1_000), *(step for _ in range(1_000) for step in (b"[", 0.1))]
    async with door(drip, first_byte_timeout_seconds=1.0, request_timeout_seconds=1.5) as api:
        error = await api.error()
        assert (error.action, error.is_time_out) == (Action.OUTAGE, True)
    async with door(drip, GOOD, first_byte_timeout_seconds=1.0, request_timeout_seconds=1.5) as api:
        assert await api.records() == [{"id": 3}]


async def test_row_cross_host_redirect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies, `cross-host redirect`: X-Api-Key leaks from every client; ours sends nothing there, key or not (G7)."""
    monkeypatch.setenv("KEY", "hunter2hunter2")
    async with raw_server(GOOD) as other:
        away = status("307 Temporary Redirect", b"", f"Location: {other.url}/rows")
        async with door(page([1], "a"), away, auth=ApiKey(env("KEY"), header="X-Api-Key")) as api:
            assert (await api.error()).action is Action.POISON
            assert api.server.requests[0].headers["X-Api-Key"] == "hunter2hunter2"
        assert other.requests == []
        assert other.connections == 0
