"""Who we are to an API, and that nobody else learns it (G7)."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from haulier.api.http.redactor import MASK, Redactor
from haulier.api.http.transport import Request, Response
from haulier.api.identity.auth import ApiKey, Basic, Bearer, Secret, env
from haulier.api.identity.shared_token import TokenFile
from haulier.clock import SystemClock
from haulier.errors import UsageError
from tests.api.wire.raw_server import http, raw_server
from tests.api.wire.wire import get, transport_to


async def nobody(request: Request) -> Response:
    raise AssertionError("no token is fetched here")


async def test_a_bearer_token_goes_with_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read from the environment when the client is opened, and known to the redactor from then on."""
    monkeypatch.setenv("ASSETS_TOKEN", "canary-42\n")
    redactor = Redactor()
    async with (
        raw_server([http(b"{}")]) as server,
        transport_to(server, auth=Bearer(env("ASSETS_TOKEN")), redactor=redactor) as transport,
    ):
        monkeypatch.setenv("ASSETS_TOKEN", "another")
        await get(transport, server)
        await get(transport, server)
    assert [seen.headers.getall("Authorization") for seen in server.requests] == [["Bearer canary-42"]] * 2
    assert redactor.redact("canary-42") == "***"


async def test_another_prefix_is_sent_as_declared() -> None:
    """Some APIs say `token` or `ApiKey` where others say `Bearer`."""
    async with (
        raw_server([http(b"{}")]) as server,
        transport_to(server, auth=Bearer("x", prefix="ApiKey")) as transport,
    ):
        await get(transport, server)
    assert server.requests[0].headers["Authorization"] == "ApiKey x"


async def test_the_sources_credentials_win_over_a_requests_own() -> None:
    """A processor that passes on a header of its own does not double it."""
    async with (
        raw_server([http(b"{}")]) as server,
        transport_to(server, auth=Bearer("right")) as transport,
    ):
        await get(transport, server, "/", ("authorization", "Bearer wrong"))
    assert server.requests[0].headers.getall("Authorization") == ["Bearer right"]


async def test_a_401_that_nothing_can_renew_is_the_answer() -> None:
    """Failures, `401`: a fixed token is not sent twice."""
    async with (
        raw_server([http(b"{}", status="401 Unauthorized")]) as server,
        transport_to(server, auth=Bearer("old")) as transport,
    ):
        assert (await get(transport, server)).status == 401
    assert len(server.requests) == 1


async def test_a_missing_variable_is_named_before_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which variable to set; nothing was sent."""
    monkeypatch.delenv("ASSETS_TOKEN", raising=False)
    with pytest.raises(UsageError, match="ASSETS_TOKEN"):
        async with transport_to("http://127.0.0.1:1", auth=Bearer(env("ASSETS_TOKEN"))):
            pass


def test_a_default_serves_where_the_variable_is_not_set_or_empty() -> None:
    """As `${NAME:-default}` does in a source file and a shell."""
    assert env("X", "fallback").reveal({}) == "fallback"
    assert env("X", "fallback").reveal({"X": ""}) == "fallback"
    assert env("X", "fallback").reveal({"X": "set"}) == "set"
    with pytest.raises(UsageError):
        env("X").reveal({"X": ""})


@pytest.mark.parametrize("token", ["", " ", "a\nb", "tökén", "a\x00b"])
async def test_a_token_that_no_header_may_carry_is_refused_unshown(token: str) -> None:
    """G7: and its value is not in the message."""
    with pytest.raises(UsageError) as caught:
        async with transport_to("http://127.0.0.1:1", auth=Bearer(token)):
            pass
    assert not token.strip() or token not in str(caught.value)


def test_no_secret_is_in_a_repr() -> None:
    """G7: declarations and secrets may stand in any log line."""
    assert repr(Bearer("canary")) == "Bearer(prefix='Bearer')"
    assert "canary" not in repr([Basic("canary", "canary"), ApiKey("canary", header="X"), ApiKey("canary", query="q")])
    assert repr(env("NAME", "canary")) == "Secret(name='NAME')"
    assert env("NAME") == Secret("NAME")


async def test_basic_is_sent_in_utf8() -> None:
    """RFC 7617, user and password of any letters; the redactor knows it in base64 too."""
    redactor = Redactor()
    async with (
        raw_server([http(b"{}")]) as server,
        transport_to(server, auth=Basic("ünal", "canäry:1"), redactor=redactor) as transport,
    ):
        await get(transport, server)
    sent = server.requests[0].headers["Authorization"]
    assert base64.b64decode(sent.removeprefix("Basic ")).decode() == "ünal:canäry:1"
    assert redactor.redact(f"{sent} / canäry:1") == f"Basic {MASK} / {MASK}"


async def test_a_key_in_a_header_has_its_own_name() -> None:
    """With or without a prefix; whatever is said of that header later is masked."""
    redactor = Redactor()
    async with raw_server([http(b"{}")]) as server:
        async with transport_to(server, auth=ApiKey("canary", header="Ocp-Key"), redactor=redactor) as transport:
            await get(transport, server, "/", ("ocp-key", "other"))
        async with transport_to(server, auth=ApiKey("canary", header="X-Auth", prefix="Key")) as transport:
            await get(transport, server)
    assert server.requests[0].headers.getall("Ocp-Key") == ["canary"]
    assert server.requests[1].headers["X-Auth"] == "Key canary"
    assert redactor.redact("ocp-key: anything") == f"ocp-key: {MASK}"


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ("/", "/?api%20key=c%26n"),
        ("/a?page=2", "/a?page=2&api%20key=c%26n"),
        ("/a?sig=%2f%2F&q=a+b", "/a?sig=%2f%2F&q=a+b&api%20key=c%26n"),
        ("/a?api+key=old&page=2&api%20key=older", "/a?page=2&api%20key=c%26n"),
        ("/a?api%20key=c%26n", "/a?api%20key=c%26n"),
        ("/a?", "/a?api%20key=c%26n"),
    ],
)
async def test_a_key_in_the_query_is_on_every_address_once(target: str, sent: str) -> None:
    """Re-added to links that omit it, once where they have it; everything else stays byte for byte."""
    async with (
        raw_server([http(b"{}")]) as server,
        transport_to(server, auth=ApiKey("c&n", query="api key")) as transport,
    ):
        answer = await get(transport, server, target)
    assert server.requests[0].target == sent
    assert "c%26n" not in answer.url


async def test_a_key_in_the_query_survives_a_redirect_and_leaves_no_trace() -> None:
    """G7: put on anew for each hop, even where the API's own Location repeats or drops it; out of the address that is
    handed on."""
    redactor = Redactor()
    moves = [[http(b"", f"Location: {where}", status="302 X")] for where in ("/b", "/c?key=canary&x=1")]
    async with (
        raw_server(*moves, [http(b"{}")]) as server,
        transport_to(server, auth=ApiKey("canary", query="key"), redactor=redactor) as transport,
    ):
        answer = await get(transport, server, "/a")
    assert [seen.target for seen in server.requests] == ["/a?key=canary", "/b?key=canary", "/c?x=1&key=canary"]
    assert answer.url == f"{server.url}/c?x=1"
    assert redactor.redact("GET /c?x=1&key=canary and /d?KEY=other") == f"GET /c?x=1&key={MASK} and /d?KEY={MASK}"


@pytest.mark.parametrize(
    "places", [{}, {"header": "X", "query": "q"}, {"header": "a b"}, {"query": "q", "prefix": "Key"}]
)
def test_a_key_without_one_place_is_refused(places: dict[str, Any]) -> None:
    """In words, before the first request."""
    with pytest.raises(UsageError):
        ApiKey("k", **places)


def test_a_user_name_with_a_colon_is_refused() -> None:
    """RFC 7617: the API would read another name and another password."""
    with pytest.raises(UsageError, match="colon"):
        Basic("a:b", "c").open(nobody, SystemClock(), Redactor(), TokenFile())


async def test_secret_headers_of_the_source_are_known_to_the_redactor() -> None:
    """G7: people put keys into plain headers; what is no secret there stays readable."""
    redactor = Redactor()
    headers = (("X-Custom-Token", "canary-1"), ("Accept-Language", "en-GB"))
    async with transport_to("http://127.0.0.1:1", headers=headers, redactor=redactor):
        assert redactor.redact("canary-1 en-GB") == f"{MASK} en-GB"


def test_a_line_end_behind_a_variable_is_no_part_of_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of secrets end with one, and a password with it is a wrong one. A space may be a part of it."""
    for kept, value in (("pa ss ", "pa ss \r\n"), ("x", "x\n")):
        monkeypatch.setenv("PASSWORD", value)
        assert env("PASSWORD").reveal() == kept
    monkeypatch.setenv("PASSWORD", "\n")
    assert env("PASSWORD", "default").reveal() == "default"
    with pytest.raises(UsageError, match="PASSWORD is not set"):
        env("PASSWORD").reveal()
