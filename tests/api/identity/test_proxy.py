"""A proxy that a source declares: it gets us there, and learns nothing that is the API's (G7)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from haulier.api.answers.judgement import judge
from haulier.api.errors import Action, Fault
from haulier.api.http.redactor import Redactor
from haulier.api.identity.auth import Bearer, env
from haulier.api.identity.tls import Tls
from haulier.api.settings import Api
from haulier.errors import UsageError
from tests.api.identity.certificates import Certificates, make_certificates
from tests.api.wire.raw_server import Answer, http, raw_server
from tests.api.wire.wire import fault_of, get, transport_to

NOW = datetime(2026, 11, 24, tzinfo=UTC)
OK: Answer = [http(b"{}")]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@dataclass
class Place:
    """Only an address."""

    url: str


@dataclass
class Tunnel:
    """A proxy that answers CONNECT with a tunnel, or with ``refusal``."""

    refusal: bytes = b""
    port: int = 0
    heads: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            if self.refusal:
                writer.write(self.refusal)
            else:
                host, port = head.split(" ")[1].split(":")
                there, onward = await asyncio.open_connection(host, int(port))
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await asyncio.gather(_pour(reader, onward), _pour(there, writer))
        writer.close()


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            target.write(data)
    target.close()


@contextlib.asynccontextmanager
async def tunnel(refusal: bytes = b"", tls: ssl.SSLContext | None = None) -> AsyncIterator[Tunnel]:
    here = Tunnel(refusal)
    server = await asyncio.start_server(here.serve, "127.0.0.1", 0, ssl=tls)
    here.port = server.sockets[0].getsockname()[1]
    try:
        yield here
    finally:
        server.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_https_api_is_reached_through_a_tunnel(
    scheme: str, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G7: the proxy gets its own password and the API's host; the API gets its token; neither gets the other's."""
    redactor = Redactor()
    tls = certificates.server_context() if scheme == "https" else None
    async with raw_server(OK, tls=certificates.server_context()) as server, tunnel(tls=tls) as proxy:
        monkeypatch.setenv("PROXY", f"{scheme}://me:canary%2Dproxy@127.0.0.1:{proxy.port}")
        async with transport_to(
            server,
            auth=Bearer("canary-token"),
            headers=(("X-Key", "canary-key"),),
            tls=Tls(ca_file=certificates.ca_pem),
            proxy=env("PROXY"),
            redactor=redactor,
        ) as transport:
            assert (await get(transport, server)).status == 200
            assert (await get(transport, server)).status == 200
        [head] = proxy.heads
        assert head.startswith(f"CONNECT 127.0.0.1:{server.port} ")
        assert base64.b64encode(b"me:canary-proxy").decode() in head
        assert "canary-token" not in head
        assert "canary-key" not in head
        for seen in server.requests:
            assert "Proxy-Authorization" not in seen.headers
            assert seen.headers["Authorization"] == "Bearer canary-token"
    assert redactor.redact("canary-proxy") == "***"


async def test_an_http_api_without_credentials_is_asked_through_the_proxy() -> None:
    """The proxy gets the whole address, as RFC 9112 3.2.2 has it, and its own password."""
    async with raw_server(OK) as proxy:
        url = "http://api.example.invalid"
        async with transport_to(url, proxy=f"http://me:pw@127.0.0.1:{proxy.port}") as transport:
            assert (await get(transport, Place(url), "/a?x=%2f")).body == b"{}"
    assert proxy.requests[0].target == f"{url}/a?x=%2f"
    assert proxy.requests[0].headers["Host"] == "api.example.invalid"
    assert proxy.requests[0].headers["Proxy-Authorization"] == "Basic " + base64.b64encode(b"me:pw").decode()


REFUSALS = [
    (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", Fault.PROXY, Action.CONFIG),
    (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", Fault.PROXY, Action.CONFIG),
    (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", Fault.CONNECT, Action.OUTAGE),
]


@pytest.mark.parametrize(("refusal", "kind", "final"), REFUSALS, ids=["407", "403", "502"])
async def test_a_proxy_that_refuses_is_told_from_one_that_cannot(refusal: bytes, kind: Fault, final: Action) -> None:
    """Failures, `407`: CONFIG, uncharged; a proxy that does not get through is an outage."""
    async with tunnel(refusal) as proxy:
        url = "https://127.0.0.1:9"
        async with transport_to(url, proxy=f"http://127.0.0.1:{proxy.port}") as transport:
            fault = await fault_of(transport, Place(url))
    assert (fault.kind, judge(fault, now=NOW).final) == (kind, final)


async def test_a_407_of_a_plain_proxy_is_a_matter_of_configuration() -> None:
    """Failures, `407`: it comes as an answer where no tunnel is wanted."""
    async with raw_server([http(status="407 Proxy Authentication Required")]) as proxy:
        url = "http://api.example.invalid"
        async with transport_to(url, proxy=proxy.url) as transport:
            answer = await get(transport, Place(url))
    assert judge(answer, now=NOW).action is Action.CONFIG


async def test_a_proxy_that_cannot_be_reached_is_an_outage() -> None:
    """Like the API itself; the message says that it is the proxy."""
    async with tunnel() as proxy:
        pass
    url = "https://api.example.invalid"
    async with transport_to(url, proxy=f"http://me:canary@127.0.0.1:{proxy.port}") as transport:
        fault = await fault_of(transport, Place(url))
    assert fault.kind is Fault.CONNECT
    assert "proxy" in fault.text
    assert "canary" not in fault.text


@pytest.mark.parametrize(
    "settings", [{"auth": Bearer("t")}, {"headers": (("X-Api-Key", "t"),)}], ids=["auth", "header"]
)
def test_credentials_in_clear_through_a_proxy_are_refused(settings: dict[str, object]) -> None:
    """G7: credentials never go to another origin, the proxy's included; https keeps them from it."""
    with pytest.raises(UsageError, match="A proxy would read"):
        Api("http://api.example.com", proxy="http://proxy.example.com:3128", plain_http=True, **settings)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"Credentials for api.example.com would go over http://.*plain_http = true"):
        Api("http://api.example.com", **settings)  # type: ignore[arg-type]
    Api("http://api.example.com", plain_http=True, **settings)  # type: ignore[arg-type]
    Api("http://localhost:9200", **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "proxy", ["proxy:3128", "socks5://p:1", "http://", "http://p:x", "http://p/path", "http://a%3Ab:canary@p"]
)
async def test_a_proxys_address_that_is_none_is_refused_unshown(proxy: str) -> None:
    """Before the first request, and without its password."""
    with pytest.raises(UsageError) as caught:
        async with transport_to("https://api.example.com", proxy=proxy):
            pass
    assert "canary" not in str(caught.value)


def test_a_proxy_is_in_no_repr() -> None:
    """G7: its address may hold a password."""
    assert "canary" not in repr(Api("https://api.example.com", proxy="http://me:canary@proxy.example.com"))
