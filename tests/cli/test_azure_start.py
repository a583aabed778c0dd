"""What each command says where Azure cannot be used as it is named: what is wrong, in which setting, and what to do."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from azure.storage.blob import AccountSasPermissions, ContainerClient, ResourceTypes, generate_account_sas
from azure.storage.queue import QueueClient

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.azure.loopback import Answer, handed_on, loopback, refused
from tests.cli.conftest import Place
from tests.cli.test_politeness import until
from tests.harness.azurite import ACCOUNT, KEY, Azurite, fresh_name

COMMANDS = ("run", "enqueue", "work", "status", "latest", "poison list")
WRITING = ("run", "enqueue", "work")
MAX_SECONDS = 12.0
OTHER_KEY = "A" * 86 + "=="
LACKS_RIGHT = refused(
    403,
    "AuthorizationPermissionMismatch",
    "This request is not authorized to perform this operation using this permission.",
)


@dataclass
class Cloud:
    """A source whose lake and queue are on Azurite, each at an endpoint that a test may replace."""

    place: Place
    azurite: Azurite
    container: str
    queue: str

    def write(
        self, url: str = "http://127.0.0.1:9", *, container: str = "", queue: str = "", account: str = ACCOUNT
    ) -> None:
        lake = f'lake = "az://{container or self.container}/lake"'
        queue = f'queue = "azure-queue://{account}/{queue or self.queue}"'
        self.place.write(url, source=f'source = "shop"\n{lake}\n{queue}')

    def connection(self, key: str = KEY, *, sas: str = "", blob: str = "", queue: str = "") -> str:
        credential = f"SharedAccessSignature={sas}" if sas else f"AccountKey={key}"
        endpoints = f"BlobEndpoint={blob or self.azurite.blob_url};QueueEndpoint={queue or self.azurite.queue_url}"
        return f"AccountName={ACCOUNT};{credential};{endpoints}"

    def messages(self) -> list[dict[str, object]]:
        """Those that nobody holds."""
        with QueueClient.from_connection_string(self.azurite.connection_string, self.queue) as client:
            return [json.loads(message.content) for message in client.peek_messages(32)]

    def blobs(self) -> list[str]:
        with ContainerClient.from_connection_string(self.azurite.connection_string, self.container) as client:
            return sorted(client.list_blob_names())


@pytest.fixture
def cloud(place: Place, azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    made = Cloud(place, azurite, fresh_name("bronze"), fresh_name("q"))
    with ContainerClient.from_connection_string(azurite.connection_string, made.container) as client:
        client.create_container()
    made.write()
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", made.connection())
    # Of all identities none is here, and none is looked for on the network.
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    return made


@pytest.fixture
def served() -> Iterator[Callable[[Answer], str]]:
    """Start services that answer as they are told."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda answer: f"{stack.enter_context(loopback(answer)).url}/{ACCOUNT}"


def sas(hours: float, permissions: str = "rwdlacup", begins: float = -2.0) -> str:
    now = datetime.now(UTC)
    allowed = AccountSasPermissions.from_string(permissions)  # type: ignore[no-untyped-call]
    types = ResourceTypes(service=True, container=True, object=True)
    made: str = generate_account_sas(
        ACCOUNT, KEY, types, allowed, now + timedelta(hours=hours), now + timedelta(hours=begins), services="bq"
    )
    return made


def assert_said(cloud: Cloud, command: str, *words: str) -> None:
    """Exit code 2 and one line, soon; no secret, and nothing in the lake."""
    before = cloud.blobs()
    began_at = time.monotonic()
    said = cloud.place.run(command)
    assert (said.code, said.out) == (2, ""), said
    assert time.monotonic() - began_at < MAX_SECONDS
    for word in words:
        assert word in said.err
    assert said.err.count("\n") == 1, said.err
    assert "sig=" not in said.err
    for secret in (KEY, OTHER_KEY, os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "-")):
        assert secret not in said.err
    assert cloud.blobs() == before


@pytest.mark.parametrize("command", COMMANDS)
def test_g7_a_wrong_key(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", cloud.connection(OTHER_KEY))
    assert_said(cloud, command, "The key in AZURE_STORAGE_CONNECTION_STRING is not one of", "account keys list")


@pytest.mark.parametrize("command", COMMANDS)
def test_g7_a_sas_that_has_ended(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", cloud.connection(sas=sas(hours=-1)))
    assert_said(cloud, command, "The SAS in AZURE_STORAGE_CONNECTION_STRING ended at", "generate-sas")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_container(cloud: Cloud, command: str) -> None:
    cloud.write(container="no-such")
    assert_said(cloud, command, "The container 'no-such' of the storage account", "az storage container create")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("DefaultEndpointsProtocol=https; AccountName=x", "is not a connection string"),
        (f"AccountName=lakehouse;AccountKey={KEY[:-1]}", "holds no account key"),
    ],
)
def test_g7_a_malformed_connection_string(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, command: str, text: str, problem: str
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    assert_said(cloud, command, "AZURE_STORAGE_CONNECTION_STRING", problem)


@pytest.mark.parametrize("command", WRITING)
def test_a_queue_of_another_account_than_the_environments(cloud: Cloud, command: str) -> None:
    """Its key is used for no other account, and no identity is here."""
    cloud.write(account="otherlake")
    assert_said(
        cloud,
        command,
        "no credential for the storage account 'otherlake': no identity was found.",
        f"(AZURE_STORAGE_CONNECTION_STRING) are of the account '{ACCOUNT}'",
        "az login",
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_host_that_is_not_known(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    try:
        socket.getaddrinfo("no-such-account.invalid", 80)
    except socket.gaierror as error:
        if error.errno != socket.EAI_NONAME:
            pytest.skip("this machine cannot tell a name that does not exist from an outage of its names")
    blob = f"http://no-such-account.invalid/{ACCOUNT}"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", cloud.connection(blob=blob))
    assert_said(cloud, command, "the host no-such-account.invalid is not known", "URL of the lake")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_clock_an_hour_off(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, served: Callable[[Answer], str], command: str
) -> None:
    """What is signed an hour ago is refused as any wrong signature is; the service's own time tells them apart."""
    answer = refused(
        403,
        "AuthenticationFailed",
        "Server failed to authenticate the request.",
        at=datetime.now(UTC) + timedelta(minutes=60, seconds=10),
        detail="Request date header too old",
    )
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", cloud.connection(blob=served(answer)))
    assert_said(cloud, command, "The clock of this machine is 60 minutes behind Azure's", "timedatectl")


def test_a_clock_an_hour_off_is_refused_where_nothing_else_is(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, served: Callable[[Answer], str]
) -> None:
    """A token is taken whatever the clock says; but the right to put has to end with a lease (C9)."""
    from email.utils import format_datetime

    target = cloud.azurite.blob_url.rpartition("/")[0]

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        found = await handed_on(target)(request, body)
        found.headers["Date"] = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
        return found

    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", cloud.connection(blob=served(answer)))
    said = cloud.place.run("enqueue")
    assert said.code == 2
    assert "The clock of this machine is 60 minutes ahead of Azure's" in said.err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_right_on_the_container(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, served: Callable[[Answer], str], command: str
) -> None:
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING",
        cloud.connection(sas=sas(hours=1), blob=served(LACKS_RIGHT)),
    )
    assert_said(cloud, command, f"lacks a right on the container '{cloud.container}'", "generate-sas")


@pytest.mark.parametrize("command", WRITING)
def test_a_missing_right_on_the_queue(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, served: Callable[[Answer], str], command: str
) -> None:
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING",
        cloud.connection(sas=sas(hours=1), queue=served(LACKS_RIGHT)),
    )
    assert_said(cloud, command, f"lacks a right on the queue '{cloud.queue}'", "generate-sas")


@pytest.mark.parametrize("command", WRITING)
def test_a_queue_without_a_lake_that_keeps_rows(cloud: Cloud, command: str) -> None:
    cloud.place.toml.write_text(cloud.place.toml.read_text().replace("az://", "elsewhere/", 1))
    said = cloud.place.run(command)
    assert said.code == 2
    assert "With a queue of kind 'azure-queue' the lake keeps" in said.err
    assert "`az://CONTAINER/PATH`" in said.err


@pytest.mark.parametrize("command", ["status", "work", "enqueue", "run"])
def test_a_wrong_queue_name(cloud: Cloud, command: str) -> None:
    """In a new queue nothing would be found, and in the end everything be sent and pulled again."""
    with SandboxProcess(SandboxSettings(records=10, page_size=10)) as api:
        cloud.write(api.url)
        assert cloud.place.run("enqueue").code == 0
        cloud.write(api.url, queue=fresh_name("misspelt"))
        assert_said(cloud, command, "The queue does not exist", "key `queue`", "haulier repair")
        assert cloud.place.run("repair").code == 0
        assert cloud.place.run("run").code == 0


@pytest.mark.parametrize(("command", "service"), [("enqueue", "blob"), ("status", "blob"), ("enqueue", "queue")])
def test_a_service_that_is_away_is_no_slip(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, command: str, service: str
) -> None:
    """Nobody has to change anything: exit code 4, after some patience."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        away = {service: f"http://127.0.0.1:{free.getsockname()[1]}/{ACCOUNT}"}
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", cloud.connection(**away))
        said = cloud.place.run(command)
    assert said.code == 4
    assert re.search("has not answered|cannot be used now", said.err)
    assert said.err.count("\n") <= 2


def test_g4_a_sas_that_ends_in_mid_run_stops_the_worker(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, served: Callable[[Answer], str]
) -> None:
    """A person has to make a new one: exit code 2, nothing is charged, and the run goes on with it."""
    well = handed_on(cloud.azurite.blob_url.rpartition("/")[0])
    ended = refused(403, "AuthenticationFailed", "Server failed.", at=datetime.now(UTC) + timedelta(seconds=200))
    objects: list[str] = []

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        """The signature ends after the second object."""
        if request.method == "PUT" and "/shop/items/" in request.path:
            objects.append(request.path)
        return await (well if len(objects) <= 2 else ended)(request, body)

    with SandboxProcess(SandboxSettings(records=1_000, page_size=100)) as api:
        cloud.write(api.url)
        monkeypatch.setenv(
            "AZURE_STORAGE_CONNECTION_STRING", cloud.connection(sas=sas(hours=180 / 3600), blob=served(answer))
        )
        # A process of its own: its place in the shared row is free once it has ended.
        worker = cloud.place.start("run", "--lease", "10")
        _, said = worker.communicate()
        assert worker.returncode == 2, said
        assert "The SAS in AZURE_STORAGE_CONNECTION_STRING ended at" in said
        assert "sig=" not in said
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", cloud.connection())
        until(lambda: any(message.get("releases") for message in cloud.messages()))
        assert not any("failures" in message for message in cloud.messages())
        again = cloud.place.run("run", "--json", "--lease", "10")
        assert (again.code, again.json["state"]) == (0, "complete")
