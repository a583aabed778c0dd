"""An answer that is lost says nothing of the effect: what stands decides."""

from __future__ import annotations

import gzip
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from haulier.lake.azure.lake import AzureLake
from haulier.lake.azure.upload import PUT_BYTES
from haulier.lake.seam import Published
from haulier.testing.contracts.lake.contents import OBJECT, listed, spooled, stored
from haulier.testing.proxy.rules import Fault, FaultRule
from tests.lake.azure.conftest import Container

AFTER: tuple[Fault, ...] = ("lost", "500 after", "503 after")
BEFORE: tuple[Fault, ...] = ("500", "503", "reset")
SMALL = [b'{"id":1}'] * 10
LARGE = [os.urandom(40_000).hex().encode() for _ in range(120)]


async def published(lake: AzureLake, records: list[bytes], name: str = "one", path: str = OBJECT) -> Published:
    """As a worker publishes: again, until somebody knows."""
    spool = await spooled(lake, records, name)
    result = Published.AGAIN
    while result is Published.AGAIN:
        result = await lake.publish(spool, path, lambda: 60.0)
    return result


@pytest.mark.parametrize("fault", AFTER + BEFORE)
@pytest.mark.parametrize(
    ("records", "operation"),
    [(SMALL, "put-blob"), (LARGE, "put-block"), (LARGE, "put-block-list")],
    ids=["put", "block", "list"],
)
async def test_g2_an_object_whose_put_had_no_answer_is_ours(
    container: Container, azure_lake: AzureLake, records: list[bytes], operation: str, fault: Fault
) -> None:
    """The second put is told that the name is taken, by ourselves."""
    container.breaks(FaultRule(fault, operation=operation, times=1))
    assert await published(azure_lake, records) is Published.OURS
    assert container.proxy.counters.struck == {f"{operation}: {fault}": 1}
    assert gzip.decompress(await stored(azure_lake, OBJECT)).splitlines() == records


@pytest.mark.parametrize("records", [SMALL, LARGE], ids=["small", "large"])
async def test_g2_another_attempt_that_comes_between_is_no_success_of_ours(
    container: Container, azure_lake: AzureLake, records: list[bytes]
) -> None:
    """Our put had no effect, and the same records of another attempt stand when we look."""
    container.breaks(
        FaultRule("500", operation="put-blob" if records is SMALL else "put-block-list", times=1),
    )
    spool = await spooled(azure_lake, records)
    if records is LARGE:
        assert await azure_lake.publish(spool, OBJECT, lambda: 60.0) is Published.AGAIN  # Its blocks.
    assert await azure_lake.publish(spool, OBJECT, lambda: 60.0) is Published.AGAIN
    assert await published(azure_lake, records, "other") is Published.OURS
    assert await azure_lake.publish(spool, OBJECT, lambda: 60.0) is Published.TAKEN


@pytest.mark.parametrize("fault", AFTER + BEFORE)
async def test_g1_a_record_whose_put_had_no_answer_is_created_by_us(
    container: Container, azure_lake: AzureLake, fault: Fault
) -> None:
    container.breaks(FaultRule(fault, operation="put-blob", times=2))
    assert await azure_lake.create("a/b.json", b"{}")
    assert not await azure_lake.create("a/b.json", b"{}")
    assert container.proxy.counters.struck == {f"put-blob: {fault}": 2}
    assert await container.blobs() == {"a/b.json": b"{}"}


@pytest.mark.parametrize("operation", ["put-block", "put-block-list"])
async def test_g1_a_manifest_whose_put_had_no_answer_is_created_by_us(
    container: Container, azure_lake: AzureLake, tmp_path: Path, operation: str
) -> None:
    file = tmp_path / "manifest"
    file.write_bytes(os.urandom(3 * PUT_BYTES))
    container.breaks(FaultRule("lost", operation=operation, times=1))
    assert await azure_lake.create_from("a/manifest", file)
    assert await stored(azure_lake, "a/manifest") == file.read_bytes()


@pytest.mark.parametrize("fault", [*AFTER, *BEFORE, "cut"])
@pytest.mark.parametrize(
    ("operation", "call"),
    [
        ("get", lambda lake: lake.read("a/b.json")),
        ("get", lambda lake: stored(lake, "a/b.json")),
        ("head", lambda lake: lake.exists("a/b.json")),
        ("list", lambda lake: listed(lake, "a")),
        ("list", lambda lake: lake.names("a")),
    ],
    ids=["read", "download", "exists", "walk", "names"],
)
async def test_whatever_is_read_is_asked_for_again(
    container: Container,
    azure_lake: AzureLake,
    operation: str,
    call: Callable[[AzureLake], Awaitable[object]],
    fault: Fault,
) -> None:
    """An answer that is cut in its body, too: obstore asks for a page of a listing once."""
    await azure_lake.create("a/b.json", b"{}")
    good = await call(azure_lake)
    assert good
    container.breaks(FaultRule(fault, operation=operation, times=2))
    assert await call(azure_lake) == good


@pytest.mark.parametrize("fault", AFTER + BEFORE)
async def test_what_was_removed_without_an_answer_is_gone(
    container: Container, azure_lake: AzureLake, fault: Fault
) -> None:
    """The second delete is told that there is no such blob."""
    await azure_lake.create("a/b.json", b"{}")
    container.breaks(FaultRule(fault, operation="delete", times=1))
    await azure_lake.remove("a/b.json")
    assert await container.blobs() == {}
