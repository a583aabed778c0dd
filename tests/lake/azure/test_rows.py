"""Shared rows in blobs: as many clients as there are, and answers that are lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from aiohttp import web
from azure.storage.blob import ContainerClient

from haulier.azure.account import AzureAccount
from haulier.azure.errors import AzureErrors, AzurePlace
from haulier.clock import SystemClock
from haulier.errors import QueueUnavailableError, UsageError
from haulier.lake.azure.folder import ContainerFolder
from haulier.lake.azure.lake import AzureLake
from haulier.lake.azure.rows import KEPT_UPDATES, AzureRows
from haulier.lake.azure.server_clock import ServerClock
from haulier.lake.azure.store import open_store
from haulier.rows.seam import RowsOpener
from haulier.testing.contracts.rows import RowsContract
from tests.azure.loopback import Loopback, handed_on, loopback, refused
from tests.harness.azurite import KEY, Azurite, fresh_name
from tests.lake.azure.test_rights import SkewedClock


def rows_of(account: AzureAccount, container: str) -> AzureRows:
    clock = SystemClock()
    errors = AzureErrors(AzurePlace(account, "container", container), clock)
    store, server_clock = open_store(account, container, None), ServerClock(clock)
    return AzureRows(store, "lake/_haulier/rows", errors, clock, server_clock, random.Random())


@pytest.fixture
def container(azurite: Azurite) -> str:
    name = fresh_name("rows")
    with ContainerClient.from_connection_string(azurite.connection_string, name) as client:
        client.create_container()
    return name


@pytest.fixture
def proxy(azurite: Azurite) -> Iterator[Loopback]:
    target = azurite.blob_url.rpartition("/")[0]
    with loopback(handed_on(target)) as served:
        yield served


@pytest.fixture
def far(proxy: Loopback, azurite: Azurite) -> AzureAccount:
    """The account behind the proxy."""
    return replace(azurite.account, blob_endpoint=f"{proxy.url}/{azurite.account.name}")


class TestAzureRows(RowsContract):
    @pytest.fixture
    def opener(self, azurite: Azurite, container: str) -> RowsOpener:
        return lambda: rows_of(azurite.account, container)


async def test_the_clock_of_all_clients_is_the_services(azurite: Azurite, container: str) -> None:
    """It is told in whole seconds: that moves nothing."""
    folder = ContainerFolder(azurite.account, container, "lake", f"az://{container}/lake")
    lake = AzureLake(folder, SkewedClock(60.0), random.Random(1))
    rows = lake.rows()
    assert rows.ahead_seconds == 0.0
    assert not await lake.exists("a.json")
    assert rows.ahead_seconds == pytest.approx(-60.0, abs=1.5)
    told, server_clock = rows.ahead_seconds, lake._server_clock
    for seconds, moved in ((0.9, 0.0), (-0.9, 0.0), (40.0, 40.0), (39.1, 40.0)):
        server_clock.ahead_seconds = told + seconds
        assert rows.ahead_seconds == told + moved
    await rows.close()
    await lake.close()


async def test_fifty_clients_all_get_through(azurite: Azurite, container: str) -> None:
    """Each conflict is somebody's success, and repeats come apart: nobody is starved, and nothing is written over."""
    clients = [rows_of(azurite.account, container) for _ in range(50)]

    async def count(client: AzureRows) -> None:
        for _ in range(4):
            await client.update("count", lambda old: b"%d" % (int(old or b"0") + 1))

    await asyncio.gather(*[count(client) for client in clients])
    assert await clients[0].read("count") == b"200"


@pytest.mark.parametrize("is_first", [True, False], ids=["create", "replace"])
async def test_g1_an_update_whose_answer_was_lost_is_made_once(
    azurite: Azurite, container: str, proxy: Loopback, far: AzureAccount, is_first: bool
) -> None:
    """The blob says whose update stands there: it is neither taken for another's nor applied again."""
    near, rows = rows_of(azurite.account, container), rows_of(far, container)
    if not is_first:
        await near.update("log", lambda _: b"a")
    lost: list[str] = []

    def loses(request: web.Request) -> bool:
        if request.method != "PUT" or lost:
            return False
        lost.append(request.path)
        return True

    proxy.answer = handed_on(azurite.blob_url.rpartition("/")[0], loses)
    assert await rows.update("log", lambda old: (old or b"") + b"b") == (b"b" if is_first else b"ab")
    assert lost
    assert await near.read("log") == (b"b" if is_first else b"ab")


@pytest.mark.parametrize("others", [5, 100], ids=["few", "storm"])
async def test_g1_a_lost_update_is_known_below_those_of_others(
    azurite: Azurite, container: str, proxy: Loopback, far: AzureAccount, others: int
) -> None:
    """Others may have changed the row before its client reads it again."""
    near, rows = rows_of(azurite.account, container), rows_of(far, container)
    target, lost = azurite.blob_url.rpartition("/")[0], False

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        nonlocal lost
        if request.method != "PUT" or lost:
            return await handed_on(target)(request, body)
        lost = True
        sent = await handed_on(target)(request, body)
        other = rows_of(azurite.account, container)
        for _ in range(others):
            await other.update("log", lambda old: (old or b"") + b"o")
        assert request.transport is not None
        request.transport.abort()
        return sent

    proxy.answer = answer
    assert await rows.update("log", lambda old: (old or b"") + b"m") == b"m"
    assert await near.read("log") == b"m" + b"o" * others


async def test_g1_a_put_that_lands_late_is_not_made_twice(
    azurite: Azurite, container: str, proxy: Loopback, far: AzureAccount
) -> None:
    """The first put is held on its way until its repeat was sent; one of the two finds the row changed."""
    near, rows = rows_of(azurite.account, container), rows_of(far, container)
    await near.update("log", lambda _: b"a")
    target = azurite.blob_url.rpartition("/")[0]
    held: list[tuple[web.Request, bytes]] = []

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        if request.method == "PUT" and not held:
            held.append((request, body))
            return web.Response(status=500)
        if request.method == "PUT" and len(held) == 1:
            late, late_body = held[0]
            held.append((request, body))
            await handed_on(target)(late, late_body)
        return await handed_on(target)(request, body)

    proxy.answer = answer
    assert await rows.update("log", lambda old: (old or b"") + b"b") == b"ab"
    assert len(held) == 2
    assert await near.read("log") == b"ab"


async def test_what_stands_there_is_not_written_again(azurite: Azurite, container: str) -> None:
    rows = rows_of(azurite.account, container)
    await rows.update("log", lambda _: b"a")
    with ContainerClient.from_connection_string(azurite.connection_string, container) as client:
        (before,) = client.list_blobs()
        assert await rows.update("log", lambda old: old or b"") == b"a"
        (after,) = client.list_blobs()
        assert after.etag == before.etag
        await rows.update("log", lambda _: b"b")
        (after,) = client.list_blobs()
        assert after.etag != before.etag


async def test_the_names_of_updates_stay_few(azurite: Azurite, container: str) -> None:
    """Metadata may have 8 KiB, and a row lives for years."""
    rows = rows_of(azurite.account, container)
    for number in range(KEPT_UPDATES + 3):
        await rows.update("log", lambda _, number=number: b"%d" % number)  # type: ignore[misc]
    with ContainerClient.from_connection_string(azurite.connection_string, container) as client:
        (blob,) = client.list_blobs(include=["metadata"])
        assert len(blob.metadata["haulier_updates"].split(",")) == KEPT_UPDATES
        assert blob.name.startswith("lake/_haulier/rows/log-")


async def test_a_missing_container_is_not_a_missing_row(azurite: Azurite) -> None:
    rows = rows_of(azurite.account, fresh_name("none"))
    with pytest.raises(UsageError, match=r"does not exist. .* az storage container create"):
        await rows.read("log")
    with pytest.raises(UsageError, match="does not exist"):
        await rows.update("log", lambda _: b"x")


async def test_a_service_that_is_away_is_told_at_once(far: AzureAccount, proxy: Loopback, container: str) -> None:
    """A worker that cannot beat has to stop sending: it must not wait for minutes here."""
    rows = rows_of(far, container)
    proxy.answer = refused(503, "ServerBusy")
    with pytest.raises(QueueUnavailableError, match="The shared row 'log' cannot be read: 503 ServerBusy"):
        await rows.read("log")
    with pytest.raises(QueueUnavailableError, match="503 ServerBusy"):
        await rows.update("log", lambda _: b"x")


async def test_the_404_of_another_server_is_not_a_missing_row(
    azurite: Azurite, proxy: Loopback, far: AzureAccount, container: str
) -> None:
    """A gateway's, while it is set up anew: the row would begin without its pause and its shares."""
    await rows_of(azurite.account, container).update("log", lambda _: b"a")

    async def answer(request: web.Request, _body: bytes) -> web.StreamResponse:
        return web.Response(status=404, text="no route")

    proxy.answer = answer
    rows = rows_of(far, container)
    with pytest.raises(QueueUnavailableError, match="The shared row 'log' cannot be read: 404"):
        await rows.read("log")
    with pytest.raises(QueueUnavailableError, match="cannot be read: 404"):
        await rows.update("log", lambda _: b"x")


async def test_g7_a_wrong_key_is_named_by_its_setting(azurite: Azurite, container: str) -> None:
    rows = rows_of(replace(azurite.account, key="A" * 86 + "=="), container)
    with pytest.raises(UsageError, match="The key in AZURE_STORAGE_CONNECTION_STRING is not one of") as refusal:
        await rows.read("log")
    assert KEY not in str(refusal.value)
    assert refusal.value.__suppress_context__
