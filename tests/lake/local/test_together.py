"""What many ask of a local lake at once is done in one go; what each of them is promised stays as it is (P7)."""

import asyncio
import errno
import os
import stat
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from haulier.errors import LakeUnavailableError, SweptError
from haulier.lake.local.lake import LocalLake
from haulier.lake.seam import Published, Spool
from haulier.testing.contracts.lake.contents import OBJECT, STAGING, lines, spooled

MANY = 20


@pytest.fixture
async def known(lake: LocalLake, root: Path) -> LocalLake:
    """A lake whose folders were used before."""
    await lake.publish(await spooled(lake, [b"{}"], "first"), OBJECT)
    return lake


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often what was made durable, by kind."""
    counts, plain = Counter[str](), os.fsync

    def fsync(descriptor: int) -> None:
        counts["folders" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "files"] += 1
        plain(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return counts


def path_of(number: int) -> str:
    return f"{os.path.dirname(OBJECT)}/{number}.ndjson.gz"


async def written(lake: LocalLake, number: int, record: bytes = b"{}") -> Spool:
    spool = await lake.open_spool(STAGING, f"attempt-{number}")
    await spool.write([record])
    return spool


async def test_p7_many_small_spools_cost_one_folder_sync(known: LocalLake, synced: Counter[str]) -> None:
    """Each file is made durable for itself, before any of them is linked; their folder once, after the last link."""
    spools = [await written(known, number, b"[%d]" % number) for number in range(MANY)]
    await asyncio.gather(*(spool.finish() for spool in spools))
    assert synced == {"files": MANY}
    published = await asyncio.gather(*(known.publish(spool, path_of(n)) for n, spool in enumerate(spools)))
    assert published == [Published.OURS] * MANY
    assert synced == {"files": MANY, "folders": 1}
    assert [await lines(known, path_of(number)) for number in range(MANY)] == [[b"[%d]" % n] for n in range(MANY)]


async def test_p7_what_becomes_of_one_is_nothing_to_the_others(known: LocalLake, root: Path) -> None:
    """One was swept, one is taken, one is finished under a name that stands there: the others are published."""
    (root / STAGING / "attempt-3").touch()
    spools = [await written(known, number) for number in range(5)]
    ended = await asyncio.gather(*(spool.finish() for spool in spools), return_exceptions=True)
    assert [isinstance(end, ValueError) for end in ended] == [False, False, False, True, False]
    (root / STAGING / "attempt-1").unlink()
    await known.create(path_of(2), b"another's")
    answers = await asyncio.gather(
        *(known.publish(spool, path_of(number)) for number, spool in enumerate(spools) if number != 3),
        return_exceptions=True,
    )
    assert [answer if isinstance(answer, Published) else type(answer) for answer in answers] == [
        Published.OURS,
        SweptError,
        Published.TAKEN,
        Published.OURS,
    ]
    assert os.listdir(root / STAGING) == ["attempt-3"]


async def test_p7_a_folder_that_is_not_durable_acknowledges_nothing(
    known: LocalLake, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose link may be lost is told so, and may ask again; those in another folder are published."""
    spools = [await written(known, number) for number in range(3)]
    await asyncio.gather(*(spool.finish() for spool in spools))
    paths = [path_of(0), path_of(1), "flights/elsewhere/2.ndjson.gz"]
    await known.create("flights/elsewhere/record", b"{}")
    plain = os.fsync

    def fsync(descriptor: int) -> None:
        if os.path.samestat(os.fstat(descriptor), os.stat((root / OBJECT).parent)):
            raise OSError(errno.EIO, "the disk is broken")
        plain(descriptor)

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fsync)
        answers = await asyncio.gather(*map(known.publish, spools, paths), return_exceptions=True)
    assert [type(answer) for answer in answers] == [LakeUnavailableError, LakeUnavailableError, Published]
    assert sorted(os.listdir(root / STAGING)) == ["attempt-0", "attempt-1"]
    assert await asyncio.gather(*map(known.publish, spools, paths)) == [Published.OURS] * 3
    assert os.listdir(root / STAGING) == []


async def test_who_waits_for_a_group_may_be_cancelled_alone(known: LocalLake) -> None:
    """Its part has ended then, as that of any call; the others get what they asked for."""
    spools = [await written(known, number) for number in range(3)]
    finishing = [asyncio.create_task(spool.finish()) for spool in spools]
    await asyncio.sleep(0)
    finishing[1].cancel()
    ended = await asyncio.gather(*finishing, return_exceptions=True)
    assert isinstance(ended[1], asyncio.CancelledError)
    await spools[1].discard()
    for number in (0, 2):
        assert await known.publish(spools[number], path_of(number)) is Published.OURS


async def test_a_large_spool_keeps_no_small_one_waiting(known: LocalLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its disk may take seconds for it."""
    begun, goes_on, plain = threading.Event(), threading.Event(), os.fsync

    def fsync(descriptor: int) -> None:
        if os.fstat(descriptor).st_size > 100_000:
            begun.set()
            assert goes_on.wait(30)
        plain(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    large = await written(known, 0, os.urandom(500_000).hex().encode())
    finishing = asyncio.create_task(large.finish())
    await asyncio.to_thread(begun.wait, 30)
    assert (await (await written(known, 1)).finish()).records == 1
    goes_on.set()
    assert (await finishing).records == 1


async def test_a_folder_is_read_once_for_all_who_ask(
    known: LocalLake, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P7: each looks for closings before it publishes. Who asks while a look is under way gets the next one, since that
    one may have begun too early: what stood there before the call is always seen."""
    await known.create("closings/0001/opened", b"{}")
    looks, read, goes_on, plain = 0, threading.Event(), threading.Event(), os.listdir

    def listdir(place: Any) -> list[str]:
        nonlocal looks
        looks += 1
        names: list[str] = plain(place)
        read.set()
        assert goes_on.wait(30)
        return names

    monkeypatch.setattr(os, "listdir", listdir)
    early = [asyncio.create_task(known.names("closings")) for _ in range(MANY)]
    await asyncio.to_thread(read.wait, 30)
    (root / "closings/0002").mkdir()
    late = [asyncio.create_task(known.names("closings")) for _ in range(MANY)]
    await asyncio.sleep(0)
    goes_on.set()
    assert await asyncio.gather(*early) == [["0001"]] * MANY
    assert sorted(await late[0]) == ["0001", "0002"]
    assert len({tuple(await one) for one in late}) == 1
    assert looks == 2
