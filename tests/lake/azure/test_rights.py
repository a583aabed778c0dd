"""C9: the right to put an object ends with the lease, and a refusal after that is no missing right."""

from __future__ import annotations

import asyncio
import gzip
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs

import pytest
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

from haulier.clock import SystemClock
from haulier.errors import UsageError
from haulier.lake.azure.lake import AzureLake
from haulier.lake.azure.rights import PUT_SECONDS, PutRights
from haulier.lake.azure.server_clock import ServerClock
from haulier.lake.azure.upload import BLOCK_BYTES
from haulier.lake.seam import Published
from haulier.testing.clock import FakeClock
from haulier.testing.contracts.lake.contents import OBJECT, listed, spooled, stored
from haulier.testing.proxy.rules import FaultRule
from tests.lake.azure.conftest import Container
from tests.lake.azure.test_lost_answers import LARGE, SMALL, published


class SkewedClock(SystemClock):
    """The wall clock of a machine that is wrong by some seconds."""

    def __init__(self, ahead_seconds: float) -> None:
        self._ahead = timedelta(seconds=ahead_seconds)

    def now(self) -> datetime:
        return super().now() + self._ahead


def rights_of(container: Container, **account: str) -> PutRights:
    return PutRights(container.folder(**account), None, ServerClock(SystemClock()))


@pytest.mark.parametrize("seconds", [300.0, 60.0, 20.0, 6.0])
async def test_a_put_is_signed_for_its_blob_until_the_lease_ends(container: Container, seconds: float) -> None:
    """Less the time after which it is given up: the service looks at the signature when a request begins."""
    right = await rights_of(container).for_seconds("lake/a", seconds)
    assert right is not None
    assert right.sas is not None
    words = {name: value for name, (value,) in parse_qs(right.sas).items()}
    ends = datetime.fromisoformat(words["se"])
    latest = (ends - datetime.now(UTC)).total_seconds() + right.timeout_seconds
    assert seconds - 2 <= latest <= seconds
    assert right.timeout_seconds == min(PUT_SECONDS, seconds / 2)
    assert (words["sr"], words["sp"]) == ("b", "cw")


async def test_a_sas_cannot_sign_another(container: Container) -> None:
    """With one, or without a lease, the right to put is the account's own."""
    sas_only, signing = rights_of(container, key="", sas="sig=a"), rights_of(container)
    for right in (await sas_only.for_seconds("lake/a", 60), await signing.for_seconds("lake/a", None)):
        assert right is not None
        assert right.sas is None


async def test_no_signature_outlives_a_lease_that_is_nearly_over(container: Container, azure_lake: AzureLake) -> None:
    """It ends on a whole second. The publication is asked for again, and its lease is renewed meanwhile."""
    assert await azure_lake.publish(await spooled(azure_lake, SMALL), "a/b.ndjson.gz", lambda: 20.0) is Published.OURS
    spool = await spooled(azure_lake, SMALL)
    for seconds in (1.9, 0.5, 0.05, 0.0, -1.0):
        assert await azure_lake.publish(spool, OBJECT, lambda seconds=seconds: seconds) is Published.AGAIN  # type: ignore[misc]
    assert container.proxy.counters.operations == {"put-blob": 1}
    assert await azure_lake.publish(spool, OBJECT, lambda: 20.0) is Published.OURS


async def test_a_lease_of_a_second_still_publishes(azure_lake: AzureLake) -> None:
    """It never has more left."""
    assert await azure_lake.publish(await spooled(azure_lake, SMALL), OBJECT, lambda: 0.9) is Published.OURS


@pytest.mark.parametrize(("records", "operation"), [(SMALL, "put-blob"), (LARGE, "put-block-list")])
async def test_g2_a_put_that_is_late_does_not_land(
    container: Container, azure_lake: AzureLake, records: list[bytes], operation: str
) -> None:
    """It is held up on its way until the lease is over, and then refused. The publication is asked for again."""
    container.breaks(FaultRule("delay", operation=operation, times=1, seconds=4))
    spool = await spooled(azure_lake, records)
    if records is LARGE:
        assert await azure_lake.publish(spool, OBJECT, lambda: 3.0) is Published.AGAIN  # Its blocks.
    assert await azure_lake.publish(spool, OBJECT, lambda: 3.0) is Published.AGAIN
    await asyncio.sleep(5)
    assert container.proxy.counters.struck == {f"{operation}: delay": 1}
    assert await listed(azure_lake, "flights") == []
    assert await azure_lake.publish(spool, OBJECT, lambda: 60.0) is Published.OURS
    assert gzip.decompress(await stored(azure_lake, OBJECT)).splitlines() == records


async def test_nothing_is_put_when_the_lease_is_over(container: Container, azure_lake: AzureLake) -> None:
    spool = await spooled(azure_lake, SMALL)
    assert await azure_lake.publish(spool, OBJECT, lambda: 0.0) is Published.AGAIN
    assert container.proxy.counters.operations == {}
    assert await azure_lake.publish(spool, OBJECT) is Published.OURS


async def test_closings_and_the_lease_are_looked_at_after_the_blocks(
    container: Container, azure_lake: AzureLake
) -> None:
    """A large object takes its time. What makes it visible is asked for anew, and signed last."""
    spool = await spooled(azure_lake, LARGE)
    for seconds in (60.0, -1.0):
        assert await azure_lake.publish(spool, OBJECT, lambda seconds=seconds: seconds) is Published.AGAIN  # type: ignore[misc]
        assert set(container.proxy.counters.operations) == {"put-block"}
    assert await azure_lake.publish(spool, OBJECT, lambda: 60.0) is Published.OURS
    size = len(await stored(azure_lake, OBJECT))
    assert container.proxy.counters.operations["put-block"] == -(-size // BLOCK_BYTES)


async def test_the_shortest_lease_publishes_after_the_check_of_a_start(container: Container) -> None:
    """The check has a minute for its probe, and that says nothing of leases."""
    async with container.lake(SystemClock()) as lake:
        await lake.check()
        assert await lake.publish(await spooled(lake, SMALL), OBJECT, lambda: 0.9) is Published.OURS


def test_an_answer_that_is_heard_late_moves_no_clock() -> None:
    """A process may be suspended while one is under way."""
    clock = FakeClock()
    server = ServerClock(clock)
    for late_seconds in (0.0, 90.0, 0.0):
        date = format_datetime(clock.now() - timedelta(seconds=late_seconds))
        server.note(date)
        assert abs(server.ahead_seconds) <= 1.0


@pytest.mark.parametrize("ahead_seconds", [-240, 240])
async def test_a_clock_that_is_wrong_hides_nothing_from_the_check(container: Container, ahead_seconds: float) -> None:
    """The right to put is tried by the service's clock, and nothing is left of it."""
    async with container.lake(SkewedClock(ahead_seconds)) as lake:
        await lake.check()
    assert container.proxy.counters.operations["put-blob"] == (3 if ahead_seconds < 0 else 2)
    assert await container.blobs() == {}


@pytest.mark.parametrize("ahead_seconds", [-240, 240])
async def test_a_clock_that_is_wrong_ends_no_right(container: Container, ahead_seconds: float) -> None:
    """By the service's clock, which each answer tells. An hour is refused at the start."""
    async with container.lake(SkewedClock(ahead_seconds)) as lake:
        spool = await spooled(lake, SMALL)
        results = [await lake.publish(spool, OBJECT, lambda: 20.0)]
        if results == [Published.AGAIN]:
            results.append(await lake.publish(spool, OBJECT, lambda: 20.0))
        assert results[-1] is Published.OURS
        await lake.check()


async def test_a_clock_that_is_an_hour_off_is_refused_at_the_start(container: Container) -> None:
    """Shared keys are refused anyway; with a SAS the right to put would end an hour early or late."""
    async with container.lake(SkewedClock(3600)) as lake:
        with pytest.raises(UsageError, match=r"clock of this machine is \d+ minutes ahead"):
            await lake.check()


@pytest.mark.parametrize("missing", ["write", "create and write", "delete", "list", "read"])
async def test_a_missing_right_is_refused_at_the_start(container: Container, missing: str) -> None:
    """Each that a run needs is tried."""
    account = container.azurite.account
    rights = {name: name not in missing for name in ("read", "write", "create", "delete", "list")}
    sas = generate_account_sas(
        account.name,
        account.key,
        ResourceTypes(container=True, object=True),
        AccountSasPermissions(**rights),
        datetime.now(UTC) + timedelta(hours=1),
    )
    async with container.lake(key="", sas=sas, setting="AZURE_STORAGE_SAS_TOKEN") as lake:
        with pytest.raises(UsageError, match="AZURE_STORAGE_SAS_TOKEN"):
            await lake.check()
        if missing == "write":
            with pytest.raises(UsageError, match=r"lacks a right on the container .* needs racwdl"):
                await lake.check()


async def test_a_lake_works_with_a_sas(container: Container) -> None:
    """For the whole of its life, since it cannot be narrowed."""
    account = container.azurite.account
    sas = generate_account_sas(
        account.name,
        account.key,
        ResourceTypes(container=True, object=True),
        AccountSasPermissions(read=True, write=True, create=True, delete=True, list=True),
        datetime.now(UTC) + timedelta(hours=1),
    )
    async with container.lake(key="", sas=sas) as lake:
        await lake.check()
        assert await lake.create("a/b.json", b"{}")
        assert await published(lake, LARGE) is Published.OURS
        assert sorted(await listed(lake, "a")) == ["a/b.json"]
        await lake.remove("a/b.json")
        assert await lake.read("a/b.json") is None
