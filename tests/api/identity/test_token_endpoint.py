"""The habits of token endpoints: what they are told, where their tokens stand, and how those go to the API (G7)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from haulier.api.http.redactor import Redactor
from haulier.api.identity.auth import Auth
from haulier.api.identity.oauth2 import ClientCredentials
from haulier.api.wire.aiohttp_transport import AiohttpTransport
from haulier.errors import UsageError
from haulier.testing.clock import FakeClock
from tests.api.wire.raw_server import Answer, RawServer, Seen, http, raw_server
from tests.api.wire.wire import fault_of, get, transport_to


@dataclass
class Scene:
    """An issuer of ``canary-token-N``, and an API that accepts the newest in ``header``."""

    answer: Callable[[str], tuple[Any, str, tuple[str, ...]]]
    """Body, status and headers for a token."""
    header: str = "Authorization"
    prefix: str = "Bearer "
    clock: FakeClock = field(default_factory=FakeClock)
    redactor: Redactor = field(default_factory=Redactor)
    issued: int = 0
    issuer: RawServer = field(init=False)
    api: RawServer = field(init=False)
    transport: AiohttpTransport = field(init=False)

    def issue(self, seen: Seen) -> Answer:
        self.issued += 1
        body, status, headers = self.answer(f"canary-token-{self.issued}")
        return [http(json.dumps(body).encode(), *headers, status=status)]

    def serve(self, seen: Seen) -> Answer:
        is_good = seen.headers.get(self.header) == f"{self.prefix}canary-token-{self.issued}"
        return [http(b"{}", status="200 OK" if is_good else "401 Unauthorized")]

    async def get(self) -> int:
        return (await get(self.transport, self.api)).status

    @property
    def told(self) -> Seen:
        return self.issuer.requests[-1]


@contextlib.asynccontextmanager
async def scene(auth: Callable[[str], Auth], **given: Any) -> AsyncIterator[Scene]:
    here = Scene(**given)
    async with raw_server(by=here.issue) as here.issuer, raw_server(by=here.serve) as here.api:
        opened = auth(f"{here.issuer.url}/token")
        async with transport_to(here.api, auth=opened, clock=here.clock, redactor=here.redactor) as here.transport:
            yield here


def plain(token: str) -> tuple[Any, str, tuple[str, ...]]:
    return {"access_token": token}, "200 OK", ()


def client(**habits: Any) -> Callable[[str], ClientCredentials]:
    return lambda url: ClientCredentials(url, "an id", "canary-secret", **habits)


async def test_an_endpoint_that_wants_json_answers_201_and_nests_its_token() -> None:
    """JSON out, 201 back; the token where it is declared, in a header and with a word of its own."""
    auth = client(send="json", in_body=True, token_at="data.token", header="X-Auth", prefix="Token", scope="read")
    answer = lambda token: ({"data": {"token": token}}, "201 Created", ())  # noqa: E731
    async with scene(auth, answer=answer, header="X-Auth", prefix="Token ") as here:
        assert await here.get() == 200
        assert here.told.headers["Content-Type"] == "application/json"
        assert json.loads(here.told.body) == {
            "grant_type": "client_credentials",
            "scope": "read",
            "client_id": "an id",
            "client_secret": "canary-secret",
        }
        assert "canary-token-1" not in here.redactor.redact("X-Auth: Token canary-token-1")


async def test_a_header_without_a_word_has_the_token_alone() -> None:
    async with scene(client(header="X-Auth", prefix=""), answer=plain, header="X-Auth", prefix="") as here:
        assert await here.get() == 200


async def test_parameters_may_name_another_grant() -> None:
    """Vendors have grants of their own, and the password grant is one too; each field is sent once, and a password
    among them is masked."""
    parameters = (("grant_type", "password"), ("username", "me"), ("password", "canary-password"))
    async with scene(client(parameters=parameters), answer=plain) as here:
        assert await here.get() == 200
        assert parse_qsl(here.told.body.decode()) == [*parameters]
        assert here.redactor.redact("it is canary-password") == "it is ***"


NOW = FakeClock().now()
ISSUERS_TIME = NOW + timedelta(hours=5)
DATE = f"Date: {ISSUERS_TIME:%a, %d %b %Y %H:%M:%S} GMT"
ENDS = ISSUERS_TIME + timedelta(seconds=1000)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("s", 1000),
        ("s", "1000.0"),
        ("ms", 1_000_000),
        ("iso", ENDS.isoformat()),
        ("epoch_seconds", ENDS.timestamp()),
        ("epoch_milliseconds", int(ENDS.timestamp() * 1000)),
    ],
)
async def test_the_end_is_read_as_it_is_declared(form: str, said: Any) -> None:
    """A moment counts from the issuer's own time: its clock may be hours off ours."""
    auth = client(expires={"at": "ends.at", "format": form})
    answer = lambda token: ({"access_token": token, "ends": {"at": said}}, "200 OK", (DATE,))  # noqa: E731
    async with scene(auth, answer=answer) as here:
        await here.get()
        here.clock.advance(799)
        await here.get()
        assert here.issued == 1
        here.clock.advance(2)
        await here.get()
        assert here.issued == 2


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({}, "it does not say at 'ttl' (`expires`) when the access token ends"),
        (
            {"ttl": "soon"},
            "what it says at 'ttl' (`expires`) is no end of an access token",
        ),
        ({"ttl": 3600}, "what it says at 'ttl' (`expires`) is no end of an access token"),
    ],
)
async def test_an_end_that_is_declared_and_cannot_be_read_is_an_error(said: Any, text: str) -> None:
    """A span that is read as a moment would renew the token with each request."""
    auth = client(expires={"at": "ttl", "format": "epoch_seconds"})
    async with scene(auth, answer=lambda token: ({"access_token": token, **said}, "200 OK", ())) as here:
        assert text in (await fault_of(here.transport, here.api)).text


async def test_a_token_that_is_elsewhere_is_said_to_be_missing() -> None:
    async with scene(client(), answer=lambda token: ({"data": {"token": token}}, "200 OK", ())) as here:
        fault = await fault_of(here.transport, here.api)
        assert "without an access token: there is nothing at 'access_token'" in fault.text
        assert "canary" not in fault.text


@pytest.mark.parametrize(
    ("habits", "text"),
    [
        ({"send": "xml"}, "send must be one of form, json, not 'xml'."),
        ({"header": "X Auth"}, "'X Auth' is not a valid header name. Write one such as X-Auth-Token."),
        ({"token_at": "a..b"}, "'a..b' is no path into JSON. Write keys with dots between, such as 'result.items'."),
        ({"expires": {"format": "ms"}}, 'expires names where the token\'s end stands, such as {"at": "data.ttl"'),
        ({"expires": {"at": "x", "format": "h"}}, "Formats are s, ms, iso, epoch_seconds, epoch_milliseconds."),
    ],
)
def test_habits_that_cannot_be_are_refused(habits: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        client(**habits)("https://login.example.com/token")
    assert text in str(caught.value)
