"""Cookies of an item, by which some APIs pin a session. They leave neither item nor host, and are never shown (G7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from haulier.api.errors import ApiError
from haulier.api.http.cookies import MAX_COOKIES, ItemCookies
from haulier.api.paging.cursors import Cursor
from haulier.errors import UsageError
from tests.api.paging.rig import Asked, Reply, client_of, ids_of, rows, serving

NOW = datetime(2026, 11, 30, tzinfo=UTC)
PAGE = "https://api.test/v1/items"
PAGES = Cursor("next", query="cursor")


def sent(*lines: str, url: str = PAGE, origin: str = PAGE, after: timedelta = timedelta()) -> str:
    cookies = ItemCookies()
    cookies.take(origin, lines, NOW)
    return cookies.header(url, NOW + after)


@pytest.mark.parametrize(
    ("lines", "url", "seconds", "header"),
    [
        (["a=1"], PAGE, 0, "a=1"),
        (["a=1; Path=/; HttpOnly; SameSite=Lax", 'b="x,y"'], "https://api.test/v1/more", 0, 'b="x,y"; a=1'),
        (["a=1", "a=2"], PAGE, 0, "a=2"),
        (["a=1=2", "b="], PAGE, 0, "a=1=2; b="),
        (["a=1"], "https://api.test/v2/items", 0, ""),
        (["a=1; Path=/v1/items"], "https://api.test/v1/items/2", 0, "a=1"),
        (["a=1; Path=/v1/items"], "https://api.test/v1/items2", 0, ""),
        (["a=1; Path=relative"], "https://api.test/v1/x", 0, "a=1"),
        (["a=1; Secure; Path=/"], "http://api.test/v1/items", 0, ""),
        (["a=1; Max-Age=60"], PAGE, 59, "a=1"),
        (["a=1; Max-Age=60"], PAGE, 60, ""),
        (["a=1; Max-Age=999999999999999999"], PAGE, 60, "a=1"),
        (["a=1", "a=; Max-Age=0"], PAGE, 0, ""),
        (["a=1", "a=; Max-Age=-1; Expires=Fri, 01 Jan 2100 00:00:00 GMT"], PAGE, 0, ""),
        (["a=1; Expires=Mon, 30 Nov 2026 00:01:00 GMT"], PAGE, 59, "a=1"),
        (["a=1; Expires=Mon, 30-Nov-2026 00:01:00 GMT"], PAGE, 60, ""),
        (["a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], PAGE, 0, ""),
        (["a=1; Expires=soon; Max-Age=later"], PAGE, 99, "a=1"),
        (
            ["a=1; Domain=api.test", "b=2; Domain=.test", "c=3; Domain=other.test", "d=4; Domain=pi.test"],
            PAGE,
            0,
            "a=1; b=2",
        ),
        (["=1", "alone", "", "a=1\r\nX: y", "b=ä", f"c={'x' * 5000}"], PAGE, 0, ""),
    ],
)
def test_what_is_sent(lines: list[str], url: str, seconds: int, header: str) -> None:
    """Path, expiry, `Secure` and `Domain` as RFC 6265 has them; what cannot be read is left out."""
    assert sent(*lines, url=url, after=timedelta(seconds=seconds)) == header


def test_the_oldest_go() -> None:
    """G9: an API that sets a new cookie with each page fills no memory."""
    header = sent(*(f"c{number}=1" for number in range(3 * MAX_COOKIES)))
    assert header.count("=") == MAX_COOKIES
    assert f"c{3 * MAX_COOKIES - 1}=1" in header


class Pinned:
    """Two servers behind a balancer: each knows the cursors of its own lists alone. The balancer pins by a redirect."""

    def __init__(self, *, redirects: bool = False) -> None:
        self.pins: list[str] = []
        self._redirects = redirects

    def answer(self, asked: Asked) -> Reply:
        cookie = asked.headers.get("Cookie", "")
        start = asked.number("cursor")
        if not cookie:
            if start:
                return Reply({"error": "this server does not know the cursor"}, 410)
            self.pins.append(f"s3cret{len(self.pins)}")
            headers = (("Set-Cookie", f"pin={self.pins[-1]}; Path=/; HttpOnly"),)
            if self._redirects:
                return Reply({}, 302, (*headers, ("Location", asked.target)))
            return Reply({"rows": rows(0, 2), "next": 2}, headers=headers)
        assert cookie in [f"pin={pin}" for pin in self.pins]
        return Reply({"rows": rows(start, min(start + 2, 5)), "next": start + 2 if start < 4 else None})


@pytest.mark.parametrize("redirects", [False, True], ids=["with the first page", "by a redirect"])
async def test_each_item_keeps_its_own(redirects: bool) -> None:
    """G7: a session's cookie goes with all pages of its item, also over a redirect, and with no page of another item;
    no request that is shown has it."""
    api = Pinned(redirects=redirects)
    async with serving(api.answer) as server, client_of(server.url, cookies="item") as client:
        for _ in range(2):
            item = client.session()
            assert await ids_of(item.pages("/items", pages=PAGES, records="rows")) == [0, 1, 2, 3, 4]
            assert "s3cret" not in repr(item.usage.last_request)
            assert item.usage.last_request is not None
            assert "Cookie" not in dict(item.usage.last_request.headers)
    assert len(api.pins) == 2


async def test_undeclared_they_are_dropped() -> None:
    """The list fails with the API's own words, and no value of a cookie in them."""
    async with serving(Pinned().answer) as server, client_of(server.url) as client:
        with pytest.raises(ApiError, match="does not know the cursor") as caught:
            await ids_of(client.session().pages("/items", pages=PAGES, records="rows"))
    assert "s3cret" not in str(caught.value)
    assert all("Cookie" not in asked.headers for asked in server.requests)


async def test_they_stand_beside_a_declared_cookie() -> None:
    """What the source declares is sent with every request."""

    def answer(asked: Asked) -> Reply:
        start = asked.number("cursor")
        return Reply(
            {"rows": rows(start, start + 1), "next": 1 if not start else None},
            headers=(("Set-Cookie", "pin=1"), ("Set-Cookie", "other=2")),
        )

    async with (
        serving(answer) as server,
        client_of(server.url, cookies="item", headers=(("Cookie", "tenant=acme"),)) as client,
    ):
        assert await ids_of(client.session().pages("/items", pages=PAGES, records="rows")) == [0, 1]
    assert [asked.headers["Cookie"] for asked in server.requests] == ["tenant=acme", "tenant=acme; pin=1; other=2"]


async def test_a_wrong_word() -> None:
    with pytest.raises(UsageError, match="cookies is 'all'; write 'item', or leave it out"):
        async with client_of("http://api.test", cookies="all"):
            pass
