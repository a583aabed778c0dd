"""The service goes away and comes back: every call waits, and nobody above has to know."""

from __future__ import annotations

import asyncio
import gzip
import random
from pathlib import Path

import pytest

from haulier.clock import SystemClock
from haulier.errors import LakeUnavailableError
from haulier.lake.azure.lake import AzureLake
from haulier.lake.azure.patience import FIRST_SECONDS, OUTAGE_SECONDS
from haulier.lake.azure.upload import BLOCK_BYTES
from haulier.lake.seam import Published, Spool
from haulier.testing.contracts.lake.contents import OBJECT, listed, spooled, stored
from haulier.testing.proxy.rules import FaultRule
from tests.lake.azure.conftest import Container
from tests.lake.azure.test_lost_answers import LARGE, SMALL


class FastClock(SystemClock):
    """Time passes a thousand times as fast for whoever waits, and is told so."""

    def __init__(self) -> None:
        self.slept = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.slept

    async def sleep(self, seconds: float) -> None:
        self.slept += seconds
        await asyncio.sleep(seconds / 1000)


async def publish(lake: AzureLake, spool: Spool | None = None) -> Published:
    spool = spool or await spooled(lake, SMALL)
    result = Published.AGAIN
    while result is Published.AGAIN:
        result = await lake.publish(spool, OBJECT, lambda: 60.0)
    return result


async def test_g1_calls_wait_for_a_service_that_comes_back(
    container: Container, azure_lake: AzureLake, tmp_path: Path
) -> None:
    """Of each kind, all at once. obstore alone gives up a refused connection after three seconds."""
    (tmp_path / "manifest").write_bytes(b"1" * 3_000_000)
    await azure_lake.create("a/b.json", b"{}")
    await azure_lake.create("a/gone.json", b"{}")
    async with container.proxy.away():
        calls = [
            asyncio.ensure_future(call)
            for call in (
                azure_lake.read("a/b.json"),
                azure_lake.exists("a/b.json"),
                azure_lake.names("b"),
                listed(azure_lake, "c"),
                azure_lake.create("d/new.json", b"{}"),
                azure_lake.create_from("e/manifest", tmp_path / "manifest"),
                azure_lake.remove("a/gone.json"),
                publish(azure_lake),
                azure_lake.adopt("f/nothing"),
            )
        ]
        await asyncio.sleep(4)
        assert not any(call.done() for call in calls)
    assert await asyncio.gather(*calls) == [b"{}", True, [], [], True, True, None, Published.OURS, None]
    assert sorted(await container.blobs()) == ["a/b.json", "d/new.json", "e/manifest", OBJECT]
    assert gzip.decompress(await stored(azure_lake, OBJECT)).splitlines() == SMALL


async def test_who_never_heard_an_answer_is_told_soon(container: Container) -> None:
    """The name or the network may be wrong, and a person waits."""
    clock = FastClock()
    async with container.lake(clock) as lake, container.proxy.away():
        with pytest.raises(LakeUnavailableError, match=r"az://.* has not answered for 1\d s: .*Connection refused"):
            await lake.read("a/b.json")
    assert clock.slept < FIRST_SECONDS * 2


async def test_an_outage_without_end_ends_the_worker(container: Container) -> None:
    """After ten minutes; its items go back when their leases run out."""
    clock = FastClock()
    async with container.lake(clock) as lake:
        await lake.create("a/b.json", b"{}")
        async with container.proxy.away():
            with pytest.raises(LakeUnavailableError, match="has not answered for 6"):
                await lake.read("a/b.json")
            with pytest.raises(LakeUnavailableError, match="has not answered for 6"):
                await publish(lake)
        assert clock.slept >= 2 * OUTAGE_SECONDS
        assert await lake.read("a/b.json") == b"{}"


async def test_a_refusal_is_not_waited_for(container: Container, azure_lake: AzureLake, tmp_path: Path) -> None:
    """What no waiting mends is said at once: another tool's blocks under our name, for one."""
    (tmp_path / "manifest").write_bytes(b"1" * 3_000_000)
    await container.beside.get_blob_client("lake/a/manifest").stage_block("theirs", b"1")
    with pytest.raises(LakeUnavailableError, match="refused a request: 400 InvalidBlobOrBlock"):
        await azure_lake.create_from("a/manifest", tmp_path / "manifest")


async def test_waiting_ends_with_a_cancellation(container: Container, azure_lake: AzureLake) -> None:
    """At the end of a worker's grace it hands its items back; an outage must not hold it."""
    await azure_lake.create("a/b.json", b"{}")
    async with container.proxy.away():
        call = asyncio.ensure_future(azure_lake.create("a/c.json", b"{}"))
        await asyncio.sleep(1)
        call.cancel()
        async with asyncio.timeout(0.5):
            await asyncio.wait([call])
        assert call.cancelled()


async def test_g2_a_cancelled_put_has_ended_before_its_caller_goes_on(
    container: Container, azure_lake: AzureLake
) -> None:
    """The body of a put that is given up lies in a buffer, and would be published seconds later."""
    container.breaks(FaultRule("delay", operation="put-blob", seconds=1))
    spool = await spooled(azure_lake, SMALL)
    call = asyncio.ensure_future(azure_lake.publish(spool, OBJECT, lambda: 60.0))
    await asyncio.sleep(0.3)
    call.cancel()
    await asyncio.wait([call])
    assert call.cancelled()
    assert list(await container.blobs()) == [OBJECT]
    assert await azure_lake.publish(spool, OBJECT, lambda: 60.0) is Published.OURS


@pytest.mark.parametrize("by_file", [False, True], ids=["publish", "create_from"])
async def test_a_cancelled_upload_does_not_wait_for_its_blocks(
    container: Container, azure_lake: AzureLake, tmp_path: Path, by_file: bool
) -> None:
    """They make nothing visible, and a large object's take minutes over a slow line, where a grace takes seconds."""
    container.breaks(FaultRule("delay", operation="put-block", seconds=1.0))
    (tmp_path / "manifest").write_bytes(b"1" * 3 * BLOCK_BYTES)
    spool = await spooled(azure_lake, LARGE)
    call: asyncio.Future[object]
    if by_file:
        call = asyncio.ensure_future(azure_lake.create_from("a/manifest", tmp_path / "manifest"))
    else:
        call = asyncio.ensure_future(azure_lake.publish(spool, OBJECT, lambda: 60.0))
    await asyncio.sleep(0.5)
    call.cancel()
    async with asyncio.timeout(0.4):
        await asyncio.wait([call])
    assert call.cancelled()
    await asyncio.sleep(1.5)
    assert container.proxy.counters.operations == {"put-block": 1}
    assert await container.blobs() == {}
    # What arrived late is staged again, under the same id.
    container.breaks()
    if by_file:
        assert await azure_lake.create_from("a/manifest", tmp_path / "manifest")
    else:
        assert await publish(azure_lake, spool) is Published.OURS
        assert gzip.decompress(await stored(azure_lake, OBJECT)).splitlines() == LARGE


async def test_pauses_grow_and_come_apart(container: Container) -> None:
    """Fifty workers must not come back in step."""
    pauses = []
    for seed in (1, 2):
        clock = FastClock()
        lake = AzureLake(container.folder(), clock, random.Random(seed))
        async with container.proxy.away():
            with pytest.raises(LakeUnavailableError):
                await lake.read("a")
        pauses.append(clock.slept)
        await lake.close()
    assert pauses[0] != pauses[1]
