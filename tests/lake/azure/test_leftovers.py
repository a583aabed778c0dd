"""What a writer that died has left in the container hinders nobody."""

from __future__ import annotations

import gzip
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from haulier.errors import UsageError
from haulier.lake.azure.lake import AzureLake
from haulier.lake.azure.upload import BLOCK_BYTES, PUT_BYTES
from haulier.lake.seam import Published
from haulier.testing.contracts.lake.contents import OBJECT, spooled, stored
from haulier.testing.proxy.rules import FaultRule
from tests.lake.azure.conftest import Container
from tests.lake.azure.test_lost_answers import LARGE, SMALL, published


@contextmanager
def death_at_the_commit(container: Container) -> Iterator[None]:
    """A writer's blocks arrive; then the writer finds its credentials refused, and never comes back."""
    container.breaks(FaultRule("403", operation="put-block-list", times=1))
    with pytest.raises(UsageError):
        yield


@pytest.mark.parametrize("records", [SMALL, LARGE], ids=["small", "large"])
async def test_g1_blocks_of_a_dead_writer_stop_no_object(
    container: Container, azure_lake: AzureLake, records: list[bytes]
) -> None:
    """Azurite refuses each one-request create of such a name for ever, with the words for a blob that exists."""
    with death_at_the_commit(container):
        await published(azure_lake, LARGE, "dead")
    assert not await azure_lake.exists(OBJECT)
    assert await published(azure_lake, records) is Published.OURS
    assert gzip.decompress(await stored(azure_lake, OBJECT)).splitlines() == records
    assert await published(azure_lake, records, "other") is Published.TAKEN


async def test_g1_blocks_of_a_dead_writer_stop_no_record(
    container: Container, azure_lake: AzureLake, tmp_path: Path
) -> None:
    """Nor a manifest, whether small or large, and the answer of none of them may be lost."""
    file = tmp_path / "manifest"
    for size in (100, 3 * PUT_BYTES):
        path = f"a/manifest-{size}"
        file.write_bytes(os.urandom(3 * PUT_BYTES))
        with death_at_the_commit(container):
            await azure_lake.create_from(path, file)
        file.write_bytes(os.urandom(size))
        container.breaks(FaultRule("lost", operation="put-block-list", times=1))
        assert await azure_lake.create_from(path, file)
        assert await stored(azure_lake, path) == file.read_bytes()
    with death_at_the_commit(container):
        await azure_lake.create_from("a/record.json", file)
    container.breaks(FaultRule("lost", operation="put-block-list", times=1))
    assert await azure_lake.create("a/record.json", b"{}")
    assert not await azure_lake.create("a/record.json", b"{}")


async def test_blocks_of_the_same_attempt_are_sent_once(container: Container, azure_lake: AzureLake) -> None:
    """A publication that is tried again goes on where it was: a large object is not uploaded anew for a lost answer."""
    container.breaks(FaultRule("500", operation="put-block-list", times=2))
    spool = await spooled(azure_lake, LARGE)
    facts = await azure_lake.publish(spool, OBJECT), await azure_lake.publish(spool, OBJECT)
    assert facts == (Published.AGAIN, Published.AGAIN)
    assert await azure_lake.publish(spool, OBJECT) is Published.OURS
    size = len(await stored(azure_lake, OBJECT))
    assert size > PUT_BYTES
    assert container.proxy.counters.operations["put-block"] == -(-size // BLOCK_BYTES)


async def test_ids_of_blocks_are_as_long_as_ever(container: Container, azure_lake: AzureLake) -> None:
    """The service refuses a block whose id is longer or shorter than those that lie under its name already: of an older
    release, too."""
    blob = f"lake/{OBJECT}"
    await container.beside.get_blob_client(blob).stage_block(f"{uuid.uuid4().hex}{0:08d}", b"of a dead writer")
    assert await azure_lake.publish(await spooled(azure_lake, LARGE), OBJECT) is Published.OURS
