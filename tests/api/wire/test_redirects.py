"""Redirects stay at home, and credentials with them (G7)."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest

from haulier.api.answers.judgement import judge
from haulier.api.errors import Action, Fault
from haulier.api.http.transport import Request, TransportError
from haulier.api.identity.auth import Bearer
from haulier.api.wire.aiohttp_transport import AiohttpTransport
from haulier.api.wire.redirects import origin_of
from haulier.errors import UsageError
from tests.api.wire.raw_server import Answer, RawServer, Seen, http, raw_server
from tests.api.wire.wire import fault_of, get, transport_to

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def to(location: str, status: str = "302 Found") -> Answer:
    return [http(b"moved", f"Location: {location}", status=status)]


OK: Answer = [http(b"{}")]


@pytest.mark.parametrize("status", ["301 X", "302 X", "303 X", "307 X", "308 X"])
@pytest.mark.parametrize("location", ["/b?page=2", "b?page=2", "{url}/b?page=2", "//{host}/b?page=2"])
async def test_a_redirect_to_the_same_origin_is_followed_with_the_credentials(location: str, status: str) -> None:
    """Failures, `301/302/307/308 same origin`: followed, and the answer says where it came from."""

    def answer(seen: Seen) -> Answer:
        where = location.format(url=server.url, host=f"127.0.0.1:{server.port}")
        return to(where, status) if seen.target == "/a" else OK

    async with (
        raw_server(by=answer) as server,
        transport_to(server, auth=Bearer("canary"), headers=(("X-Tenant", "t"),)) as transport,
    ):
        response = await get(transport, server, "/a")
    assert (response.status, response.url) == (200, f"{server.url}/b?page=2")
    assert server.requests[1].headers["Authorization"] == "Bearer canary"
    assert server.requests[1].headers["X-Tenant"] == "t"
    assert server.connections == 1


async def test_nothing_goes_to_another_origin() -> None:
    """Failures, `other origin`, Bodies, `cross-host redirect`: POISON, and not even a bare request is sent there
    (G7)."""
    async with (
        raw_server(OK) as other,
        raw_server(to(f"{other.url}/steal?token=canary-2")) as server,
        transport_to(server, auth=Bearer("canary")) as transport,
    ):
        fault = await fault_of(transport, server)
    assert fault.kind is Fault.REDIRECT
    assert judge(fault, now=NOW).action is Action.POISON
    assert other.connections == 0
    assert "canary" not in fault.text


@pytest.mark.parametrize(
    "location",
    [
        "https://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://127.0.0.1/",
        "http://user:pass@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}@evil.example/",
        "http://127.0.0.1:99999/",
        "//evil.example/",
        "\\\\evil.example/",
        "javascript:alert(1)",
        "ftp://127.0.0.1:{port}/",
        "http://[::1/",
    ],
)
async def test_whatever_is_not_the_same_scheme_host_and_port_is_another_origin(location: str) -> None:
    """G7: a redirect is untrusted input; only the very same origin is followed."""

    def answer(seen: Seen) -> Answer:
        return to(location.format(port=server.port)) if seen.target == "/" else OK

    async with raw_server(by=answer) as server, transport_to(server) as transport:
        if location.startswith("\\"):  # A path to everybody but browsers.
            assert (await get(transport, server)).url == f"{server.url}/%5C%5Cevil.example/"
        else:
            assert (await fault_of(transport, server)).kind is Fault.REDIRECT
            assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("http://127.0.0.1:1/items?token=canary", "http://127.0.0.1:1/items;"),
        ("http://127.0.0.1/items#canary", "http://127.0.0.1/items;"),
        ("https://me:canary@login.example/sso/start;s=canary", "https://login.example/sso/start;"),
        (f"http://login.example:8443/{'canary' * 8}/in", "http://login.example:8443/.../in;"),
    ],
)
async def test_g7_a_refused_redirect_names_both_addresses(location: str, said: str) -> None:
    """G7: port and path tell a person what to correct; credentials, queries and what looks like a token stay out."""
    async with raw_server(to(location)) as server, transport_to(server) as transport:
        fault = await fault_of(transport, server)
    assert f"a redirect leads from {server.url} to another origin, {said} nothing was sent there" in fault.text
    assert "canary" not in fault.text


async def test_a_redirect_loop_ends() -> None:
    """Bodies, `redirect loop`: five are followed, the sixth is a fault and the item poison."""
    async with raw_server(to("/")) as server, transport_to(server) as transport:
        fault = await fault_of(transport, server)
    assert judge(fault, now=NOW).action is Action.POISON
    assert len(server.requests) == 6


async def test_five_redirects_are_followed() -> None:
    """The cap is on a circle, not on an API that moved a few times."""
    async with raw_server(*[to(f"/{n}") for n in range(5)], OK) as server, transport_to(server) as transport:
        assert (await get(transport, server)).status == 200


async def hops_of(transport: AiohttpTransport, server: RawServer, target: str) -> list[int]:
    """For each hop of a GET: how many requests of it had come when the hop was announced."""
    before, hops = len(server.requests), list[int]()

    async def before_follow_up() -> None:
        hops.append(len(server.requests) - before)

    url = target if target.startswith("http:") else server.url + target
    with contextlib.suppress(TransportError):
        await transport.send(Request("GET", url).replace(before_follow_up=before_follow_up))
    return hops


async def test_g5_a_hop_that_may_not_be_sent_is_not_sent() -> None:
    """G5: what counts the requests refuses the second of them. Its error comes out as it is."""

    async def before_follow_up() -> None:
        raise UsageError("spent")

    async with raw_server(to("/b"), OK) as server, transport_to(server) as transport:
        with pytest.raises(UsageError, match="spent"):
            await transport.send(Request("GET", server.url + "/a").replace(before_follow_up=before_follow_up))
        assert len(server.requests) == 1


async def test_g5_hops_are_counted() -> None:
    """G5: each redirect is a request of its own to the API, which its limits count before it is sent; so are those that
    lead to no answer."""
    ways = {
        "/a": to("/b"),
        "/b": to("/c"),
        "/loop": to("/loop"),
        "/away": to("/off"),
        "/off": to("http://x.example/"),
        "/to-slow": to("/slow"),
        "/slow": [5.0],
    }
    by = lambda seen: ways.get(seen.target, OK)  # noqa: E731
    async with raw_server(by=by) as server, transport_to(server, first_byte_timeout_seconds=0.2) as transport:
        assert [await hops_of(transport, server, target) for target in ("/c", "/b", "/a")] == [[], [1], [1, 2]]
        assert len(server.requests) == 1 + 2 + 3
        found = [await hops_of(transport, server, target) for target in ("/loop", "/away", "/to-slow")]
        assert found == [[1, 2, 3, 4, 5], [1], [1]]
        assert len(server.requests) == 1 + 2 + 3 + 6 + 2 + 2
        assert await hops_of(transport, server, "http://x.example/") == []


async def test_g5_hops_are_counted_where_time_runs_out() -> None:
    """G5: the deadline of a request ends it in mid-way; what was sent by then was sent."""
    async with (
        raw_server(to("/b"), [5.0]) as server,
        transport_to(server, request_timeout_seconds=0.3) as transport,
    ):
        assert await hops_of(transport, server, "/") == [1]


@pytest.mark.parametrize(("status", "method"), [("307 X", "POST"), ("308 X", "POST"), ("303 X", "GET")])
async def test_a_post_is_redirected_as_the_status_says(status: str, method: str) -> None:
    """RFC 9110 15.4: 307 and 308 keep method and body, 303 asks for a GET."""
    async with raw_server(to("/b", status), OK) as server, transport_to(server) as transport:
        await transport.send(Request("POST", server.url, (("Content-Type", "application/json"),), b"{}"))
    moved = server.requests[1]
    assert moved.method == method
    assert moved.body == (b"{}" if method == "POST" else b"")
    assert ("Content-Type" in moved.headers) is (method == "POST")


@pytest.mark.parametrize("status", ["301 X", "302 X"])
async def test_a_post_is_not_turned_into_a_get(status: str) -> None:
    """The answer to another question is not data."""
    async with raw_server(to("/b", status), OK) as server, transport_to(server) as transport:
        with pytest.raises(TransportError) as caught:
            await transport.send(Request("POST", server.url, (), b"{}"))
    assert caught.value.kind is Fault.REDIRECT
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://evil.example/", "file:///etc/passwd", "/relative", "x", "http://a:b@{host}/"]
)
async def test_a_request_to_another_origin_is_refused_unsent(url: str) -> None:
    """G7: next links and processors may name any address; only the API's own is asked."""
    async with raw_server(OK) as server, transport_to(server) as transport:
        with pytest.raises(TransportError) as caught:
            await transport.send(Request("GET", url.replace("{host}", f"127.0.0.1:{server.port}")))
        assert caught.value.kind is Fault.REDIRECT
        assert server.connections == 0


async def test_a_redirect_without_an_address_is_an_answer_like_others() -> None:
    """It is not followed anywhere, and its status judges it: poison."""
    async with raw_server([http(status="302 Found")]) as server, transport_to(server) as transport:
        response = await get(transport, server)
    assert response.status == 302
    assert judge(response, now=NOW).action is Action.POISON


def test_one_origin_may_be_written_in_many_ways() -> None:
    """RFC 6454: case, default ports and the two spellings of an international name make no other origin."""
    assert origin_of("HTTPS://API.Example.com:443/x") == origin_of("https://api.example.com")
    assert origin_of("http://bücher.example/") == origin_of("http://xn--bcher-kva.example:80")
    assert origin_of("http://api.example.com") != origin_of("https://api.example.com")
    assert origin_of("http://a@api.example.com") is None


async def test_what_no_request_can_carry_is_not_sent() -> None:
    """A page token with a line end in it is the API's mistake, and no way to write a header of its own."""
    async with raw_server(OK) as server, transport_to(server) as transport:
        with pytest.raises(TransportError) as caught:
            await get(transport, server, "/", ("X-Cursor", "a\r\nX-Evil: 1"))
    assert judge(caught.value, now=NOW).action is Action.POISON
    assert server.requests == []


@pytest.mark.parametrize(
    ("asked", "location", "lost"),
    [
        ("/a?x=1&y=2", "/b", "`x` and `y`"),
        ("/a?x=1&y=2", "?y=2", "`x`"),
        ("/a?x=1&x=2", "/a/?x=1", "`x`"),
        ("/a?x%5B%5D=1", "/a/", "`x[]`"),
        ("/a?deleted", "/a/", "`deleted`"),
        ("/a?x=1", "/a/?x=", "`x`"),
        ("/a?x=canary", "/a/#x=canary", "`x`"),
        (f"/a?{'n' * 99}=1", "/a/", "`...`"),
    ],
)
async def test_what_a_redirect_leaves_out_of_the_query_is_named(asked: str, location: str, lost: str) -> None:
    """A list without its filter is another list. Names are said, values never are."""

    def answer(seen: Seen) -> Answer:
        return to(location) if seen.target == asked else OK

    async with raw_server(by=answer) as server, transport_to(server) as transport:
        fault = await fault_of(transport, server, asked)
    assert fault.kind is Fault.REDIRECT
    assert f"drops {lost} " in fault.text
    assert "canary" not in fault.text


@pytest.mark.parametrize(
    ("asked", "location"),
    [
        ("/a?x=1&y=2", "/b?y=2&x=1&z=3"),
        ("/a?from=2026-01-01T00:00:00Z", "/b?from=2026-01-01T00%3A00%3A00%2B00%3A00"),
        ("/a?fromId=1", "/a?fromid=1"),
        ("/a?x=", "/b?x"),
        ("/a", "/b"),
    ],
)
async def test_what_a_redirect_keeps_in_its_own_way_is_kept(asked: str, location: str) -> None:
    """Order, case and spelling are the server's."""

    def answer(seen: Seen) -> Answer:
        return to(location) if seen.target == asked else OK

    async with raw_server(by=answer) as server, transport_to(server) as transport:
        assert (await get(transport, server, asked)).status == 200


@pytest.mark.parametrize("status", ["301 X", "302 X", "303 X", "307 X", "308 X"])
async def test_no_status_makes_a_lost_query_good(status: str) -> None:
    """What a server means by its status is no proof that the list is the one that was asked for."""
    async with raw_server(to("/b", status), OK) as server, transport_to(server) as transport:
        assert (await fault_of(transport, server, "/a?x=1")).kind is Fault.REDIRECT


async def test_only_the_end_of_a_chain_counts() -> None:
    """A gateway may lead through a page of its own, and back with all that was asked for."""
    async with raw_server(to("/gate"), to("/a?x=1&gate=ok"), OK) as server, transport_to(server) as transport:
        assert (await get(transport, server, "/a?x=1")).status == 200


@pytest.mark.parametrize(
    "answer",
    [
        [http(b"{}", status="503 Down")],
        [http(b"<html>We are back soon</html>", "Content-Type: text/html", status="200 OK")],
    ],
)
async def test_a_redirect_to_what_is_no_data_is_judged_by_what_came(answer: Answer) -> None:
    """A page for maintenance is no wrong path: items wait, as they do without the redirect."""
    async with raw_server(to("/maintenance"), answer) as server, transport_to(server) as transport:
        assert (await get(transport, server, "/a?x=1")).body in (b"{}", b"<html>We are back soon</html>")


@pytest.mark.parametrize(("location", "is_followed"), [("/results/7", True), ("/search", False), ("/search/", False)])
async def test_a_303_of_a_post_leads_to_its_answer(location: str, *, is_followed: bool) -> None:
    """An address of its own is the answer to what was posted; the same path again is the list without the body."""
    async with raw_server(to(location, "303 X"), OK) as server, transport_to(server) as transport:
        request = Request("POST", f"{server.url}/search?v=1", (("Content-Type", "application/json"),), b'{"x":1}')
        if is_followed:
            assert (await transport.send(request)).status == 200
            return
        with pytest.raises(TransportError) as caught:
            await transport.send(request)
    assert "drops the body of the POST" in caught.value.text
