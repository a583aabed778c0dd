"""TLS: whom we trust, what we show, and that a failure of it is for a person (Failures, `TLS verify failure`)."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from haulier.api.answers.judgement import judge
from haulier.api.errors import Action, Fault
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import Request, TransportError
from haulier.api.identity.auth import Bearer, env
from haulier.api.identity.tls import Tls
from haulier.errors import UsageError
from haulier.testing.clock import FakeClock
from tests.api.identity.certificates import KEY_PASSWORD, Certificates, make_certificates
from tests.api.wire.raw_server import Answer, Do, http, raw_server
from tests.api.wire.wire import fault_of, get, transport_to

NOW = datetime(2026, 11, 24, tzinfo=UTC)
OK: Answer = [http(b"{}")]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def is_for_a_person(fault: TransportError) -> bool:
    return fault.kind is Fault.TLS and judge(fault, now=NOW).action is Action.CONFIG


async def test_an_own_authority_is_trusted_where_it_is_declared(certificates: Certificates) -> None:
    """Besides the system's; without it the certificate is refused, and nothing was sent."""
    async with raw_server(OK, tls=certificates.server_context()) as server:
        async with transport_to(server, tls=Tls(ca_file=certificates.ca_pem), auth=Bearer("t")) as transport:
            assert (await get(transport, server)).status == 200
            assert (await get(transport, server)).status == 200
        async with transport_to(server, auth=Bearer("t")) as transport:
            assert is_for_a_person(await fault_of(transport, server))
        async with transport_to(server, tls=Tls(ca_file=certificates.otherca_pem)) as transport:
            assert is_for_a_person(await fault_of(transport, server))
    assert len(server.requests) == 2


async def test_a_certificate_of_another_host_is_refused(certificates: Certificates) -> None:
    """Failures, `hostname mismatch`: CONFIG, with the words of OpenSSL."""
    async with (
        raw_server(OK, tls=certificates.server_context("stranger")) as server,
        transport_to(server, tls=Tls(ca_file=certificates.ca_pem)) as transport,
    ):
        fault = await fault_of(transport, server)
    assert is_for_a_person(fault)
    assert "127.0.0.1" in fault.text
    assert server.requests == []


async def test_a_server_without_tls_is_a_matter_of_configuration() -> None:
    """`https` where `http` is spoken: repeating it brings nothing."""
    async with raw_server([b"HTTP/1.1 400 Bad Request\r\n\r\n", Do.CLOSE]) as server:
        server.scheme = "https"
        server.answers_at_once = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
        async with transport_to(server) as transport:
            fault = await fault_of(transport, server)
    assert is_for_a_person(fault), fault


async def test_a_connection_that_is_dropped_during_the_handshake_is_an_outage() -> None:
    """A load balancer without a backend does that; no setting is wrong."""
    async with raw_server(OK) as server:
        server.scheme = "https"
        server.answers_at_once = b""
        async with transport_to(server) as transport:
            fault = await fault_of(transport, server)
    assert (fault.kind, judge(fault, now=NOW).final) == (Fault.CONNECT, Action.OUTAGE)


async def test_a_client_certificate_is_shown(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """From two files, from one, and with a key behind a password that nobody learns."""
    monkeypatch.setenv("KEY_PASSWORD", KEY_PASSWORD)
    redactor = Redactor()
    ca = certificates.ca_pem
    declared = [
        Tls(ca_file=ca, certificate_file=certificates.client_pem, key_file=certificates.client_key),
        Tls(ca_file=ca, certificate_file=certificates.both_pem),
        Tls(
            ca_file=ca,
            certificate_file=certificates.client_pem,
            key_file=certificates.locked_key,
            key_password=env("KEY_PASSWORD"),
        ),
    ]
    async with raw_server(OK, tls=certificates.server_context(wants_client=True)) as server:
        for tls in declared:
            async with transport_to(server, tls=tls, redactor=redactor) as transport:
                assert (await get(transport, server)).status == 200
    assert redactor.redact(KEY_PASSWORD) == "***"
    assert "canary" not in repr(Tls(certificate_file="x", key_password="canary"))


@contextlib.contextmanager
def strict_server(certificates: Certificates) -> Iterator[str]:
    """In a thread, since asyncio's servers drop the alert that says what they miss."""
    context = certificates.server_context(wants_client=True)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as tls:
                    with contextlib.suppress(ssl.SSLError):
                        tls.do_handshake()
                    # What is unread at the close would turn it into a reset, which overtakes the alert.
                    while socket.socket.recv(tls, 65536):
                        pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        # Closing alone would leave the thread in accept().
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


async def test_a_file_of_another_origin_is_not_shown_the_certificate(certificates: Certificates) -> None:
    """It is a credential of the API's. The authority that is trusted there is trusted here, too."""
    tls = Tls(ca_file=certificates.ca_pem, certificate_file=str(certificates.folder / "both.pem"))
    async with (
        raw_server(OK, tls=certificates.server_context(wants_client=True)) as server,
        raw_server(OK, tls=certificates.server_context()) as storage,
        transport_to(server, tls=tls) as transport,
    ):
        assert (await get(transport, server)).status == 200
        assert (await transport.send(Request("GET", f"{storage.url}/", part="foreign file"))).status == 200
        with pytest.raises(TransportError) as caught:
            await transport.send(Request("GET", f"{server.url}/", part="foreign file"))
    assert caught.value.kind in (Fault.TLS, Fault.CONNECT)


async def test_a_server_that_wants_a_certificate_we_do_not_show_is_for_a_person(certificates: Certificates) -> None:
    """TLS 1.3 tells so only after the handshake; it is no lost connection all the same."""
    with strict_server(certificates) as url:
        async with transport_to(url, tls=Tls(ca_file=certificates.ca_pem)) as transport:
            with pytest.raises(TransportError) as caught:
                await transport.send(Request("GET", url))
    assert is_for_a_person(caught.value), caught.value
    assert "CERTIFICATE_REQUIRED" in caught.value.text


def wrong_files(certificates: Certificates) -> list[tuple[Tls, str]]:
    pair = {"certificate_file": certificates.client_pem}
    return [
        (Tls(ca_file="/nowhere/ca.pem"), "/nowhere/ca.pem"),
        (Tls(ca_file=certificates.ca_key), "ca.key"),
        (Tls(**pair), "client.pem"),
        (Tls(**pair, key_file=certificates.server_key), "server.key"),
        (Tls(**pair, key_file="/nowhere/client.key"), "/nowhere/client.key"),
        (Tls(**pair, key_file=certificates.locked_key), "key_password"),
        (Tls(**pair, key_file=certificates.locked_key, key_password="wrong"), "key_password"),
    ]


async def test_files_that_cannot_be_used_are_named_before_the_first_request(certificates: Certificates) -> None:
    """Missing, of another kind, not of one pair, or locked; nobody is asked for a password on a terminal."""
    for tls, named in wrong_files(certificates):
        with pytest.raises(UsageError, match=named):
            async with transport_to("https://127.0.0.1:1", tls=tls):
                pass


def test_a_key_without_its_certificate_is_refused() -> None:
    """Before any file is read."""
    with pytest.raises(UsageError, match="certificate_file"):
        Tls(key_file="client.key")


async def test_a_renewed_file_is_taken_up_in_mid_run(certificates: Certificates, tmp_path: Path) -> None:
    """Facts 5 `mutual TLS`: reload on change, within a minute; a file that is half written leaves what was good."""
    clock = FakeClock()
    ca = tmp_path / "ca.pem"
    shutil.copy(certificates.otherca_pem, ca)
    async with (
        raw_server([*OK, Do.CLOSE], tls=certificates.server_context()) as server,
        transport_to(server, tls=Tls(ca_file=str(ca)), clock=clock) as transport,
    ):
        assert is_for_a_person(await fault_of(transport, server))
        shutil.copy(certificates.ca_pem, ca)
        clock.advance(61)
        assert (await get(transport, server)).status == 200
        ca.write_text("-----BEGIN CERTIF")
        clock.advance(61)
        assert (await get(transport, server)).status == 200
        shutil.copy(certificates.otherca_pem, ca)
        clock.advance(61)
        assert is_for_a_person(await fault_of(transport, server))
