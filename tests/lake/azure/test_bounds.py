"""G9: objects of any size go through little memory, and spools leave nothing on the disk."""

from __future__ import annotations

import os
import tempfile
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from haulier.errors import LakeUnavailableError
from haulier.lake.azure.lake import AzureLake
from haulier.lake.azure.pieces import PIECE_BYTES
from haulier.lake.azure.upload import BLOCK_BYTES, PUT_BYTES
from haulier.lake.seam import Published, Spool
from haulier.testing.contracts.lake.contents import OBJECT, STAGING
from tests.lake.azure.conftest import Container
from tests.lake.small_disk import small_disk

RECORDS = [os.urandom(500).hex().encode() for _ in range(1000)]


@pytest.fixture
async def direct_lake(container: Container) -> AsyncIterator[AzureLake]:
    """Past the proxy, which holds each answer whole, and lives in this process."""
    async with container.lake(blob_endpoint=container.azurite.blob_url) as lake:
        yield lake


async def test_g9_a_large_object_is_published_and_adopted_in_little_memory(direct_lake: AzureLake) -> None:
    """40 MB: a block at a time one way, a piece at a time the other."""
    spool = await direct_lake.open_spool(STAGING, "one")
    for _ in range(80):
        await spool.write(RECORDS)
    facts = await spool.finish()
    assert facts.bytes > 40_000_000
    tracemalloc.start()
    try:
        assert await direct_lake.publish(spool, OBJECT, lambda: 60.0) is Published.AGAIN  # The blocks.
        assert await direct_lake.publish(spool, OBJECT, lambda: 60.0) is Published.OURS
        _, published_bytes = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        assert await direct_lake.adopt(OBJECT) == facts
        _, adopted_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert published_bytes < 5 * BLOCK_BYTES
    assert adopted_bytes < 5 * PIECE_BYTES


async def test_a_spool_leaves_no_file(azure_lake: AzureLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without a name goes with its process, however that ends."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spool = await azure_lake.open_spool(STAGING, "one")
    for _ in range(4):
        await spool.write(RECORDS)
    assert list(tmp_path.iterdir()) == []
    assert (await spool.finish()).bytes > PUT_BYTES
    disk = await azure_lake.disk()
    assert disk is not None
    assert (disk.place, disk.holds) == (str(tmp_path), "records under way")
    assert "TMPDIR" in disk.remedy
    await spool.discard()


async def test_a_full_disk_is_said_in_words(
    azure_lake: AzureLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its remedy; the worker stops, and nothing is charged."""
    with small_disk(tmp_path / "disk", size="1m", files=40) as place:
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        spool = await azure_lake.open_spool(STAGING, "one")
        with pytest.raises(LakeUnavailableError, match=r"cannot be kept in .*disk: No space left on device.* TMPDIR"):
            await spool.write(RECORDS * 8)
        await spool.discard()


@pytest.mark.parametrize(
    "call",
    [
        lambda lake, spool: spool.write(RECORDS * 8),
        lambda lake, spool: lake.disk(),
        lambda lake, spool: lake.check(),
    ],
    ids=["write", "disk", "check"],
)
async def test_a_machine_without_a_folder_for_temporary_files(
    azure_lake: AzureLake, monkeypatch: pytest.MonkeyPatch, call: Callable[[AzureLake, Spool], Awaitable[object]]
) -> None:
    """A container whose root is read-only: said in words, and charged to no item."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc"])
    spool = await azure_lake.open_spool(STAGING, "one")
    with pytest.raises(LakeUnavailableError, match="no folder in which records under way can be kept"):
        await call(azure_lake, spool)
    await spool.discard()


async def test_a_large_record_comes_and_goes_in_pieces(container: Container, azure_lake: AzureLake) -> None:
    """No request is so long that a slow line could not end it in time: a shard of large items, for one."""
    body = os.urandom(3 * BLOCK_BYTES + 1)
    assert await azure_lake.create("a/b.ndjson", body)
    assert not await azure_lake.create("a/b.ndjson", b"later")
    assert await azure_lake.read("a/b.ndjson") == body
    operations = container.proxy.counters.operations
    assert (operations["put-block"], operations["put-block-list"], operations["get"]) == (4, 1, 5)
