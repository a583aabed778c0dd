"""Each row of the tables Waits and Vendors: what an API says of its limits, over a real socket, and how
long nobody asks it then (G5).

`test_retry_after.py` and `test_ratelimit_headers.py` read the same headers by themselves, in all their shades.
"""

from __future__ import annotations

import asyncio
import email.utils
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from haulier.api.client import Total
from haulier.api.errors import Action
from haulier.api.paging.cursors import Seek
from haulier.errors import UsageError
from haulier.testing.clock import FakeClock
from tests.api.wire.door import CURSOR, GOOD, door, page, status
from tests.api.wire.raw_server import Answer, http

BUSY = "429 Too Many Requests"
DENIED = "403 Forbidden"
DOWN = "503 Service Unavailable"


@dataclass(frozen=True)
class Row:
    """A row, or a shade of one: what is said, and for how many seconds nobody asks again at least."""

    row: str
    said: Answer
    seconds: float
    shade: str = ""
    is_pause: bool = True
    """It speaks to everybody, and not to this request alone."""

    def __str__(self) -> str:
        return f"{self.row}, {self.shade}" if self.shade else self.row


def gmt(seconds: float) -> str:
    """An HTTP-date at a time of the server's own, whose clock is off by years."""
    return email.utils.formatdate(1_000_000_000 + seconds, usegmt=True)


RETRY_AFTER = "Retry-After"
RATE_LIMIT = "RateLimit / RateLimit-Policy"
X_RATE_LIMIT = "X-RateLimit-*"
SECONDARY = b'{"message":"You have exceeded a secondary rate limit."}'
DATAVERSE = b'{"error":{"code":"0x80072322","message":"Number of requests exceeded the limit of 6000"}}'
GENERIC = "ServiceNow, GitLab, Okta ..."

ROWS = [
    Row(RETRY_AFTER, status(BUSY, b"", "Retry-After: 3"), 3, "seconds"),
    Row(RETRY_AFTER, status(BUSY, b"", "Retry-After: 2.2"), 3, "fractions up"),
    Row(RETRY_AFTER, status(BUSY, b"", f"Date: {gmt(0)}", f"Retry-After: {gmt(5)}"), 5, "a date, by their own clock"),
    Row(RETRY_AFTER, status(BUSY, b"", "Retry-After: -1"), 0, "negative is 0"),
    Row(RETRY_AFTER, status(BUSY, b"", "Retry-After: 120s"), 1, "unparseable is missing", is_pause=False),
    Row(RETRY_AFTER, status(BUSY, b"", "Retry-After: 60, 60"), 1, "twice is missing", is_pause=False),
    Row(RATE_LIMIT, status(BUSY, b"", 'RateLimit: "default";r=0;t=4'), 4, "the draft's syntax"),
    Row(RATE_LIMIT, status(BUSY, b"", "RateLimit: limit=100, remaining=0, reset=4"), 4, "the older syntax"),
    Row(RATE_LIMIT, status(BUSY, b"", 'RateLimit: "a";r=0;t=9', "Retry-After: 3"), 3, "Retry-After wins"),
    Row(RATE_LIMIT, status(BUSY, b"", 'RateLimit: "a";r=;;t=9'), 1, "malformed is ignored", is_pause=False),
    Row(RATE_LIMIT, status(BUSY, b"", 'RateLimit: "a";r=0;t=9', "Age: 5"), 1, "cached is ignored", is_pause=False),
    Row(X_RATE_LIMIT, status(BUSY, b"", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 4"), 4, "delta s"),
    Row(
        X_RATE_LIMIT,
        status(BUSY, b"", f"Date: {gmt(0)}", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 1000000004"),
        4,
        "epoch s",
    ),
    Row(
        X_RATE_LIMIT,
        status(BUSY, b"", f"Date: {gmt(0)}", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 1000000004000"),
        4,
        "epoch ms",
    ),
    Row(
        X_RATE_LIMIT,
        status(BUSY, b"", f"Date: {gmt(0)}", "X-RateLimit-Remaining: 0", f"X-RateLimit-Reset: {gmt(4)}"),
        4,
        "HTTP-date",
    ),
    Row(
        X_RATE_LIMIT,
        status(BUSY, b"", f"Date: {gmt(0)}", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 2001-09-09T01:46:44Z"),
        4,
        "RFC 3339",
    ),
    Row("GitHub", status(DENIED, b"{}", "retry-after: 3"), 3, "403 with retry-after"),
    Row("GitHub", status(DENIED, b"{}", "x-ratelimit-remaining: 0", "x-ratelimit-reset: 3"), 3, "403, none remaining"),
    Row("GitHub", status(DENIED, SECONDARY), 60, "403 whose body says secondary limit"),
    Row("GitHub", status(BUSY, SECONDARY, "retry-after: 3"), 3, "429"),
    Row("Microsoft Graph", status(BUSY, b'{"error":{"code":"TooManyRequests"}}', "Retry-After: 3"), 3),
    Row("Dataverse", status(BUSY, DATAVERSE, "Retry-After: 3"), 3),
    Row("Azure services", status(DOWN, b"", "retry-after-ms: 2500", "Retry-After: 60"), 3, "ms first"),
    Row("Azure services", status(BUSY, b"", "x-ms-retry-after-ms: 2500"), 3, "x-ms"),
    Row("Azure services", status(DOWN), 0, "503 without any is an error", is_pause=False),
    Row(
        "HubSpot",
        status(BUSY, b"", "X-HubSpot-RateLimit-Secondly-Remaining: 0", "X-HubSpot-RateLimit-Remaining: 0"),
        1,
        "without a reset",
        is_pause=False,
    ),
    Row("HubSpot", status(BUSY, b"", "X-HubSpot-RateLimit-Daily-Remaining: 7", "Retry-After: 10"), 10, "10 s window"),
    Row("Shopify", status(BUSY, b"", "Retry-After: 2.0", "X-Shopify-Shop-Api-Call-Limit: 40/40"), 2),
    Row("Zendesk", status(BUSY, b"", "Retry-After: 6", "X-Rate-Limit-Remaining: 0"), 6),
    Row("Atlassian", status(BUSY, b"", "RateLimit-Reason: jira-burst-based", "Retry-After: 2"), 2, "429"),
    Row("Atlassian", status(DOWN, b"", "Retry-After: 2"), 2, "503 with Retry-After"),
    Row("Atlassian", status("502 Bad Gateway", b"", "Retry-After: 2"), 2, "5xx with Retry-After", is_pause=False),
    Row("Stripe", status(BUSY, b'{"error":{"code":"lock_timeout"}}'), 1, "concurrency limiter", is_pause=False),
    Row("Salesforce", status(DENIED, b'[{"errorCode":"REQUEST_LIMIT_EXCEEDED"}]'), 60),
    Row(GENERIC, status(BUSY, b"", "X-Rate-Limit-Remaining: 0", "X-Rate-Limit-Reset: 4"), 4, "Okta"),
    Row(GENERIC, status(BUSY, b"", "RateLimit-Remaining: 0", "RateLimit-Reset: 4"), 4, "GitLab"),
    Row(GENERIC, status(BUSY, b"", "X-RateLimit-Limit: 9", "Retry-After: 4"), 4, "ServiceNow"),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_nobody_asks_before_its_time(row: Row) -> None:
    """Waits, Vendors: the request is sent again when it may be, not earlier; nothing is lost, and nothing fails."""
    async with door(page([1, 2], "a"), row.said, GOOD) as api:
        assert [record["id"] for record in await api.records()] == [1, 2, 3]
        assert len(api.asked_at) == 3
        assert api.asked_at[2] - api.asked_at[1] >= row.seconds


@pytest.mark.parametrize("row", [row for row in ROWS if row.is_pause and row.seconds], ids=str)
async def test_everybody_waits(row: Row) -> None:
    """Vendors, Microsoft Graph: `stop ALL requests of the scope, not only the failed one`."""
    clock = FakeClock()
    async with door(row.said, GOOD, clock=clock) as api:
        first = asyncio.ensure_future(api.records())
        while api.client.scope.pause_seconds_left == 0.0:
            await asyncio.sleep(0.001)
        other = asyncio.ensure_future(api.records())
        await clock.run_for(row.seconds - 0.5)
        assert len(api.asked_at) == 1
        while not (first.done() and other.done()):
            await clock.run_for(0.5)
            await asyncio.sleep(0.001)
        assert await first == await other == [{"id": 3}]


async def test_row_retry_after_of_over_15_minutes() -> None:
    """Waits, Retry-After: `> 15 min = hand the item back with a delay instead of holding it`; everybody waits."""
    async with door(status(BUSY, b"", "Retry-After: 1000")) as api:
        error = await api.error()
        assert (error.action, error.retry_after_seconds) == (Action.PAUSE, 1000)
        assert len(api.asked_at) == 1
        assert api.client.scope.pause_seconds_left > 0.0


async def test_row_retry_after_of_over_a_day() -> None:
    """Waits, Retry-After: `> 24 h = pause the source and tell the user`: the whole wait is kept, and said; nobody stays
    for it, neither who was refused nor who comes later."""
    async with door(status(BUSY, b"", f"Retry-After: {timedelta(days=3).total_seconds():.0f}")) as api:
        until = api.clock.now() + timedelta(days=3)
        for _ in range(2):
            with pytest.raises(UsageError) as caught:
                await api.records()
            said = re.search(r"wait until (\S+) \(status 429\), which is more than a day away", str(caught.value))
            assert said is not None
            assert abs(datetime.fromisoformat(said[1]) - until) < timedelta(seconds=5)
        assert isinstance(api.client.scope.refusal, UsageError)
        assert api.client.scope.pause_seconds_left > 0.0
        assert len(api.asked_at) == 1


async def test_row_ratelimit_nothing_left_under_a_good_answer() -> None:
    """Waits, RateLimit: `r=0` under a 200 holds the next request back before it is refused."""
    said = [http(b'{"rows":[{"id":1},{"id":2}],"next":"a"}', 'RateLimit: "default";r=0;t=5')]
    async with door(said, GOOD) as api:
        assert len(await api.records()) == 3
        assert api.asked_at[1] - api.asked_at[0] >= 5


async def test_row_shopify_seek_instead_of_page() -> None:
    """Vendors, Shopify, HubSpot: page offsets are slow or stop at 10,000; `since_id` goes on by key."""
    async with door(page([1, 2]), page([7]), page([])) as api:
        assert len(await api.records(Seek("id", query="since_id"))) == 3
        assert [seen.target for seen in api.server.requests] == ["/rows", "/rows?since_id=2", "/rows?since_id=7"]


async def test_row_hubspot_a_list_that_stops_at_10000_is_never_truncated() -> None:
    """Vendors, HubSpot: `filtered/sorted lists stop at 10,000`: with a declared cap the item is divided."""
    async with door(page([1, 2], "a", total=10_001)) as api:
        error = await api.error(CURSOR, total=Total("total", divide_above=10_000))
        assert error.action is Action.SPLIT
        assert len(api.asked_at) == 1
