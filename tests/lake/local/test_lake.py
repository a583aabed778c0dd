"""What the local lake promises beyond the contract of the seam: its files, its folder, and its threads."""

import asyncio
import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from haulier.errors import DamagedObjectError, LakeUnavailableError
from haulier.lake.local.lake import LocalLake
from haulier.testing.clock import FakeClock
from haulier.testing.contracts.lake.contents import OBJECT, RECORDS, STAGING, listed, spooled, stored

DAY_SECONDS = 86_400.0
SWEEPING = """
import sys
from haulier.lake.local.files import LocalFiles
files, events = LocalFiles(sys.argv[1]), []
sys.addaudithook(lambda event, _: events.append(event) if event in ("os.scandir", "os.remove") else None)
files.sweep(sys.argv[2])
print(*events)
"""


async def test_temporary_names_are_ignored_everywhere(lake: LocalLake, root: Path) -> None:
    """Section 1: half a record of somebody is in no listing, and no sweep removes it."""
    await lake.create(f"{STAGING}/a", b"{}")
    (root / STAGING / ".tmp-1").write_bytes(b"half")
    (root / STAGING / ".tmp-folder").mkdir()
    (root / STAGING / ".tmp-folder" / "b").write_bytes(b"{}")
    assert await listed(lake, STAGING) == [f"{STAGING}/a"]
    assert await lake.names(STAGING) == ["a"]
    assert await lake.sweep(STAGING) == 1
    assert sorted(os.listdir(root / STAGING)) == [".tmp-1", ".tmp-folder"]


async def test_forgotten_temporary_names_are_cleaned(root: Path) -> None:
    """Section 6: those older than a day, at any depth, and no other file however old; folders stay."""
    clock = FakeClock()
    lake = LocalLake(root, clock)
    await lake.create(f"{RECORDS}/a.json", b"{}")
    now = clock.now().timestamp()
    for name, age in (("old", DAY_SECONDS + 1), ("new", DAY_SECONDS - 1)):
        (root / RECORDS / f".tmp-{name}").write_bytes(b"half")
        os.utime(root / RECORDS / f".tmp-{name}", (now - age, now - age))
    (root / RECORDS / ".tmp-folder").mkdir()
    for name in ("a.json", ".tmp-folder"):
        os.utime(root / RECORDS / name, (0, 0))
    assert await lake.clean("_haulier", older_than_seconds=DAY_SECONDS) == 1
    assert sorted(os.listdir(root / RECORDS)) == [".tmp-folder", ".tmp-new", "a.json"]
    clock.advance(2)
    assert await lake.clean("_haulier", older_than_seconds=DAY_SECONDS) == 1
    await lake.close()


async def test_a_sweep_takes_a_folder_whole(lake: LocalLake, root: Path) -> None:
    """C1: listed to its end before the first is removed, at any depth."""
    (root / STAGING / "below").mkdir(parents=True)
    for number in range(1_500):
        (root / STAGING / ("below" if number % 3 else "") / str(number)).touch()
    assert await lake.sweep(STAGING) == 1_500
    assert await listed(lake, STAGING) == []


def test_a_sweep_removes_nothing_before_it_has_listed_all(root: Path) -> None:
    """C1: a folder that changes under its own listing may hide names from it."""
    for folder in ("a", "b", "c"):
        (root / STAGING / folder).mkdir(parents=True)
        (root / STAGING / folder / "spool").touch()
    command = [sys.executable, "-c", SWEEPING, str(root), STAGING]
    events = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert events == ["os.scandir"] * 4 + ["os.remove"] * 3


async def test_sweepers_at_once_count_each_file_once(lake: LocalLake, root: Path) -> None:
    """C1: several may close at once; what another removed is no error."""
    (root / STAGING).mkdir(parents=True)
    for number in range(300):
        (root / STAGING / str(number)).touch()
    assert sum(await asyncio.gather(*(lake.sweep(STAGING) for _ in range(4)))) == 300


async def test_a_sweep_never_leaves_the_lake(lake: LocalLake, root: Path, tmp_path: Path) -> None:
    """A symbolic link to a folder is removed; what it points to is not touched."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").touch()
    (root / STAGING).mkdir(parents=True)
    (root / STAGING / "link").symlink_to(tmp_path / "outside")
    (root / STAGING / "loop").symlink_to(root / STAGING)
    assert sorted(await listed(lake, STAGING)) == [f"{STAGING}/link", f"{STAGING}/loop"]
    assert await lake.sweep(STAGING) == 2
    assert (tmp_path / "outside" / "precious").exists()


async def test_a_listing_comes_in_batches(lake: LocalLake, root: Path) -> None:
    """G9: a folder of any size is read a thousand names at a time."""
    (root / "a").mkdir(parents=True)
    for number in range(2_300):
        (root / "a" / str(number)).touch()
    sizes = [len(batch) async for batch in lake.walk("a")]
    assert sum(sizes) == 2_300
    assert max(sizes) <= 1_000


async def test_names_that_are_not_ours_can_be_written_down(lake: LocalLake, root: Path) -> None:
    """A stray file may have any name; what a listing says of it is ASCII."""
    (root / "a").mkdir(parents=True)
    printable = {b"a b": "a b", "naïve".encode(): r"na\xc3\xafve", b"\xff": r"\xff"}
    if sys.platform == "darwin":
        del printable[b"\xff"]  # Its disks take UTF-8 alone.
    for name in printable:
        open(os.path.join(os.fsencode(root / "a"), name), "wb").close()
    assert sorted(await lake.names("a")) == sorted(printable.values())
    assert sorted(await listed(lake, "a")) == sorted(f"a/{name}" for name in printable.values())


async def test_nothing_is_made_before_the_first_use(root: Path) -> None:
    """A lake that is only looked at leaves no folder; `check` leaves an empty one."""
    lake = LocalLake(root, FakeClock())
    assert await lake.read("a/b") is None
    assert await lake.names("a") == []
    assert not root.exists()
    await lake.check()
    assert os.listdir(root) == []
    await lake.close()


CALLS: dict[str, Callable[[LocalLake, Path], Awaitable[object]]] = {
    "create": lambda lake, _: lake.create("a/c", b"{}"),
    "create in a new folder": lambda lake, _: lake.create("new/c", b"{}"),
    "create_from": lambda lake, file: lake.create_from("a/c", file),
    "read": lambda lake, _: lake.read("a/c"),
    "exists": lambda lake, _: lake.exists("a/c"),
    "walk": lambda lake, _: listed(lake, "a"),
    "names": lambda lake, _: lake.names("a"),
    "download": lambda lake, _: stored(lake, "a/c"),
    "remove": lambda lake, _: lake.remove("a/c"),
    "finish": lambda lake, _: finished(lake, "a"),
    "adopt": lambda lake, _: lake.adopt("a/c"),
    "sweep": lambda lake, _: lake.sweep("a"),
    "clean": lambda lake, _: lake.clean("a", older_than_seconds=0),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_lake_that_has_gone_is_not_an_empty_one(
    lake: LocalLake, root: Path, tmp_path: Path, call: Callable[[LocalLake, Path], Awaitable[object]]
) -> None:
    """Where the folder was, nothing is begun anew, and nothing is said to be absent."""
    (tmp_path / "file").write_bytes(b"{}")
    await lake.create("a/b", b"{}")
    root.rename(tmp_path / "elsewhere")
    with pytest.raises(LakeUnavailableError, match="has disappeared"):
        await call(lake, tmp_path / "file")
    assert not root.exists()
    (tmp_path / "elsewhere").rename(root)
    await call(lake, tmp_path / "file")


async def test_an_unmounted_lake_is_not_begun_anew(lake_disk: Path, tmp_path: Path) -> None:
    """The folder beneath an unmounted disk looks like an empty lake; it is left alone."""
    lake = LocalLake(lake_disk, FakeClock())
    await lake.create("a/b", b"{}")
    unmount(lake_disk)
    for call in CALLS.values():
        (tmp_path / "file").write_bytes(b"{}")
        with pytest.raises(LakeUnavailableError, match="has disappeared"):
            await call(lake, tmp_path / "file")
    assert os.listdir(lake_disk) == []
    await lake.close()


async def test_a_folder_that_somebody_removed_is_made_again(lake: LocalLake, root: Path) -> None:
    """A known folder is no promise: it is looked for again when it is missed."""
    await lake.create("a/b/c", b"1")
    (root / "a/b/c").unlink()
    (root / "a/b").rmdir()
    assert await lake.create("a/b/c", b"2")
    (root / "a/b/c").unlink()
    (root / "a/b").rmdir()
    await finished(lake, "a/b")


async def test_a_call_that_is_cancelled_has_ended(lake: LocalLake, root: Path, tmp_path: Path) -> None:
    """A thread cannot be stopped, so the cancellation waits for it; the event loop does not."""
    os.mkfifo(tmp_path / "slow")
    creation = asyncio.create_task(lake.create_from("a/b", tmp_path / "slow"))
    await asyncio.sleep(0)
    creation.cancel()
    await asyncio.wait([creation], timeout=0.05)
    creation.cancel()
    await asyncio.wait([creation], timeout=0.05)
    assert not creation.done(), "the thread still waits for the file"
    # A pipe cannot be rewound, so this creation fails; what matters is that it ends, and when.
    with open(tmp_path / "slow", "wb"):
        await asyncio.wait([creation])
    assert creation.cancelled()
    assert not (root / "a/b").exists()


async def test_a_closed_lake_lets_its_threads_end(root: Path) -> None:
    """After the work that they were given. Closing again is fine, anything else an error."""
    others = set(threading.enumerate())
    lake = LocalLake(root, FakeClock())
    creations = [asyncio.create_task(lake.create(f"a/{number}", b"{}")) for number in range(20)]
    await asyncio.sleep(0)
    threads = set(threading.enumerate()) - others
    await lake.close()
    await lake.close()
    assert await asyncio.gather(*creations) == [True] * 20
    assert len(threads) > 1
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    with pytest.raises(RuntimeError, match="is closed"):
        await lake.read("a/1")


async def test_an_unreadable_disk_is_a_damaged_object(lake: LocalLake, root: Path) -> None:
    """P9: a folder where an object should be is told of, and nothing is removed."""
    await lake.create(OBJECT, gzip.compress(b"{}\n")[:-3])
    with pytest.raises(DamagedObjectError, match="cut off"):
        await lake.adopt(OBJECT)
    (root / "a").mkdir()
    with pytest.raises(LakeUnavailableError, match="Is a directory"):
        await lake.adopt("a")


async def test_records_and_objects_are_files_of_this_user(lake: LocalLake, root: Path) -> None:
    """Others may read them as the umask allows: readers of a lake are other programs."""
    previous = os.umask(0o027)
    try:
        await lake.create("a/b", b"{}")
        await lake.publish(await spooled(lake, [b"{}"]), OBJECT)
    finally:
        os.umask(previous)
    assert (root / "a/b").stat().st_mode & 0o777 == 0o640
    assert (root / OBJECT).stat().st_mode & 0o777 == 0o640


async def finished(lake: LocalLake, folder: str) -> None:
    spool = await lake.open_spool(folder, "one")
    await spool.finish()


def unmount(place: Path) -> None:
    subprocess.run(["umount", "-l", place], check=True)
