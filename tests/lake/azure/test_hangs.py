"""Requests to a container that hang, come late, or fail one after another: what stands is right (G1, G2)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from haulier.lake.azure import blobs, rights, store
from haulier.lake.azure.upload import PUT_BYTES
from haulier.lake.seam import Lake, Published
from haulier.testing.contracts.lake.contents import OBJECT, lines, listed, spooled, stored
from haulier.testing.proxy.rules import Fault, FaultRule
from tests.lake.azure.conftest import Container

RECORD = "a/b.json"
SMALL = [b'{"id":1}'] * 10
LARGE = [os.urandom(40_000).hex().encode() for _ in range(60)]
OTHER = [b'{"id":2}']
REQUEST_SECONDS = 1.0
HANG_SECONDS = 3.0

Call = Callable[[Lake, Path], Coroutine[Any, Any, object]]


async def published(lake: Lake, records: list[bytes]) -> list[bytes]:
    """As a worker publishes: again, until somebody knows."""
    spool = await spooled(lake, records)
    while (result := await lake.publish(spool, OBJECT, lambda: 60.0)) is Published.AGAIN:
        pass
    assert result is Published.OURS
    return await lines(lake, OBJECT)


async def created(lake: Lake, _: Path) -> bytes | None:
    assert await lake.create(RECORD, b"{}")
    assert not await lake.create(RECORD, b"{ }")
    return await lake.read(RECORD)


async def created_from(lake: Lake, folder: Path) -> bytes:
    file = folder / "manifest"
    file.write_bytes(b"0" * 3 * PUT_BYTES)
    assert await lake.create_from("a/manifest", file)
    return await stored(lake, "a/manifest")


async def removed(lake: Lake, _: Path) -> list[str]:
    await lake.create("a/one", b"1")
    await lake.create("a/two", b"2")
    await lake.remove("a/one")
    return await listed(lake, "a")


async def cleaned(lake: Lake, _: Path) -> int:
    return await lake.clean("a", older_than_seconds=0.0)


async def adopted(lake: Lake, _: Path) -> int:
    await published(lake, SMALL)
    facts = await lake.adopt(OBJECT)
    assert facts is not None
    return facts.records


async def looked_at(lake: Lake, _: Path) -> tuple[object, ...]:
    await lake.create(RECORD, b"{}")
    return await lake.exists(RECORD), await lake.exists("a/none"), await lake.names("a"), await lake.read("a/none")


CALLS: dict[str, tuple[str, Call, object]] = {
    "publish small": ("put-blob", lambda lake, _: published(lake, SMALL), SMALL),
    "publish large, block": ("put-block", lambda lake, _: published(lake, LARGE), LARGE),
    "publish large, list": ("put-block-list", lambda lake, _: published(lake, LARGE), LARGE),
    "create": ("put-blob", created, b"{}"),
    "create_from, block": ("put-block", created_from, b"0" * 3 * PUT_BYTES),
    "create_from, list": ("put-block-list", created_from, b"0" * 3 * PUT_BYTES),
    "read": ("get", created, b"{}"),
    "adopt": ("get", adopted, len(SMALL)),
    "exists": ("head", looked_at, (True, False, ["b.json"], None)),
    "walk": ("list", removed, ["a/two"]),
    "remove": ("delete", removed, ["a/two"]),
    "clean": ("list", cleaned, 0),
}

each_call = pytest.mark.parametrize("call", CALLS)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are given up after a second, and not after thirty."""
    for module in (blobs, rights, store):
        monkeypatch.setattr(module, "REQUEST_SECONDS", REQUEST_SECONDS)
    monkeypatch.setattr(rights, "PUT_SECONDS", REQUEST_SECONDS)


@each_call
@pytest.mark.parametrize("fault", ["hang", "hang after"])
@pytest.mark.usefixtures("impatient")
async def test_g1_a_call_that_hangs_is_made_again(
    container: Container, tmp_path: Path, call: str, fault: Fault
) -> None:
    """Before its effect or after it: what is created is ours, and what is changed is changed once."""
    operation, act, expected = CALLS[call]
    async with container.lake() as lake:
        container.breaks(FaultRule(fault, operation, times=1, seconds=HANG_SECONDS))
        assert await act(lake, tmp_path) == expected
    assert container.proxy.counters.struck == {f"{operation}: {fault}": 1}


@each_call
async def test_g2_a_call_meets_one_fault_after_another(container: Container, tmp_path: Path, call: str) -> None:
    """Its answer is lost, the look at what stands fails, the second try is answered with 500 though it was done."""
    operation, act, expected = CALLS[call]
    async with container.lake() as lake:
        container.breaks(
            FaultRule("lost", operation, times=1),
            FaultRule("503", "head", times=1),
            FaultRule("reset", "get", times=1),
            FaultRule("500 after", operation, first=2, times=1),
        )
        assert await act(lake, tmp_path) == expected


@pytest.mark.usefixtures("impatient")
async def test_g2_a_late_put_does_not_replace_another_attempts_object(container: Container) -> None:
    """It was given up, and another attempt has published meanwhile: theirs stands, whole, and is adopted."""
    async with container.lake() as late, container.lake() as other:
        container.breaks(FaultRule("delay", "put-blob", times=1, seconds=3.0))
        spool = await spooled(late, SMALL)
        assert await late.publish(spool, OBJECT, lambda: 60.0) is Published.AGAIN
        assert await published(other, OTHER) == OTHER
        await _until_passed(container, 2)
        assert await late.publish(spool, OBJECT, lambda: 60.0) is Published.TAKEN
        assert await lines(late, OBJECT) == OTHER


@pytest.mark.usefixtures("impatient")
async def test_g2_a_late_put_is_found_by_the_attempt_that_gave_it_up(container: Container) -> None:
    """It landed between two tries, and is ours."""
    async with container.lake() as lake:
        container.breaks(FaultRule("delay", "put-blob", times=1, seconds=2.0))
        spool = await spooled(lake, SMALL)
        assert await lake.publish(spool, OBJECT, lambda: 60.0) is Published.AGAIN
        await _until_passed(container, 1)
        assert await lake.publish(spool, OBJECT, lambda: 60.0) is Published.OURS
        assert await lines(lake, OBJECT) == SMALL


async def test_g1_an_object_that_appears_while_it_is_looked_for_is_not_damaged(container: Container) -> None:
    """The download finds nothing, then another attempt publishes, then the look finds it: that is read."""
    async with container.lake() as lake:
        container.breaks(FaultRule("delay", "head", times=1, seconds=1.0))
        looking = asyncio.create_task(lake.adopt(OBJECT))
        while container.proxy.counters.operations.get("head", 0) < 1:
            await asyncio.sleep(0.01)
        assert await published(lake, SMALL) == SMALL
        assert not looking.done()
        facts = await looking
        assert facts is not None
        assert facts.records == len(SMALL)


async def _until_passed(container: Container, puts: int) -> None:
    """The proxy has handed on so many requests, those that came late included."""
    while container.proxy.counters.passed < puts:
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("fault", ["lost", "reset", "503", "500", "cut"])
async def test_one_lost_answer_about_a_shared_row_ends_nobody(container: Container, fault: Fault) -> None:
    """A worker that begins reads the row first, and an update that had no answer looks whether it was made."""
    async with container.lake() as lake:
        rows = lake.rows()
        container.breaks(
            FaultRule(fault, "get", times=1),
            FaultRule("lost", "put-blob", times=1),
            FaultRule(fault, "get", first=3, times=1),
        )
        for word in (b"a", b"b"):
            assert (await rows.update("scope", lambda old, word=word: (old or b"") + word)).endswith(word)  # type: ignore[misc]
        assert await rows.read("scope") == b"ab"
    assert sum(container.proxy.counters.struck.values()) == 3
