"""Who we are to an API, and that nobody else learns it (G7)."""

from __future__ import annotations

import pytest
from tests.api_wire.raw_server import http, raw_server
from tests.api_wire.wire import get, transport_to

from haulier.api.auth import Bearer, Secret, env
from haulier.api.redactor import Redactor
from haulier.errors import UsageError


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
    """4.1 `401`: a fixed token is not sent twice."""
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
    assert repr(env("NAME", "canary")) == "Secret(name='NAME')"
    assert env("NAME") == Secret("NAME")
