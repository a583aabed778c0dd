"""The proxy in front of Azurite's blobs: each operation has its name, passes whole, and can lose its answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
from azure.storage.blob import BlobBlock
from azure.storage.blob.aio import ContainerClient
from obstore.store import AzureStore

from haulier.testing.proxy.operations import blob_operation, storage_refusal
from haulier.testing.proxy.rules import Fault, FaultRule
from haulier.testing.proxy.server import FaultProxy
from haulier.testing.proxy.settings import QUIET
from tests.harness.azurite import Azurite, fresh_name


class Blobs:
    """A container, reached through the proxy and past it."""

    def __init__(self, proxy: FaultProxy, azurite: Azurite) -> None:
        name, account = fresh_name(), azurite.account
        credential = {"account_name": account.name, "account_key": account.key}
        self.proxy = proxy
        self.broken = ContainerClient(f"{proxy.url}/{account.name}", name, credential=credential, retry_total=0)
        self.direct = ContainerClient(azurite.blob_url, name, credential=credential)
        self.store = AzureStore(
            name,
            account_name=account.name,
            access_key=account.key,
            endpoint=f"{proxy.url}/{account.name}",
            client_options={"allow_http": True},
        )

    async def names(self) -> list[str]:
        return [blob.name async for blob in self.direct.list_blobs()]

    async def read(self, name: str) -> bytes:
        stream = await self.direct.download_blob(name)
        return bytes(await stream.readall())


@pytest_asyncio.fixture
async def blobs(azurite: Azurite) -> AsyncIterator[Blobs]:
    upstream = azurite.blob_url.rpartition("/")[0]
    async with FaultProxy(upstream, QUIET, name=blob_operation, refuse=storage_refusal) as proxy:
        blobs = Blobs(proxy, azurite)
        async with blobs.broken, blobs.direct:
            await blobs.direct.create_container()
            await blobs.direct.upload_blob("there", b"12345")
            yield blobs


async def put_blob(blobs: Blobs) -> None:
    await blobs.broken.upload_blob("new", b"12345")


async def put_block(blobs: Blobs) -> None:
    await blobs.broken.get_blob_client("new").stage_block("0001", b"12345")


async def put_block_list(blobs: Blobs) -> None:
    await blobs.direct.get_blob_client("new").stage_block("0001", b"12345")
    await blobs.broken.get_blob_client("new").commit_block_list([BlobBlock("0001")])


async def copy(blobs: Blobs) -> None:
    await blobs.broken.get_blob_client("new").start_copy_from_url(blobs.direct.get_blob_client("there").url)


async def delete(blobs: Blobs) -> None:
    await blobs.broken.delete_blob("there")


async def batch(blobs: Blobs) -> None:
    await blobs.broken.delete_blobs("there")


async def head(blobs: Blobs) -> None:
    assert (await blobs.broken.get_blob_client("there").get_blob_properties()).size == 5


async def get(blobs: Blobs) -> None:
    assert await (await blobs.broken.download_blob("there")).readall() == b"12345"


async def list_names(blobs: Blobs) -> None:
    assert [blob.name async for blob in blobs.broken.list_blobs()] == ["there"]


OPERATIONS: dict[str, tuple[Callable[[Blobs], Awaitable[None]], list[str]]] = {
    "put-blob": (put_blob, ["new", "there"]),
    "put-block": (put_block, ["there"]),
    "put-block-list": (put_block_list, ["new", "there"]),
    "copy": (copy, ["new", "there"]),
    "delete": (delete, []),
    "batch": (batch, []),
    "head": (head, ["there"]),
    "get": (get, ["there"]),
    "list": (list_names, ["there"]),
}


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_each_operation_passes_under_its_name(blobs: Blobs, operation: str) -> None:
    """Whole, with its headers: signatures cover them."""
    ask, names = OPERATIONS[operation]
    await ask(blobs)
    assert blobs.proxy.counters.operations == {operation: 1}
    assert await blobs.names() == names


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("fault", ["lost", "500 after", "503", "reset"])
async def test_each_operation_can_fail_before_or_after_its_effect(blobs: Blobs, operation: str, fault: Fault) -> None:
    """The client sees an error in each case; what stands there differs."""
    ask, names = OPERATIONS[operation]
    blobs.proxy.rules.use([FaultRule(fault, operation=operation)])
    with pytest.raises(AzureError):
        await ask(blobs)
    assert await blobs.names() == (names if fault in ("lost", "500 after") else ["there"])
    assert set(blobs.proxy.counters.struck) == {f"{operation}: {fault}"}


async def test_the_clients_of_the_sdk_meet_themselves(blobs: Blobs) -> None:
    """With the SDK's retries off, aiohttp repeats a create whose answer was lost: the error says that another won."""
    blobs.proxy.rules.use([FaultRule("lost", operation="put-blob", times=1)])
    with pytest.raises(ResourceExistsError):
        await blobs.broken.upload_blob("new", b"ours", overwrite=False)
    assert await blobs.read("new") == b"ours"
    assert blobs.proxy.counters.operations == {"put-blob": 2}


async def test_errors_are_worded_as_the_service_does(blobs: Blobs) -> None:
    """So that the code reaches the client."""
    blobs.proxy.rules.use([FaultRule("503"), FaultRule("403")])
    with pytest.raises(HttpResponseError, match="ServerBusy"):
        await blobs.broken.upload_blob("new", b"12345")


async def test_a_cut_download_is_an_error(blobs: Blobs) -> None:
    """Half of what its length promises."""
    blobs.proxy.rules.use([FaultRule("cut", operation="get")])
    with pytest.raises(AzureError):
        await get(blobs)


async def test_obstore_passes_too(blobs: Blobs) -> None:
    """Its sizes come from the answer to HEAD, its deletes are batches."""
    store: Any = blobs.store
    await store.put_async("new", b"1234567", mode="create")
    assert (await store.head_async("new"))["size"] == 7
    result = await store.get_async("new")
    assert bytes(await result.bytes_async()) == b"1234567"
    assert sorted(entry["path"] for entry in await store.list().collect_async()) == ["new", "there"]
    await store.delete_async(["new", "there"])
    assert blobs.proxy.counters.operations == {"put-blob": 1, "head": 1, "get": 1, "list": 1, "batch": 1}
    assert await blobs.names() == []
