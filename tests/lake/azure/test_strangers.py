"""What others keep in the container stops no run, and a container that is missing is never an empty lake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import obstore
import pytest
from aiohttp import web
from azure.storage.blob import ContentSettings
from obstore.exceptions import InvalidPathError
from obstore.store import AzureStore

from haulier.errors import LakeUnavailableError, UsageError
from haulier.lake.azure import lake, listing
from haulier.lake.azure.lake import AzureLake
from haulier.lake.seam import Published
from haulier.runs.run import list_runs
from haulier.testing.contracts.lake.contents import OBJECT, STAGING, listed, spooled, stored
from haulier.testing.proxy.rules import FaultRule
from tests.azure.loopback import handed_on, loopback, refused
from tests.lake.azure.conftest import Container
from tests.lake.azure.test_lost_answers import LARGE, SMALL, published

OURS = [f"a/{number}.json" for number in range(3)]


@pytest.fixture
async def ours(azure_lake: AzureLake) -> AzureLake:
    for path in OURS:
        await azure_lake.create(path, b"{}")
    return azure_lake


@pytest.mark.parametrize("name", ["a//b", "a/c//", "a/b//c/d"])
async def test_a_name_that_no_path_can_have_stops_no_listing(container: Container, ours: AzureLake, name: str) -> None:
    """obstore lists nothing at all where one such name is among those that are listed."""
    await container.beside.upload_blob(f"lake/{name}", b"theirs")
    assert sorted(await listed(ours, "a")) == OURS
    assert {"0.json", "1.json", "2.json"} <= set(await ours.names("a")) <= {"0.json", "1.json", "2.json", "b", "c"}
    await ours.clean("a", older_than_seconds=0)


@pytest.mark.parametrize("marker", ["a/day/", "a/day"])
@pytest.mark.parametrize("is_odd", [False, True], ids=["by obstore", "by the SDK"])
async def test_a_marker_of_a_folder_is_no_object(
    container: Container, ours: AzureLake, marker: str, is_odd: bool
) -> None:
    """Storage Explorer and Hadoop keep folders as blobs without bytes."""
    is_hadoop = not marker.endswith("/")
    metadata = {"hdi_isfolder": "true"} if is_hadoop else {}
    await container.beside.upload_blob(f"lake/{marker}", b"", metadata=metadata)
    if is_odd:
        await container.beside.upload_blob("lake/a//b", b"theirs")
    assert sorted(await listed(ours, "a")) == OURS


async def test_objects_of_strangers_are_listed_beside_ours(container: Container, ours: AzureLake) -> None:
    """`verify` reports them, by names that can be printed."""
    for name in ("theirs.csv", "an empty one", "naïve"):
        await container.beside.upload_blob(f"lake/a/{name}", b"")
    assert sorted(await listed(ours, "a")) == [*OURS, "a/an empty one", "a/na\\xefve", "a/theirs.csv"]
    assert sorted(await ours.names("a")) == ["0.json", "1.json", "2.json", "an empty one", "na\\xefve", "theirs.csv"]


async def test_a_folder_of_a_stranger_stops_no_look_at_the_runs(container: Container, azure_lake: AzureLake) -> None:
    """Storage Explorer names a new one with a space."""
    for name in ("New Folder/x.txt", "a%2Fb/run.json", "naïve/run.json"):
        await container.beside.upload_blob(f"lake/_haulier/shop/runs/{name}", b"theirs")
    assert len(await azure_lake.names("_haulier/shop/runs")) == 3
    assert await list_runs(azure_lake, "shop") == []


async def test_a_check_removes_what_killed_ones_left(
    container: Container, azure_lake: AzureLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at once: another check may be under way."""
    container.breaks(FaultRule("hang", operation="delete", times=1))
    killed = asyncio.ensure_future(azure_lake.check())
    while not container.proxy.counters.struck:
        await asyncio.sleep(0.01)
    killed.cancel()
    await asyncio.wait([killed])
    left = list(await container.blobs())
    assert len(left) == 1
    await azure_lake.check()
    assert list(await container.blobs()) == left
    monkeypatch.setattr(lake, "PROBE_KEPT_SECONDS", -60.0)
    await azure_lake.check()
    assert await container.blobs() == {}


async def test_forgotten_temporary_names_are_cleaned(container: Container, ours: AzureLake) -> None:
    """A check that was killed leaves one, which nothing lists."""
    await container.beside.upload_blob("lake/a/.tmp-1", b"")
    assert sorted(await listed(ours, "a")) == OURS
    assert sorted(await ours.names("a")) == ["0.json", "1.json", "2.json"]
    assert await ours.clean("a", older_than_seconds=3600) == 0
    assert await ours.clean("a", older_than_seconds=-60) == 1
    assert sorted(await container.blobs()) == OURS


@pytest.mark.parametrize(
    "call",
    [
        lambda lake: lake.read("a/b"),
        lambda lake: lake.exists("a/b"),
        lambda lake: listed(lake, "a"),
        lambda lake: lake.names("a"),
        lambda lake: stored(lake, "a/b"),
        lambda lake: lake.adopt("a/b"),
        lambda lake: lake.remove("a/b"),
        lambda lake: lake.create("a/b", b"{}"),
        lambda lake: lake.clean("a", older_than_seconds=0),
        lambda lake: lake.check(),
    ],
    ids=["read", "exists", "walk", "names", "download", "adopt", "remove", "create", "clean", "check"],
)
async def test_g1_a_missing_container_is_not_an_empty_lake(
    container: Container, azure_lake: AzureLake, call: Callable[[AzureLake], Awaitable[object]]
) -> None:
    """A closing would find every item missing; obstore has one error for both."""
    await container.beside.delete_container()
    with pytest.raises(UsageError, match="does not exist"):
        await call(azure_lake)


async def test_g1_nothing_is_published_to_a_missing_container(container: Container, azure_lake: AzureLake) -> None:
    await container.beside.delete_container()
    spool = await spooled(azure_lake, [b"{}"])
    with pytest.raises(UsageError, match="does not exist"):
        await azure_lake.publish(spool, OBJECT)
    await spool.discard()


@pytest.mark.parametrize(
    ("status", "code"),
    [(409, "BlobImmutableDueToPolicy"), (412, "LeaseIdMissing"), (409, "ContainerBeingDeleted")],
)
@pytest.mark.parametrize("records", [SMALL, LARGE], ids=["small", "large"])
async def test_what_a_person_forbids_is_no_outage(
    container: Container, records: list[bytes], status: int, code: str
) -> None:
    """It does not pass by itself, and is told by its name. What stands is adopted all the same."""
    on = handed_on(container.azurite.blob_url.rpartition("/")[0])
    refuse = refused(status, code)

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        if request.method != "PUT":
            return await on(request, body)
        return web.Response(status=201) if request.query.get("comp") == "block" else await refuse(request, body)

    with loopback(answer) as served:
        async with container.lake(blob_endpoint=f"{served.url}/{container.azurite.account.name}") as lake:
            async with asyncio.timeout(10):
                with pytest.raises(LakeUnavailableError, match=f"refused a request: {status} {code}"):
                    await published(lake, records)
                with pytest.raises(LakeUnavailableError, match=f"refused a request: {status} {code}"):
                    await lake.create("a/b.json", b"{}")
            await container.beside.upload_blob(f"lake/{OBJECT}", b"theirs")
            assert await published(lake, records) is Published.TAKEN


async def test_an_object_is_stored_as_readers_expect_it(container: Container, azure_lake: AzureLake) -> None:
    """With a Content-Encoding the SDK would unpack what it downloads, and fail above 32 MiB."""
    assert await azure_lake.publish(await spooled(azure_lake, [b"{}"]), OBJECT) is Published.OURS
    await azure_lake.create("a/b.json", b"{}")
    for path, content_type in ((OBJECT, "application/gzip"), ("a/b.json", "application/json")):
        found = await container.beside.get_blob_client(f"lake/{path}").get_blob_properties()
        settings: ContentSettings = found.content_settings
        assert (settings.content_type, settings.content_encoding) == (content_type, None)


async def test_nothing_of_a_spool_is_in_the_container(container: Container, azure_lake: AzureLake) -> None:
    """It is on this machine until it is published."""
    spool = await spooled(azure_lake, [b"x" * 1000] * 5000)
    assert await container.blobs() == {}
    assert await listed(azure_lake, STAGING) == []
    await spool.discard()


async def test_a_listing_that_breaks_begins_again_without_what_it_has_told(
    container: Container, ours: AzureLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each name once; in whatever order the service lists, none is left out."""
    monkeypatch.setattr(listing, "BATCH_NAMES", 2)
    walk = ours.walk("a")
    told = await anext(walk)
    container.breaks(FaultRule("lost", operation="list", times=3))
    told += [path async for batch in walk for path in batch]
    assert sorted(told) == OURS


async def test_a_listing_that_goes_on_by_the_sdk_tells_each_name_once(
    ours: AzureLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name with an empty part stands on a later page of obstore's; each has 5,000 names, here two."""
    by_obstore = obstore.list

    async def two_names(store: AzureStore, prefix: str, chunk_size: int) -> AsyncIterator[object]:
        async for metas in by_obstore(store, prefix=prefix, chunk_size=2):
            yield metas
            raise InvalidPathError("a//b")

    monkeypatch.setattr(obstore, "list", two_names)
    told = await listed(ours, "a")
    assert sorted(told) == OURS


@pytest.mark.parametrize("key", [str, lambda name: name.split("/")], ids=["names", "parts"])
def test_a_listing_in_either_order_loses_no_name(key: Callable[[str], str]) -> None:
    """`k-1/1` comes before `k/1` by its letters, and behind it by its parts."""
    names = sorted([f"{folder}/{number}" for folder in ("k", "k-1", "k.x", "l") for number in range(4)], key=key)
    for cut in range(1, len(names)):
        order = listing._Order()
        told = order.fresh(names[:cut])
        order.begin_again()
        told += [name for batch in (names[:3], names[3:]) for name in order.fresh(batch)]
        assert set(told) == set(names)
