"""What the sandbox answers when nothing goes wrong, seen by a client that reads bytes."""

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from haulier.testing.sandbox import Sandbox, SandboxSettings, record_bytes, record_ids
from haulier.testing.sandbox.answers import PATHS
from haulier.testing.sandbox.corruption import CORRUPTION_KINDS
from tests.testing.wire import answer, ask, connected


async def read_all(api: Sandbox, target: str, route: str = "items") -> tuple[list[bytes], int]:
    """The records behind a target by its cursor, as bytes, and how many pages they took."""
    found: list[bytes] = []
    pages, cursor = 0, ""
    while True:
        reply = await answer(api.url, target + cursor)
        page = json.loads(reply.body)
        pages += 1
        for record in page[route]:
            found.append(record_bytes(api.settings, record["id"]))
            assert found[-1] in reply.body
        if page["next"] is None:
            return found, pages
        cursor = f"&cursor={page['next']}"


async def test_every_record_is_served_by_cursor() -> None:
    """``records`` and ``page_size``: [from, to), in order, the bytes that the oracle gives, and the total."""
    async with Sandbox(SandboxSettings(records=25, page_size=10, gap_after=5, gap_ids=3)) as api:
        found, pages = await read_all(api, "/items?limit=1000")
        assert found == [record_bytes(api.settings, each) for each in record_ids(api.settings)]
        assert pages == 3
        found, _ = await read_all(api, "/items?from_id=3&to_id=11&limit=2")
        assert [json.loads(record)["id"] for record in found] == [3, 4, 5, 9, 10]
        assert json.loads((await answer(api.url, "/items?from_id=3&to_id=11")).body)["total"] == 5


async def test_records_are_served_by_offset() -> None:
    """The limit that was used is echoed, so that a client which advances by it loses nothing."""
    async with Sandbox(SandboxSettings(records=25, page_size=10)) as api:
        page = json.loads((await answer(api.url, "/items_offset?from_id=6&to_id=100&offset=10&limit=500")).body)
        assert [record["id"] for record in page["items"]] == list(range(16, 26))
        assert (page["offset"], page["limit"], page["total"]) == (10, 10, 20)
        assert json.loads((await answer(api.url, "/items_offset?offset=25")).body)["items"] == []


async def test_events_are_served_by_time() -> None:
    """[since, until), by cursor or offset."""
    async with Sandbox(SandboxSettings(records=10, event_step_seconds=60, events_per_step=2, page_size=2)) as api:
        window = "/events?since=2024-01-01T00:01:00Z&until=2024-01-01T00:03:00Z"
        page = json.loads((await answer(api.url, window)).body)
        assert [record["id"] for record in page["items"]] == [3, 4]
        page = json.loads((await answer(api.url, f"{window}&cursor={page['next']}")).body)
        assert [record["id"] for record in page["items"]] == [5, 6]
        assert page["next"] is None
        page = json.loads((await answer(api.url, f"{window}&offset=3")).body)
        assert [record["id"] for record in page["items"]] == [6]
        assert page["total"] == 4
        everything = json.loads((await answer(api.url, "/events")).body)
        assert everything["total"] == 10


async def test_single_answers() -> None:
    """The newest id, the count, one record by its id, and a page of any size for benchmarks."""
    async with Sandbox(SandboxSettings(records=12, gap_after=5, gap_ids=3)) as api:
        assert (await answer(api.url, "/items/newest")).body == b'{"id":18}'
        assert (await answer(api.url, "/count")).body == b'{"count":12}'
        assert (await answer(api.url, "/item/9")).body == record_bytes(api.settings, 9)
        assert (await answer(api.url, "/item/6")).status == 404
        blob = (await answer(api.url, "/blob?bytes=50000&n=7")).body
        assert len(json.loads(blob)["records"]) == 100
        assert abs(len(blob) - 50_000) < 200
        assert (await answer(api.url, "/blob?bytes=50000&n=39")).body == blob
        assert (await answer(api.url, "/blob?bytes=50000&n=8")).body != blob
        api.change(records=0)
        assert (await answer(api.url, "/items/newest")).status == 404
        assert (await answer(api.url, "/count")).body == b'{"count":0}'


@pytest.mark.parametrize(
    ("target", "status", "says"),
    [
        ("/nothing", 404, "Available: /items, /items_offset"),
        ("/items?limit=0", 400, "limit is 0; write at least 1"),
        ("/items?limit=-1", 400, "limit is '-1'; write a whole number"),
        ("/items?from_id=x", 400, "from_id is 'x'; write a whole number"),
        ("/items?cursor=5", 400, "does not belong to this query"),
        (f"/items?cursor={'f' * 5000}.0", 400, ""),
        ("/items?a;b", 400, "The query cannot be read"),
        ("/events?since=2024-01-01", 400, "write an ISO 8601 time with a zone"),
        ("/events?since=yesterday", 400, "since is 'yesterday'; write an ISO 8601 time with a zone"),
        ("/item/x", 400, "id is 'x'; write a whole number"),
        ("/blob?bytes=5", 400, "write 20000 to"),
        ("//[", 400, "The query cannot be read"),
    ],
)
async def test_a_wrong_question_is_told_what_is_wrong(target: str, status: int, says: str) -> None:
    """A client's mistake is a 400 or 404 with a reason, never an empty page or a lost connection."""
    async with Sandbox() as api:
        reply = await answer(api.url, target)
        assert (reply.status, reply.is_whole) == (status, True)
        assert says in json.loads(reply.body)["error"]


async def test_a_cursor_belongs_to_its_query() -> None:
    """As with real APIs: another range with an old cursor is refused."""
    async with Sandbox(SandboxSettings(page_size=10)) as api:
        cursor = json.loads((await answer(api.url, "/items?from_id=1&to_id=100")).body)["next"]
        assert (await answer(api.url, f"/items?from_id=1&to_id=100&cursor={cursor}")).status == 200
        assert (await answer(api.url, f"/items?from_id=1&to_id=101&cursor={cursor}")).status == 400


async def test_it_compresses_for_those_who_accept_it() -> None:
    """``gzip``: only then, and only for them; errors too."""
    async with Sandbox(SandboxSettings(gzip=True)) as api:
        plain = await answer(api.url, "/items")
        packed = await answer(api.url, "/items", Accept_Encoding="gzip, deflate")
        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body
        api.change(gzip=False)
        assert (await answer(api.url, "/items", Accept_Encoding="gzip")).body == plain.body


async def test_it_wants_its_token() -> None:
    """``token``: without it, or with another, 401 and what is wanted."""
    async with Sandbox(SandboxSettings(token="hush")) as api:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic hush"}):
            reply = await answer(api.url, "/items", **headers)
            assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
        assert (await answer(api.url, "/items", Authorization="bearer hush")).status == 200
        assert api.counters.by_status == {401: 3, 200: 1}


async def test_a_connection_is_kept_until_somebody_wants_it_closed() -> None:
    """Requests in a row, also sent at once, are answered in their order."""
    async with Sandbox() as api, connected(api.url) as wire:
        for number in (3, 1, 2):
            wire.get(f"/item/{number}")
        for number in (3, 1, 2):
            reply = await wire.reply()
            assert reply is not None
            assert reply.body == record_bytes(api.settings, number)
        wire.get("/count", Connection="close")
        assert await wire.reply() is not None
        assert await wire.ended()


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /count HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST /_sandbox HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"GET /count HTTP/1.1\r\nX: " + b"x" * 70_000, 431),
        (b"DELETE /item/1 HTTP/1.1\r\nConnection: close\r\n\r\n", 405),
    ],
)
async def test_what_is_not_a_request_is_refused(raw: bytes, status: int) -> None:
    """With a status, and the connection closed, so that nothing is taken for the next request."""
    async with Sandbox() as api, connected(api.url) as wire:
        wire.send(raw)
        reply = await wire.reply()
        assert reply is not None
        assert reply.status == status
        assert await wire.ended()
        assert api.counters.requests == 0


async def test_a_body_is_read_to_its_end() -> None:
    """What follows a request's body is the next request, however the bytes arrive."""
    async with Sandbox() as api, connected(api.url) as wire:
        raw = b'POST /_sandbox HTTP/1.1\r\nContent-Length: 13\r\n\r\n{"records":5}GET /count HTTP/1.1\r\n\r\n'
        for start in range(0, len(raw), 20):
            wire.send(raw[start : start + 20])
            await wire.writer.drain()
        first, second = await wire.reply(), await wire.reply()
        assert first is not None
        assert second is not None
        assert (first.body, second.body) == (b'{"changed":["records"]}', b'{"count":5}')


async def test_settings_and_counters_have_a_path() -> None:
    """`/_sandbox`: counters by GET, settings by POST; a bad one is refused whole. It is not counted itself."""
    async with Sandbox() as api:
        await answer(api.url, "/count")
        assert json.loads((await answer(api.url, "/_sandbox")).body)["requests"] == 1
        async with connected(api.url) as wire:
            body = b'{"records":5,"cut_rate":2}'
            wire.send(b"POST /_sandbox HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            reply = await wire.reply()
        assert reply is not None
        assert reply.status == 400
        assert b"cut_rate is 2" in reply.body
        assert api.settings == SandboxSettings()
        assert api.counters.by_status == {200: 1}


async def test_it_can_be_taken_away_and_brought_back() -> None:
    """A fixed port: gone when the context is left, with every connection, and there again."""
    async with Sandbox() as api:
        port = api.port
        async with connected(api.url) as wire:
            wire.get("/count")
            assert await wire.reply() is not None
            await api.__aexit__()
            assert await wire.ended()
        with pytest.raises(ConnectionRefusedError):
            await ask(api.url, "/count")
        async with Sandbox(port=port) as again:
            assert again.url == api.url
            assert (await answer(again.url, "/count")).status == 200


FAULTS: list[dict[str, object]] = [
    {},
    {"gzip": True},
    {"token": "secret"},
    {"token": "secret", "auth": "oauth2"},
    {"error_rate_500": 1.0},
    {"error_rate_429": 1.0},
    {"error_rate_200": 1.0},
    {"cut_rate": 1.0},
    {"is_down": True},
    {"quota": 1, "quota_headers": "ratelimit"},
    *({"corrupt_rate": 1.0, "corrupt_kinds": (kind,)} for kind in CORRUPTION_KINDS),
]


@pytest.mark.parametrize("faults", FAULTS, ids=str)
async def test_an_answer_to_head_has_a_date_and_no_body(faults: dict[str, object]) -> None:
    """RFC 9110 9.3.2: whatever the path, the credentials and the fault; a body would be taken for the next answer."""
    settings = replace(SandboxSettings(records=10), **faults)  # type: ignore[arg-type]
    async with Sandbox(settings) as api:
        for target in ("/", "/_sandbox", "/oauth2/token", *(path.path for path in PATHS)):
            async with connected(api.url) as wire:
                wire.send(f"HEAD {target} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n".encode())
                wire.send(b"Connection: close\r\n\r\n")
                head = await wire.reply(to_head=True)
                assert head is not None, target
                assert "date" in head.headers, target
                assert await wire.ended(), target


async def test_records_of_a_live_api_appear_when_their_time_has_come() -> None:
    """``is_live``: two records a second from ``events_start`` on; what is still to come is in no list, count or ID, and
    HEAD shows up to when that is (``clock_ahead_seconds``)."""
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    settings = SandboxSettings(
        events_start=start.isoformat(),
        event_step_seconds=1,
        events_per_step=2,
        is_live=True,
        clock_ahead_seconds=-1_800,
    )
    async with Sandbox(settings) as api, connected(api.url) as wire:
        count = json.loads((await answer(api.url, "/count")).body)["count"]
        newest = json.loads((await answer(api.url, "/items/newest")).body)["id"]
        assert 3_600 <= count <= newest <= 3_720
        api.change(clock_ahead_seconds=0)
        late = (await answer(api.url, f"/events?since={start + timedelta(minutes=59):%Y-%m-%dT%H:%M:%SZ}")).body
        assert json.loads(late)["total"] >= 120
        wire.send(b"HEAD /count HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await wire.reply(to_head=True)
        assert head is not None
        assert head.status == 200
        shown = parsedate_to_datetime(head.headers["date"])
        assert timedelta() <= datetime.now(UTC) - shown <= timedelta(seconds=60)
        wire.get("/count")
        assert (await wire.reply() or head).body
