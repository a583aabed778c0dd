"""Each row of the table Failures as an item meets it: a real client, and a server that fails so.

`test_judgement.py` walks the same table as the pure function that it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from haulier.api.answers.judgement import ExpectedAnswer, Rule
from haulier.api.client import Total
from haulier.api.errors import Action, Fault
from haulier.api.paging.cursors import Seek
from haulier.api.paging.links import NextUrl
from haulier.api.paging.positions import Offset, PageNumber
from tests.api.wire.door import GOOD, LAST_PAGE, door, page, status
from tests.api.wire.raw_server import Answer, Do, chunks, gzipped, http, raw_server

CHUNKED = "Transfer-Encoding: chunked"
HTML = "text/html"


@dataclass(frozen=True)
class Row:
    """A row, or a shade of one: what is said, what it comes to if it stays so, and after how many requests."""

    row: str
    said: Answer
    action: Action
    requests: int = 1
    shade: str = ""
    rules: tuple[Rule, ...] = ()

    def __str__(self) -> str:
        return f"{self.row}, {self.shade}" if self.shade else self.row


BAD_200 = "200 + non-JSON content type, HTML, empty body, body not complete JSON"
PREDICATE = "200 + error predicate"
REFUSED = "402, 403"
POISONED = "405, 406, 411, 414, 415, 416, 422, 431, 451, 501, 505"
WIRE = "reset or EOF in the body, Content-Length mismatch, chunk error, gzip not at end, CRC"
ERROR = b'{"error":{"code":503,"message":"busy"}}'
BY_CODE = (Rule(Action.RETRY_LATER, at="error", status_at="error.code"),)

ROWS = [
    Row(BAD_200, [http(b"<html>Hello</html>", content_type=HTML)], Action.RETRY_LATER, 3, "HTML"),
    Row(BAD_200, [http(b"a,b\n1,2\n", content_type="text/csv")], Action.RETRY_LATER, 3, "another type"),
    Row(BAD_200, [http(b"")], Action.RETRY_LATER, 3, "empty"),
    Row(BAD_200, [http(b'{"rows":[{"id":1},{"i')], Action.RETRY_LATER, 3, "not complete"),
    Row(BAD_200, [http(b'{"rows":[{"id":1}')], Action.RETRY_LATER, 3, "cut behind a bracket"),
    Row(BAD_200, [http(b"<html>Down for maintenance</html>", content_type=HTML)], Action.OUTAGE, 3, "maintenance"),
    Row(BAD_200, [http(b'<form><input type="password"></form>', content_type=HTML)], Action.OUTAGE, 3, "login"),
    Row(PREDICATE, [http(b'{"errors":["boom"]}')], Action.RETRY_LATER, 3, "records path missing"),
    Row(PREDICATE, [http(ERROR)], Action.OUTAGE, 5, "by the code it names", BY_CODE),
    Row(PREDICATE, [http(b'{"error":"?"}')], Action.RETRY_LATER, 1, "without a code", BY_CODE),
    Row("204, 205", status("204 No Content", b""), Action.RETRY_LATER, 1, "204"),
    Row("204, 205", status("205 Reset Content", b""), Action.RETRY_LATER, 1, "205"),
    Row("304", status("304 Not Modified", b""), Action.RETRY_LATER, 3, "that nobody asked for"),
    Row("400", status("400 Bad Request"), Action.POISON),
    Row("400", status("400 Bad Request", b'"over 10000"'), Action.SPLIT, 1, "cap", (Rule(Action.SPLIT, 400),)),
    Row("401", status("401 Unauthorized"), Action.AUTH),
    Row(REFUSED, status("402 Payment Required"), Action.POISON, 1, "402"),
    Row(REFUSED, status("403 Forbidden"), Action.POISON, 1, "403"),
    Row("404, 410", status("404 Not Found"), Action.POISON, 1, "list"),
    Row("404, 410", status("410 Gone"), Action.POISON, 1, "list that is gone"),
    *(Row(POISONED, status(f"{code} No"), Action.POISON, 1, code) for code in POISONED.split(", ")),
    Row("407, TLS verify failure", status("407 Proxy Authentication Required"), Action.CONFIG),
    Row("408, 425", status("408 Request Timeout"), Action.OUTAGE, 5, "408"),
    Row("408, 425", status("425 Too Early"), Action.RETRY_LATER, 5, "425"),
    Row("409", status("409 Conflict"), Action.RETRY_LATER, 3),
    Row("409", status("409 Conflict"), Action.POISON, 1, "Salesforce's, by a rule", (Rule(Action.POISON, 409),)),
    Row("412", status("412 Precondition Failed"), Action.RESTART),
    Row("413", status("413 Content Too Large"), Action.SPLIT),
    *(Row("421, 423, 424", status(f"{code} No"), Action.RETRY_LATER, 5, str(code)) for code in (421, 423, 424)),
    Row("429", status("429 Too Many Requests"), Action.OUTAGE, 5, "without header"),
    *(Row("502, 503, 504", status(f"{code} No"), Action.OUTAGE, 5, str(code)) for code in (502, 503, 504)),
    Row("507, 508, 511", status("507 Insufficient Storage"), Action.OUTAGE, 1, "507"),
    Row("507, 508, 511", status("508 Loop Detected"), Action.OUTAGE, 1, "508"),
    *(Row("520-530 (CDN)", status(f"{code} No"), Action.OUTAGE, 5, str(code)) for code in (520, 524, 530)),
    Row(WIRE, [http(LAST_PAGE, length=len(LAST_PAGE) + 1), Do.RESET], Action.RETRY_LATER, 5, "reset"),
    Row(WIRE, [http(LAST_PAGE, length=len(LAST_PAGE) + 1), Do.CLOSE], Action.RETRY_LATER, 5, "EOF"),
    Row(WIRE, [http(chunks(LAST_PAGE, end=b""), CHUNKED, length=None), Do.CLOSE], Action.RETRY_LATER, 5, "chunk error"),
    Row(WIRE, [http(gzipped(LAST_PAGE)[:-9], "Content-Encoding: gzip")], Action.RETRY_LATER, 5, "gzip not at end"),
    Row(WIRE, [http(gzipped(LAST_PAGE)[:-8] + b"\0" * 8, "Content-Encoding: gzip")], Action.RETRY_LATER, 5, "CRC"),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_row_that_stays_so(row: Row) -> None:
    """Failures: the item learns its action after as many requests as the row allows, and never gets a record."""
    async with door(row.said, rules=row.rules) as api:
        error = await api.error()
        assert error.action is row.action
        assert len(api.asked_at) == row.requests


@pytest.mark.parametrize("row", [row for row in ROWS if row.requests > 1], ids=str)
async def test_a_row_that_passes(row: Row) -> None:
    """Failures, HERE: what is gone at the next try costs one request, no record and no charge."""
    async with door(page([1, 2], "a"), row.said, GOOD, rules=row.rules) as api:
        assert [record["id"] for record in await api.records()] == [1, 2, 3]
        assert len(api.asked_at) == 3


async def test_row_200_206() -> None:
    """Failures, `200/206 and all checks of Bodies pass`: OK."""
    async with door(status("206 Partial Content", LAST_PAGE)) as api:
        assert len(await api.records()) == 1


async def test_row_500() -> None:
    """Failures, `500`: HERE, and then back; gone at the next try it costs one request."""
    async with door(status("500 Internal Server Error")) as api:
        assert (await api.error()).action in {Action.RETRY_LATER, Action.OUTAGE}
        assert len(api.asked_at) == 5
    async with door(status("500 Internal Server Error"), GOOD) as api:
        assert len(await api.records()) == 1


async def test_row_500_smaller_page_once() -> None:
    """Failures, `500`: `smaller page size once (many 500s are size)`, while others get their answers."""
    refused = [status("500 Internal Server Error")] * 5
    async with door(page([0, 1, 2, 3], total=6), *refused, page([4, 5]), page([])) as api:
        assert [record["id"] for record in await api.records(Offset(4))] == [0, 1, 2, 3, 4, 5]
        targets = [seen.target for seen in api.server.requests]
        assert targets[0] == "/rows?limit=4&offset=0"
        assert targets[1:6] == ["/rows?limit=4&offset=4"] * 5
        assert targets[6:] == ["/rows?limit=2&offset=4", "/rows?limit=2&offset=6", "/rows?limit=2&offset=8"]


async def test_row_500_that_is_not_about_size() -> None:
    """Failures, `500`: once. What fails in smaller pages too keeps its first error; an API in trouble is let alone."""
    refused = status("500 Internal Server Error")
    async with door(page([0, 1, 2, 3]), *[refused] * 5, page([4, 5]), refused) as api:
        await api.error(Offset(4))
        assert {seen.target for seen in api.server.requests[7:]} == {"/rows?limit=2&offset=6"}
    async with door(page([0, 1, 2, 3]), refused) as api:
        assert "limit=4&offset=4: status 500" in str(await api.error(Offset(4)))
        assert len(api.asked_at) == 1 + 5 + 5
    async with door(refused) as api:
        await api.error(Offset(4))
        assert {seen.target for seen in api.server.requests} == {"/rows?limit=4&offset=0"}


async def test_row_204_that_may_be() -> None:
    """Failures, `204, 205`: zero records only where it is declared; a 304 to nobody's question is none even then."""
    async with door(status("204 No Content", b"")) as api:
        assert await api.records(empty=["no body"]) == []
    async with door(status("304 Not Modified", b"")) as api:
        assert (await api.error(empty=["no body"])).action is Action.RETRY_LATER


async def test_row_redirects() -> None:
    """Failures, `301/302/307/308 same origin`: followed, at most 5; a loop is poison, and so is another origin,
    unsent."""
    for code in (301, 302, 307, 308):
        async with door(status(f"{code} Moved", b"", "Location: /new?x=1"), GOOD) as api:
            assert len(await api.records()) == 1
            assert api.server.requests[1].target == "/new?x=1"
    async with door(status("302 Found", b"", "Location: /rows")) as api:
        assert (await api.error()).action is Action.POISON
        assert len(api.asked_at) == 6
    async with raw_server(GOOD) as other:
        async with door(status("302 Found", b"", f"Location: {other.url}/rows")) as api:
            assert (await api.error()).action is Action.POISON
        assert other.requests == []


async def test_row_400_page_past_the_end() -> None:
    """Failures, `400`: page past end is END where the kind declares it."""
    past = status("400 Bad Request", b'{"code":"rest_post_invalid_page_number"}')
    kind = PageNumber(end_status=400, end_text="invalid_page_number")
    async with door(page([1, 2]), past) as api:
        assert len(await api.records(kind)) == 2
    async with door(past) as api:
        assert (await api.error(kind)).action is Action.POISON


async def test_row_400_expired_token() -> None:
    """Failures, `400`: an expired token or locator restarts the item where a rule says how it is worded."""
    gone = status("400 Bad Request", b'[{"errorCode":"INVALID_QUERY_LOCATOR"}]')
    async with door(page([1], "a"), gone, rules=(Rule(Action.RESTART, 400, text="INVALID_QUERY_LOCATOR"),)) as api:
        assert (await api.error()).action is Action.RESTART


THROTTLED = [
    status("403 Forbidden", b"{}", "Retry-After: 3"),
    status("403 Forbidden", b"{}", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 3"),
    status("402 Payment Required", b"{}", "Retry-After: 3"),
]


@pytest.mark.parametrize("said", THROTTLED)
async def test_row_402_403_throttling(said: Answer) -> None:
    """Failures, `402, 403`: with a sign of throttling everybody waits as long as it says, and nothing is lost."""
    async with door(said, GOOD) as api:
        assert len(await api.records()) == 1
        assert api.asked_at[1] - api.asked_at[0] >= 3


async def test_row_404_410() -> None:
    """Failures, `404, 410`: an entity that is not there is an answer; a token that is gone restarts the item."""
    for code in ("404 Not Found", "410 Gone"):
        async with door(status(code)) as api:
            expected = ExpectedAnswer(is_entity=True)
            assert (await api.session().request("GET", "/rows/7", expected=expected)).status == int(code[:3])
    async with door(page([1], "a"), status("410 Gone")) as api:
        assert (await api.error()).action is Action.RESTART


async def test_row_tls() -> None:
    """Failures, `407, TLS verify failure`: CONFIG at once; a person must act."""
    async with raw_server() as server:
        server.answers_at_once = b"HTTP/1.1 400 Bad Request\r\n\r\n"
        async with door(url=server.url.replace("http:", "https:")) as api:
            error = await api.error()
            assert (error.action, error.fault) == (Action.CONFIG, Fault.TLS)
            assert len(server.requests) == 0


async def test_row_429_by_header() -> None:
    """Failures, `429`: everybody pauses for as long as the header says; without one at least a second is waited."""
    async with door(status("429 Too Many Requests", b"{}", "Retry-After: 4"), GOOD) as api:
        assert len(await api.records()) == 1
        assert api.asked_at[1] - api.asked_at[0] >= 4
    async with door(status("429 Too Many Requests"), GOOD) as api:
        assert len(await api.records()) == 1
        assert api.asked_at[1] - api.asked_at[0] >= 1


async def test_row_503_with_retry_after() -> None:
    """Failures, `502, 503, 504`: a 503 with Retry-After speaks to everybody."""
    async with door(status("503 Service Unavailable", b"{}", "Retry-After: 4"), GOOD) as api:
        assert len(await api.records()) == 1
        assert api.asked_at[1] - api.asked_at[0] >= 4


async def test_row_511() -> None:
    """Failures, `507, 508, 511`: a network that wants a login stops everybody for a while."""
    async with door(status("511 Network Authentication Required"), GOOD) as api:
        assert len(await api.records()) == 1
        assert api.asked_at[1] - api.asked_at[0] >= 60


async def test_row_connect_refused() -> None:
    """Failures, `connect refused, DNS failure, no route`: an outage, which charges nobody; nothing was sent."""
    async with raw_server() as server:
        url = server.url
    async with door(url=url) as api:
        error = await api.error()
        assert (error.action, error.fault) == (Action.OUTAGE, Fault.CONNECT)


async def test_row_stale_connection() -> None:
    """Failures, `connect ok, reset before headers on a reused connection`: at once on a new one. Nobody learns of it,
    but the count of what was sent (G5)."""
    async with door(page([1], "a"), [Do.RESET], GOOD) as api:
        session = api.session()
        walk = session.pages("/rows", pages=NextUrl("next"), records="rows")
        assert [len(page) async for page in walk] == [1, 1]
        assert len(api.asked_at) == 3
        assert session.usage.requests == 3
        assert [seen.connection for seen in api.server.requests] == [0, 0, 1]


async def test_row_time_out() -> None:
    """Failures, `read time-out / item deadline`: HERE once; then the item may be divided, or comes back."""
    async with door([Do.HANG], first_byte_timeout_seconds=0.2) as api:
        error = await api.error()
        assert (error.action, error.is_time_out) == (Action.OUTAGE, True)
        assert len(api.asked_at) == 2


async def test_row_page_invariants_equal_page() -> None:
    """Failures, `JSON ok but page invariants fail`: an equal page restarts the item."""
    async with door(page([1, 2], "a"), page([1, 2], "b")) as api:
        assert (await api.error()).action is Action.RESTART


async def test_row_page_invariants_more_rows_than_asked() -> None:
    """Failures, `JSON ok but page invariants fail`: more rows than asked for are counted and kept, and none is asked
    for twice: the next page begins behind them."""
    async with door(page([1, 2, 3]), page([4]), page([])) as api:
        assert len(await api.records(Offset(2))) == 4
        # Behind the empty page one more is looked at.
        assert [seen.target for seen in api.server.requests][1:] == [f"/rows?limit=2&offset={at}" for at in (3, 4, 6)]


async def test_row_page_invariants_total_shrank() -> None:
    """Failures, `JSON ok but page invariants fail`: a total that is lower at the last page restarts the item where the
    records do not add up to it."""
    async with door(page([1, 2], "a", total=4), page([3], None, total=3), page([1, 2], "a", total=4)) as api:
        assert (await api.error(total=Total("total"))).action is Action.RESTART


async def test_row_page_invariants_sort_order_broken() -> None:
    """Failures, `JSON ok but page invariants fail`: a list that its key does not sort hides records from who goes on by
    the last one. An exact total finds it; no order can be asked of the keys themselves, since many APIs mean a place in
    the list by them."""
    said = page([6, 2, 4], total=6), page([5, 6], total=6), page([], total=6), page([6, 2, 4], total=6)
    async with door(*said) as api:
        error = await api.error(Seek("id", query="since"), total=Total("total"))
        assert error.action is Action.RESTART
        assert "promised 6 records and sent 5" in str(error)
