"""The floor: how much of a disk is left alone, and what is said about it."""

import contextlib
import os
from pathlib import Path

import pytest

from haulier.clock import SystemClock
from haulier.errors import LakeUnavailableError
from haulier.lake.floor import FLOOR_BYTES, FLOOR_FILES, disk_at, floor_of, in_words, require_room, room_to_go_on
from haulier.lake.local.lake import LocalLake
from haulier.lake.seam import Disk

MB = 1_000_000
GIB = 1 << 30


def disk(free_bytes: int, total_bytes: int = 100 * GIB, free_files: int = 5_000, total_files: int = 100_000) -> Disk:
    return Disk("/data/lake", free_bytes, total_bytes, free_files, total_files)


class Told(LocalLake):
    """A lake whose disk is what it is told."""

    told: Disk | None = None

    async def disk(self) -> Disk:
        return self.told  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("total_bytes", "floor_bytes"),
    [(4_000 * GIB, FLOOR_BYTES), (5 * GIB, FLOOR_BYTES), (GIB, GIB // 20), (8 * MB, 400_000), (0, 0)],
)
def test_the_floor_of_a_small_disk_is_a_part_of_it(total_bytes: int, floor_bytes: int) -> None:
    """256 MiB, but never more than a twentieth: a small disk is not out of use."""
    assert floor_of(disk(0, total_bytes)).bytes == floor_bytes


@pytest.mark.parametrize(
    ("free_bytes", "is_enough", "is_enough_to_go_on"),
    [
        (0, False, False),
        (FLOOR_BYTES - 1, False, False),
        (FLOOR_BYTES, True, False),
        (FLOOR_BYTES * 5 // 4 - 1, True, False),
        (FLOOR_BYTES * 5 // 4, True, True),
    ],
)
def test_work_goes_on_a_quarter_above_the_floor(free_bytes: int, is_enough: bool, is_enough_to_go_on: bool) -> None:
    """Items that begin and end around the floor itself would stop and start it each second."""
    now = disk(free_bytes)
    assert floor_of(now).is_free_on(now) is is_enough
    assert room_to_go_on(now).is_free_on(now) is is_enough_to_go_on


@pytest.mark.parametrize(
    ("free_files", "total_files", "is_enough"),
    [(FLOOR_FILES - 1, 100_000, False), (FLOOR_FILES, 100_000, True), (2, 40, True), (1, 40, False), (0, 0, True)],
)
def test_files_have_a_floor_too(free_files: int, total_files: int, is_enough: bool) -> None:
    """A disk may have bytes left and no files; one that does not count its files has no such floor."""
    now = disk(10 * GIB, free_files=free_files, total_files=total_files)
    assert floor_of(now).is_free_on(now) is is_enough


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (disk(0), ("0 bytes", "256 MiB")),
        (disk(FLOOR_BYTES - 1), ("255 MiB", "256 MiB")),
        (disk(300_000, 8 * MB), ("292 KiB", "390 KiB")),
        (disk(10 * GIB, free_files=12), ("12 files", "1,000 files")),
        (disk(1_000, free_files=12), ("1,000 bytes", "256 MiB")),
    ],
)
def test_what_is_free_and_what_is_asked_for_are_said(now: Disk, words: tuple[str, str]) -> None:
    """Rounded down, so that what is below the floor never reads as if it were not."""
    assert in_words(now, floor_of(now)) == words


async def test_nothing_is_begun_below_the_floor(tmp_path: Path) -> None:
    """In words: which disk, how much is free, what is asked for, what to do. Exit code 4, as for a full disk."""
    lake = Told(tmp_path / "lake", SystemClock())
    lake.told = disk(FLOOR_BYTES - 1)
    with pytest.raises(
        LakeUnavailableError,
        match=r"lake at /data/lake is nearly full: 255 MiB free, and no work is begun below 256 MiB\. Free some space",
    ):
        await require_room(lake)
    lake.told = disk(FLOOR_BYTES)
    await require_room(lake)
    lake.told = None  # Nothing is kept on this machine.
    await require_room(lake)
    await lake.close()


async def test_a_real_disk_is_measured(lake_disk: Path) -> None:
    """Before the lake's folder is there, and as the disk fills; nothing is made by asking."""
    lake = LocalLake(lake_disk / "a" / "lake", SystemClock())
    empty = await lake.disk()
    assert (empty.place, empty.total_bytes, empty.total_files) == (str(lake_disk / "a" / "lake"), 8 << 20, 40)
    await require_room(lake)
    assert os.listdir(lake_disk) == []

    (lake_disk / "ballast").write_bytes(bytes(8_200_000))
    filled = await lake.disk()
    assert filled.free_bytes < floor_of(filled).bytes
    assert empty.free_bytes - filled.free_bytes >= 8_200_000
    assert empty.free_files - filled.free_files == 1
    with pytest.raises(LakeUnavailableError, match=r"nearly full: [0-9]+ KiB free, and no work is begun below 409 KiB"):
        await require_room(lake)
    await lake.close()


async def test_a_real_disk_runs_out_of_files(lake_disk: Path) -> None:
    """Bytes are left; the floor is one of files."""
    lake = LocalLake(lake_disk / "lake", SystemClock())
    await require_room(lake)
    for number in range(50):
        with contextlib.suppress(OSError):
            (lake_disk / str(number)).touch()
    with pytest.raises(LakeUnavailableError, match="nearly full: 0 files free, and no work is begun below 2 files"):
        await require_room(lake)
    await lake.close()


def test_a_folder_that_is_not_there_lies_on_the_disk_above_it(tmp_path: Path) -> None:
    """The same disk, whether the folder was made yet or not."""
    absent = disk_at(str(tmp_path / "not" / "yet"))
    assert (absent.place, absent.total_bytes) == (str(tmp_path / "not" / "yet"), disk_at(str(tmp_path)).total_bytes)
